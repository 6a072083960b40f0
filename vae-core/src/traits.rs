//! The traits of a model. Everything else in the workspace (training, evaluation, sampling, the command
//! line) is written against them. [`Model`](crate::Model) has them all, whatever its parts are.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};

use crate::{Batch, Code, Distribution, Objective, StepContext, Updates, train::Evaluation};

/// Maps an example to its latent code.
pub trait Encoder<B: Backend> {
    /// Encodes `batch.input` (and `batch.condition` where the variant is conditional).
    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Code<B>;
}

/// Maps a latent code to the parameters of the likelihood.
pub trait Decoder<B: Backend> {
    /// Decodes codes under the condition they belong to, if any.
    ///
    /// # Shapes
    /// - `z`: `[batch, latent]`
    /// - `condition`: `[batch, classes + attributes]`
    /// - output: `[batch, features * parameters per feature]`, see [`Likelihood`](crate::Likelihood)
    fn decode(
        &self,
        z: Tensor<B, 2>,
        condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2>;
}

/// Something that is trained when the main training is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What it is, in a word.
    pub name: &'static str,
    /// Passes over the training split.
    pub epochs: usize,
}

/// What training minimises, and what it changes besides.
pub trait Loss<B: Backend>: Sized {
    /// The objective on one batch, in nats per example; with [`Objective::players`] if parts of the
    /// model have objectives of their own.
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B>;

    /// The optimizers of the steps of a stage; 0 is the main training. All move along the gradient of
    /// the one objective; an adversarial variant returns several.
    fn updates(&self, stage: usize) -> Updates {
        let _ = stage;
        Updates::joint()
    }

    /// What is trained when the main training is over, in order: stages 1, 2, ...
    fn later_stages(&self) -> Vec<Stage> {
        Vec::new()
    }

    /// Changes the model before the first step, when a first batch has been seen.
    #[must_use]
    fn prepare(self, batch: &Batch<B>, step: &StepContext) -> Self {
        let _ = (batch, step);
        self
    }

    /// Changes the model after a training step, beside what the optimizers do; `codes` are those of the
    /// step's objective, as constants.
    #[must_use]
    fn after_step(self, codes: Option<Code<B>>, step: &StepContext) -> Self {
        let _ = (codes, step);
        self
    }

    /// Changes the model after an epoch and its evaluation.
    #[must_use]
    fn after_epoch(self, evaluation: Option<&Evaluation>) -> Self {
        let _ = evaluation;
        self
    }
}

/// Codes drawn from posteriors, `count` for each example.
#[derive(Debug, Clone)]
pub struct Draws<B: Backend> {
    /// What the decoder takes. `[count * batch, latent]`
    pub z: Tensor<B, 2>,
    /// `log p(z) - log q(z|x)` in nats. `[count * batch]`
    pub log_ratio: Tensor<B, 1>,
}

/// Draws so many codes of each example, with the noise of the step.
pub type Sampler<'a, B> = Box<dyn Fn(usize, &StepContext) -> Draws<B> + 'a>;

/// A complete model: what sampling, reconstruction and the pictures of a run need beyond the loss.
pub trait Autoencoder<B: Backend>: Module<B> + Encoder<B> + Decoder<B> + Loss<B> + 'static {
    /// The distribution of the data.
    type Likelihood: Distribution<B>;

    /// `p(x|z)` where the decoder gave these parameters.
    ///
    /// # Shapes
    /// - `parameters`: `[batch, features * parameters per feature]`
    fn likelihood(&self, parameters: Tensor<B, 2>) -> Self::Likelihood;

    /// The condition that codes of `batch` are decoded under: its own, unless the model completes it,
    /// as where it guesses the class of examples without label.
    ///
    /// # Shapes
    /// - output: `[batch, classes + attributes]`
    fn condition(&self, batch: &Batch<B>, step: &StepContext) -> Option<Tensor<B, 2>>;

    /// Width of the row that the decoder takes.
    fn latent(&self) -> usize;

    /// Whether new codes can be drawn.
    fn is_generative(&self) -> bool;

    /// Whether the likelihood of data can be estimated, by [`Autoencoder::draws`].
    fn gives_likelihood(&self) -> bool {
        self.is_generative()
    }

    /// New codes, from the prior; nothing for a model without one.
    ///
    /// # Shapes
    /// - output: `[count, latent]`
    fn sample(&self, count: usize, step: &StepContext, device: &B::Device) -> Option<Tensor<B, 2>>;

    /// Draws codes of the examples again and again, each weighed against the prior; nothing for a model
    /// that gives no likelihood of the data.
    fn draws(&self, batch: &Batch<B>, step: &StepContext) -> Option<Sampler<'_, B>>;

    /// Logarithm of the density of codes under the prior in nats, for models whose code is a
    /// [`Posterior`](crate::Posterior) over what the decoder takes.
    ///
    /// # Shapes
    /// - `z`: `[count, latent]`
    /// - output: `[count]`
    fn log_prior(&self, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 1>;

    /// Mean of the likelihood given the mean code: the reconstruction one shows.
    ///
    /// # Shapes
    /// - output: `[batch, features]`
    fn reconstruct(&self, batch: &Batch<B>, step: &StepContext) -> Tensor<B, 2> {
        let code = self.encode(batch, step);
        let condition = self.condition(batch, step);
        let parameters = self.decode(code.mean(), condition.as_ref(), step);
        self.likelihood(parameters).mean()
    }
}
