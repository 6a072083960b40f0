//! Pictures of images, in rows and columns: reconstructions and samples.

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use image::imageops::{FilterType, replace, resize, thumbnail};
use plotters::prelude::{BitMapBackend, IntoDrawingArea};
use plotters::style::text_anchor::HPos;
use vae_variants::{Description, Reconstructions};

use super::tone::{INK, NOT_FINITE, Rgb, Tone};
use super::{Picture, blank, examples, text};

/// The colour between images.
const BACKGROUND: Rgb = [232, 232, 232];

/// Pixels around all images, and between two of them.
const MARGIN: usize = 12;
const GAP: usize = 4;

/// Size of the text of labels, height of their lines, and the widest, in pixels; longer ones
/// are cut.
const LABEL: i32 = 15;
const LINE: usize = 18;
const WIDEST: i32 = 220;

/// The side, in pixels, that small images are enlarged to, or nearly; that above which
/// images are reduced; and the most pixels that enlarging fills.
const SIDE: usize = 96;
const LARGEST: usize = 192;
const ENLARGED: usize = 16_000_000;

/// The most images beside each other in a picture of reconstructions.
pub const COLUMNS: usize = 16;

/// The label of the differences.
pub const DIFFERENCE: &str = "difference\norange: too high\nblue: too low";

/// Rows of inputs, of corrupted inputs if there are any, of reconstructions, and of how
/// these differ from the inputs. It shows the first 16 examples.
///
/// # Errors
/// If they are no images.
pub fn reconstructions(of: &Reconstructions, data: &Description) -> Result<Picture> {
    let columns = (of.target.len() / data.shape.features()).min(COLUMNS);
    let mut rows = vec![("input", Row::Images(&of.target))];
    let corrupted = of.corrupted.iter();
    rows.extend(corrupted.map(|values| ("corrupted", Row::Images(values))));
    rows.push(("reconstruction", Row::Images(&of.reconstructed)));
    rows.push((DIFFERENCE, Row::Difference(&of.reconstructed, &of.target)));
    Sheet::new(data, &of.target)?.rows(&rows, columns)
}

/// Draws all of `values`, `[samples, features]`, as images. Without `rows` they are in a
/// square; otherwise each of `rows` is the label of a row of the same length.
///
/// # Errors
/// If there are no samples, they are no images, or they do not fill the rows.
pub fn samples(values: &[f32], data: &Description, rows: &[String]) -> Result<Picture> {
    let count = examples("samples", values, data)?;
    let square = (1..).find(|side| side * side >= count).unwrap_or(count);
    let columns = count.checked_div(rows.len()).unwrap_or(square);
    ensure!(
        rows.is_empty() || rows.len() * columns == count,
        "{count} samples cannot be in {} rows of the same length",
        rows.len()
    );
    let sheet = Sheet::new(data, values)?;
    sheet.picture(values, columns, Texts::beside(rows))
}

/// The texts of images in rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Texts<'a> {
    /// To the left of the first rows, of one line or more each.
    pub beside: &'a [String],
    /// Above the first images, in one line each.
    pub above: &'a [String],
}

impl<'a> Texts<'a> {
    /// Texts beside rows alone.
    pub fn beside(beside: &'a [String]) -> Self {
        Self {
            beside,
            ..Self::default()
        }
    }
}

/// Draws images of one kind, the same value in the same colour wherever it is.
pub struct Sheet {
    shape: [usize; 3],
    tone: Tone,
}

impl Sheet {
    /// For images of `data` with these values, `[images, features]`, or some of them.
    ///
    /// # Errors
    /// If they are no images.
    pub fn new(data: &Description, values: &[f32]) -> Result<Self> {
        Ok(Self {
            shape: shape(data)?,
            tone: Tone::of(data, values),
        })
    }

    /// Draws all of `values`, `[images, features]`, in rows of so many.
    ///
    /// # Errors
    /// If there are none, or too many for a picture.
    pub fn draw(&self, values: &[f32], columns: usize, texts: Texts<'_>) -> Result<RgbImage> {
        let count = values.len() / self.shape.iter().product::<usize>();
        grid(self.shape, count, columns, texts, |number, at| {
            self.tone.color(&pixel(values, self.shape, number, at))
        })
    }

    /// The same as a picture.
    ///
    /// # Errors
    /// Those of [`Sheet::draw`].
    pub fn picture(&self, values: &[f32], columns: usize, texts: Texts<'_>) -> Result<Picture> {
        Picture::new(&self.draw(values, columns, texts)?, None)
    }

    /// Rows of different kinds below each other, each with its label: the first images of each.
    ///
    /// # Errors
    /// Those of [`Sheet::draw`].
    pub fn rows(&self, rows: &[(&str, Row<'_>)], columns: usize) -> Result<Picture> {
        let count = columns * rows.len();
        let labels: Vec<_> = rows.iter().map(|row| row.0.to_owned()).collect();
        let texts = Texts::beside(&labels);
        let image = grid(self.shape, count, columns, texts, |number, at| {
            let pixel = |values| pixel(values, self.shape, number % columns, at);
            match rows[number / columns].1 {
                Row::Images(values) => self.tone.color(&pixel(values)),
                Row::Difference(values, from) => self.tone.difference(&pixel(values), &pixel(from)),
            }
        })?;
        Picture::new(&image, None)
    }
}

/// Images beside each other.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    /// As they are.
    Images(&'a [f32]),
    /// How they differ from others.
    Difference(&'a [f32], &'a [f32]),
}

/// Draws rows of `columns` images, with a space after the first of each; each of `rows` is the label of a row.
///
/// # Errors
/// As [`samples`].
pub fn neighbours(
    values: &[f32],
    columns: usize,
    data: &Description,
    rows: &[String],
) -> Result<Picture> {
    let shape = shape(data)?;
    let count = examples("images", values, data)?;
    ensure!(
        rows.len() * columns == count,
        "{count} images cannot be in {} rows of {columns}",
        rows.len()
    );
    let tone = Tone::of(data, values);
    let wide = columns + 1;
    let texts = Texts::beside(rows);
    let image = grid(shape, rows.len() * wide, wide, texts, |number, at| {
        let (row, column) = (number / wide, number % wide);
        match column {
            1 => BACKGROUND,
            _ => {
                let number = row * columns + column.saturating_sub(1);
                tone.color(&pixel(values, shape, number, at))
            }
        }
    })?;
    Picture::new(&image, None)
}

/// Channels, height and width.
pub(super) fn shape(data: &Description) -> Result<[usize; 3]> {
    let shape = data.shape.image();
    shape.with_context(|| format!("examples of shape {} are no images", data.shape))
}

/// The channels of one pixel of the example with this number.
pub(super) fn pixel(values: &[f32], shape: [usize; 3], number: usize, at: usize) -> Vec<f32> {
    let channels = values.chunks(shape[1] * shape[2]).skip(number * shape[0]);
    channels.take(shape[0]).map(|values| values[at]).collect()
}

/// Draws `count` images in rows. `color` gives the colour of a pixel of the image with a number.
pub(super) fn grid(
    shape: [usize; 3],
    count: usize,
    columns: usize,
    texts: Texts<'_>,
    color: impl Fn(usize, usize) -> Rgb,
) -> Result<RgbImage> {
    let (wide, tall) = size(shape, count);
    let (mut left, mut down, mut lines) = (MARGIN, tall + GAP, Vec::new());
    for (row, label) in texts.beside.iter().enumerate() {
        let height = label.lines().count() * LINE;
        down = down.max(height + GAP);
        for (line, text) in label.lines().enumerate() {
            let text = text::shorten(text, LABEL, WIDEST)?;
            left = left.max(2 * MARGIN + text::width(&text, LABEL)? as usize);
            lines.push((text, row, height, line * LINE));
        }
    }
    let right = wide + GAP;
    let rows = count.div_ceil(columns);
    // Rows whose images have a text above them.
    let titled = texts.above.len().div_ceil(columns).min(rows);
    let (width, height) = (columns * right - GAP, rows * down - GAP + titled * LINE);
    let mut canvas = blank(left + width + MARGIN, MARGIN + height + MARGIN, BACKGROUND)?;
    let top = |row: usize, height: usize| {
        MARGIN + row * down + (row + 1).min(titled) * LINE + (down - GAP - height) / 2
    };
    for number in 0..count {
        let image = tile(shape, (wide as u32, tall as u32), |at| color(number, at));
        let (x, y) = (left + number % columns * right, top(number / columns, tall));
        replace(&mut canvas, &image, x as i64, y as i64);
    }
    let size = canvas.dimensions();
    let area = BitMapBackend::with_buffer(&mut canvas, size).into_drawing_area();
    let style = text::style(LABEL, HPos::Right, INK)?;
    for (text, row, height, below) in lines {
        let middle = top(row, height) + below + LINE / 2;
        area.draw_text(&text, &style, ((left - MARGIN) as i32, middle as i32))?;
    }
    let style = text::style(LABEL, HPos::Center, INK)?;
    for (number, text) in texts.above.iter().enumerate().take(count) {
        let text = text::shorten(text, LABEL, wide as i32)?;
        let x = left + number % columns * right + wide / 2;
        let y = top(number / columns, tall) - LINE / 2 - 1;
        area.draw_text(&text, &style, (x as i32, y as i32))?;
    }
    drop(area);
    Ok(canvas)
}

/// Width and height that images of one shape are shown at if `count` share a picture:
/// a multiple of their own, or a fraction.
fn size([_, height, width]: [usize; 3], count: usize) -> (usize, usize) {
    let side = height.max(width);
    let fitting = (ENLARGED / (height * width * count).max(1)).isqrt();
    let enlarge = ((SIDE + side / 2) / side).min(fitting).max(1);
    let shown = |side: usize| side.div_ceil(height.max(width).div_ceil(LARGEST)) * enlarge;
    (shown(width), shown(height))
}

/// One image at a size, each pixel repeated, or each block of pixels replaced by its
/// mean, or by the colour of what is not finite if that is in it.
fn tile(shape: [usize; 3], size: (u32, u32), color: impl Fn(usize) -> Rgb) -> RgbImage {
    let (width, height) = (shape[2] as u32, shape[1] as u32);
    let pixel = |x, y| image::Rgb(color((y * width + x) as usize));
    let image = RgbImage::from_fn(width, height, pixel);
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

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
