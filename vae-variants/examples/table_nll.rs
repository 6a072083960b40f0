//! `-log p(x)` of the rows of a file under the model of a run, in the units of the file.
//!
//! ```text
//! cargo run --release -p vae-variants --example table_nll -- runs/mixed test.csv 5000
//! ```

use std::path::Path;

use vae_variants::{
    Backend, Trained,
    vae_data::{ColumnKind, DataConfig, NoProgress, open},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [run, file, samples] = args.as_slice() else {
        return Err("give the folder of a run, a file, and a number of samples".into());
    };
    let model = Trained::open(Path::new(run), Backend::Flex)?;
    let description = model.description();
    let table = description.table.as_ref();
    let kinds = table.map_or(&[][..], |table| table.kinds());
    let names = description.columns.iter().zip(kinds);
    let categories = names.filter(|(_, kind)| matches!(kind, ColumnKind::Category { .. }));
    let config = DataConfig {
        categorical: categories.map(|(name, _)| name.clone()).collect(),
        ..DataConfig::of(file)
    };
    let rows = open(&config, &NoProgress)?.train;

    // A density of scaled numbers becomes one of numbers by the scale of each cell that is there.
    let scaler = description.scaler.as_ref();
    let logarithms = scaler.map(|scaler| scaler.scale.iter().map(|scale| f64::from(*scale).ln()));
    let logarithms: Vec<f64> = logarithms.map_or_else(Vec::new, Iterator::collect);
    let mut row = vec![0.0; rows.shape().features()];
    let mut units = 0.0;
    for index in 0..rows.len() {
        rows.read(index, &mut row)?;
        let there = row
            .iter()
            .zip(&logarithms)
            .filter(|(value, _)| !value.is_nan());
        units += there.map(|(_, logarithm)| logarithm).sum::<f64>();
    }

    let mut sum = 0.0;
    let examples = model.examples(rows.clone())?;
    for batch in model.nll(&examples, samples.parse()?)? {
        sum += batch?.into_iter().map(f64::from).sum::<f64>();
    }
    println!("{:.4}", (sum + units) / rows.len() as f64);
    Ok(())
}
