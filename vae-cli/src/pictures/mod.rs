//! Pictures of a training run: what went in and what came out, samples, and how the
//! losses developed. They are made from plain numbers; the same numbers give the same
//! bytes. Charts are by plotters, and so is text; grids of images are by image.

mod chart;
mod curves;
mod images;
mod table;
mod text;
mod tone;

use std::io::Cursor;

use anyhow::{Result, ensure};
use image::{ImageFormat, RgbImage, imageops::thumbnail};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea};
use vae_data::DataShape;

use tone::Rgb;

pub use curves::curves;
pub use images::samples;
pub use table::sample_histograms;

/// The most pixels of a picture: 64 million, which is 192 MB of memory.
const MAX_PIXELS: usize = 64_000_000;

/// A picture as the content of files.
pub struct Picture {
    /// As a PNG file.
    pub png: Vec<u8>,
    /// As an SVG file, for charts.
    pub svg: Option<String>,
}

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

/// Draws reconstructions: for images, the first 16 below each other in rows; for tables,
/// all, as points over their inputs, for each of the first 12 columns.
///
/// # Errors
/// If there are no examples, or not as many of each kind.
pub fn reconstructions(of: &Reconstructions<'_>) -> Result<Picture> {
    let (inputs, found) = (of.input.len(), of.reconstructed.len());
    let corrupted = of.corrupted.map_or(inputs, <[f32]>::len);
    ensure!(
        found == inputs && corrupted == inputs,
        "{found} reconstructed values and {corrupted} corrupted ones, but {inputs} inputs"
    );
    match of.shape.image() {
        Some(shape) => images::reconstructions(of, shape),
        None => table::reconstructions(of),
    }
}

/// The number of examples, of which there must be one at least.
fn examples(name: &str, values: &[f32], features: usize) -> Result<usize> {
    let found = values.len();
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

/// A picture of half this size, drawn at the whole, so that its edges are smooth.
///
/// # Errors
/// Those of [`blank`] and of `draw`.
fn smooth(
    (width, height): (u32, u32),
    color: Rgb,
    draw: impl FnOnce(&DrawingArea<BitMapBackend<'_>, Shift>) -> Result<()>,
) -> Result<RgbImage> {
    let mut image = blank(width as usize, height as usize, color)?;
    draw(&BitMapBackend::with_buffer(&mut image, (width, height)).into_drawing_area())?;
    Ok(thumbnail(&image, width / 2, height / 2))
}

/// A picture as a PNG file.
fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    image.write_to(&mut Cursor::new(&mut file), ImageFormat::Png)?;
    Ok(file)
}

/// Reads a picture back.
#[cfg(test)]
fn decode(png: &[u8]) -> RgbImage {
    image::load_from_memory(png).unwrap().to_rgb8()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_can_be_read_back() {
        let mut image = blank(3, 2, [9, 8, 7]).unwrap();
        image.put_pixel(2, 1, image::Rgb([1, 2, 3]));
        let image = decode(&png(&image).unwrap());
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
