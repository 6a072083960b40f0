//! Charts beside and below each other, with one legend above them all. All lengths are
//! twice those of the picture.

use anyhow::{Result, ensure};
use plotters::prelude::{Circle, PathElement, Rectangle};

use super::axis::Axis;
use super::canvas::{Area, Canvas, Rgb};
use super::chart::{Chart, PALE, TEXT, ring, style};
use super::text::{self, Align, INK};

/// Height of the legend.
const LEGEND: i32 = 72;

/// From the start of an entry to its text.
const MARK: i32 = 56;

/// From one entry to the next.
const SPACE: i32 = 44;

/// How an entry of the legend looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A line.
    Line(Rgb),
    /// A filled circle.
    Point(Rgb),
    /// A filled square, as pale as areas are.
    Square(Rgb),
    /// A circle around the best point.
    Ring,
    /// None: a remark.
    None,
}

/// A number of charts of the same size, below a legend.
pub struct Sheet {
    canvas: Canvas,
    columns: usize,
    size: (i32, i32),
}

impl Sheet {
    /// White space for `count` charts of a size in pixels of the picture.
    ///
    /// # Errors
    /// If it is too large, or has no charts.
    pub fn new(count: usize, size: (i32, i32), legend: &[(Mark, String)]) -> Result<Self> {
        ensure!(count > 0, "there is nothing to draw");
        let columns = match count {
            4 => 2,
            ..=9 => count.min(3),
            _ => 4,
        };
        let rows = count.div_ceil(columns);
        let size = (size.0 * 2, size.1 * 2);
        let charts = columns.saturating_mul(size.0 as usize);
        let width = charts.max(legend_width(legend)? as usize);
        let height = rows.saturating_mul(size.1 as usize) + LEGEND as usize;
        let mut canvas = Canvas::new(width, height, [255; 3])?;
        draw_legend(&canvas.area(), legend)?;
        Ok(Self {
            canvas,
            columns,
            size,
        })
    }

    /// Draws the axes of the chart with this number, and then, with `draw`, the rest.
    ///
    /// # Errors
    /// Those of `draw`.
    pub fn chart(
        &mut self,
        number: usize,
        title: &str,
        axes: (&Axis, &Axis),
        draw: impl FnOnce(&Chart<'_>) -> Result<()>,
    ) -> Result<()> {
        let left = (number % self.columns) as i32 * self.size.0;
        let top = (number / self.columns) as i32 * self.size.1 + LEGEND;
        let area = self.canvas.area();
        draw(&Chart::new(area, (left, top), self.size, title, axes)?)
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        self.canvas.halved()?.png()
    }
}

/// Width of the legend with its margins.
fn legend_width(legend: &[(Mark, String)]) -> Result<i32> {
    let mut width = 40;
    for (_, name) in legend {
        width += MARK + text::width(name, TEXT)? + SPACE;
    }
    Ok(width)
}

fn draw_legend(area: &Area<'_>, legend: &[(Mark, String)]) -> Result<()> {
    let (mut x, y) = (40, LEGEND / 2 + 4);
    for (mark, name) in legend {
        match *mark {
            Mark::Line(color) => {
                let style = style(color, 1.0).stroke_width(5);
                area.draw(&PathElement::new([(x, y), (x + 44, y)], style))?;
            }
            Mark::Point(color) => {
                area.draw(&Circle::new((x + 32, y), 8, style(color, 1.0).filled()))?;
            }
            Mark::Square(color) => {
                let corners = [(x + 20, y - 12), (x + 44, y + 12)];
                area.draw(&Rectangle::new(corners, style(color, PALE).filled()))?;
            }
            Mark::Ring => ring(area, (x + 30, y))?,
            Mark::None => x -= MARK,
        }
        text::write(area, name, (x + MARK, y), TEXT, Align::Left, INK)?;
        x += MARK + text::width(name, TEXT)? + SPACE;
    }
    Ok(())
}
