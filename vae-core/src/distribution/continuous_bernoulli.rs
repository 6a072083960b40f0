//! The continuous Bernoulli likelihood.

use burn::tensor::{Tensor, activation, backend::Backend};

use super::{Distribution, repeat_rows, rows_for};
use crate::{StepContext, ops};

/// Below this size of a logit the series are used.
const SERIES: f64 = 0.1;

/// Continuous Bernoulli from logits (Loaiza-Ganem & Cunningham 2019, eq. 2), a density on [0, 1].
#[derive(Debug, Clone)]
pub struct ContinuousBernoulli<B: Backend> {
    /// `[rows, features]`
    pub logits: Tensor<B, 2>,
}

impl<B: Backend> Distribution<B> for ContinuousBernoulli<B> {
    /// By inversion: `x = log(1 + u (exp(l) - 1)) / l`, near `l = 0` the series
    /// `u + u (1 - u) l / 2`, whose error is below `l^2 / 100`.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let logits = repeat_rows(self.logits.clone(), count);
        let u: Tensor<B, 2> = step.uniform(logits.dims(), &logits.device());
        let small = logits.clone().abs().lower_elem(0.01);
        let rest = u.clone().neg().add_scalar(1.0);
        let series = u.clone() + u.clone() * rest.clone() * logits.clone().mul_scalar(0.5);
        // Of the size of the logit alone, so that no exponential overflows; mirrored where l < 0.
        let size = logits.clone().abs().mask_fill(small.clone(), 1.0);
        let positive = logits.greater_elem(0.0);
        let v = rest.mask_where(positive.clone(), u);
        let exact = (v.clone() + v.neg().add_scalar(1.0) * size.clone().neg().exp()).log() / size;
        let exact = exact.add_scalar(1.0); // log(1 + v (e^s - 1)) / s
        let mirrored = exact.clone().neg().add_scalar(1.0);
        let exact = mirrored.mask_where(positive, exact);
        exact.mask_where(small, series).clamp(0.0, 1.0)
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        ops::continuous_bernoulli_nll(rows_for(&self.logits, &value), value)
    }

    /// `sigmoid(l) / tanh(l / 2) - 1 / l`, near 0 the series `1/2 + l/12 - l^3/720`.
    fn mean(&self) -> Tensor<B, 2> {
        let logits = self.logits.clone();
        let small = logits.clone().abs().lower_elem(SERIES);
        let series = logits.clone().mul_scalar(1.0 / 12.0)
            - logits.clone().powi_scalar(3).mul_scalar(1.0 / 720.0);
        let series = series.add_scalar(0.5);
        let safe = logits.mask_fill(small.clone(), 1.0);
        let exact =
            activation::sigmoid(safe.clone()) / safe.clone().mul_scalar(0.5).tanh() - safe.recip();
        exact.mask_where(small, series)
    }
}
