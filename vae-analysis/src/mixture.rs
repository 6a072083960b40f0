//! A Gaussian mixture, and the number of its components that unseen rows prefer.
//!
//! `p(x) = sum_k w_k N(x; m_k, C_k)` with full covariances, fitted by expectation maximisation (Dempster, Laird and
//! Rubin 1977) in [`fit`](Mixture::fit).

mod em;
mod start;

use ndarray::Array1;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Result, check};
use crate::gaussian::Gaussian;
use crate::random::{Stream, normal, rng, weighted};
use crate::rows::Rows;

/// Rows that are taken at once.
const BLOCK: usize = 1024;

/// A mixture of Gaussians with full covariances.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Mixture {
    weights: Vec<f64>,
    components: Vec<Gaussian>,
}

/// What [`Mixture::choose`] found.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The mixture that the validation rows find most likely.
    pub mixture: Mixture,
    /// Every candidate, in the order given.
    pub candidates: Vec<Candidate>,
}

/// One number of components that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Components that were asked for.
    pub asked: usize,
    /// Components that were fitted: fewer where the rows were too few.
    pub components: usize,
    /// Mean log-likelihood of the training rows, nats per row.
    pub train: f64,
    /// Mean log-likelihood of the validation rows, nats per row.
    pub validation: f64,
}

impl Mixture {
    /// Fits by expectation maximisation from a k-means++ start (Arthur and Vassilvitskii 2007), until a step gains less
    /// than 1e-4 nats per row or 200 steps were made.
    ///
    /// Each column is scaled to variance 1 while fitting; each covariance gets `1e-6 I` there, so that constant columns do
    /// no harm (their deviation is taken as 1, the one that is fitted is hence 1e-3). There are fewer than `components` where
    /// the rows have fewer distinct places or are fewer than `width + 1` for each, and a component that loses its rows is
    /// dropped.
    ///
    /// # Errors
    /// If there are no rows, or `components` is 0.
    pub fn fit(rows: Rows, components: usize, seed: u64) -> Result<Self> {
        rows.at_least("rows", 1)?;
        check("components", components, components >= 1, "at least 1")?;
        Ok(em::fit(rows, components, seed))
    }

    /// Fits each number of components in `candidates` to `train`, and keeps the one whose mean log-likelihood of
    /// `validation` is highest; the first of equals.
    ///
    /// # Errors
    /// If there are no candidates, one is 0, there are no rows, or the widths differ.
    pub fn choose(
        train: Rows,
        validation: Rows,
        candidates: &[usize],
        seed: u64,
    ) -> Result<Choice> {
        let validation = validation
            .of_width("validation", train.width())?
            .at_least("validation", 1)?;
        check(
            "candidates",
            "empty",
            !candidates.is_empty(),
            "at least one number",
        )?;
        let mut best: Option<(f64, Self)> = None;
        let mut tried = Vec::with_capacity(candidates.len());
        for &asked in candidates {
            let mixture = Self::fit(train, asked, seed)?;
            let candidate = Candidate {
                asked,
                components: mixture.components.len(),
                train: mean(&mixture.log_prob(train)?),
                validation: mean(&mixture.log_prob(validation)?),
            };
            tried.push(candidate);
            if best
                .as_ref()
                .is_none_or(|(score, _)| candidate.validation > *score)
            {
                best = Some((candidate.validation, mixture));
            }
        }
        let (_, mixture) = best.expect("at least one candidate");
        Ok(Choice {
            mixture,
            candidates: tried,
        })
    }

    /// The mixture of `components` with probabilities in proportion to `weights`.
    ///
    /// # Errors
    /// If there are none, their counts or widths differ, or a weight is not positive and finite.
    pub fn new(weights: Vec<f64>, components: Vec<Gaussian>) -> Result<Self> {
        check(
            "components",
            "empty",
            !components.is_empty(),
            "at least one",
        )?;
        check(
            "weights",
            format_args!("{} numbers", weights.len()),
            weights.len() == components.len(),
            format_args!("one for each of {}", components.len()),
        )?;
        let width = components[0].width();
        for (weight, component) in weights.iter().zip(&components) {
            let positive = *weight > 0.0 && weight.is_finite();
            check("weights", weight, positive, "positive and finite")?;
            let found = component.width();
            check(
                "components",
                format_args!("{found} wide"),
                found == width,
                format_args!("{width} wide"),
            )?;
        }
        let total: f64 = weights.iter().sum();
        Ok(Self {
            weights: weights.iter().map(|w| w / total).collect(),
            components,
        })
    }

    /// Probability of each component; they sum to 1.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The components.
    pub fn components(&self) -> &[Gaussian] {
        &self.components
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.components[0].width()
    }

    /// Logarithm of the density of each row, nats: `[count]`.
    ///
    /// # Errors
    /// If the width differs.
    pub fn log_prob(&self, rows: Rows) -> Result<Vec<f64>> {
        rows.of_width("rows", self.width())?;
        let blocks: Vec<Rows> = rows.blocks(BLOCK).collect();
        let parts: Vec<Vec<f64>> = blocks
            .into_par_iter()
            .map(|block| {
                let joint = em::joint(
                    &self.weights,
                    &self.components,
                    &block.view().mapv(f64::from),
                );
                joint
                    .outer_iter()
                    .map(|row| em::log_sum_exp(row.as_slice().expect("a row")))
                    .collect()
            })
            .collect();
        Ok(parts.concat())
    }

    /// Draws rows, each component narrowed by `temperature`, which its deviations are multiplied by: `[count, width]`,
    /// row-major.
    pub fn sample(&self, count: usize, temperature: f64, seed: u64) -> Vec<f32> {
        let mut rng = rng(seed, Stream::Sample);
        let mut out = Vec::with_capacity(count * self.width());
        for _ in 0..count {
            let component = &self.components[weighted(&mut rng, &self.weights)];
            let noise: Array1<f64> = (0..self.width())
                .map(|_| temperature * normal(&mut rng))
                .collect();
            let row = component.mean() + &component.factor().dot(&noise);
            out.extend(row.iter().map(|v| *v as f32));
        }
        out
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A mixture as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    weights: Vec<f64>,
    components: Vec<Gaussian>,
}

impl From<Mixture> for Stored {
    fn from(mixture: Mixture) -> Self {
        Self {
            weights: mixture.weights,
            components: mixture.components,
        }
    }
}

impl TryFrom<Stored> for Mixture {
    type Error = crate::Error;

    fn try_from(stored: Stored) -> Result<Self> {
        // As they are: dividing by their sum again would change the last bits.
        let weights = stored.weights.clone();
        let mut mixture = Self::new(stored.weights, stored.components)?;
        let total: f64 = weights.iter().sum();
        check(
            "weights",
            format_args!("{total} in all"),
            (total - 1.0).abs() < 1e-9,
            "1 in all",
        )?;
        mixture.weights = weights;
        Ok(mixture)
    }
}
