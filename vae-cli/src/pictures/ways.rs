//! Charts of what changes along a way: a chart for each of the first columns.

use anyhow::Result;
use plotters::style::Color;
use vae_variants::Description;

use super::chart::{Chart, Legend, Mark, picture};
use super::table::{SIZE, column, shown};
use super::tone::{INK, Rgb, color};
use super::{Picture, examples};

/// Colours that are told apart by the colour-blind (Okabe and Ito's palette), for as many ways.
const COLORS: [Rgb; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [45, 45, 45],
];

/// Rows that are passed one after the other.
pub struct Way {
    /// What it is called.
    pub name: String,
    /// `[steps, features]`
    pub rows: Vec<f32>,
    /// What it comes from and goes to, if that is known: points at both ends. `[2, features]`
    pub ends: Option<Vec<f32>>,
}

/// Draws the first 12 columns of rows over where on the way they are: `at`, called `axis`; the first seven ways.
///
/// # Errors
/// If there are no rows, or their number of values does not fit.
pub fn ways(ways: &[Way], at: &[f64], axis: &'static str, data: &Description) -> Result<Picture> {
    let features = data.row_width();
    let drawn = || ways.iter().zip(COLORS);
    let mut legend = Legend::new();
    for (way, color) in drawn() {
        examples(&way.name, &way.rows, data)?;
        legend.push((color, format!("━━  {}", way.name)));
    }
    if ways.len() > COLORS.len() {
        let remark = format!("the first {} of {}", COLORS.len(), ways.len());
        legend.push((INK, remark));
    }
    if ways.iter().any(|way| way.ends.is_some()) {
        legend.push((INK, "● original".to_owned()));
    }
    let values: Vec<&[f32]> = ways.iter().map(|way| &way.rows[..]).collect();
    let count = shown(data, &values, &mut legend);
    let chart = |feature: usize| {
        let marks = drawn().flat_map(|(way, rgb)| {
            let points = |at: &[f64], rows: &[f32]| {
                let rows = column(rows, features, feature);
                at.iter().copied().zip(rows).collect()
            };
            let line = color(rgb, 1.0).stroke_width(4);
            let line = Mark(None, line, points(at, &way.rows));
            let ends = way.ends.as_ref().map(|ends| {
                let of = [at.first(), at.last()].map(|at| *at.unwrap_or(&0.0));
                Mark(Some(8), color(rgb, 0.7).filled(), points(&of, ends))
            });
            [Some(line), ends].into_iter().flatten()
        });
        let name = data.column_names()[feature].clone();
        let axes = [(axis, 4), ("", 4)];
        Chart(name, axes, marks.collect(), [&[], data.levels(feature)])
    };
    picture(&(0..count).map(chart).collect::<Vec<_>>(), SIZE, &legend)
}

#[cfg(test)]
mod tests {
    use vae_data::DataShape;

    use super::*;
    use crate::pictures::tests::{decode, described};

    #[test]
    fn each_way_has_its_colour_in_every_chart() {
        let data = described(DataShape::flat(2), (0.0, 1.0), &["a", "b"]);
        let way = |name: &str, to: f32| Way {
            name: name.to_owned(),
            rows: vec![0.0, 1.0, to, to],
            ends: Some(vec![0.1, 0.9, to, to]),
        };
        let drawn = ways(
            &[way("up", 2.0), way("down", -2.0)],
            &[0.0, 1.0],
            "t",
            &data,
        )
        .unwrap();
        let image = decode(&drawn.png);
        for (start, end) in [(0, image.width() / 2), (image.width() / 2, image.width())] {
            for color in &COLORS[..2] {
                let mut found = image.enumerate_pixels();
                let is_there = found
                    .any(|(x, y, pixel)| (start..end).contains(&x) && y > 40 && pixel.0 == *color);
                assert!(is_there, "{color:?} from {start}");
            }
        }
        let empty = Way {
            rows: Vec::new(),
            ..way("none", 0.0)
        };
        assert!(ways(&[empty], &[0.0], "t", &data).is_err());
    }
}
