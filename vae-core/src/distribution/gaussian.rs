//! The Gaussian likelihoods: with a fixed, a learned, or a decoded standard deviation.

use burn::tensor::{Tensor, backend::Backend};

use super::{Distribution, LOG_2_PI, repeat_rows, rows_for};
use crate::{StepContext, ops};

/// Learned standard deviations stay above `exp(-6)`, as in Rybkin 2021 (section 4.2).
pub(super) const MIN_LOG_SIGMA: f64 = -6.0;

/// Where a Gaussian's standard deviation comes from.
#[derive(Debug, Clone)]
pub enum Spread<B: Backend> {
    /// It is given.
    Fixed(f64),
    /// One for all features: its logarithm, before the smooth lower bound. `[1]`
    Global(Tensor<B, 1>),
    /// The second half of the parameters: the logarithm for each feature, before the bound.
    PerFeature,
}

/// Independent Gaussians.
#[derive(Debug, Clone)]
pub struct Gaussian<B: Backend> {
    /// The mean; with [`Spread::PerFeature`] followed by the logarithm of the standard deviation.
    /// `[rows, features]` or `[rows, 2 * features]`
    pub parameters: Tensor<B, 2>,
    /// The standard deviation.
    pub spread: Spread<B>,
}

/// `softplus(x + 6) - 6`
fn bounded<B: Backend, const D: usize>(log_sigma: Tensor<B, D>) -> Tensor<B, D> {
    ops::soft_floor(log_sigma, MIN_LOG_SIGMA)
}

impl<B: Backend> Distribution<B> for Gaussian<B> {
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let mean = repeat_rows(self.mean(), count);
        let noise: Tensor<B, 2> = step.normal(mean.dims(), &mean.device());
        let noise = match &self.spread {
            Spread::Fixed(sigma) => noise.mul_scalar(*sigma),
            Spread::Global(log_sigma) => noise * bounded(log_sigma.clone()).exp().unsqueeze::<2>(),
            Spread::PerFeature => {
                let features = mean.dims()[1];
                let log_sigma = self.parameters.clone().narrow(1, features, features);
                noise * repeat_rows(bounded(log_sigma).exp(), count)
            }
        };
        mean + noise
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let features = value.dims()[1] as f64;
        let parameters = rows_for(&self.parameters, &value);
        match &self.spread {
            Spread::Fixed(sigma) => {
                let log_sigma = sigma.ln();
                ops::squared_error(parameters, value)
                    .mul_scalar(0.5 * (-2.0 * log_sigma).exp())
                    .add_scalar(features * (log_sigma + 0.5 * LOG_2_PI))
            }
            Spread::Global(log_sigma) => {
                let log_sigma = bounded(log_sigma.clone()); // [1]
                ops::squared_error(parameters, value)
                    * log_sigma.clone().mul_scalar(-2.0).exp().mul_scalar(0.5)
                    + log_sigma.add_scalar(0.5 * LOG_2_PI).mul_scalar(features)
            }
            Spread::PerFeature => ops::gaussian_nll(parameters, value, MIN_LOG_SIGMA)
                .add_scalar(features * 0.5 * LOG_2_PI),
        }
    }

    fn mean(&self) -> Tensor<B, 2> {
        match self.spread {
            Spread::Fixed(_) | Spread::Global(_) => self.parameters.clone(),
            Spread::PerFeature => {
                let features = self.parameters.dims()[1] / 2;
                self.parameters.clone().narrow(1, 0, features)
            }
        }
    }
}
