//! The negative binomial likelihood.

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Distribution,
    host::{self, NegativeBinomialOf, Whole},
    repeat_rows, rows_for,
};
use crate::{
    StepContext,
    ops::{self, LOG_RATE},
};

/// Independent negative binomial variables: Poisson variables whose rates have a Gamma distribution, with the
/// variance `mu + mu^2 / theta`. Logarithms of `mu` and of `theta` within ±16 are as given, and none leaves
/// ±24: see [`ops::soft_limit`].
#[derive(Debug, Clone)]
pub struct NegativeBinomial<B: Backend> {
    /// `log mu`. `[rows, features]`
    pub log_mean: Tensor<B, 2>,
    /// `log theta`, the inverse dispersion. `[features]`
    pub log_theta: Tensor<B, 1>,
}

impl<B: Backend> NegativeBinomial<B> {
    /// `P(X <= value)` of each feature, without gradient.
    ///
    /// # Shapes
    /// - `value`, output: `[count * rows, features]`
    pub fn cdf(&self, value: Tensor<B, 2>) -> Tensor<B, 2> {
        let log_mean = rows_for(&self.log_mean, &value);
        let log_theta = for_rows(&self.log_theta, &log_mean);
        host::map([log_mean, log_theta, value], |[log_mean, log_theta, k]| {
            of(log_mean, log_theta).below(k)
        })
    }
}

/// One for each row of `like`.
pub(super) fn for_rows<B: Backend>(row: &Tensor<B, 1>, like: &Tensor<B, 2>) -> Tensor<B, 2> {
    let [rows, _] = like.dims();
    let [width] = row.dims();
    row.clone().unsqueeze::<2>().expand([rows, width])
}

/// The variable with these parameters.
pub(super) fn of(log_mean: f64, log_theta: f64) -> NegativeBinomialOf {
    NegativeBinomialOf {
        mean: LOG_RATE.of(log_mean).exp(),
        theta: LOG_RATE.of(log_theta).exp(),
    }
}

impl<B: Backend> Distribution<B> for NegativeBinomial<B> {
    /// By inversion, on the host; without gradient.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let log_mean = repeat_rows(self.log_mean.clone(), count);
        let log_theta = for_rows(&self.log_theta, &log_mean);
        let [high, low] = host::uniform(log_mean.dims(), &log_mean.device(), step);
        host::map(
            [log_mean, log_theta, high, low],
            |[log_mean, log_theta, high, low]| {
                of(log_mean, log_theta).quantile(host::joined(high, low))
            },
        )
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let log_mean = rows_for(&self.log_mean, &value);
        let log_theta = for_rows(&self.log_theta, &log_mean);
        ops::negative_binomial_nll(Tensor::cat(vec![log_mean, log_theta], 1), value)
    }

    fn mean(&self) -> Tensor<B, 2> {
        ops::soft_limit(self.log_mean.clone(), LOG_RATE).exp()
    }
}
