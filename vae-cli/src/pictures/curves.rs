//! How a training run went: one chart for each quantity.

use anyhow::{Result, ensure};
use plotters::style::{Color, RGBAColor};
use vae_results::{MetricsRow, Named};

use super::Picture;
use super::chart::{Chart, Mark, Points, drawable, number, picture};
use super::tone::{BLUE, INK, VERMILION, color};

/// Size of one chart in pixels.
pub const SIZE: (u32, u32) = (400, 290);

/// With more epochs than this, lines have no points.
const FEW: usize = 40;

/// Where a line is interrupted.
const GAP: f64 = f64::NAN;

/// The quantity that the best epoch is chosen by.
const LOSS: &str = "loss";

/// Draws each quantity of `history` over the epochs, and marks the epoch with the lowest
/// validation loss. Values that are NaN or infinite are gaps in the lines.
///
/// # Errors
/// If no epoch has any quantity.
pub fn curves(history: &[MetricsRow]) -> Result<Picture> {
    let names = names(history);
    ensure!(!names.is_empty(), "no epoch has been trained yet");
    let best = best(history);
    let mut legend = vec![(BLUE, "━━  training".to_owned())];
    if history.iter().any(|row| row.validation.is_some()) {
        legend.push((VERMILION, "━━  validation".to_owned()));
    }
    if let Some((epoch, loss)) = best {
        let loss = number(loss, loss.abs() * 1e-4, loss.abs());
        let text = format!("○ best validation loss: {loss} in epoch {epoch}");
        legend.push((INK, text));
    }
    let chart = |name| chart(history, name, best.map(|best| best.0));
    let charts: Vec<Chart<'_>> = names.into_iter().map(chart).collect();
    picture(&charts, SIZE, &legend)
}

/// The chart of one quantity, with a mark at the best epoch.
fn chart(history: &[MetricsRow], name: &str, best: Option<f64>) -> Chart<'static> {
    let train = values(history, name, |row| Some(&row.train));
    let validation = values(history, name, |row| row.validation.as_ref());
    let line = color(INK, 0.35).stroke_width(2);
    let ring = color(INK, 1.0).stroke_width(4);
    let at = |epoch| vec![(epoch, f64::NEG_INFINITY), (epoch, f64::INFINITY)];
    // All charts show all epochs.
    let epochs = history.iter().map(|row| (row.epoch as f64, GAP));
    let mut marks = vec![Mark(Some(0), line, epochs.collect())];
    marks.push(Mark(None, line, best.map(at).unwrap_or_default()));
    marks.extend(curve(&train, color(BLUE, 1.0)));
    marks.extend(curve(&validation, color(VERMILION, 1.0)));
    let at_best = validation.into_iter().filter(|point| Some(point.0) == best);
    marks.push(Mark(Some(13), ring, at_best.collect()));
    let axes = [("epoch", history.len().min(7)), (unit(name), 6)];
    Chart(title(name), axes, marks, [&[]; 2])
}

/// The names of all quantities, the loss first.
fn names(history: &[MetricsRow]) -> Vec<&str> {
    let named = |row: usize| [Some(&history[row].train), history[row].validation.as_ref()];
    let named = (0..history.len()).flat_map(named).flatten();
    let mut names: Vec<&str> = named.flat_map(Named::iter).map(|(name, _)| name).collect();
    names.sort_unstable_by_key(|name| (*name != LOSS, *name));
    names.dedup();
    names
}

/// The epoch with the lowest validation loss, the first of several, and that loss.
fn best(history: &[MetricsRow]) -> Option<(f64, f64)> {
    let losses = values(history, LOSS, |row| row.validation.as_ref());
    let losses = losses.into_iter().filter(|&(_, loss)| drawable(loss));
    losses.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// The epochs that have a value of this name, and the value.
fn values(history: &[MetricsRow], name: &str, of: fn(&MetricsRow) -> Option<&Named>) -> Points {
    let point = |row: &MetricsRow| {
        let (_, value) = of(row)?.iter().find(|(other, _)| *other == name)?;
        Some((row.epoch as f64, value.unwrap_or(GAP)))
    };
    history.iter().filter_map(point).collect()
}

/// A line that is interrupted where a value cannot be drawn, with points if they are few.
fn curve(values: &[(f64, f64)], color: RGBAColor) -> Vec<Mark> {
    // Without an edge, a line of one point shows nothing: its circle is as wide as the line.
    let radius = if values.len() <= FEW { 6 } else { 2 };
    let parts = values.split(|&(_, value)| !drawable(value));
    let line = |part: &[_]| Mark(None, color.stroke_width(4), part.to_vec());
    let points = Mark(Some(radius), color.filled(), values.to_vec());
    parts.map(line).chain([points]).collect()
}

/// What a quantity is called above its chart.
fn title(name: &str) -> String {
    match name {
        "kl" => "KL divergence".to_owned(),
        _ => name.replace('_', " "),
    }
}

/// What a quantity is measured in.
fn unit(name: &str) -> &'static str {
    match name {
        "squared_error" => "squared error per example",
        "perplexity" => "codes in use",
        _ if name.ends_with("fraction") => "fraction",
        _ if name.ends_with("weight") => "weight",
        _ => "nats per example",
    }
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
