//! Pictures of images: reconstructions and samples.

use anyhow::{Result, ensure};

use super::grid::Grid;
use super::thumb::Thumb;
use super::tone::Tone;
use super::{Reconstructions, examples};

/// Size of labels, in pixels.
const LABEL: i32 = 15;

/// Size of the small print below a label.
const SMALL: i32 = 11;

/// The most images beside each other in a picture of reconstructions.
const COLUMNS: usize = 16;

/// Rows of inputs, of corrupted inputs if there are any, of reconstructions, and of how
/// these differ from the inputs. It shows the first 16 examples.
pub fn reconstructions(of: &Reconstructions<'_>, shape: [usize; 3]) -> Result<Vec<u8>> {
    let features = of.shape.features();
    let columns = examples("input", of.input, features)?.min(COLUMNS);
    let tone = Tone::new(of.range);
    let line = |text: &str| vec![(text.to_owned(), LABEL)];
    let mut rows = vec![(line("input"), of.input)];
    if let Some(corrupted) = of.corrupted {
        rows.push((line("corrupted"), corrupted));
    }
    rows.push((line("reconstruction"), of.reconstructed));
    let mut labels: Vec<_> = rows.iter().map(|(label, _)| label.clone()).collect();
    let mut difference = line("difference");
    difference.push(("orange: too high".to_owned(), SMALL));
    difference.push(("blue: too low".to_owned(), SMALL));
    labels.push(difference);

    let thumb = Thumb::new(shape, columns * labels.len());
    let mut grid = Grid::new(thumb, labels.len(), columns, &labels)?;
    for column in 0..columns {
        let part = column * features..(column + 1) * features;
        for (row, (_, values)) in rows.iter().enumerate() {
            let example = &values[part.clone()];
            grid.image(row, column, |y, x| tone.color(&thumb.pixel(example, y, x)));
        }
        let (input, output) = (&of.input[part.clone()], &of.reconstructed[part]);
        grid.image(rows.len(), column, |y, x| {
            tone.difference(&thumb.pixel(output, y, x), &thumb.pixel(input, y, x))
        });
    }
    grid.png()
}

/// All of `values`, in a square, or in rows with labels.
pub fn samples(
    values: &[f32],
    features: usize,
    shape: [usize; 3],
    range: (f32, f32),
    labels: &[String],
) -> Result<Vec<u8>> {
    let count = examples("samples", values, features)?;
    let columns = if labels.is_empty() {
        (1..).find(|side| side * side >= count).unwrap_or(count)
    } else {
        ensure!(
            count % labels.len() == 0,
            "{count} samples cannot be in {} rows of the same length",
            labels.len()
        );
        count / labels.len()
    };
    let labels: Vec<_> = labels
        .iter()
        .map(|label| vec![(label.clone(), LABEL)])
        .collect();
    let tone = Tone::new(range);
    let thumb = Thumb::new(shape, count);
    let mut grid = Grid::new(thumb, count.div_ceil(columns), columns, &labels)?;
    for (index, example) in values.chunks_exact(features).enumerate() {
        grid.image(index / columns, index % columns, |y, x| {
            tone.color(&thumb.pixel(example, y, x))
        });
    }
    grid.png()
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
