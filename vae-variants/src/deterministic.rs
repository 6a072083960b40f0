//! What the variants with a deterministic code share.

use burn::tensor::{Tensor, backend::Backend};
use vae_core::{Autoencoder, Batch, Encoder, Objective, StepContext};

/// The reconstruction term of a deterministic code, with the squared error as a monitor, and the
/// code itself.
///
/// # Shapes
/// - code: `[batch, latent]`
pub fn reconstruction<B, M>(
    model: &M,
    batch: &Batch<B>,
    step: &StepContext,
) -> (Objective<B>, Tensor<B, 2>)
where
    B: Backend,
    M: Autoencoder<B> + Encoder<B, Code = Tensor<B, 2>>,
{
    let code = model.encode(batch, step);
    (decoded(model, code.clone(), batch, step), code)
}

/// The reconstruction term of a code that is already known.
///
/// # Shapes
/// - `code`: `[batch, latent]`
pub fn decoded<B: Backend, M: Autoencoder<B>>(
    model: &M,
    code: Tensor<B, 2>,
    batch: &Batch<B>,
    step: &StepContext,
) -> Objective<B> {
    let parameters = model.decode(code.clone(), batch.condition.as_ref(), step);
    let nll = model
        .likelihood()
        .nll(parameters.clone(), batch.target.clone());
    let error = model.likelihood().mean(parameters) - batch.target.clone();
    Objective::new(nll)
        .with_monitor("squared_error", error.square().sum_dim(1).squeeze_dim(1))
        .with_codes(code)
}
