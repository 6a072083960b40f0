//! Pictures of a training run: what went in and what came out, samples, and how the
//! losses developed. They are made from plain numbers; the same numbers give the same
//! bytes. Charts are by plotters, and so is text; grids of images are by image.

mod anomalies;
mod chart;
mod completions;
mod curves;
mod images;
mod moving;
mod scatter;
mod table;
mod text;
mod tone;
mod ways;

use std::io::Cursor;

use anyhow::{Result, ensure};
use image::{ImageFormat, RgbImage};
use vae_variants::{Description, Reconstructions};

use tone::Rgb;

pub use anomalies::{distribution, roc};
pub use completions::completions;
pub use curves::curves;
pub use images::{COLUMNS, DIFFERENCE, Row, Sheet, Texts, neighbours, samples};
pub use moving::moving;
pub use scatter::{Colors, scatter};
pub use table::histograms;
pub use ways::{Way, ways};

/// The most pixels of a picture: 64 million, which is 192 MB of memory.
pub const MAX_PIXELS: usize = 64_000_000;

/// A picture as the content of files.
pub struct Picture {
    /// As a PNG file.
    pub png: Vec<u8>,
    /// As an SVG file, for charts.
    pub svg: Option<String>,
}

impl Picture {
    fn new(image: &RgbImage, svg: Option<String>) -> Result<Self> {
        let mut png = Vec::new();
        image.write_to(&mut Cursor::new(&mut png), ImageFormat::Png)?;
        Ok(Self { png, svg })
    }
}

/// Draws reconstructions of data: for images, the first 16 below each other in rows; for
/// tables, all, as points over their inputs, for each of the first 12 columns.
///
/// # Errors
/// If there are no examples, or not as many of each kind.
pub fn reconstructions(of: &Reconstructions, data: &Description) -> Result<Picture> {
    let (inputs, found) = (of.target.len(), of.reconstructed.len());
    let corrupted = of.corrupted.as_ref().map_or(inputs, Vec::len);
    ensure!(
        found == inputs && corrupted == inputs,
        "{found} reconstructed values and {corrupted} corrupted ones, but {inputs} inputs"
    );
    examples("input", &of.target, data)?;
    match data.shape.image() {
        Some(_) => images::reconstructions(of, data),
        None => table::reconstructions(of, data),
    }
}

/// The number of examples, of which there must be one at least.
fn examples(name: &str, values: &[f32], data: &Description) -> Result<usize> {
    let (found, features) = (values.len(), data.row_width());
    ensure!(
        found > 0 && found.is_multiple_of(features),
        "{name}: {found} values are no examples of {features} values"
    );
    Ok(found / features)
}

/// A picture of one colour.
///
/// # Errors
/// If it has no pixels, or too many of them.
fn blank(width: usize, height: usize, color: Rgb) -> Result<RgbImage> {
    let size = width.saturating_mul(height);
    ensure!(
        (1..=MAX_PIXELS).contains(&size),
        "a picture of {width} x {height} pixels: it must have between 1 and {MAX_PIXELS}; \
         draw fewer examples"
    );
    let color = image::Rgb(color);
    Ok(RgbImage::from_pixel(width as u32, height as u32, color))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vae_data::{Binarize, Data, DataConfig, DataShape, MemoryDataset, Source};
    use vae_variants::Vae;

    use super::*;

    /// Reads a picture back.
    pub fn decode(png: &[u8]) -> RgbImage {
        image::load_from_memory(png).unwrap().to_rgb8()
    }

    /// Data of a shape and a range; the first columns may have names.
    pub fn described(shape: DataShape, range: (f32, f32), columns: &[&str]) -> Description {
        let values = vec![0.0; 20 * shape.features()];
        let rows = MemoryDataset::new(shape, values).unwrap();
        let source = Source::new("pictured", Arc::new(rows));
        let data = Data::from_source(source, &DataConfig::default(), 1).unwrap();
        let (variant, model, objective) = (
            Vae::default().into(),
            Default::default(),
            Default::default(),
        );
        let described = Description::new(variant, model, objective, &data, Binarize::None).unwrap();
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Description {
            range,
            columns,
            ..described
        }
    }

    #[test]
    fn a_picture_can_be_read_back() {
        let mut image = blank(3, 2, [9, 8, 7]).unwrap();
        image.put_pixel(2, 1, image::Rgb([1, 2, 3]));
        let image = decode(&Picture::new(&image, None).unwrap().png);
        assert_eq!(image.dimensions(), (3, 2));
        assert_eq!(image.get_pixel(2, 1).0, [1, 2, 3]);
        assert_eq!(image.get_pixel(0, 1).0, [9, 8, 7]);
    }

    #[test]
    fn no_picture_is_empty_or_too_large() {
        for (width, height) in [(0, 5), (5, 0), (usize::MAX, 2), (64_000_001, 1)] {
            assert!(blank(width, height, [0; 3]).is_err());
        }
    }
}
