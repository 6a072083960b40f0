//! The categorical likelihood of eight-bit pixels.

use burn::tensor::{Int, Tensor, activation::softmax, backend::Backend};

use super::{Distribution, repeat_rows, rows_for};
use crate::{
    StepContext,
    ops::{self, LEVELS},
};

/// Independent pixels, each with a probability for each of its 256 levels (van den Oord 2016). Values are
/// levels divided by 255.
#[derive(Debug, Clone)]
pub struct Categorical<B: Backend> {
    /// Those of level 0 for all features, then of level 1, and so on. `[rows, 256 * features]`
    pub logits: Tensor<B, 2>,
}

impl<B: Backend> Categorical<B> {
    /// The probabilities of the levels. `[rows, 256, features]`
    pub fn probabilities(&self) -> Tensor<B, 3> {
        let [rows, width] = self.logits.dims();
        softmax(
            self.logits.clone().reshape([rows, LEVELS, width / LEVELS]),
            1,
        )
    }

    /// `P(X <= value)` of each feature; a value may be off by a thousandth of a level.
    ///
    /// # Shapes
    /// - `value`, output: `[count * rows, features]`
    pub fn cdf(&self, value: Tensor<B, 2>) -> Tensor<B, 2> {
        let shape = value.dims();
        let [rows, _, features] = self.probabilities().dims();
        let sums = self
            .probabilities()
            .cumsum(1)
            .reshape([rows, LEVELS * features]);
        let sums = rows_for(&sums, &value).reshape([shape[0], LEVELS, features]);
        let level = floor_level(value);
        let none = level.clone().lower_elem(-0.5);
        let all = level.clone().greater_elem(TOP - 0.5);
        let at: Tensor<B, 2, Int> = level.clamp(0.0, TOP).int();
        let below = sums.gather(1, at.unsqueeze_dim::<3>(1)).reshape(shape);
        below.mask_fill(none, 0.0).mask_fill(all, 1.0)
    }
}

/// The highest level.
pub(super) const TOP: f64 = (LEVELS - 1) as f64;

/// The highest level that is not above a value; -1 below 0.
pub(super) fn floor_level<B: Backend>(value: Tensor<B, 2>) -> Tensor<B, 2> {
    let level = value.mul_scalar(TOP).add_scalar(1e-3).floor();
    level.clamp(-1.0, TOP)
}

impl<B: Backend> Distribution<B> for Categorical<B> {
    /// By inversion: the level is the number of sums of probabilities that are not above a uniform number.
    /// Without gradient.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let probabilities = self.probabilities();
        let [rows, _, features] = probabilities.dims();
        let shape = [count * rows, features];
        let sums = probabilities
            .detach()
            .cumsum(1)
            .reshape([rows, LEVELS * features]);
        let sums = repeat_rows(sums, count).reshape([shape[0], LEVELS, features]);
        let u: Tensor<B, 3> = step.uniform([shape[0], 1, features], &sums.device());
        let passed = sums
            .lower_equal(u.expand([shape[0], LEVELS, features]))
            .float();
        passed
            .sum_dim(1)
            .reshape(shape)
            .clamp_max(TOP)
            .div_scalar(TOP)
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        ops::categorical_nll(rows_for(&self.logits, &value), value)
    }

    /// From 0 to 1.
    fn mean(&self) -> Tensor<B, 2> {
        let probabilities = self.probabilities();
        let [rows, _, features] = probabilities.dims();
        let device = probabilities.device();
        let levels = Tensor::<B, 1, Int>::arange(0..LEVELS as i64, &device).float();
        let levels = levels.div_scalar(TOP).reshape([1, LEVELS, 1]);
        (probabilities * levels)
            .sum_dim(1)
            .reshape([rows, features])
    }
}
