//! Writes models, inputs, noise and every term of the objective for `tests/parity/parity.py`,
//! which computes the terms anew with PyTorch:
//! `cargo run --release -p vae-variants --example parity_dump -- FOLDER`.

use std::{error::Error, fs, path::Path};

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use serde_json::{Value, json};
use vae_variants::save;

#[path = "../tests/parity/cases.rs"]
mod cases;
#[path = "../tests/parity/measure.rs"]
mod measure;
#[path = "../tests/parity/sets.rs"]
mod sets;

use cases::Case;
use measure::{Built, noise};
use sets::Sets;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder to write to")?;
    let sets = Sets::load();
    for case in cases::all() {
        dump(&case, &sets, &Path::new(&folder).join(case.name))?;
        println!("{}", case.name);
    }
    Ok(())
}

fn dump(case: &Case, sets: &Sets, folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let device = Default::default();
    let built = Built::<Autodiff<Flex>>::new(case, sets, &device);
    save(&built.model.valid(), &case.describe(sets), folder)?;
    let measured = built.measure(case, &folder.join("gradients.safetensors"));
    fs::write(
        folder.join("terms.json"),
        serde_json::to_string_pretty(&measured)?,
    )?;
    let batch = &built.batch;
    let noise = noise::<Flex>(case, &device);
    let inputs = json!({
        "input": array(&batch.input.clone().inner()),
        "target": array(&batch.target.clone().inner()),
        "condition": batch.condition.clone().map(|c| array(&c.inner())),
        "noise": noise.iter().map(array).collect::<Vec<_>>(),
        "training": case.training,
        "stage": case.stage,
        "progress": measure::STEP.0 as f64 / measure::STEP.1 as f64,
    });
    fs::write(folder.join("inputs.json"), serde_json::to_string(&inputs)?)?;
    Ok(())
}

/// Rows of numbers.
fn array<B: Backend>(tensor: &Tensor<B, 2>) -> Value {
    let width = tensor.dims()[1];
    let values: Vec<f32> = tensor.to_data().to_vec().expect("numbers of 32 bits");
    values.chunks(width).collect()
}
