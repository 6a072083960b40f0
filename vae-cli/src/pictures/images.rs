//! Pictures of images, in rows and columns: reconstructions and samples.

use anyhow::{Result, bail, ensure};
use image::RgbImage;
use image::imageops::{FilterType, replace, resize, thumbnail};
use plotters::style::text_anchor::HPos;
use vae_data::DataShape;

use super::tone::{INK, NOT_FINITE, Rgb, Tone};
use super::{Picture, Reconstructions, blank, examples, png, smooth, text};

/// The colour between images.
const BACKGROUND: Rgb = [232, 232, 232];

/// Pixels around all images, and between two of them.
const MARGIN: usize = 12;
const GAP: usize = 4;

/// Size of the first line of a label in pixels, and of the small print below.
const LABEL: i32 = 15;
const SMALL: i32 = 11;

/// The widest label, in pixels; longer ones are cut.
const WIDEST: i32 = 220;

/// The side, in pixels, that small images are enlarged to, or nearly; that above which
/// images are reduced; and the most pixels that enlarging fills.
const SIDE: usize = 96;
const LARGEST: usize = 192;
const ENLARGED: usize = 16_000_000;

/// The most images beside each other in a picture of reconstructions.
const COLUMNS: usize = 16;

/// The label of the differences.
const DIFFERENCE: &str = "difference\norange: too high\nblue: too low";

/// Rows of inputs, of corrupted inputs if there are any, of reconstructions, and of how
/// these differ from the inputs. It shows the first 16 examples.
pub fn reconstructions(of: &Reconstructions<'_>, shape: [usize; 3]) -> Result<Picture> {
    let features = of.shape.features();
    let columns = examples("input", of.input, features)?.min(COLUMNS);
    let tone = Tone::new(of.range);
    let mut rows = vec![("input", of.input)];
    rows.extend(of.corrupted.map(|values| ("corrupted", values)));
    rows.push(("reconstruction", of.reconstructed));
    let labels = rows.iter().map(|row| row.0).chain([DIFFERENCE]);
    let labels: Vec<String> = labels.map(str::to_owned).collect();
    let count = columns * labels.len();
    grid(shape, count, columns, &labels, |number, at| {
        let pixel = |values| pixel(values, shape, number % columns, at);
        match rows.get(number / columns) {
            Some((_, values)) => tone.color(&pixel(values)),
            None => tone.difference(&pixel(of.reconstructed), &pixel(of.input)),
        }
    })
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
) -> Result<Picture> {
    let Some(image) = shape.image() else {
        bail!("samples of shape {shape} are no images: draw histograms of them");
    };
    let count = examples("samples", values, shape.features())?;
    let square = (1..).find(|side| side * side >= count).unwrap_or(count);
    let columns = count.checked_div(rows.len()).unwrap_or(square);
    ensure!(
        rows.is_empty() || rows.len() * columns == count,
        "{count} samples cannot be in {} rows of the same length",
        rows.len()
    );
    let tone = Tone::new(range);
    grid(image, count, columns, rows, |number, at| {
        tone.color(&pixel(values, image, number, at))
    })
}

/// The channels of one pixel of the example with this number.
fn pixel(values: &[f32], shape: [usize; 3], number: usize, at: usize) -> Vec<f32> {
    let channels = values.chunks(shape[1] * shape[2]).skip(number * shape[0]);
    channels.take(shape[0]).map(|values| values[at]).collect()
}

/// Draws `count` images in rows, the first of which may have labels. `color` gives the
/// colour of a pixel of the image with a number.
fn grid(
    shape: [usize; 3],
    count: usize,
    columns: usize,
    labels: &[String],
    color: impl Fn(usize, usize) -> Rgb,
) -> Result<Picture> {
    let labels = labels.iter().map(|lines| label(lines));
    let labels: Vec<RgbImage> = labels.collect::<Result<_>>()?;
    let widest = labels.iter().map(|label| label.width() as usize + MARGIN);
    let tallest = labels.iter().map(|label| label.height() as usize);
    let left = MARGIN + widest.max().unwrap_or(0);
    let (wide, tall) = size(shape, count);
    let (right, down) = (wide + GAP, tallest.max().unwrap_or(0).max(tall) + GAP);
    let width = columns.saturating_mul(right).saturating_add(left + MARGIN) - GAP;
    let rows = count.div_ceil(columns).saturating_mul(down);
    let height = rows.saturating_add(2 * MARGIN) - GAP;
    let mut canvas = blank(width, height, BACKGROUND)?;
    let mut put = |image: &RgbImage, x: usize, row: usize| {
        let y = MARGIN + row * down + (down - GAP - image.height() as usize) / 2;
        replace(&mut canvas, image, x as i64, y as i64);
    };
    for (row, label) in labels.iter().enumerate() {
        put(label, left - MARGIN - label.width() as usize, row);
    }
    for number in 0..count {
        let image = tile(shape, (wide as u32, tall as u32), |at| color(number, at));
        put(&image, left + number % columns * right, number / columns);
    }
    let (png, svg) = (png(&canvas)?, None);
    Ok(Picture { png, svg })
}

/// Width and height that images of one shape are shown at if `count` share a picture:
/// a multiple of their own, or a fraction.
fn size([_, height, width]: [usize; 3], count: usize) -> (usize, usize) {
    let side = height.max(width);
    let area = height.saturating_mul(width).saturating_mul(count);
    let fitting = (ENLARGED / area.max(1)).isqrt();
    let enlarge = ((SIDE + side / 2) / side).min(fitting).max(1);
    let shown = |side: usize| side.div_ceil(height.max(width).div_ceil(LARGEST)) * enlarge;
    (shown(width), shown(height))
}

/// One image at a size, each pixel repeated, or each block of pixels replaced by its
/// mean, or by the colour of what is not finite if that is in it.
fn tile(shape: [usize; 3], size: (u32, u32), color: impl Fn(usize) -> Rgb) -> RgbImage {
    let (width, height) = (shape[2] as u32, shape[1] as u32);
    let image = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb(color((y * width + x) as usize))
    });
    if size.0 >= width && size.1 >= height {
        return resize(&image, size.0, size.1, FilterType::Nearest);
    }
    let mut small = thumbnail(&image, size.0, size.1);
    for (x, y, pixel) in image.enumerate_pixels() {
        if pixel.0 == NOT_FINITE {
            small.put_pixel(x * size.0 / width, y * size.1 / height, *pixel);
        }
    }
    small
}

/// Lines of text, aligned to the right.
fn label(lines: &str) -> Result<RgbImage> {
    let (mut widest, mut height, mut shown) = (1, 0, Vec::new());
    for line in lines.lines() {
        let size = 2 * if shown.is_empty() { LABEL } else { SMALL };
        let line = text::shorten(line, size, WIDEST * 2)?;
        widest = widest.max(text::width(&line, size)? + 2);
        shown.push((line, size, height + size * 5 / 8 + 6));
        height += size * 5 / 4;
    }
    let size = (widest as u32 + 1, height.max(2) as u32);
    smooth(size, BACKGROUND, |area| {
        for (line, size, y) in shown {
            let style = text::style(size, HPos::Right, INK)?;
            area.draw_text(&line, &style, (widest, y))?;
        }
        Ok(())
    })
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
