//! The zero-inflated negative binomial likelihood.

use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};

use super::{
    Distribution,
    host::{self, NegativeBinomialOf, Whole, ZeroInflated},
    negative_binomial::{for_rows, of},
    repeat_rows, rows_for,
};
use crate::{
    StepContext,
    ops::{self, LOG_RATE},
};

/// Independent variables that are 0 with the probability `sigmoid(logit)`, and else as in
/// [`NegativeBinomial`](super::NegativeBinomial) (Lopez 2018, supplementary note 1).
#[derive(Debug, Clone)]
pub struct ZeroInflatedNegativeBinomial<B: Backend> {
    /// First `log mu`, then the logits of the extra zeros. `[rows, 2 * features]`
    pub parameters: Tensor<B, 2>,
    /// `log theta`, the inverse dispersion. `[features]`
    pub log_theta: Tensor<B, 1>,
}

impl<B: Backend> ZeroInflatedNegativeBinomial<B> {
    /// `log mu`, `log theta` and the logits for each row.
    fn parts(&self, parameters: Tensor<B, 2>) -> [Tensor<B, 2>; 3] {
        let features = parameters.dims()[1] / 2;
        let log_mean = parameters.clone().narrow(1, 0, features);
        let log_theta = for_rows(&self.log_theta, &log_mean);
        [
            log_mean,
            log_theta,
            parameters.narrow(1, features, features),
        ]
    }

    /// `P(X <= value)` of each feature, without gradient.
    ///
    /// # Shapes
    /// - `value`, output: `[count * rows, features]`
    pub fn cdf(&self, value: Tensor<B, 2>) -> Tensor<B, 2> {
        let [log_mean, log_theta, logit] = self.parts(rows_for(&self.parameters, &value));
        host::map(
            [log_mean, log_theta, logit, value],
            |[log_mean, log_theta, logit, k]| inflated(log_mean, log_theta, logit).below(k),
        )
    }
}

fn inflated(log_mean: f64, log_theta: f64, logit: f64) -> ZeroInflated<NegativeBinomialOf> {
    ZeroInflated {
        zeros: 1.0 / (1.0 + (-logit).exp()),
        counted: of(log_mean, log_theta),
    }
}

impl<B: Backend> Distribution<B> for ZeroInflatedNegativeBinomial<B> {
    /// By inversion, on the host; without gradient.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let parameters = repeat_rows(self.parameters.clone(), count);
        let [log_mean, log_theta, logit] = self.parts(parameters);
        let [high, low] = host::uniform(log_mean.dims(), &log_mean.device(), step);
        host::map(
            [log_mean, log_theta, logit, high, low],
            |[log_mean, log_theta, logit, high, low]| {
                inflated(log_mean, log_theta, logit).quantile(host::joined(high, low))
            },
        )
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let parts = self.parts(rows_for(&self.parameters, &value));
        ops::zero_inflated_nll(Tensor::cat(parts.to_vec(), 1), value)
    }

    fn mean(&self) -> Tensor<B, 2> {
        let features = self.parameters.dims()[1] / 2;
        let log_mean = self.parameters.clone().narrow(1, 0, features);
        let logit = self.parameters.clone().narrow(1, features, features);
        ops::soft_limit(log_mean, LOG_RATE).exp() * sigmoid(logit.neg())
    }
}
