//! The Poisson likelihood.

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Distribution,
    host::{self, PoissonOf, Whole},
    repeat_rows, rows_for,
};
use crate::{
    StepContext,
    ops::{self, LOG_RATE},
};

/// Independent Poisson variables. Log rates within ±16 are as given, and none leaves ±24: see
/// [`ops::soft_limit`].
#[derive(Debug, Clone)]
pub struct Poisson<B: Backend> {
    /// `[rows, features]`
    pub log_rate: Tensor<B, 2>,
}

impl<B: Backend> Poisson<B> {
    /// `P(X <= value)` of each feature, without gradient.
    ///
    /// # Shapes
    /// - `value`, output: `[count * rows, features]`
    pub fn cdf(&self, value: Tensor<B, 2>) -> Tensor<B, 2> {
        let log_rate = rows_for(&self.log_rate, &value);
        host::map([log_rate, value], |[log_rate, k]| of(log_rate).below(k))
    }
}

fn of(log_rate: f64) -> PoissonOf {
    PoissonOf(LOG_RATE.of(log_rate).exp())
}

impl<B: Backend> Distribution<B> for Poisson<B> {
    /// By inversion, on the host; without gradient.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let log_rate = repeat_rows(self.log_rate.clone(), count);
        let [high, low] = host::uniform(log_rate.dims(), &log_rate.device(), step);
        host::map([log_rate, high, low], |[log_rate, high, low]| {
            of(log_rate).quantile(host::joined(high, low))
        })
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        ops::poisson_nll(rows_for(&self.log_rate, &value), value)
    }

    fn mean(&self) -> Tensor<B, 2> {
        ops::soft_limit(self.log_rate.clone(), LOG_RATE).exp()
    }
}
