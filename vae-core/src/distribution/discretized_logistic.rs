//! The discretized logistic likelihood of eight-bit pixels.

use burn::tensor::{Tensor, activation::sigmoid, backend::Backend};

use super::{
    Distribution,
    categorical::{TOP, floor_level},
    repeat_rows, rows_for,
};
use crate::{StepContext, ops};

/// Independent logistic variables, rounded to the 256 levels of a pixel, of which the lowest and the highest
/// take the tails (Salimans 2017, section 2.1, with one component). Values are levels divided by 255.
#[derive(Debug, Clone)]
pub struct DiscretizedLogistic<B: Backend> {
    /// First the means, then the logarithms of the scales, in units of the values. Log scales within ±10 are
    /// as given, and none leaves ±14: see [`ops::soft_limit`]. `[rows, 2 * features]`
    pub parameters: Tensor<B, 2>,
}

impl<B: Backend> DiscretizedLogistic<B> {
    /// `P(X <= value)` of each feature; a value may be off by a thousandth of a level.
    ///
    /// # Shapes
    /// - `value`, output: `[count * rows, features]`
    pub fn cdf(&self, value: Tensor<B, 2>) -> Tensor<B, 2> {
        let [mean, width] = ops::logistic(rows_for(&self.parameters, &value));
        let level = floor_level(value);
        let none = level.clone().lower_elem(-0.5);
        let all = level.clone().greater_elem(TOP - 0.5);
        let below = sigmoid((level.add_scalar(0.5) - mean) * width);
        below.mask_fill(none, 0.0).mask_fill(all, 1.0)
    }
}

impl<B: Backend> Distribution<B> for DiscretizedLogistic<B> {
    /// By inversion of the logistic, rounded. Without gradient.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let parameters = repeat_rows(self.parameters.clone().detach(), count);
        let [mean, width] = ops::logistic(parameters);
        let u: Tensor<B, 2> = step.uniform(mean.dims(), &mean.device());
        let u = u.clamp(LEAST, 1.0 - LEAST);
        let logit = u.clone().log() - u.neg().add_scalar(1.0).log();
        ops::level((mean + logit / width).div_scalar(TOP)).div_scalar(TOP)
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        ops::discretized_logistic_nll(rows_for(&self.parameters, &value), value)
    }

    /// Of the rounded variable, from 0 to 1.
    fn mean(&self) -> Tensor<B, 2> {
        ops::discretized_logistic_mean(self.parameters.clone())
    }
}

/// Uniform numbers keep this distance from 0 and 1.
const LEAST: f64 = 1e-7;
