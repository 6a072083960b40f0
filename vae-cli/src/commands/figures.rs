//! The pictures of a run folder.

use anyhow::Result;
use burn::tensor::backend::Backend;
use serde_json::Value;
use vae_data::{Batcher, Data};
use vae_variants::{Description, Model};

use crate::{
    codes::Shown,
    inference::{conditions, reconstruct, restyle, sample},
    pictures::{self, Epoch, Picture},
    run_folder::RunFolder,
};

/// Reconstructed images, and images sampled in a row of a class.
const COLUMNS: usize = 16;
const PER_CLASS: usize = 10;
/// Images sampled without classes.
const SAMPLES: usize = 64;
/// Rows of a table that are reconstructed or sampled.
const ROWS: usize = 500;

/// Writes `reconstructions.png`, `curves.png`, for generative variants `samples.png`, and for images
/// under classes `styles.png`; those that are charts also as SVG.
///
/// # Errors
/// If the data cannot be read or a file cannot be written.
pub fn write<B: Backend>(
    folder: &RunFolder,
    model: &Model<B>,
    description: &Description,
    data: &Data,
    seed: u64,
    device: &B::Device,
) -> Result<()> {
    let shown_as = Shown::<B>::open(folder.path(), description, device)?;
    let shown = &shown_as.description;
    let is_image = shown.shape.image().is_some();
    let subsets = [&data.test, &data.validation, &data.train];
    let subset = subsets.into_iter().find(|subset| !subset.is_empty());
    let rows = conditions(description);
    let has_rows = !rows.is_empty() && rows.len() == description.classes.len();
    if let Some(subset) = subset {
        let count = if is_image { COLUMNS } else { ROWS };
        let of = reconstruct(model, description, subset, count, seed, device)?;
        let corrupted = of.corrupted.map(|values| shown_as.data(values, device));
        let picture = pictures::reconstructions(&pictures::Reconstructions {
            shape: &shown.shape,
            input: &shown_as.data(of.target, device),
            corrupted: corrupted.as_deref(),
            reconstructed: &shown_as.data(of.reconstructed, device),
            range: shown.range,
            names: &shown.columns,
        })?;
        save(folder, "reconstructions", &picture)?;
        if is_image && has_rows {
            let values = restyle(model, description, subset, &rows, PER_CLASS, seed, device)?;
            let names = ["input".to_owned()].into_iter();
            let names: Vec<_> = names.chain(description.classes.iter().cloned()).collect();
            let values = shown_as.data(values, device);
            let picture = pictures::samples(&values, &shown.shape, shown.range, &names)?;
            save(folder, "styles", &picture)?;
        }
    }

    let curves = pictures::curves(&history(&folder.main_metrics()?))?;
    save(folder, "curves", &curves)?;

    let count = match (is_image, has_rows) {
        (false, _) => ROWS,
        (true, true) => PER_CLASS,
        (true, false) => SAMPLES,
    };
    if let Some(values) = sample(model, &rows, count, seed, device) {
        let picture = if is_image {
            let labels = if has_rows {
                &description.classes[..]
            } else {
                &[]
            };
            let values = shown_as.data(values, device);
            pictures::samples(&values, &shown.shape, shown.range, labels)?
        } else {
            let values = shown_as.data(values, device);
            let batcher = Batcher::sequential(data.train.clone(), ROWS, seed);
            let train = batcher.epoch(0, 0).next().transpose()?;
            let train = train.map(|batch| batch.target).unwrap_or_default();
            let train = shown_as.data(train, device);
            pictures::sample_histograms(&train, &values, &shown.shape, &shown.columns)?
        };
        save(folder, "samples", &picture)?;
    }
    Ok(())
}

/// A picture of sampled images as a PNG file, one row for each label.
///
/// # Errors
/// If the samples are not images.
pub fn samples(values: &[f32], labels: &[String], description: &Description) -> Result<Vec<u8>> {
    let (shape, range) = (&description.shape, description.range);
    Ok(pictures::samples(values, shape, range, labels)?.png)
}

/// Writes a picture as PNG and, if it is a chart, as SVG.
fn save(folder: &RunFolder, name: &str, picture: &Picture) -> Result<()> {
    folder.write(&format!("{name}.png"), &picture.png)?;
    if let Some(svg) = &picture.svg {
        folder.write(&format!("{name}.svg"), svg.as_bytes())?;
    }
    Ok(())
}

/// The names of the features, numbered where they have none.
pub fn column_names(description: &Description) -> Vec<String> {
    if description.columns.is_empty() {
        (0..description.shape.features())
            .map(|i| format!("x{i}"))
            .collect()
    } else {
        description.columns.clone()
    }
}

/// The lines of `metrics.jsonl` as the curves want them.
fn history(rows: &[Value]) -> Vec<Epoch> {
    let list = |values: &Value| {
        let object = values.as_object().into_iter().flatten();
        let numbers =
            object.map(|(name, value)| (name.clone(), value.as_f64().unwrap_or(f64::NAN)));
        numbers.collect()
    };
    rows.iter()
        .map(|row| Epoch {
            epoch: row["epoch"].as_u64().unwrap_or_default() as usize,
            train: list(&row["train"]),
            validation: list(&row["validation"]),
        })
        .collect()
}
