//! An RGB picture in memory.

use std::io::Cursor;

use anyhow::{Result, ensure};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea};

/// A colour, as red, green and blue.
pub type Rgb = [u8; 3];

/// Something that plotters draws on.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// The most pixels of a picture: 64 million, which is 192 MB of memory.
const MAX_PIXELS: usize = 64_000_000;

/// An RGB picture in memory.
#[derive(Clone, Debug)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A picture of one colour.
    ///
    /// # Errors
    /// If it has no pixels, or too many of them.
    pub fn new(width: usize, height: usize, color: Rgb) -> Result<Self> {
        let size = width.saturating_mul(height);
        ensure!(
            (1..=MAX_PIXELS).contains(&size),
            "a picture of {width} x {height} pixels: it must have between 1 and {MAX_PIXELS}; \
             draw fewer examples"
        );
        Ok(Self {
            width,
            height,
            pixels: color.repeat(size),
        })
    }

    /// Sets one pixel; does nothing outside the picture.
    pub fn set(&mut self, x: usize, y: usize, color: Rgb) {
        if x < self.width && y < self.height {
            let start = (y * self.width + x) * 3;
            self.pixels[start..start + 3].copy_from_slice(&color);
        }
    }

    /// Fills a rectangle, given its top left corner and its width and height.
    pub fn fill(&mut self, (x, y): (usize, usize), size: (usize, usize), color: Rgb) {
        for y in y..y.saturating_add(size.1).min(self.height) {
            for x in x..x.saturating_add(size.0).min(self.width) {
                self.set(x, y, color);
            }
        }
    }

    /// Copies another picture here, with its top left corner at (`x`, `y`); what would
    /// lie outside is left out.
    pub fn paste(&mut self, other: &Self, x: usize, y: usize) {
        let width = other.width.min(self.width.saturating_sub(x)) * 3;
        let rows = other.pixels.chunks_exact(other.width * 3);
        for (row, from) in rows.enumerate().take(self.height.saturating_sub(y)) {
            let start = ((y + row) * self.width + x) * 3;
            if width > 0 {
                self.pixels[start..start + width].copy_from_slice(&from[..width]);
            }
        }
    }

    /// The same picture at half its size, each pixel the mean of four: what is drawn
    /// large and then halved has smooth edges.
    ///
    /// # Errors
    /// If nothing would be left.
    pub fn halved(&self) -> Result<Self> {
        let mut half = Self::new(self.width / 2, self.height / 2, [0; 3])?;
        let below = self.width * 3;
        for y in 0..half.height {
            for x in 0..half.width {
                let from = (y * 2 * self.width + x * 2) * 3;
                half.set(
                    x,
                    y,
                    std::array::from_fn(|c| {
                        let at = |offset: usize| u16::from(self.pixels[from + offset + c]);
                        ((at(0) + at(3) + at(below) + at(below + 3) + 2) / 4) as u8
                    }),
                );
            }
        }
        Ok(half)
    }

    /// The picture as something to draw on.
    pub fn area(&mut self) -> Area<'_> {
        let size = (self.width as u32, self.height as u32);
        BitMapBackend::with_buffer(&mut self.pixels, size).into_drawing_area()
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        PngEncoder::new(&mut out).write_image(
            &self.pixels,
            self.width as u32,
            self.height as u32,
            ExtendedColorType::Rgb8,
        )?;
        Ok(out.into_inner())
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::decode;

    #[test]
    fn a_picture_can_be_read_back() {
        let mut canvas = Canvas::new(3, 2, [9, 8, 7]).unwrap();
        canvas.set(2, 1, [1, 2, 3]);
        canvas.set(3, 1, [0; 3]);
        let image = decode(&canvas.png().unwrap());
        assert_eq!(image.dimensions(), (3, 2));
        assert_eq!(image.get_pixel(2, 1).0, [1, 2, 3]);
        assert_eq!(image.get_pixel(0, 1).0, [9, 8, 7]);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut canvas = Canvas::new(4, 4, [0; 3]).unwrap();
        let other = Canvas::new(3, 3, [5; 3]).unwrap();
        canvas.paste(&other, 2, 3);
        canvas.paste(&other, 9, 0);
        canvas.paste(&other, 0, 9);
        canvas.fill((3, 0), (usize::MAX, 2), [7; 3]);
        let image = decode(&canvas.png().unwrap());
        let count = |color: u8| image.pixels().filter(|p| p.0 == [color; 3]).count();
        assert_eq!((count(5), count(7), count(0)), (2, 2, 12));
    }

    #[test]
    fn half_the_size_is_the_mean_of_four() {
        let mut canvas = Canvas::new(5, 2, [0; 3]).unwrap();
        canvas.fill((0, 0), (2, 1), [255, 100, 1]);
        let half = canvas.halved().unwrap();
        assert_eq!((half.width(), half.height()), (2, 1));
        assert_eq!(half.pixels, [128, 50, 1, 0, 0, 0]);
        assert!(Canvas::new(9, 1, [0; 3]).unwrap().halved().is_err());
    }

    #[test]
    fn no_picture_is_empty_or_too_large() {
        for (width, height) in [(0, 5), (5, 0), (usize::MAX, 2), (64_000_001, 1)] {
            assert!(Canvas::new(width, height, [0; 3]).is_err());
        }
    }
}
