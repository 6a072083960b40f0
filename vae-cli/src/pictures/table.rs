//! Pictures of tables: a chart for each of the first columns.

use anyhow::Result;

use super::axis::{Axis, drawable};
use super::chart::Chart;
use super::sheet::{Mark, Sheet};
use super::text::INK;
use super::tone::{BLUE, VERMILION};
use super::{Reconstructions, examples};

/// Size of one chart in pixels.
pub const SIZE: (i32, i32) = (290, 280);

/// The most columns of a table that are drawn.
const COLUMNS: usize = 12;

/// The grey of corrupted inputs, and what they are called.
const GREY: [u8; 3] = [120, 120, 120];

/// Bars of a histogram.
const BARS: usize = 30;

/// Reconstructions over inputs, for each of the first 12 columns. On the diagonal they
/// are the same.
pub fn reconstructions(of: &Reconstructions<'_>) -> Result<Vec<u8>> {
    let features = of.shape.features();
    let count = examples("input", of.input, features)?;
    let mut legend = vec![(Mark::Point(BLUE), "reconstruction".to_owned())];
    if of.corrupted.is_some() {
        legend.push((Mark::Point(GREY), "corrupted input".to_owned()));
    }
    legend.push((Mark::Line(INK), "same as the input".to_owned()));
    let shown = shown(features, &[of.input, of.reconstructed], &mut legend);
    // Many points are more transparent.
    let opacity = (12.0 / (count as f64).sqrt()).clamp(0.12, 0.7);
    let radius = if count > 300 { 4 } else { 6 };
    let mut sheet = Sheet::new(shown, SIZE, &legend)?;
    for feature in 0..shown {
        let column = |values| column(values, features, feature);
        let (input, output) = (column(of.input), column(of.reconstructed));
        let corrupted = of.corrupted.map(column).unwrap_or_default();
        let all = [&input, &output, &corrupted];
        let all = || all.into_iter().flatten().copied();
        let (x, y) = (Axis::new("input", all(), 4), Axis::new("", all(), 4));
        let title = name(of.names, feature);
        sheet.chart(feature, &title, (&x, &y), |chart| {
            let scatter = |outputs: &[f64], color, opacity| {
                let points = input.iter().copied().zip(outputs.iter().copied());
                let points: Vec<_> = points
                    .filter(|&(x, y)| drawable(x) && drawable(y))
                    .collect();
                chart.points(&points, color, opacity, radius)
            };
            scatter(&corrupted, GREY, opacity * 0.6)?;
            scatter(&output, BLUE, opacity)?;
            chart.line(&[(x.low, y.low), (x.high, y.high)], INK, 0.8, 2)
        })?;
    }
    sheet.png()
}

/// How often the values of each of the first 12 columns occur in the data and in the
/// samples. The axes are those of the data; samples beyond them count in the first or
/// the last bar.
pub fn histograms(
    data: &[f32],
    samples: &[f32],
    features: usize,
    names: &[String],
) -> Result<Vec<u8>> {
    examples("data", data, features)?;
    examples("samples", samples, features)?;
    let mut legend = vec![
        (Mark::Square(BLUE), "data".to_owned()),
        (Mark::Line(VERMILION), "samples".to_owned()),
    ];
    let shown = shown(features, &[data, samples], &mut legend);
    let mut sheet = Sheet::new(shown, SIZE, &legend)?;
    for feature in 0..shown {
        let column = |values| column(values, features, feature);
        let (data, samples) = (column(data), column(samples));
        let x = Axis::new("", data.iter().copied(), 4);
        let (data, samples) = (fractions(&data, &x), fractions(&samples, &x));
        let top = [0.0].iter().chain(&data).chain(&samples).copied();
        let mut y = Axis::new("fraction", top, 4);
        y.low = 0.0;
        y.ticks.retain(|&(value, _)| value >= 0.0);
        sheet.chart(feature, &name(names, feature), (&x, &y), |chart| {
            bars(chart, &x, &data, &samples)
        })?;
    }
    sheet.png()
}

/// Draws the data as bars, and the samples as the outline of bars.
fn bars(chart: &Chart<'_>, x: &Axis, data: &[f64], samples: &[f64]) -> Result<()> {
    let edge = |bar: usize| x.low + (x.high - x.low) * bar as f64 / BARS as f64;
    for (bar, &height) in data.iter().enumerate().filter(|(_, height)| **height > 0.0) {
        chart.bar((edge(bar), height), (edge(bar + 1), 0.0), BLUE)?;
    }
    let mut outline = vec![(x.low, 0.0)];
    for (bar, &height) in samples.iter().enumerate() {
        outline.extend([(edge(bar), height), (edge(bar + 1), height)]);
    }
    outline.push((x.high, 0.0));
    chart.line(&outline, VERMILION, 1.0, 4)
}

/// The fraction of the values that is in each bar.
fn fractions(values: &[f64], x: &Axis) -> Vec<f64> {
    let mut bars = vec![0.0; BARS];
    let finite = values.iter().filter(|value| drawable(**value));
    let each = 1.0 / finite.clone().count().max(1) as f64;
    for value in finite {
        let part = (value - x.low) / (x.high - x.low) * BARS as f64;
        bars[(part.max(0.0) as usize).min(BARS - 1)] += each;
    }
    bars
}

/// How many columns are shown. The legend says so if those are not all, and how many
/// values cannot be shown.
fn shown(features: usize, values: &[&[f32]], legend: &mut Vec<(Mark, String)>) -> usize {
    if features > COLUMNS {
        let remark = format!("the first {COLUMNS} of {features} columns");
        legend.push((Mark::None, remark));
    }
    let values = values.iter().flat_map(|values| values.iter());
    let missing = values.filter(|value| !value.is_finite()).count();
    if missing > 0 {
        let remark = format!("not shown, as they are not finite: {missing} values");
        legend.push((Mark::None, remark));
    }
    features.min(COLUMNS)
}

/// One column of a table.
fn column(values: &[f32], features: usize, feature: usize) -> Vec<f64> {
    let rows = values.chunks_exact(features);
    rows.map(|row| f64::from(row[feature])).collect()
}

/// The name of a column; those without one are called x0, x1 and so on.
fn name(names: &[String], feature: usize) -> String {
    let name = names.get(feature).filter(|name| !name.trim().is_empty());
    name.cloned().unwrap_or_else(|| format!("x{feature}"))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
