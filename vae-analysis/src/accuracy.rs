//! The share of right answers, with its uncertainty.

use serde::{Deserialize, Serialize};

/// The two-sided 95 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A share of right answers with its 95 % interval (Wilson 1927).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Right answers.
    pub correct: usize,
    /// Answers.
    pub count: usize,
    /// `correct / count`; 0 of no answers.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Accuracy {
    /// Of `correct` right answers in `count`: the interval is 0 to 1 of none.
    pub fn new(correct: usize, count: usize) -> Self {
        if count == 0 {
            return Self {
                correct,
                count,
                value: 0.0,
                low: 0.0,
                high: 1.0,
            };
        }
        let n = count as f64;
        let value = correct as f64 / n;
        let centre = value + Z * Z / (2.0 * n);
        let spread = Z * (value * (1.0 - value) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Self {
            correct,
            count,
            value,
            low: ((centre - spread) / scale).max(0.0),
            high: ((centre + spread) / scale).min(1.0),
        }
    }

    pub(crate) fn of(answers: &[u32], labels: &[u32]) -> Self {
        let correct = answers.iter().zip(labels).filter(|(a, b)| a == b).count();
        Self::new(correct, labels.len())
    }
}
