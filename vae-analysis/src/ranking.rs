//! How well a score separates positives from negatives, and thresholds on scores. A row is flagged where
//! `score >= threshold`. All definitions are those of scikit-learn.

use crate::error::{Error, Result, check};

/// One point of a ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RocPoint {
    /// Rows with at least this score are flagged. Of the first point it is above every score.
    pub threshold: f64,
    /// Share of the negatives that are flagged.
    pub false_positive_rate: f64,
    /// Share of the positives that are flagged.
    pub true_positive_rate: f64,
}

/// Area under the ROC curve: the probability that a positive scores above a negative, ties counting half (Hanley and McNeil
/// 1982).
///
/// # Errors
/// If the lengths differ, a score is NaN, or there is no positive or no negative.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Result<f64> {
    let steps = steps(scores, positive)?;
    let mut area = 0.0;
    let mut before = (0, 0);
    for step in &steps {
        let (negatives, positives) = (step.flagged.0 - before.0, step.flagged.1 + before.1);
        area += negatives as f64 * positives as f64 / 2.0;
        before = step.flagged;
    }
    Ok(area / (before.0 as f64 * before.1 as f64))
}

/// Average precision: `sum_n (R_n - R_(n-1)) P_n` over the distinct scores from the highest, without interpolation.
///
/// # Errors
/// As [`auroc`].
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Result<f64> {
    let steps = steps(scores, positive)?;
    let mut sum = 0.0;
    let mut before = 0;
    for step in &steps {
        let (negatives, positives) = step.flagged;
        sum += (positives - before) as f64 * positives as f64 / (negatives + positives) as f64;
        before = positives;
    }
    Ok(sum / before as f64)
}

/// The ROC curve from (0, 0) to (1, 1), one point for each distinct score, without those on a straight line between others,
/// and evenly thinned to at most `most` points.
///
/// # Errors
/// As [`auroc`]; if `most` is below 2.
pub fn roc_curve(scores: &[f64], positive: &[bool], most: usize) -> Result<Vec<RocPoint>> {
    check("most", most, most >= 2, "at least 2")?;
    let steps = steps(scores, positive)?;
    let last = steps[steps.len() - 1].flagged;
    let start = Step {
        threshold: f64::INFINITY,
        flagged: (0, 0),
    };
    let mut corners: Vec<Step> = vec![start];
    for step in steps {
        while let [.., a, b] = corners[..]
            && straight(a.flagged, b.flagged, step.flagged)
        {
            corners.pop();
        }
        corners.push(step);
    }
    let kept = most.min(corners.len());
    let point = |i: usize| {
        let step = corners[i * (corners.len() - 1) / (kept - 1)];
        RocPoint {
            threshold: step.threshold,
            false_positive_rate: step.flagged.0 as f64 / last.0 as f64,
            true_positive_rate: step.flagged.1 as f64 / last.1 as f64,
        }
    };
    Ok((0..kept).map(point).collect())
}

/// The score below which the share `quantile` of `scores` lies, linear between neighbours as NumPy's default.
///
/// # Errors
/// If there are no scores, one is NaN, or `quantile` is outside of 0 to 1.
pub fn quantile(scores: &[f64], quantile: f64) -> Result<f64> {
    check(
        "quantile",
        quantile,
        (0.0..=1.0).contains(&quantile),
        "from 0 to 1",
    )?;
    let sorted = sorted(scores)?;
    let at = quantile * (sorted.len() - 1) as f64;
    let below = sorted[at as usize];
    let above = sorted[(at.ceil() as usize).min(sorted.len() - 1)];
    if below == above {
        return Ok(below); // Also of infinite scores, whose difference is none.
    }
    Ok(below + (above - below) * at.fract())
}

/// The lowest score of a negative that flags at most the share `rate` of `negatives`; where even the highest flags more, as
/// with `rate` 0, the next number above it.
///
/// # Errors
/// If there are no scores, one is NaN, or `rate` is outside of 0 to 1.
pub fn threshold_of_false_positives(negatives: &[f64], rate: f64) -> Result<f64> {
    check("rate", rate, (0.0..=1.0).contains(&rate), "from 0 to 1")?;
    let sorted = sorted(negatives)?;
    let allowed = (rate * sorted.len() as f64 + 1e-9).floor() as usize;
    if allowed >= sorted.len() {
        return Ok(sorted[0]);
    }
    // The highest that must not be flagged; ties with it must not be either.
    let refused = sorted[sorted.len() - allowed - 1];
    let next = sorted.iter().find(|s| **s > refused);
    Ok(next.copied().unwrap_or_else(|| refused.next_up()))
}

/// Rows at or above a threshold: negatives and positives.
#[derive(Clone, Copy)]
struct Step {
    threshold: f64,
    flagged: (usize, usize),
}

/// What each distinct score flags, from the highest.
fn steps(scores: &[f64], positive: &[bool]) -> Result<Vec<Step>> {
    check(
        "positive",
        format_args!("{} labels", positive.len()),
        positive.len() == scores.len(),
        format_args!("one for each of {} scores", scores.len()),
    )?;
    no_nan(scores)?;
    let mut order: Vec<(f64, bool)> = scores
        .iter()
        .copied()
        .zip(positive.iter().copied())
        .collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut steps: Vec<Step> = Vec::new();
    let mut flagged = (0, 0);
    for (threshold, positive) in order {
        if positive {
            flagged.1 += 1;
        } else {
            flagged.0 += 1;
        }
        match steps.last_mut() {
            // Equal also for zeros of both signs.
            Some(step) if step.threshold == threshold => step.flagged = flagged,
            _ => steps.push(Step { threshold, flagged }),
        }
    }
    check(
        "positive",
        "without a true one",
        flagged.1 > 0,
        "true of one row at least",
    )?;
    check(
        "positive",
        "without a false one",
        flagged.0 > 0,
        "false of one row at least",
    )?;
    Ok(steps)
}

fn straight(a: (usize, usize), b: (usize, usize), c: (usize, usize)) -> bool {
    let product = |x: usize, y: usize| x as u128 * y as u128;
    product(b.0 - a.0, c.1 - b.1) == product(c.0 - b.0, b.1 - a.1)
}

fn no_nan(scores: &[f64]) -> Result<()> {
    match scores.iter().position(|s| s.is_nan()) {
        None => Ok(()),
        Some(row) => Err(Error::argument(
            "scores",
            format_args!("NaN at row {row}"),
            "numbers",
        )),
    }
}

fn sorted(scores: &[f64]) -> Result<Vec<f64>> {
    check("scores", "empty", !scores.is_empty(), "at least one")?;
    no_nan(scores)?;
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: of the four pairs of a positive (3, 1) and a negative (1, 0), three are in order and one is a tie: 3.5 / 4.
    #[test]
    fn auroc_counts_ties_half() {
        let area = auroc(&[3.0, 1.0, 1.0, 0.0], &[true, true, false, false]);
        assert_eq!(area.expect("both kinds"), 0.875);
    }

    #[test]
    fn one_kind_only_is_refused() {
        let error = auroc(&[1.0, 2.0], &[true, true]).unwrap_err().to_string();
        assert_eq!(
            error,
            "`positive` is without a false one, but must be false of one row at least"
        );
        assert!(auroc(&[f64::NAN, 2.0], &[true, false]).is_err());
        assert!(auroc(&[2.0], &[true, false]).is_err());
    }

    #[test]
    fn a_threshold_never_flags_more_than_its_rate() {
        let scores = [1.0, 2.0, 2.0, 3.0, 4.0];
        let at = |rate| threshold_of_false_positives(&scores, rate).expect("valid");
        assert_eq!(at(1.0), 1.0);
        assert_eq!(at(0.4), 3.0);
        assert_eq!(at(0.6), 3.0, "2 would flag four of five");
        assert_eq!(at(0.8), 2.0);
        assert_eq!(at(0.2), 4.0);
        assert_eq!(at(0.1), 4.0_f64.next_up());
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends() {
        let scores: Vec<f64> = (0..1000).map(|i| f64::from((i * 7919) % 1000)).collect();
        let positive: Vec<bool> = (0..1000).map(|i| i % 3 == 0).collect();
        let curve = roc_curve(&scores, &positive, 20).expect("valid");
        assert_eq!(curve.len(), 20);
        let rates = |p: &RocPoint| (p.false_positive_rate, p.true_positive_rate);
        assert_eq!(rates(&curve[0]), (0.0, 0.0));
        assert_eq!(rates(&curve[19]), (1.0, 1.0));
    }
}
