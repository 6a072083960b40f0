//! Images in rows and columns, with a label to the left of each row.

use anyhow::{Result, ensure};

use super::canvas::{Canvas, Rgb};
use super::text;
use super::thumb::Thumb;

/// The colour between images.
pub const BACKGROUND: Rgb = [232, 232, 232];

/// Pixels around the grid.
pub const MARGIN: usize = 12;

/// Pixels between two images.
pub const GAP: usize = 4;

/// The widest label, in pixels; longer ones are cut.
const WIDEST_LABEL: i32 = 220;

/// Where the images of a picture are.
pub struct Grid {
    canvas: Canvas,
    thumb: Thumb,
    left: usize,
    pitch: usize,
}

impl Grid {
    /// A picture with space for `rows` by `columns` images, and a label, which may be
    /// of several lines of a given size, for each row that has one.
    ///
    /// # Errors
    /// If the picture has no images, or is too large.
    pub fn new(
        thumb: Thumb,
        rows: usize,
        columns: usize,
        labels: &[Vec<(String, i32)>],
    ) -> Result<Self> {
        ensure!(rows > 0 && columns > 0, "there is nothing to draw");
        let labels: Vec<Canvas> = labels
            .iter()
            .map(|lines| text::label(lines, WIDEST_LABEL, BACKGROUND))
            .collect::<Result<_>>()?;
        let widest = labels.iter().map(|label| label.width() + MARGIN).max();
        let tallest = labels.iter().map(Canvas::height).max().unwrap_or(0);
        let left = MARGIN + widest.unwrap_or(0);
        let pitch = thumb.height().max(tallest) + GAP;
        let along = |count: usize, pitch: usize| count.saturating_mul(pitch) - GAP;
        let width = along(columns, thumb.width() + GAP).saturating_add(left + MARGIN);
        let height = along(rows, pitch).saturating_add(2 * MARGIN);
        let mut grid = Self {
            canvas: Canvas::new(width, height, BACKGROUND)?,
            thumb,
            left,
            pitch,
        };
        for (row, label) in labels.iter().enumerate().take(rows) {
            let x = left.saturating_sub(MARGIN + label.width());
            let y = MARGIN + row * pitch + (pitch - GAP - label.height()) / 2;
            grid.canvas.paste(label, x, y);
        }
        Ok(grid)
    }

    /// Draws one image; `color` gives the colour of each of its pixels, by row and
    /// column.
    pub fn image(&mut self, row: usize, column: usize, color: impl FnMut(usize, usize) -> Rgb) {
        let x = self.left + column * (self.thumb.width() + GAP);
        let spare = self.pitch - GAP - self.thumb.height();
        let y = MARGIN + row * self.pitch + spare / 2;
        self.thumb.draw(&mut self.canvas, (x, y), color);
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        self.canvas.png()
    }
}
