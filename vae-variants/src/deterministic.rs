//! What the variants with a point as code share.

use burn::tensor::{Tensor, backend::Backend};
use vae_core::{
    Batch, CodeKind, CodeShape, Distribution, Objective, Parts, StepContext, nets::ModelConfig,
};

/// A code that is a point.
pub fn point(model: &ModelConfig) -> CodeShape {
    CodeShape::row(CodeKind::Point, model)
}

/// The reconstruction term of a code, with the squared error as a monitor.
///
/// # Shapes
/// - `code`: `[batch, latent]`
pub fn decoded<B: Backend>(
    parts: &impl Parts<B>,
    code: Tensor<B, 2>,
    batch: &Batch<B>,
    step: &StepContext,
) -> Objective<B> {
    let likelihood = parts.likelihood_of(code.clone(), batch, step);
    let error = batch.error(likelihood.mean());
    Objective::new(likelihood.nll(batch.target.clone()))
        .with_monitor("squared_error", error.square().sum_dim(1).squeeze_dim(1))
        .with_codes(code)
}
