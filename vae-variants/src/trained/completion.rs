//! How examples are to be completed, and what comes of it.

use std::fmt;

use super::Draw;

/// How missing values are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completing {
    /// By codes and what is missing in turn; see [`vae_core::Chain::Gibbs`].
    Gibbs,
    /// The same, corrected where the posterior is not exact; see [`vae_core::Chain::Metropolis`].
    Metropolis,
    /// By codes that are weighed by what is there; see [`vae_core::complete_by_importance`].
    Importance,
}

impl Completing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gibbs, Self::Metropolis, Self::Importance];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gibbs => "gibbs",
            Self::Metropolis => "metropolis",
            Self::Importance => "importance",
        }
    }

    /// Steps of a chain, or codes that are weighed, if nothing else is asked for.
    pub fn steps(self) -> usize {
        match self {
            Self::Gibbs | Self::Metropolis => 100,
            Self::Importance => 1000,
        }
    }
}

impl fmt::Display for Completing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How examples are to be completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// How missing values are found; nothing for [`Trained::completes_by`](super::Trained::completes_by).
    pub method: Option<Completing>,
    /// Steps of a chain, or codes that are weighed, at least 1; nothing for [`Completing::steps`].
    pub steps: Option<usize>,
    /// Chains of each example, at least 1; nothing for 10 of which the mean is taken, or for one completion.
    pub chains: Option<usize>,
    /// [`Draw::Mean`] gives the one best value: the mean over the second half of all chains, of a category the most
    /// frequent level. [`Draw::Sample`] gives as many completions as there are chains.
    pub draw: Draw,
    /// What is taken for missing of each example, whatever is there, in a row of the data.
    pub hidden: Option<Vec<bool>>,
}

impl Default for Completion {
    fn default() -> Self {
        Self {
            method: None,
            steps: None,
            chains: None,
            draw: Draw::Mean,
            hidden: None,
        }
    }
}

/// Some examples, and their completions, in the units of the data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Completions {
    /// The examples as they are, what was hidden included; NaN where a cell is missing. `[examples, row]`
    pub given: Vec<f32>,
    /// Whether a value is missing or hidden. `[examples, row]`
    pub missing: Vec<bool>,
    /// The given values, to the last bit, and what takes the place of those that are missing: `[examples, row]`
    /// for each completion.
    pub completed: Vec<Vec<f32>>,
    /// Share of the proposals that were accepted, for [`Completing::Metropolis`].
    pub accepted: Option<f64>,
}

impl Completions {
    /// Standard deviation of a value over the completions; 0 where it is given. `[examples, row]`
    pub fn spread(&self) -> Vec<f32> {
        let count = self.completed.len().max(1) as f64;
        let spread = |at: usize| {
            if !self.missing[at] {
                return 0.0;
            }
            let values = || self.completed.iter().map(|of| f64::from(of[at]));
            let mean = values().sum::<f64>() / count;
            let squares = values().map(|value| (value - mean).powi(2));
            (squares.sum::<f64>() / count).sqrt() as f32
        };
        (0..self.given.len()).map(spread).collect()
    }
}
