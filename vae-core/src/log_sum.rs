//! Sums of numbers that are given by their logarithms.

use burn::tensor::{Tensor, backend::Backend};

/// Below this a share of a sum of weights counts as 0. It is far below the rounding error of the sum,
/// and gradients weighted with less would be subnormal numbers, with which a step takes three times as
/// long.
const NO_SHARE: f32 = 1e-12;

/// `log(scaled) + largest`, without overflow. `[1, batch]` each
pub(crate) struct LogSum<B: Backend> {
    largest: Tensor<B, 2>,
    scaled: Tensor<B, 2>,
}

impl<B: Backend> LogSum<B> {
    /// Of the columns of `logs`.
    pub(crate) fn of(logs: Tensor<B, 2>) -> Self {
        // A constant: the sum does not depend on it.
        let largest = logs.clone().detach().max_dim(0);
        let scaled = (logs - largest.clone()).exp().sum_dim(0);
        Self { largest, scaled }
    }

    /// What share each of the numbers with these logarithms has in the sum. `[count, batch]`
    pub(crate) fn shares(&self, logs: Tensor<B, 2>) -> Tensor<B, 2> {
        let shares = (logs - self.largest.clone()).exp() / self.scaled.clone();
        let none = shares.clone().lower_elem(NO_SHARE);
        shares.mask_fill(none, 0.0)
    }

    /// The logarithm of the sum. `[batch]`
    pub(crate) fn log_sum(self) -> Tensor<B, 1> {
        (self.largest + self.scaled.log()).squeeze_dim(0)
    }

    /// The logarithm of the sum divided by `count`. `[batch]`
    pub(crate) fn log_mean(self, count: usize) -> Tensor<B, 1> {
        let log_mean = self.largest + self.scaled.log().sub_scalar((count as f64).ln());
        log_mean.squeeze_dim(0)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        let largest = self.largest.clone().max_pair(other.largest.clone());
        let scaled = |part: Self| part.scaled * (part.largest - largest.clone()).exp();
        Self {
            scaled: scaled(self) + scaled(other),
            largest,
        }
    }
}
