//! Pictures of tables: a chart for each of the first columns.

use std::ops::Range;

use anyhow::Result;
use plotters::style::Color;
use vae_data::DataShape;

use super::chart::{Chart, Legend, Mark, Points, drawable, picture, range};
use super::tone::{BLUE, GREY, INK, VERMILION, color};
use super::{Picture, Reconstructions, examples};

/// Size of one chart in pixels.
pub const SIZE: (u32, u32) = (290, 280);

/// The most columns of a table that are drawn.
const COLUMNS: usize = 12;

/// Bars of a histogram.
const BARS: usize = 30;

/// Reconstructions over inputs, for each of the first 12 columns. On the diagonal they
/// are the same.
pub fn reconstructions(of: &Reconstructions<'_>) -> Result<Picture> {
    let features = of.shape.features();
    let count = examples("input", of.input, features)?;
    // Many points are more transparent.
    let opacity = (12.0 / (count as f64).sqrt()).clamp(0.12, 0.7);
    let grey = color(GREY, opacity * 0.6).filled();
    let blue = color(BLUE, opacity).filled();
    let diagonal = color(INK, 0.8).stroke_width(2);
    let radius = Some(if count > 300 { 4 } else { 6 });
    let mut legend = vec![(BLUE, "● reconstruction".to_owned())];
    if of.corrupted.is_some() {
        legend.push((GREY, "● corrupted input".to_owned()));
    }
    legend.push((INK, "━━  same as the input".to_owned()));
    let shown = shown(features, &[of.input, of.reconstructed], &mut legend);
    let chart = |feature| {
        let column = |values| column(values, features, feature);
        let (input, output) = (column(of.input), column(of.reconstructed));
        let corrupted = of.corrupted.map(column).unwrap_or_default();
        let all = || [&input, &output, &corrupted].into_iter().flatten().copied();
        let (low, high) = (all().reduce(f64::min), all().reduce(f64::max));
        let ends = [Some(f64::NEG_INFINITY), low, high, Some(f64::INFINITY)];
        let ends = ends.into_iter().flatten().map(|at| (at, at)).collect();
        let over = |outputs: &[f64]| input.iter().copied().zip(outputs.iter().copied()).collect();
        let marks = vec![
            Mark(radius, grey, over(&corrupted)),
            Mark(radius, blue, over(&output)),
            Mark(None, diagonal, ends),
        ];
        Chart(name(of.names, feature), [("input", 4), ("", 4)], marks)
    };
    picture(&(0..shown).map(chart).collect::<Vec<_>>(), SIZE, &legend)
}

/// Draws how the values of `data` and of `samples`, both `[examples, features]`, are
/// distributed, for each of the first 12 columns. The axes are those of the data; samples
/// beyond them count in the first or the last bar.
///
/// # Errors
/// If there are no examples of either, or their number of values does not fit.
pub fn sample_histograms(
    data: &[f32],
    samples: &[f32],
    shape: &DataShape,
    names: &[String],
) -> Result<Picture> {
    let features = shape.features();
    examples("data", data, features)?;
    examples("samples", samples, features)?;
    let line = color(VERMILION, 1.0).stroke_width(4);
    let area = color(BLUE, 0.4).filled();
    let texts = [(BLUE, "■ data"), (VERMILION, "━━  samples")];
    let mut legend = texts.map(|(color, text)| (color, text.to_owned())).to_vec();
    let shown = shown(features, &[data, samples], &mut legend);
    let chart = |feature| {
        let column = |values| column(values, features, feature);
        let (data, samples) = (column(data), column(samples));
        let x = range(data.iter().copied());
        let marks = vec![
            Mark(None, area, bars(&data, &x)),
            Mark(None, line, bars(&samples, &x)),
        ];
        Chart(name(names, feature), [("", 4), ("fraction", 4)], marks)
    };
    picture(&(0..shown).map(chart).collect::<Vec<_>>(), SIZE, &legend)
}

/// The outline of bars, each as high as the fraction of the values that is in it.
fn bars(values: &[f64], x: &Range<f64>) -> Points {
    let width = (x.end - x.start) / BARS as f64;
    let edge = |bar: usize| x.start + width * bar as f64;
    let mut points = vec![(x.start, 0.0)];
    points.extend((0..BARS).flat_map(|bar| [(edge(bar), 0.0), (edge(bar + 1), 0.0)]));
    points.push((x.end, 0.0));
    let finite = values.iter().filter(|value| drawable(**value));
    let each = 1.0 / finite.clone().count().max(1) as f64;
    for value in finite {
        let bar = (((value - x.start) / width).max(0.0) as usize).min(BARS - 1);
        points[2 * bar + 1].1 += each;
        points[2 * bar + 2].1 += each;
    }
    points
}

/// How many columns are shown. The legend says so if those are not all, and how many
/// values cannot be shown.
fn shown(features: usize, values: &[&[f32]], legend: &mut Legend) -> usize {
    if features > COLUMNS {
        let remark = format!("the first {COLUMNS} of {features} columns");
        legend.push((INK, remark));
    }
    let values = values.iter().flat_map(|values| values.iter());
    let missing = values.filter(|value| !value.is_finite()).count();
    if missing > 0 {
        let remark = format!("not shown, as they are not finite: {missing} values");
        legend.push((INK, remark));
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
