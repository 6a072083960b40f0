//! How like a real table a synthetic one is: the column shapes and column pair trends of SDMetrics (Patki, Wedge and
//! Veeramachaneni 2016, and its documentation).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check};

/// Bins of a number beside a category.
const BINS: usize = 10;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// Numbers; one that is missing is NaN.
    Numbers(&'a [f64]),
    /// Categories by number; one that is missing is `None`.
    Categories(&'a [Option<u32>]),
}

/// Scores from 0 to 1, where 1 is equal. `None` is a score that is not defined; means leave it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Of each column; see [`column_shape`].
    pub shapes: Vec<Option<f64>>,
    /// Of each pair of columns; see [`column_pair_trend`].
    pub trends: Vec<Trend>,
    /// Mean of the shapes.
    pub shape: Option<f64>,
    /// Mean of the trends.
    pub trend: Option<f64>,
    /// Mean of both means, or the one that there is.
    pub overall: Option<f64>,
}

/// The score of a pair of columns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The first column, counted from 0.
    pub first: usize,
    /// The second column.
    pub second: usize,
    /// Its score.
    pub score: Option<f64>,
}

impl Fidelity {
    /// Of `synthetic` to `real`: the same columns in the same order, each table with rows of its own number.
    ///
    /// # Errors
    /// If there are no columns, their count or kinds differ, columns of one table differ in length, or a number is
    /// infinite.
    pub fn new(real: &[Column], synthetic: &[Column]) -> Result<Self> {
        check("real", "empty", !real.is_empty(), "at least one column")?;
        check(
            "synthetic",
            format_args!("{} columns", synthetic.len()),
            synthetic.len() == real.len(),
            format_args!("{} as the real table", real.len()),
        )?;
        same_length("real", real)?;
        same_length("synthetic", synthetic)?;
        let pairs = real.iter().zip(synthetic);
        let shapes = pairs
            .map(|(r, s)| column_shape(*r, *s))
            .collect::<Result<Vec<_>>>()?;
        let mut trends = Vec::new();
        for first in 0..real.len() {
            for second in first + 1..real.len() {
                let score = column_pair_trend(
                    (real[first], real[second]),
                    (synthetic[first], synthetic[second]),
                )?;
                trends.push(Trend {
                    first,
                    second,
                    score,
                });
            }
        }
        let shape = mean(shapes.iter().copied());
        let trend = mean(trends.iter().map(|t| t.score));
        Ok(Self {
            shapes,
            trends,
            shape,
            trend,
            overall: mean([shape, trend].into_iter()),
        })
    }
}

/// Of numbers, one less the Kolmogorov-Smirnov statistic, the largest gap between the two distribution functions
/// (`KSComplement`); of categories, one less half the sum of the gaps between their shares (`TVComplement`). What is missing is
/// left out; `None` where nothing is left.
///
/// # Errors
/// If the kinds differ, or a number is infinite.
pub fn column_shape(real: Column, synthetic: Column) -> Result<Option<f64>> {
    finite("real", real)?;
    finite("synthetic", synthetic)?;
    match (real, synthetic) {
        (Column::Numbers(real), Column::Numbers(synthetic)) => Ok(ks_complement(real, synthetic)),
        (Column::Categories(real), Column::Categories(synthetic)) => {
            let real: Vec<u32> = real.iter().flatten().copied().collect();
            let synthetic: Vec<u32> = synthetic.iter().flatten().copied().collect();
            Ok(tv_complement(real.into_iter(), synthetic.into_iter()))
        }
        _ => Err(kinds()),
    }
}

/// Of two columns of numbers, `1 - |r_real - r_synthetic| / 2` with Pearson's r of the rows where both are there
/// (`CorrelationSimilarity`), `None` where a column is constant. Of others, one less half the sum of the gaps between the shares of
/// each pair of categories, where missing is a category too (`ContingencySimilarity`); numbers are put into 10 bins of
/// equal width over the real ones, the outer two open. (The quality report of SDMetrics 0.32 bins each table by its own
/// range there, against its documentation.)
///
/// # Errors
/// If the kinds or the lengths differ, or a number is infinite.
pub fn column_pair_trend(
    real: (Column, Column),
    synthetic: (Column, Column),
) -> Result<Option<f64>> {
    for (name, (first, second)) in [("real", real), ("synthetic", synthetic)] {
        same_length(name, &[first, second])?;
        finite(name, first)?;
        finite(name, second)?;
    }
    if let (Column::Numbers(a), Column::Numbers(b)) = real {
        let (Column::Numbers(c), Column::Numbers(d)) = synthetic else {
            return Err(kinds());
        };
        let score = |(real, synthetic): (f64, f64)| 1.0 - (real - synthetic).abs() / 2.0;
        return Ok(correlation(a, b).zip(correlation(c, d)).map(score));
    }
    let (a, c) = categories(real.0, synthetic.0)?;
    let (b, d) = categories(real.1, synthetic.1)?;
    Ok(tv_complement(a.into_iter().zip(b), c.into_iter().zip(d)))
}

fn ks_complement(real: &[f64], synthetic: &[f64]) -> Option<f64> {
    let sorted = |values: &[f64]| {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    let (real, synthetic) = (sorted(real), sorted(synthetic));
    if real.is_empty() || synthetic.is_empty() {
        return None;
    }
    let (mut i, mut j) = (0, 0);
    let mut gap = 0.0_f64;
    while i < real.len() && j < synthetic.len() {
        let value = real[i].min(synthetic[j]);
        while i < real.len() && real[i] <= value {
            i += 1;
        }
        while j < synthetic.len() && synthetic[j] <= value {
            j += 1;
        }
        let shares = i as f64 / real.len() as f64 - j as f64 / synthetic.len() as f64;
        gap = gap.max(shares.abs());
    }
    Some(1.0 - gap)
}

/// One less the total variation distance; `None` where one side is empty.
fn tv_complement<T: Ord + std::hash::Hash>(
    real: impl Iterator<Item = T>,
    synthetic: impl Iterator<Item = T>,
) -> Option<f64> {
    let mut counts: HashMap<T, (usize, usize)> = HashMap::new();
    let mut totals = (0, 0);
    for value in real {
        counts.entry(value).or_default().0 += 1;
        totals.0 += 1;
    }
    for value in synthetic {
        counts.entry(value).or_default().1 += 1;
        totals.1 += 1;
    }
    if totals.0 == 0 || totals.1 == 0 {
        return None;
    }
    // Sorted, so that the sum is always the same.
    let mut counts: Vec<(usize, usize)> = counts.into_values().collect();
    counts.sort_unstable();
    let share = |count: usize, total: usize| count as f64 / total as f64;
    let gaps = counts
        .iter()
        .map(|(r, s)| (share(*r, totals.0) - share(*s, totals.1)).abs());
    Some(1.0 - gaps.sum::<f64>() / 2.0)
}

/// Categories by number; `None` is missing.
type Categories = Vec<Option<u32>>;

/// Both columns as categories.
fn categories(real: Column, synthetic: Column) -> Result<(Categories, Categories)> {
    match (real, synthetic) {
        (Column::Categories(real), Column::Categories(synthetic)) => {
            Ok((real.to_vec(), synthetic.to_vec()))
        }
        (Column::Numbers(real), Column::Numbers(synthetic)) => {
            let edges = inner_edges(real);
            let bin =
                |v: &f64| (!v.is_nan()).then(|| edges.partition_point(|edge| edge <= v) as u32);
            Ok((
                real.iter().map(bin).collect(),
                synthetic.iter().map(bin).collect(),
            ))
        }
        _ => Err(kinds()),
    }
}

/// The edges between bins of equal width, as NumPy's histogram: a constant column spans one about it.
fn inner_edges(values: &[f64]) -> Vec<f64> {
    let known = || values.iter().copied().filter(|v| !v.is_nan());
    let (mut low, mut high) = (
        known().fold(f64::INFINITY, f64::min),
        known().fold(f64::NEG_INFINITY, f64::max),
    );
    if low > high {
        return Vec::new();
    }
    if low == high {
        (low, high) = (low - 0.5, high + 0.5);
    }
    let step = (high - low) / BINS as f64;
    (1..BINS).map(|i| i as f64 * step + low).collect()
}

/// Pearson's r of the rows where both are there; `None` where one is constant.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let rows = || a.iter().zip(b).filter(|(a, b)| !a.is_nan() && !b.is_nan());
    let count = rows().count() as f64;
    let (mean_a, mean_b) = rows().fold((0.0, 0.0), |m, (a, b)| (m.0 + a / count, m.1 + b / count));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in rows() {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    let first = rows().next()?;
    // Not by the sums alone, which rounding leaves above zero.
    let varies = rows().any(|(a, _)| a != first.0) && rows().any(|(_, b)| b != first.1);
    let r = ab / (aa.sqrt() * bb.sqrt());
    (varies && r.is_finite()).then(|| r.clamp(-1.0, 1.0))
}

fn mean(scores: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let known: Vec<f64> = scores.flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

fn kinds() -> Error {
    Error::argument(
        "synthetic",
        "of another kind",
        "numbers where `real` has numbers, categories where it has those",
    )
}

fn length(column: &Column) -> usize {
    match column {
        Column::Numbers(values) => values.len(),
        Column::Categories(values) => values.len(),
    }
}

fn same_length(name: &'static str, columns: &[Column]) -> Result<()> {
    let rows = columns.first().map_or(0, length);
    match columns.iter().map(length).find(|l| *l != rows) {
        None => Ok(()),
        Some(other) => Err(Error::argument(
            name,
            format_args!("a column of {other} rows"),
            format_args!("of {rows} as its first"),
        )),
    }
}

fn finite(name: &'static str, column: Column) -> Result<()> {
    match column {
        Column::Numbers(values) if values.iter().any(|v| v.is_infinite()) => {
            Err(Error::argument(name, "infinite", "finite or NaN"))
        }
        _ => Ok(()),
    }
}
