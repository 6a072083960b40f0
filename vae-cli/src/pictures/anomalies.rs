//! Charts of scores: how they are distributed, and how well they tell anomalies apart.

use anyhow::Result;
use plotters::style::Color;
use vae_variants::vae_analysis::{quantile, roc_curve};

use super::{
    Picture,
    chart::{Chart, Legend, Mark, Points, picture},
    tone::{BLUE, GREY, INK, VERMILION, color},
};

const SIZE: (u32, u32) = (560, 420);
/// Bars of a histogram, and points of a curve.
const BARS: usize = 60;
const POINTS: usize = 500;

/// How scores are distributed, with the threshold; those of examples that are anomalies by their labels apart.
/// Of the largest, beyond 30 times the spread of the others, the last bar has all.
///
/// # Errors
/// If there are no scores.
pub fn distribution(scores: &[f64], threshold: f64, truth: Option<&[bool]>) -> Result<Picture> {
    let at = |share| quantile(scores, share);
    let (low, middle, high, most) = (at(0.0)?, at(0.5)?, at(0.95)?, at(1.0)?);
    let reach = middle + 30.0 * (high - middle).max(1e-9);
    let end = most.min(reach).max(low + 1e-9);
    let bars = |is: &dyn Fn(usize) -> bool| -> Points {
        let chosen: Vec<f64> = (0..scores.len())
            .filter(|&i| is(i))
            .map(|i| scores[i])
            .collect();
        let width = (end - low) / BARS as f64;
        let mut counts = [0.0; BARS];
        for score in &chosen {
            let bar = ((score - low) / width).max(0.0) as usize;
            counts[bar.min(BARS - 1)] += 1.0 / chosen.len() as f64;
        }
        let edge = |bar: usize| low + width * bar as f64;
        let mut points = vec![(low, 0.0)];
        points.extend(
            (0..BARS).flat_map(|bar| [(edge(bar), counts[bar]), (edge(bar + 1), counts[bar])]),
        );
        points.push((end, 0.0));
        points
    };
    let area = color(BLUE, 0.4).filled();
    let line = color(VERMILION, 1.0).stroke_width(4);
    let (mut marks, mut legend): (_, Legend) = match truth {
        None => (
            vec![Mark(None, area, bars(&|_| true))],
            vec![(BLUE, "■ all".into())],
        ),
        Some(truth) => (
            vec![
                Mark(None, area, bars(&|i| !truth[i])),
                Mark(None, line, bars(&|i| truth[i])),
            ],
            vec![
                (BLUE, "■ usual by the labels".into()),
                (VERMILION, "━━  anomalies by the labels".into()),
            ],
        ),
    };
    let top = marks
        .iter()
        .flat_map(|mark| &mark.2)
        .map(|at| at.1)
        .fold(0.0, f64::max);
    if (low..=end).contains(&threshold) {
        let dark = color(INK, 0.8).stroke_width(3);
        marks.push(Mark(None, dark, vec![(threshold, 0.0), (threshold, top)]));
        legend.push((INK, "━━  threshold".into()));
    }
    let axes = [("score", 5), ("fraction", 4)];
    let chart = Chart("scores".into(), axes, marks, [&[], &[]]);
    picture(&[chart], SIZE, &legend)
}

/// The ROC curve of scores: how many anomalies are found if so many of the others are called such.
///
/// # Errors
/// If not both kinds are there.
pub fn roc(scores: &[f64], truth: &[bool], area: f64) -> Result<Picture> {
    let curve = roc_curve(scores, truth, POINTS)?.into_iter();
    let curve: Points = curve
        .map(|of| (of.false_positive_rate, of.true_positive_rate))
        .collect();
    let marks = vec![
        Mark(
            None,
            color(GREY, 1.0).stroke_width(2),
            vec![(0.0, 0.0), (1.0, 1.0)],
        ),
        Mark(None, color(BLUE, 1.0).stroke_width(4), curve),
    ];
    let axes = [
        ("usual examples that are called anomalies", 4),
        ("anomalies that are found", 4),
    ];
    let legend = vec![
        (BLUE, format!("━━  AUROC {area:.4}")),
        (GREY, "━━  by chance".into()),
    ];
    let chart = Chart("ROC curve".into(), axes, marks, [&[], &[]]);
    picture(&[chart], (480, 440), &legend)
}
