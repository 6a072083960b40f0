//! The pictures of a run folder.

use anyhow::Result;
use vae_data::{Data, Subset};
use vae_results::RunWriter;
use vae_variants::{Examples, Trained};

use crate::pictures::{self, Picture};

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
pub fn write(folder: &RunWriter, model: &Trained, data: &Data, seed: u64) -> Result<()> {
    let shown = model.data();
    let classes = &model.description().classes;
    let is_image = shown.shape.image().is_some();
    let conditions = model.conditions();
    let has_rows = !conditions.is_empty() && conditions.len() == classes.len();
    let rows: &[String] = if has_rows { classes } else { &[] };
    let first = |subset: &Subset, count: usize| -> Result<Examples<'_>> {
        let examples = model.examples_of_split(&subset.first(count))?;
        Ok(examples.batch_size(count).seed(seed))
    };

    let subsets = [&data.test, &data.validation, &data.train];
    if let Some(subset) = subsets.into_iter().find(|subset| !subset.is_empty()) {
        let examples = first(subset, if is_image { COLUMNS } else { ROWS })?.corrupted();
        let reconstructed = model.reconstruct(&examples).next().transpose()?;
        let picture = pictures::reconstructions(&reconstructed.unwrap_or_default(), shown)?;
        save(folder, "reconstructions", &picture)?;
        if is_image && has_rows {
            let examples = first(subset, PER_CLASS)?.corrupted();
            let originals = model.reconstruct(&examples).next().transpose()?;
            let mut values = originals.unwrap_or_default().target;
            let codes = model
                .encode(&examples)
                .next()
                .transpose()?
                .unwrap_or_default();
            for condition in &conditions {
                values.extend(model.decode(&codes.mean, Some(condition)));
            }
            let names = ["input".to_owned()].into_iter();
            let names: Vec<_> = names.chain(classes.iter().cloned()).collect();
            save(
                folder,
                "styles",
                &pictures::samples(&values, shown, &names)?,
            )?;
        }
    }

    save(
        folder,
        "curves",
        &pictures::curves(&folder.main_metrics()?)?,
    )?;

    if !model.is_generative() {
        return Ok(());
    }
    let count = match (is_image, has_rows) {
        (false, _) => ROWS,
        (true, true) => PER_CLASS,
        (true, false) => SAMPLES,
    };
    let values = model.sample(count, &conditions, seed)?;
    let picture = if is_image {
        pictures::samples(&values, shown, rows)?
    } else {
        let originals = model
            .reconstruct(&first(&data.train, ROWS)?)
            .next()
            .transpose()?;
        let originals = originals.unwrap_or_default().target;
        pictures::histograms(&originals, &values, shown)?
    };
    save(folder, "samples", &picture)
}

/// Writes a picture as PNG and, if it is a chart, as SVG.
fn save(folder: &RunWriter, name: &str, picture: &Picture) -> Result<()> {
    folder.write(&format!("{name}.png"), &picture.png)?;
    if let Some(svg) = &picture.svg {
        folder.write(&format!("{name}.svg"), svg.as_bytes())?;
    }
    Ok(())
}
