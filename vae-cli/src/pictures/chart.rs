//! One chart. All lengths are twice those of the picture, which is halved at the end so
//! that edges are smooth.

use anyhow::{Context, Result};
use plotters::prelude::{Circle, PathElement, Rectangle};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::axis::Axis;
use super::canvas::{Area, Rgb};
use super::text::{self, Align, INK};

/// Size of a chart's title.
const TITLE: i32 = 30;

/// Size of all other text.
pub const TEXT: i32 = 24;

/// The opacity of areas.
pub const PALE: f64 = 0.4;

/// The colour of the lines at ticks.
const MESH: Rgb = [228, 228, 228];

/// A colour of lines, points and areas.
pub fn style(color: Rgb, opacity: f64) -> ShapeStyle {
    let [r, g, b] = color;
    RGBColor(r, g, b).mix(opacity).into()
}

/// Draws a circle around the best point.
///
/// # Errors
/// If it cannot be drawn.
pub fn ring(area: &Area<'_>, at: (i32, i32)) -> Result<()> {
    area.draw(&Circle::new(at, 14, style(INK, 1.0).stroke_width(3)))?;
    area.draw(&Circle::new(at, 12, style(INK, 1.0).stroke_width(3)))?;
    Ok(())
}

/// One chart, whose axes are drawn.
pub struct Chart<'a> {
    area: Area<'a>,
    x: (f64, f64),
    y: (f64, f64),
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl<'a> Chart<'a> {
    /// Draws the axes of a chart into the part of a picture with this top left corner
    /// and this size.
    ///
    /// # Errors
    /// If the font cannot be read.
    pub fn new(
        area: Area<'a>,
        (left, top): (i32, i32),
        (width, height): (i32, i32),
        title: &str,
        axes: (&Axis, &Axis),
    ) -> Result<Self> {
        let ticks = axes.1.ticks.iter().map(|(_, tick)| text::width(tick, TEXT));
        let longest = ticks.collect::<Result<Vec<i32>>>()?.into_iter().max();
        let label = if axes.1.label.is_empty() { 24 } else { 64 };
        let below = if axes.0.label.is_empty() { 56 } else { 92 };
        let chart = Self {
            area,
            x: (axes.0.low, axes.0.high),
            y: (axes.1.low, axes.1.high),
            left: left + label + longest.unwrap_or(0).min(width / 3) + 16,
            right: left + width - 32,
            top: top + 56,
            bottom: top + height - below,
        };
        chart.axes(left, title, axes)?;
        Ok(chart)
    }

    /// The pixel of a point; what lies outside the axes is moved to their ends.
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        let part =
            |value: f64, (low, high): (f64, f64)| ((value - low) / (high - low)).clamp(0.0, 1.0);
        let along = |part: f64, from: i32, to: i32| {
            (f64::from(from) + part * f64::from(to - from)).round() as i32
        };
        (
            along(part(x, self.x), self.left, self.right),
            along(part(y, self.y), self.bottom, self.top),
        )
    }

    fn axes(&self, left: i32, title: &str, (x, y): (&Axis, &Axis)) -> Result<()> {
        let area = &self.area;
        let mesh = style(MESH, 1.0).stroke_width(2);
        let (right, bottom) = (self.right, self.bottom);
        for (value, tick) in &y.ticks {
            let at = self.at((self.x.0, *value)).1;
            area.draw(&PathElement::new([(self.left, at), (right, at)], mesh))?;
            text::write(area, tick, (self.left - 14, at), TEXT, Align::Right, INK)?;
        }
        for (value, tick) in &x.ticks {
            let at = self.at((*value, self.y.0)).0;
            area.draw(&PathElement::new([(at, self.top), (at, bottom)], mesh))?;
            text::write(area, tick, (at, bottom + 24), TEXT, Align::Center, INK)?;
        }
        let corners = [(self.left, self.top), (self.left, bottom), (right, bottom)];
        area.draw(&PathElement::new(corners, style(INK, 1.0).stroke_width(2)))?;

        let middle = i32::midpoint(self.left, right);
        let title = text::shorten(title, TITLE, right - left - 24)?;
        let start = middle.max(left + 24 + text::width(&title, TITLE)? / 2);
        text::write(
            area,
            &title,
            (start, self.top - 32),
            TITLE,
            Align::Center,
            INK,
        )?;
        text::write(
            area,
            &x.label,
            (middle, bottom + 64),
            TEXT,
            Align::Center,
            INK,
        )?;
        let label = text::shorten(&y.label, TEXT, bottom - self.top)?;
        let middle = i32::midpoint(self.top, bottom);
        text::write(area, &label, (left + 32, middle), TEXT, Align::Upwards, INK)
    }

    /// Draws a line through points.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn line(&self, points: &[(f64, f64)], color: Rgb, opacity: f64, width: u32) -> Result<()> {
        let points: Vec<_> = points.iter().map(|&point| self.at(point)).collect();
        let line = PathElement::new(points, style(color, opacity).stroke_width(width));
        self.area.draw(&line).context("a line")
    }

    /// Draws filled circles.
    ///
    /// # Errors
    /// If they cannot be drawn.
    pub fn points(
        &self,
        points: &[(f64, f64)],
        color: Rgb,
        opacity: f64,
        radius: i32,
    ) -> Result<()> {
        for &point in points {
            let style = style(color, opacity).filled();
            self.area
                .draw(&Circle::new(self.at(point), radius, style))?;
        }
        Ok(())
    }

    /// Fills the rectangle between two opposite corners.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn bar(&self, from: (f64, f64), to: (f64, f64), color: Rgb) -> Result<()> {
        let ((left, top), (right, bottom)) = (self.at(from), self.at(to));
        // The last pixel belongs to the next bar.
        let corners = [(left, top), (right - 1, bottom)];
        let bar = Rectangle::new(corners, style(color, PALE).filled());
        self.area.draw(&bar).context("a bar")
    }

    /// Draws a circle around the best point.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn ring(&self, point: (f64, f64)) -> Result<()> {
        ring(&self.area, self.at(point))
    }

    /// Writes in the middle.
    ///
    /// # Errors
    /// If the font cannot be read.
    pub fn remark(&self, remark: &str) -> Result<()> {
        let middle = (
            i32::midpoint(self.left, self.right),
            i32::midpoint(self.top, self.bottom),
        );
        text::write(&self.area, remark, middle, TEXT, Align::Center, INK)
    }
}
