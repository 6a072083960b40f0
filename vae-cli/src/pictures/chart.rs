//! Charts beside and below each other, with one legend above them all. All lengths are
//! twice those of the picture.

use std::ops::Range;

use anyhow::Result;
use image::imageops::thumbnail;
use plotters::coord::ranged1d::BoldPoints;
use plotters::coord::{Shift, types::RangedCoordf64};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::tone::{INK, MESH, Rgb, color};
use super::{Picture, blank, text};

/// Height of the legend, and space between its texts.
const LEGEND: i32 = 72;
const SPACE: i32 = 44;

/// Size of a chart's title, and of all other text.
const TITLE: i32 = 30;
const TEXT: i32 = 24;

/// Size of a text over points, and the places of its white rim.
const NAME: i32 = 40;
const AROUND: [(i32, i32); 8] = [
    (-4, 0),
    (4, 0),
    (0, -4),
    (0, 4),
    (-3, -3),
    (3, -3),
    (-3, 3),
    (3, 3),
];

/// Numbers above this are not drawn: differences of larger ones may overflow.
const LARGEST: f64 = 1e300;

/// An axis whose numbers are all below this is that of 0: plotters finds no ticks for it.
const SMALLEST: f64 = 1e-12;

/// Points that are drawn in one way: with circles of a radius around those that can be, or,
/// without one, joined by a line, or, if the style fills it, as the corners of an area that
/// stands on the axis. A corner at infinity is where an axis ends.
pub struct Mark(pub Option<i32>, pub ShapeStyle, pub Points);

/// What the axis to the right and the one upwards show, and the most ticks that each has.
type Axes = [(&'static str, usize); 2];

/// One chart: its title, its axes and its marks, each over those before; and for both axes what stands at
/// 0, 1 and so on, if those are no numbers.
pub struct Chart<'a>(pub String, pub Axes, pub Vec<Mark>, pub [&'a [String]; 2]);

/// What is drawn on, in pixels.
type Area<D> = DrawingArea<D, Shift>;

/// Values to the right and upwards.
pub type Points = Vec<(f64, f64)>;

/// A text and where its middle is.
pub type Text = ((f64, f64), String);

/// Coloured texts above the charts.
pub type Legend = Vec<(Rgb, String)>;

/// Draws one or more charts of one size, in pixels of the picture.
///
/// # Errors
/// If there are too many charts for one picture.
pub fn picture(charts: &[Chart<'_>], size: (u32, u32), legend: &Legend) -> Result<Picture> {
    picture_with(charts, size, legend, &[])
}

/// As [`picture`], with texts at points of each chart.
///
/// # Errors
/// As [`picture`].
pub fn picture_with(
    charts: &[Chart<'_>],
    size: (u32, u32),
    legend: &Legend,
    over: &[Text],
) -> Result<Picture> {
    let columns = match charts.len() {
        4 => 2,
        count @ ..=9 => count.min(3),
        _ => 4,
    };
    let rows = charts.len().div_ceil(columns);
    let (mut end, mut texts) = (40, Vec::new());
    for (color, text) in legend {
        texts.push((text, text::style(TEXT, HPos::Left, *color)?, end));
        end += text::width(text, TEXT)? + SPACE;
    }
    let width = (columns as u32 * size.0 * 2).max(end as u32);
    let height = rows as u32 * size.1 * 2 + LEGEND as u32;
    let mut image = blank(width as usize, height as usize, [255; 3])?;
    let backend = BitMapBackend::with_buffer(&mut image, (width, height));
    draw(backend, charts, (rows, columns), &texts, over)?;
    let mut svg = String::new();
    let backend = SVGBackend::with_string(&mut svg, (width, height));
    draw(backend, charts, (rows, columns), &texts, over)?;
    let pixels = |part| format!("width=\"{}\" height=\"{}\"", width / part, height / part);
    let svg = svg.replacen(&pixels(1), &pixels(2), 1);
    Picture::new(&thumbnail(&image, width / 2, height / 2), Some(svg))
}

fn draw(
    backend: impl DrawingBackend<ErrorType: 'static>,
    charts: &[Chart<'_>],
    shape: (usize, usize),
    texts: &[(&String, TextStyle<'_>, i32)],
    over: &[Text],
) -> Result<()> {
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    for (text, style, x) in texts {
        area.draw_text(text, style, (*x, LEGEND / 2 + 4))?;
    }
    let areas = area.split_vertically(LEGEND).1.split_evenly(shape);
    let mut areas = charts.iter().zip(areas);
    areas.try_for_each(|(chart, area)| chart.draw(&area, over))
}

impl Chart<'_> {
    fn draw<D: DrawingBackend<ErrorType: 'static>>(
        &self,
        area: &Area<D>,
        over: &[Text],
    ) -> Result<()> {
        let (title, [across, mut up], marks) = (&self.0, self.1, &self.2);
        let points = || marks.iter().flat_map(|mark| &mark.2);
        if !points().any(|at| drawable(at.1)) {
            up = ("no finite values", 0);
        }
        let x = range(points().map(|at| at.0));
        let mut y = range(points().map(|at| at.1));
        if marks.iter().any(|mark| mark.0.is_none() && mark.1.filled) {
            y.start = 0.0;
        }
        let (x_written, (ticks, y_written)) = (written(&x, across.1).1, written(&y, up.1));
        let (x_written, y_written) = (named(self.3[0], x_written), named(self.3[1], y_written));
        let digits = ticks.iter().map(|tick| y_written(tick).chars().count());
        let beside = 15 * digits.max().unwrap_or(0) as i32;
        let mut chart = ChartBuilder::on(area)
            .margin(24)
            .margin_top(56)
            .x_label_area_size(if across.0.is_empty() { 41 } else { 77 })
            .y_label_area_size(beside + if up.0.is_empty() { 25 } else { 61 })
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .bold_line_style(color(MESH, 1.0).stroke_width(2))
            .light_line_style(TRANSPARENT)
            .axis_style(color(INK, 1.0).stroke_width(2))
            .set_all_tick_mark_size(8)
            .label_style(text::style(TEXT, HPos::Center, INK)?)
            .x_labels(across.1)
            .y_labels(up.1)
            .x_label_formatter(&x_written)
            .y_label_formatter(&y_written)
            .x_desc(across.0)
            .y_desc(up.0)
            .draw()?;
        for Mark(radius, style, points) in marks {
            let drawn = points.iter().filter(|at| drawable(at.0) && drawable(at.1));
            let circle = |size| drawn.map(move |&at| Circle::new(at, size, *style));
            match *radius {
                Some(radius) => chart.draw_series(circle(radius))?,
                None if style.filled => chart.draw_series([Polygon::new(&points[..], *style)])?,
                None => chart.draw_series([PathElement::new(&points[..], *style)])?,
            };
        }
        // White around the letters.
        for (around, ink) in [(true, [255; 3]), (false, INK)] {
            let style = text::style(NAME, HPos::Center, ink)?;
            let shifts = match around {
                true => &AROUND[..],
                false => &[(0, 0)],
            };
            let texts = over
                .iter()
                .flat_map(|(at, text)| shifts.iter().map(move |by| (at, text, *by)));
            let texts = texts.map(|(at, text, by)| {
                EmptyElement::at(*at)
                    + plotters::element::Text::new(text.clone(), by, style.clone())
            });
            chart.draw_series(texts)?;
        }
        let left = chart.plotting_area().get_pixel_range().0.start - area.get_base_pixel().0;
        let title = text::shorten(title, TITLE, area.dim_in_pixel().0 as i32 - left - 16)?;
        Ok(area.draw_text(&title, &text::style(TITLE, HPos::Left, INK)?, (left, 26))?)
    }
}

/// Whether a value can be drawn.
pub fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// The ends of an axis that shows all values that can be drawn, with a little space.
pub fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let drawn: Vec<f64> = values.filter(|&value| drawable(value)).collect();
    let end = |end: fn(f64, f64) -> f64, none| drawn.iter().copied().reduce(end).unwrap_or(none);
    let (low, high) = (end(f64::min, 0.0), end(f64::max, 1.0));
    let size = low.abs().max(high.abs());
    let space = match high - low {
        _ if size < SMALLEST => return -0.5..0.5,
        width if width > size * 1e-4 => width * 0.05,
        // Values that are alike are drawn in the middle.
        _ => size * 0.1,
    };
    // What is never negative should not seem to be.
    let least = if low > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    (low - space).max(least)..high + space
}

/// The ticks of an axis, no more than `most`, and how they are written.
fn written(range: &Range<f64>, most: usize) -> (Vec<f64>, impl Fn(&f64) -> String + use<>) {
    let ticks = RangedCoordf64::from(range.clone()).key_points(BoldPoints(most));
    let step = match ticks[..] {
        [first, second, ..] => second - first,
        _ => (range.end - range.start) * 10.0,
    };
    let largest = range.start.abs().max(range.end.abs());
    (ticks, move |value| number(*value, step, largest))
}

/// How the ticks of an axis are written at whose whole numbers `levels` stand, if any.
fn named(levels: &[String], written: impl Fn(&f64) -> String) -> impl Fn(&f64) -> String {
    move |at| match levels.get(at.round().max(0.0) as usize) {
        _ if levels.is_empty() => written(at),
        Some(level) if at.fract() == 0.0 => text::shorten(level, TEXT, 110).unwrap_or_default(),
        _ => String::new(),
    }
}

/// A number beside others that are `step` apart, of which one is `largest`, with the digits
/// that tell them apart.
pub fn number(value: f64, step: f64, largest: f64) -> String {
    // No "-0", nor 1e-17 where 0 is meant.
    if value.abs() <= step * 1e-6 {
        return "0".to_owned();
    }
    let magnitude = |v: f64| v.abs().log10().floor() as i32;
    // No step, no digits: 17 tell all numbers apart.
    let digits = |of: i32| {
        let digits = of.saturating_sub(magnitude(step * 1.001));
        usize::try_from(digits).unwrap_or(0).min(17)
    };
    let text = if (1e-3..1e6).contains(&largest) {
        format!("{value:.*}", digits(0))
    } else {
        format!("{value:.*e}", digits(magnitude(value)))
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, proptest};

    use super::*;

    fn written(values: &[f64], ticks: usize) -> Vec<String> {
        let (ticks, written) = super::written(&range(values.iter().copied()), ticks);
        ticks.iter().map(written).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(written(&[98.1, 206.4], 5), ["100", "150", "200"]);
        assert_eq!(
            written(&[0.01, 0.26], 6),
            ["0", "0.05", "0.10", "0.15", "0.20", "0.25"]
        );
        let around = ["−1.0", "−0.5", "0", "0.5", "1.0"];
        assert_eq!(written(&[-1.0, 1.0], 5), around);
        assert_eq!(written(&[0.0, 3e7], 4), ["0", "1e7", "2e7", "3e7"]);
        let small = ["1.0e−5", "1.2e−5", "1.4e−5"];
        assert_eq!(written(&[1.0e-5, 1.5e-5], 3), small);
    }

    #[test]
    fn whole_numbers_have_ticks_at_whole_numbers() {
        assert_eq!(written(&[1.0, 3.0], 3), ["1", "2", "3"]);
        assert_eq!(written(&[7.0], 1), ["7"]);
        let many = written(&[1.0, 100.0], 6);
        assert_eq!(many, ["0", "20", "40", "60", "80", "100"]);
    }

    #[test]
    fn numbers_have_the_digits_that_tell_them_apart() {
        assert_eq!(number(206.412, 0.0206, 206.412), "206.41");
        assert_eq!(number(-0.5, 0.05, 0.5), "−0.50");
        assert_eq!(number(0.0, 0.0, 0.0), "0");
        assert_eq!(number(1.23456e9, 1.2e5, 1.2e9), "1.2346e9");
    }

    #[test]
    fn every_axis_has_a_width_and_ticks() {
        let odd = [f64::NAN, f64::INFINITY, f64::MAX];
        let sets: [&[f64]; 11] = [
            &[],
            &odd,
            &[0.0],
            &[-3.0],
            &[1e9, 1e9 + 1e-6],
            &[1e-300],
            &[5e-324],
            &[0.0, -2.128e-16],
            &[1e300, -1e300],
            &[f64::from(f32::MAX), 0.0],
            &[0.1, 0.1, f64::NAN],
        ];
        for values in sets {
            let range = range(values.iter().copied());
            assert!(range.start < range.end, "{values:?}: {range:?}");
            let (ticks, written) = super::written(&range, 5);
            assert!((1..=5).contains(&ticks.len()), "{values:?}: {ticks:?}");
            for tick in ticks {
                assert!(range.contains(&tick), "{values:?}: {tick}");
                let text = written(&tick);
                assert!(text.chars().count() < 24, "{values:?}: {text}");
            }
            let outside = |v: &&f64| drawable(**v) && !range.contains(*v);
            assert_eq!(values.iter().find(outside), None);
        }
    }

    proptest! {
        #[test]
        fn an_axis_holds_its_values_and_its_ticks(
            values in vec(any::<f64>(), 0..9),
            scale in -12_i32..12,
            most in 1_usize..9,
        ) {
            // Numbers of like size too: those of any bits seldom are.
            let like = values.iter().map(|value| value.rem_euclid(7.0) * 10_f64.powi(scale));
            for values in [values.clone(), like.collect()] {
                let range = range(values.iter().copied());
                let (ticks, written) = super::written(&range, most);
                // Rounding may bring one more, at the end of the axis.
                prop_assert!(ticks.len() <= most + 1, "{range:?}: {ticks:?}");
                for value in values.into_iter().filter(|&value| drawable(value)) {
                    prop_assert!(range.contains(&value), "{range:?}: {value}");
                }
                for tick in ticks {
                    let (low, high) = (range.start, range.end);
                    let near = (high - low) * 1e-9;
                    prop_assert!((low - near..=high + near).contains(&tick), "{range:?}: {tick}");
                    prop_assert!(written(&tick).chars().count() < 24, "{tick}");
                }
            }
        }
    }
}
