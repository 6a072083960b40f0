//! The Bernoulli likelihood.

use burn::tensor::{Tensor, backend::Backend};

use super::{Distribution, repeat_rows, rows_for};
use crate::{StepContext, nets::Activation, ops};

/// Independent Bernoulli from logits. Normalised for binary values; for values inside (0, 1) its
/// negative log-probability is the usual cross-entropy.
#[derive(Debug, Clone)]
pub struct Bernoulli<B: Backend> {
    /// `[rows, features]`
    pub logits: Tensor<B, 2>,
}

impl<B: Backend> Distribution<B> for Bernoulli<B> {
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let mean = repeat_rows(self.mean(), count);
        let noise = step.uniform(mean.dims(), &mean.device());
        noise.lower(mean).float()
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        ops::bernoulli_nll(rows_for(&self.logits, &value), value)
    }

    fn mean(&self) -> Tensor<B, 2> {
        ops::activate(self.logits.clone(), Activation::Sigmoid)
    }
}
