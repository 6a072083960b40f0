//! How a training run went: one chart for each quantity.

use anyhow::{Result, ensure};

use super::Epoch;
use super::axis::{Axis, drawable};
use super::chart::Chart;
use super::sheet::{Mark, Sheet};
use super::text::INK;
use super::tone::{BLUE, VERMILION};

/// Size of one chart in pixels.
pub const SIZE: (i32, i32) = (400, 290);

/// With more epochs than this, lines have no points.
const FEW: usize = 40;

/// The quantity that the best epoch is chosen by.
const LOSS: &str = "loss";

/// Draws each quantity of `history` over the epochs, and marks the epoch with the lowest
/// validation loss. Values that are NaN or infinite are gaps in the lines.
///
/// # Errors
/// If no epoch has any quantity.
pub fn curves(history: &[Epoch]) -> Result<Vec<u8>> {
    let names = names(history);
    ensure!(
        !names.is_empty(),
        "no epoch has been trained yet: there is nothing to draw"
    );
    let best = best(history);
    let mut legend = vec![(Mark::Line(BLUE), "training".to_owned())];
    if history.iter().any(|epoch| !epoch.validation.is_empty()) {
        legend.push((Mark::Line(VERMILION), "validation".to_owned()));
    }
    if let Some((epoch, loss)) = best {
        let loss = written(loss);
        let text = format!("best validation loss: {loss} in epoch {epoch}");
        legend.push((Mark::Ring, text));
    }
    let epochs = history.iter().map(|epoch| epoch.epoch as f64);
    let x = Axis::whole("epoch", epochs, 6);
    let mut sheet = Sheet::new(names.len(), SIZE, &legend)?;
    for (number, name) in names.iter().enumerate() {
        let train = series(history, name, |epoch| &epoch.train);
        let validation = series(history, name, |epoch| &epoch.validation);
        let values = train.iter().chain(&validation).map(|&(_, value)| value);
        let any = values.clone().any(drawable);
        let mut y = Axis::new(unit(name), values, 5);
        if !any {
            y.ticks.clear();
        }
        sheet.chart(number, &title(name), (&x, &y), |chart| {
            if let Some((epoch, _)) = best {
                let at = epoch as f64;
                chart.line(&[(at, y.low), (at, y.high)], INK, 0.35, 2)?;
            }
            draw(chart, &train, BLUE)?;
            draw(chart, &validation, VERMILION)?;
            let point = validation.iter().find(|(at, value)| {
                best.is_some_and(|(epoch, _)| *at == epoch as f64) && drawable(*value)
            });
            if let Some(point) = point {
                chart.ring(*point)?;
            }
            if !any {
                chart.remark("no finite values")?;
            }
            Ok(())
        })?;
    }
    sheet.png()
}

/// The names of all quantities, the loss first.
fn names(history: &[Epoch]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for epoch in history {
        for (name, _) in epoch.train.iter().chain(&epoch.validation) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    names.sort_by_key(|name| *name != LOSS);
    names
}

/// The epoch with the lowest validation loss, the first of several, and that loss.
fn best(history: &[Epoch]) -> Option<(usize, f64)> {
    let losses = series(history, LOSS, |epoch| &epoch.validation);
    let losses = losses.into_iter().filter(|&(_, loss)| drawable(loss));
    let best = losses.min_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(epoch, loss)| (epoch as usize, loss))
}

/// The epochs that have a value of this name, and the value.
fn series(
    history: &[Epoch],
    name: &str,
    of: impl Fn(&Epoch) -> &Vec<(String, f64)>,
) -> Vec<(f64, f64)> {
    let value = |epoch: &Epoch| of(epoch).iter().find(|(n, _)| n == name).map(|&(_, v)| v);
    let points = history.iter();
    points
        .filter_map(|epoch| Some((epoch.epoch as f64, value(epoch)?)))
        .collect()
}

/// Draws a line that is interrupted where a value cannot be drawn.
fn draw(chart: &Chart<'_>, series: &[(f64, f64)], color: [u8; 3]) -> Result<()> {
    for part in series.split(|&(_, value)| !drawable(value)) {
        if part.len() > 1 {
            chart.line(part, color, 1.0, 4)?;
        }
        if part.len() == 1 || series.len() <= FEW {
            let radius = if series.len() == 1 { 9 } else { 6 };
            chart.points(part, color, 1.0, radius)?;
        }
    }
    Ok(())
}

/// What a quantity is called above its chart.
fn title(name: &str) -> String {
    match name {
        "kl" => "KL divergence".to_owned(),
        _ => name.replace('_', " "),
    }
}

/// A loss in the legend.
fn written(loss: f64) -> String {
    let text = match loss.abs() {
        size if size >= 1e6 || (size > 0.0 && size < 1e-3) => format!("{loss:.4e}"),
        size if size >= 10.0 => format!("{loss:.2}"),
        _ => format!("{loss:.4}"),
    };
    text.replace('-', "−")
}

/// What a quantity is measured in.
fn unit(name: &str) -> &'static str {
    match name {
        "squared_error" => "squared error per example",
        "perplexity" => "codes in use",
        _ if name.ends_with("fraction") => "fraction",
        _ if name.ends_with("weight") => "weight",
        _ if name.ends_with("learning_rate") => "learning rate",
        _ => "nats per example",
    }
}

#[cfg(test)]
#[path = "curves_tests.rs"]
mod tests;
