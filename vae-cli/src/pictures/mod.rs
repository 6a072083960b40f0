//! Pictures of a training run, as PNG files: what went in and what came out, samples,
//! and how the losses developed. They are made from plain numbers.

mod axis;
mod canvas;
mod chart;
mod curves;
mod grid;
mod images;
mod sheet;
mod table;
mod text;
mod thumb;
mod tone;

use anyhow::{Result, bail, ensure};
use vae_data::DataShape;

pub use curves::curves;

/// Some examples, and what an autoencoder made of them.
#[derive(Clone, Copy, Debug)]
pub struct Reconstructions<'a> {
    /// The shape of one example.
    pub shape: &'a DataShape,
    /// The examples, `[examples, features]`.
    pub input: &'a [f32],
    /// What the model was given instead, `[examples, features]`; `None` if it was given
    /// the examples themselves.
    pub corrupted: Option<&'a [f32]>,
    /// What it gave back, `[examples, features]`.
    pub reconstructed: &'a [f32],
    /// For images, the values that are black and white.
    pub range: (f32, f32),
    /// For tables, the names of the columns; those without one are numbered.
    pub names: &'a [String],
}

/// What was measured in one epoch. A value that was not measured is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Epoch {
    /// The number of the epoch.
    pub epoch: usize,
    /// Names and values of the training.
    pub train: Vec<(String, f64)>,
    /// Names and values of the validation; empty if there was none.
    pub validation: Vec<(String, f64)>,
}

/// Draws reconstructions: for images, the first 16 below each other in rows; for tables,
/// all, as points over their inputs, for each of the first 12 columns.
///
/// # Errors
/// If there are no examples, or not as many of each kind.
pub fn reconstructions(of: &Reconstructions<'_>) -> Result<Vec<u8>> {
    let others = [
        ("corrupted", of.corrupted),
        ("reconstructed", Some(of.reconstructed)),
    ];
    for (name, values) in others {
        let found = values.map_or(of.input.len(), <[f32]>::len);
        let expected = of.input.len();
        ensure!(
            found == expected,
            "{name} examples have {found} values, and inputs have {expected}"
        );
    }
    match of.shape.image() {
        Some(shape) => images::reconstructions(of, shape),
        None => table::reconstructions(of),
    }
}

/// Draws all of `values`, `[samples, features]`, as images. Without `rows` they are in a
/// square; otherwise each of `rows` is the label of a row of the same length.
///
/// # Errors
/// If there are no samples, they are no images, or they do not fill the rows.
pub fn samples(
    values: &[f32],
    shape: &DataShape,
    range: (f32, f32),
    rows: &[String],
) -> Result<Vec<u8>> {
    let Some(image) = shape.image() else {
        bail!("samples of shape {shape} are no images: draw histograms of them");
    };
    images::samples(values, shape.features(), image, range, rows)
}

/// Draws how the values of `data` and of `samples`, both `[examples, features]`, are
/// distributed, for each of the first 12 columns.
///
/// # Errors
/// If there are no examples of either, or their number of values does not fit.
pub fn sample_histograms(
    data: &[f32],
    samples: &[f32],
    shape: &DataShape,
    names: &[String],
) -> Result<Vec<u8>> {
    table::histograms(data, samples, shape.features(), names)
}

/// The number of examples, of which there must be one at least.
fn examples(name: &str, values: &[f32], features: usize) -> Result<usize> {
    ensure!(!values.is_empty(), "{name}: there are no examples to draw");
    ensure!(
        values.len().is_multiple_of(features),
        "{name}: {} values are no examples of {features} values",
        values.len()
    );
    Ok(values.len() / features)
}

/// Reads a picture back.
#[cfg(test)]
fn decode(png: &[u8]) -> image::RgbImage {
    image::load_from_memory(png).unwrap().to_rgb8()
}
