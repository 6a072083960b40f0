//! The traits a variant implements. Everything else in the workspace (training, evaluation,
//! sampling, the command line) is written against them.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use crate::{Batch, Likelihood, Objective, Posterior, StepContext, Updates};

/// Maps an example to its latent code.
pub trait Encoder<B: Backend> {
    /// What the encoder says about the code: [`DiagonalGaussian`](crate::DiagonalGaussian), or a
    /// plain `[batch, latent]` tensor for a deterministic code.
    type Code: Into<Posterior<B>>;

    /// Encodes `batch.input` (and `batch.condition` where the variant is conditional).
    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Self::Code;
}

/// Maps a latent code to the parameters of the likelihood.
pub trait Decoder<B: Backend> {
    /// Decodes codes under the condition they belong to, if any.
    ///
    /// # Shapes
    /// - `z`: `[batch, latent]`
    /// - `condition`: `[batch, classes + attributes]`
    /// - output: `[batch, features * parameters per feature]`, see [`Likelihood`]
    fn decode(
        &self,
        z: Tensor<B, 2>,
        condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2>;
}

/// What training minimises.
pub trait Loss<B: Backend> {
    /// The objective on one batch, in nats per example; with [`Objective::players`] if parts of the
    /// model have objectives of their own.
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B>;

    /// The optimizers of a training step. All move along the gradient of the one objective; an
    /// adversarial variant returns several.
    fn updates(&self) -> Updates {
        Updates::joint()
    }
}

/// A complete model: what sampling, reconstruction and the pictures of a run need beyond the loss.
pub trait Autoencoder<B: Backend>: Module<B> + Encoder<B> + Decoder<B> + Loss<B> + 'static {
    /// The likelihood of the data given the decoder's output.
    fn likelihood(&self) -> &Likelihood<B>;

    /// The condition that codes of `batch` are decoded under: its own, unless the model completes it,
    /// as where it guesses the class of examples without label.
    ///
    /// # Shapes
    /// - output: `[batch, classes + attributes]`
    fn condition(&self, batch: &Batch<B>, _step: &StepContext) -> Option<Tensor<B, 2>> {
        batch.condition.clone()
    }

    /// Width of the code.
    fn latent(&self) -> usize;

    /// Whether codes drawn from `N(0, I)` decode to new examples.
    fn is_generative(&self) -> bool;

    /// Mean of the likelihood given the mean code: the reconstruction one shows.
    ///
    /// # Shapes
    /// - output: `[batch, features]`
    fn reconstruct(&self, batch: &Batch<B>, step: &StepContext) -> Tensor<B, 2> {
        let posterior: Posterior<B> = self.encode(batch, step).into();
        let condition = self.condition(batch, step);
        let parameters = self.decode(posterior.mean(), condition.as_ref(), step);
        self.likelihood().mean(parameters)
    }
}
