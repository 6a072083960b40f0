//! Pictures of tables: a chart for each of the first columns.

use std::ops::Range;

use anyhow::Result;
use plotters::style::Color;
use vae_variants::{Description, Reconstructions};

use super::chart::{Chart, Legend, Mark, Points, drawable, picture, range};
use super::tone::{BLUE, GREY, INK, VERMILION, color};
use super::{Picture, examples};

/// Size of one chart in pixels.
pub const SIZE: (u32, u32) = (290, 280);

/// The most columns of a table that are drawn.
const COLUMNS: usize = 12;

/// Bars of a histogram.
const BARS: usize = 30;

/// Reconstructions over inputs, for each of the first 12 columns. On the diagonal they
/// are the same.
pub fn reconstructions(of: &Reconstructions, data: &Description) -> Result<Picture> {
    let features = data.row_width();
    let count = of.target.len() / features;
    // Many points are more transparent.
    let opacity = (12.0 / (count as f64).sqrt()).clamp(0.12, 0.7);
    let blue = color(BLUE, opacity).filled();
    let radius = Some(if count > 300 { 4 } else { 6 });
    let corrupted = of.corrupted.as_deref().unwrap_or_default();
    let mut legend = vec![(BLUE, "● reconstruction".to_owned())];
    if !corrupted.is_empty() {
        legend.push((GREY, "● corrupted input".to_owned()));
    }
    legend.push((INK, "━━  same as the input".to_owned()));
    let values = [&of.target[..], &of.reconstructed, corrupted];
    let shown = shown(data, &values, &mut legend);
    let chart = |feature| {
        let column = |values| column(values, features, feature);
        let all = range(values.into_iter().flat_map(column));
        let ends = [all.start, all.end].map(|end| (end, end)).to_vec();
        // Points of levels are spread around them, each way by a multiple of an irrational number.
        let width = if data.levels(feature).is_empty() {
            0.0
        } else {
            0.6
        };
        let spread = |(row, (x, y)): (usize, (f64, f64))| {
            let [a, b] = [0.618_034, 0.754_878].map(|step| (row as f64 * step).fract() - 0.5);
            (x + a * width, y + b * width)
        };
        let pairs = |values| column(&of.target).into_iter().zip(column(values));
        let over = |values| pairs(values).enumerate().map(spread).collect();
        let marks = vec![
            Mark(radius, color(GREY, opacity * 0.6).filled(), over(corrupted)),
            Mark(radius, blue, over(&of.reconstructed)),
            Mark(None, color(INK, 0.8).stroke_width(2), ends),
        ];
        let title = title(data, feature, column(&of.target));
        let axes = [("input", 4), ("", 4)];
        Chart(title, axes, marks, [data.levels(feature); 2])
    };
    picture(&(0..shown).map(chart).collect::<Vec<_>>(), SIZE, &legend)
}

/// Draws how the values of `originals` and of `samples`, both `[examples, features]`, are
/// distributed, for each of the first 12 columns. The axes are those of the originals; samples
/// beyond them count in the first or the last bar.
///
/// # Errors
/// If there are no examples of either, or their number of values does not fit.
pub fn histograms(originals: &[f32], samples: &[f32], data: &Description) -> Result<Picture> {
    examples("data", originals, data)?;
    examples("samples", samples, data)?;
    let line = color(VERMILION, 1.0).stroke_width(4);
    let area = color(BLUE, 0.4).filled();
    let texts = [(BLUE, "■ data"), (VERMILION, "━━  samples")];
    let mut legend = texts.map(|(color, text)| (color, text.to_owned())).to_vec();
    let shown = shown(data, &[originals, samples], &mut legend);
    let chart = |feature| {
        let column = |values| column(values, data.row_width(), feature);
        let (x, count) = match data.levels(feature).len() {
            0 => (range(column(originals).into_iter()), BARS),
            levels => (-0.5..levels as f64 - 0.5, levels),
        };
        let mark = |style, values| Mark(None, style, bars(&column(values), &x, count));
        let marks = vec![mark(area, originals), mark(line, samples)];
        let axes = [("", 4), ("fraction", 4)];
        let title = title(data, feature, column(originals));
        Chart(title, axes, marks, [data.levels(feature), &[]])
    };
    picture(&(0..shown).map(chart).collect::<Vec<_>>(), SIZE, &legend)
}

/// The outline of bars, each as high as the fraction of the values that is in it.
fn bars(values: &[f64], x: &Range<f64>, count: usize) -> Points {
    let width = (x.end - x.start) / count as f64;
    let edge = |bar: usize| x.start + width * bar as f64;
    let mut points = vec![(x.start, 0.0)];
    points.extend((0..count).flat_map(|bar| [(edge(bar), 0.0), (edge(bar + 1), 0.0)]));
    points.push((x.end, 0.0));
    let finite = values.iter().filter(|value| drawable(**value));
    let each = 1.0 / finite.clone().count().max(1) as f64;
    for value in finite {
        let bar = (((value - x.start) / width).max(0.0) as usize).min(count - 1);
        points[2 * bar + 1].1 += each;
        points[2 * bar + 2].1 += each;
    }
    points
}

/// How many columns are shown. The legend says so if those are not all, and how many
/// values cannot be shown.
pub fn shown(data: &Description, values: &[&[f32]], legend: &mut Legend) -> usize {
    let features = data.row_width();
    if features > COLUMNS {
        legend.push((INK, format!("the first {COLUMNS} of {features} columns")));
    }
    let values = values.iter().flat_map(|values| values.iter());
    let odd = |value: &&f32| !value.is_finite() && (data.table.is_none() || !value.is_nan());
    let missing = values.filter(odd).count();
    if missing > 0 {
        let remark = format!("not shown, as they are not finite: {missing} values");
        legend.push((INK, remark));
    }
    features.min(COLUMNS)
}

/// The name of a column, and how much of it is missing.
fn title(data: &Description, feature: usize, values: Vec<f64>) -> String {
    let name = &data.column_names()[feature];
    let missing = values.iter().filter(|value| value.is_nan()).count();
    match 100.0 * missing as f64 / values.len() as f64 {
        share if share > 0.0 && data.table.is_some() => format!("{name} ({share:.0} % missing)"),
        _ => name.clone(),
    }
}

/// One column of a table.
pub fn column(values: &[f32], features: usize, feature: usize) -> Vec<f64> {
    let rows = values.chunks_exact(features);
    rows.map(|row| f64::from(row[feature])).collect()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
