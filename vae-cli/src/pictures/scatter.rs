//! Points of a plane, coloured by class or by a number.

use anyhow::Result;
use plotters::style::Color;

use super::Picture;
use super::chart::{Chart, Legend, Mark, Points, number, picture_with};
use super::tone::{BLUE, GREY, INK, Rgb, color};

/// Size in pixels.
const SIZE: (u32, u32) = (760, 760);

/// Okabe and Ito's palette, which the colour-blind tell apart, without its yellow, and three of Tol's.
const CLASSES: [Rgb; 10] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [213, 94, 0],
    [40, 40, 40],
    [136, 34, 85],
    [153, 153, 51],
    [160, 160, 160],
];

/// Viridis at equal steps, which grows lighter throughout, also for the colour-blind; its end is darker here, so that it shows
/// on white.
const VIRIDIS: [Rgb; 5] = [
    [68, 1, 84],
    [59, 82, 139],
    [33, 145, 140],
    [94, 201, 98],
    [240, 200, 20],
];

/// Colours between the lowest and the highest number.
const STEPS: usize = 32;

/// Rounds in which the points of classes are drawn, so that none covers all others.
const ROUNDS: usize = 12;

/// Classes that the legend names.
const NAMED: usize = 12;

/// Longest name of a class in the legend, in letters.
const LONGEST: usize = 20;

/// What the colours of points show.
pub enum Colors<'a> {
    /// Nothing.
    None,
    /// The class of each, where it is known, by the names of the classes.
    Classes(&'a [String], &'a [Option<usize>]),
    /// A number of each, by its name.
    Scores(&'a str, &'a [f32]),
}

/// Draws points. Classes also have their names where the middle of their points is.
///
/// # Errors
/// If the font of the program cannot be read.
pub fn scatter(
    points: &[[f32; 2]],
    colors: &Colors<'_>,
    title: &str,
    axes: [&'static str; 2],
) -> Result<Picture> {
    let count = points.len();
    // Many points are smaller and more transparent.
    let (radius, opacity) = match count {
        ..=500 => (9, 0.9),
        501..=3000 => (6, 0.8),
        3001..=20_000 => (4, 0.6),
        _ => (3, 0.45),
    };
    let at = |number: usize| points[number].map(f64::from);
    let of =
        |numbers: &[usize]| -> Points { numbers.iter().map(|&number| at(number).into()).collect() };
    let mark = |tone: Rgb, numbers: &[usize]| {
        Mark(Some(radius), color(tone, opacity).filled(), of(numbers))
    };
    let all: Vec<usize> = (0..count).collect();
    let (mut marks, mut legend, mut texts) = (Vec::new(), Legend::new(), Vec::new());
    match colors {
        Colors::None => marks.push(mark(BLUE, &all)),
        Colors::Classes(names, of_points) => {
            let mut groups = vec![Vec::new(); names.len() + 1];
            for (number, class) in of_points.iter().enumerate() {
                groups[class.map_or(0, |class| class + 1)].push(number);
            }
            marks.push(mark([215; 3], &groups[0]));
            for round in 0..ROUNDS {
                for (class, group) in groups[1..].iter().enumerate() {
                    let own: Vec<_> = group.iter().skip(round).step_by(ROUNDS).copied().collect();
                    marks.push(mark(CLASSES[class % CLASSES.len()], &own));
                }
            }
            let present = groups[1..].iter().enumerate();
            let present: Vec<_> = present.filter(|(_, group)| !group.is_empty()).collect();
            for (class, group) in present.iter().take(NAMED) {
                let short: String = names[*class].chars().take(LONGEST).collect();
                legend.push((CLASSES[class % CLASSES.len()], format!("● {short}")));
                texts.push((middle(&of(group)), short));
            }
            if present.len() > NAMED {
                let more = present.len() - NAMED;
                legend.push((INK, format!("and {more} more")));
            }
            if !groups[0].is_empty() {
                legend.push((GREY, "● unknown".to_owned()));
            }
        }
        Colors::Scores(name, scores) => {
            let (low, high) = ends(scores);
            let step = |score: f32| {
                let share = (score - low) / (high - low).max(f32::MIN_POSITIVE);
                (share * STEPS as f32).clamp(0.0, STEPS as f32 - 1.0) as usize
            };
            let mut groups = vec![Vec::new(); STEPS];
            for (number, score) in scores.iter().enumerate() {
                groups[step(*score)].push(number);
            }
            for (step, group) in groups.iter().enumerate() {
                marks.push(mark(viridis(step as f64 / (STEPS - 1) as f64), group));
            }
            legend.push((INK, (*name).to_owned()));
            for (share, of_share) in [(0.0, " (1 %)"), (0.5, ""), (1.0, " (99 %)")] {
                let value = f64::from(low) + share * f64::from(high - low);
                let value = number(value, f64::from(high - low) / 100.0, f64::from(high));
                legend.push((viridis(share), format!("● {value}{of_share}")));
            }
        }
    }
    marks.retain(|mark| !mark.2.is_empty());
    let ticks = axes.map(|axis| if axis.is_empty() { 0 } else { 6 });
    let axes = [(axes[0], ticks[0]), (axes[1], ticks[1])];
    let chart = Chart(title.to_owned(), axes, marks, [&[], &[]]);
    picture_with(&[chart], SIZE, &legend, &texts)
}

/// The median of points along each axis.
fn middle(points: &Points) -> (f64, f64) {
    let median = |axis: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = points.iter().map(axis).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (median(|at| at.0), median(|at| at.1))
}

/// Numbers of which a hundredth are lower and higher.
fn ends(scores: &[f32]) -> (f32, f32) {
    let mut sorted: Vec<f32> = scores
        .iter()
        .copied()
        .filter(|score| score.is_finite())
        .collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f64| {
        sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().max(1) - 1))
    };
    (
        at(0.01).copied().unwrap_or(0.0),
        at(0.99).copied().unwrap_or(1.0),
    )
}

/// The colour of a share from 0 to 1.
fn viridis(share: f64) -> Rgb {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (place as usize).min(VIRIDIS.len() - 2);
    let part = place - below as f64;
    let mix = |channel: usize| {
        let [low, high] = [0, 1].map(|next| f64::from(VIRIDIS[below + next][channel]));
        (low + part * (high - low)).round() as u8
    };
    [0, 1, 2].map(mix)
}

#[cfg(test)]
mod tests {
    use super::super::tests::decode;
    use super::*;

    #[test]
    fn colours_go_from_end_to_end() {
        assert_eq!(viridis(0.0), VIRIDIS[0]);
        assert_eq!(viridis(0.5), VIRIDIS[2]);
        assert_eq!(viridis(1.0), VIRIDIS[4]);
        let scores: Vec<f32> = (0..100).map(|i| i as f32).collect();
        assert_eq!(ends(&scores), (1.0, 99.0));
        assert_eq!(ends(&[]), (0.0, 1.0));
    }

    /// Each class is where its points are, in its colour.
    #[test]
    fn classes_have_colours_and_names() {
        let points: Vec<[f32; 2]> = (0..60)
            .map(|i| [(i % 2) as f32 * 10.0 + (i % 7) as f32 * 0.1, (i % 5) as f32])
            .collect();
        let labels: Vec<_> = (0..60).map(|i| Some(i % 2)).collect();
        let names = ["left", "right"].map(str::to_owned);
        let colors = Colors::Classes(&names, &labels);
        let picture = scatter(&points, &colors, "two", ["x", "y"]).unwrap();
        let image = decode(&picture.png);
        let like = |wanted: Rgb, left: bool| {
            let pixels = image.enumerate_pixels();
            pixels
                .filter(|(x, y, _)| (*x < image.width() / 2) == left && *y > 60)
                .filter(|(.., pixel)| (0..3).all(|c| pixel.0[c].abs_diff(wanted[c]) < 40))
                .count()
        };
        assert!(like(CLASSES[0], true) > 100 && like(CLASSES[0], false) == 0);
        assert!(like(CLASSES[1], false) > 100 && like(CLASSES[1], true) == 0);
        let svg = picture.svg.unwrap();
        assert!(svg.matches("left").count() >= 2 && svg.contains("right"));
        for colors in [Colors::None, Colors::Scores("error", &[f32::NAN; 60])] {
            scatter(&points, &colors, "two", ["", ""]).unwrap();
        }
        scatter(
            &[[1.0, 1.0]],
            &Colors::Scores("error", &[0.5]),
            "one",
            ["x", "y"],
        )
        .unwrap();
    }
}
