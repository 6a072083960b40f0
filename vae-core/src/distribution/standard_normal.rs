//! `N(0, I)`.

use burn::tensor::{Tensor, backend::Backend};

use super::{DiagonalGaussian, Distribution, LOG_2_PI};
use crate::{StepContext, ops};

/// `N(0, I)` over codes: one row.
#[derive(Debug, Clone)]
pub struct StandardNormal<B: Backend> {
    width: usize,
    device: B::Device,
}

impl<B: Backend> StandardNormal<B> {
    /// Over codes of the given width.
    pub fn new(width: usize, device: B::Device) -> Self {
        Self { width, device }
    }
}

impl<B: Backend> Distribution<B> for StandardNormal<B> {
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        step.normal([count, self.width], &self.device)
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        standard_log_prob(value)
    }

    fn mean(&self) -> Tensor<B, 2> {
        Tensor::zeros([1, self.width], &self.device)
    }

    /// `(mean^2 + variance - 1 - log variance) / 2` (Kingma & Welling 2014, appendix B), fused.
    fn kl(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 1>> {
        Some(ops::gaussian_kl(q.parameters()))
    }

    fn kl_per_dimension(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 2>> {
        Some(ops::gaussian_kl_per_dimension(q.parameters()))
    }
}

/// `log N(value | 0, I)` in nats, summed over the width.
///
/// # Shapes
/// - `value`: `[rows, width]`
/// - output: `[rows]`
pub(crate) fn standard_log_prob<B: Backend>(value: Tensor<B, 2>) -> Tensor<B, 1> {
    let [_, width] = value.dims();
    let squares = value.square().sum_dim(1).squeeze_dim::<1>(1);
    squares.add_scalar(width as f64 * LOG_2_PI).mul_scalar(-0.5)
}
