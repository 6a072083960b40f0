//! The continuous Bernoulli likelihood.

use burn::tensor::{Tensor, backend::Backend};

use super::{Distribution, repeat_rows, rows_for};
use crate::{StepContext, ops};

/// Below this size of a logit the mean is that of its series: nearer to 0 the two terms nearly cancel.
const SERIES: f64 = 1.0;
/// What `l`, `l^3`, ... are divided by: the series of `coth(l / 2) / 2 - 1 / l`, whose next term is below 1e-9.
const DIVISORS: [f64; 5] = [12.0, -720.0, 30_240.0, -1_209_600.0, 47_900_160.0];

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

    /// `1/2 + coth(l / 2) / 2 - 1 / l`, near 0 by its series.
    fn mean(&self) -> Tensor<B, 2> {
        let logits = self.logits.clone();
        let small = logits.clone().abs().lower_elem(SERIES);
        let square = logits.clone().square();
        let [rest @ .., last] = DIVISORS;
        let series = logits.zeros_like().add_scalar(1.0 / last);
        let series = rest.into_iter().rev().fold(series, |series, divisor| {
            (series * square.clone()).add_scalar(1.0 / divisor)
        });
        let series = series * logits.clone();
        let safe = logits.mask_fill(small.clone(), 1.0);
        let exact = safe.clone().mul_scalar(0.5).tanh().recip().mul_scalar(0.5) - safe.recip();
        exact.mask_where(small, series).add_scalar(0.5)
    }
}
