//! What the model of a run makes of each row of a file, in the units of the file: the mean of the likelihood given
//! the mean code, as `.npy`.
//!
//! ```text
//! cargo run --release -p vae-variants --example reconstruct -- runs/films train.npy scores.npy
//! ```

use std::path::Path;

use vae_variants::{
    Backend, Trained,
    vae_data::{DataConfig, NoProgress, open, to_npy},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [run, file, out] = args.as_slice() else {
        return Err("give the folder of a run, a file, and a name for the .npy file".into());
    };
    let model = Trained::open(Path::new(run), Backend::Flex)?;
    let rows = open(&DataConfig::of(file), &NoProgress)?.train;
    let examples = model.examples(rows)?;
    let mut means = Vec::new();
    for batch in model.reconstruct(&examples) {
        means.extend(batch?.reconstructed);
    }
    let shape = [examples.len(), means.len() / examples.len()];
    std::fs::write(out, to_npy(&shape, &means))?;
    Ok(())
}
