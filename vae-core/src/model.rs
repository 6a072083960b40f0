//! A model: the parts that all share, and what a variant does with them.

use std::marker::PhantomData;

use burn::{
    module::{Module, ModuleDisplay},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    Autoencoder, Batch, Decoder, Encoder, Loss, Objective, Result, Stage, StepContext, Updates,
    distribution::{Code, Distribution, draw_with_log_ratio},
    likelihood::Likelihood,
    parts::{Assembly, LikelihoodOf, Parts},
    train::Evaluation,
    traits::{Draws, Sampler},
};

/// What a variant does with the parts of a model: at the least, its loss. What is not said otherwise is
/// that of a variational autoencoder, whose code has a distribution.
pub trait Method<B: Backend>: Module<B> + ModuleDisplay + 'static {
    /// Checks that the parts can do what the method needs of them.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) or [`Error::Unfit`](crate::Error::Unfit).
    fn check(&self, parts: &impl Parts<B>) -> Result<()> {
        let _ = parts;
        Ok(())
    }

    /// The objective on one batch, in nats per example; with [`Objective::players`] if parts of the
    /// model have objectives of their own.
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B>;

    /// What the encoder says of the examples.
    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        parts.posterior(batch, step).into()
    }

    /// The condition that codes of `batch` are decoded under: its own, unless the model completes it.
    ///
    /// # Shapes
    /// - output: `[batch, condition]`
    fn condition(
        &self,
        _parts: &impl Parts<B>,
        batch: &Batch<B>,
        _step: &StepContext,
    ) -> Option<Tensor<B, 2>> {
        batch.condition.clone()
    }

    /// Whether new codes can be drawn.
    fn is_generative(&self) -> bool {
        true
    }

    /// Whether the likelihood of data can be estimated, by [`Method::draws`].
    fn gives_likelihood(&self) -> bool {
        self.is_generative()
    }

    /// New codes.
    ///
    /// # Shapes
    /// - output: `[count, latent]`
    fn sample(
        &self,
        parts: &impl Parts<B>,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        parts.prior(step, device).sample(count, step)
    }

    /// Draws codes of the examples again and again, each weighed against the prior; nothing for a model
    /// that gives no likelihood of the data.
    fn draws<'a>(
        &'a self,
        parts: &'a impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Option<Sampler<'a, B>> {
        let posterior = parts.posterior(batch, step);
        let prior = parts.prior(step, &batch.input.device());
        Some(Box::new(move |count, step| {
            let (z, log_ratio) = draw_with_log_ratio(&posterior, &prior, count, step);
            Draws { z, log_ratio }
        }))
    }

    /// The optimizers of a training step.
    fn updates(&self, parts: &impl Parts<B>, stage: usize) -> Updates {
        let _ = stage;
        parts.objective().updates(parts)
    }

    /// What is trained when the main training is over, in order.
    fn later_stages(&self) -> Vec<Stage> {
        Vec::new()
    }

    /// What the method changes of itself before the first step, when it has seen a first batch.
    #[must_use]
    fn prepare(self, _parts: &impl Parts<B>, _batch: &Batch<B>, _step: &StepContext) -> Self {
        self
    }

    /// What the method changes of itself after a training step, beside what the optimizers do; `codes`
    /// are those of the step's objective, as constants.
    #[must_use]
    fn after_step(self, codes: Option<Code<B>>, step: &StepContext) -> Self {
        let _ = (codes, step);
        self
    }

    /// What the method changes of itself after an epoch and its evaluation.
    #[must_use]
    fn after_epoch(self, evaluation: Option<&Evaluation>) -> Self {
        let _ = evaluation;
        self
    }
}

/// A model: parts, and a method.
#[derive(Module, Debug)]
pub struct Model<B: Backend, M, A = Assembly<B>> {
    /// Networks, likelihood, prior and posterior.
    pub parts: A,
    /// What the variant does with them, and what it trains besides.
    pub method: M,
    backend: PhantomData<B>,
}

impl<B: Backend, M: Method<B>, A: Parts<B>> Model<B, M, A> {
    /// Puts parts and method together.
    ///
    /// # Errors
    /// If the method needs something that the parts cannot do.
    pub fn new(parts: A, method: M) -> Result<Self> {
        method.check(&parts)?;
        Ok(Self {
            parts,
            method,
            backend: PhantomData,
        })
    }
}

impl<B: Backend, M: Method<B>, A: Parts<B>> Encoder<B> for Model<B, M, A> {
    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        self.method.encode(&self.parts, batch, step)
    }
}

impl<B: Backend, M: Method<B>, A: Parts<B>> Decoder<B> for Model<B, M, A> {
    fn decode(
        &self,
        z: Tensor<B, 2>,
        condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        self.parts.decode(z, condition, step)
    }
}

impl<B: Backend, M: Method<B>, A: Parts<B>> Loss<B> for Model<B, M, A> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        self.method.loss(&self.parts, batch, step)
    }

    fn updates(&self, stage: usize) -> Updates {
        self.method.updates(&self.parts, stage)
    }

    fn later_stages(&self) -> Vec<Stage> {
        self.method.later_stages()
    }

    fn prepare(self, batch: &Batch<B>, step: &StepContext) -> Self {
        let parts = self.parts.prepare(batch, step);
        Self {
            method: self.method.prepare(&parts, batch, step),
            parts,
            backend: PhantomData,
        }
    }

    fn after_step(self, codes: Option<Code<B>>, step: &StepContext) -> Self {
        Self {
            method: self.method.after_step(codes, step),
            ..self
        }
    }

    fn after_epoch(self, evaluation: Option<&Evaluation>) -> Self {
        Self {
            method: self.method.after_epoch(evaluation),
            ..self
        }
    }
}

impl<B: Backend, M: Method<B>, A: Parts<B>> Autoencoder<B> for Model<B, M, A> {
    type Likelihood = LikelihoodOf<B, A>;

    fn likelihood(&self, parameters: Tensor<B, 2>) -> Self::Likelihood {
        self.parts.likelihood().distribution(parameters)
    }

    fn condition(&self, batch: &Batch<B>, step: &StepContext) -> Option<Tensor<B, 2>> {
        self.method.condition(&self.parts, batch, step)
    }

    fn latent(&self) -> usize {
        self.parts.shared().latent
    }

    fn is_generative(&self) -> bool {
        self.method.is_generative()
    }

    fn gives_likelihood(&self) -> bool {
        self.method.gives_likelihood()
    }

    fn sample(&self, count: usize, step: &StepContext, device: &B::Device) -> Option<Tensor<B, 2>> {
        let method = &self.method;
        (method.is_generative()).then(|| method.sample(&self.parts, count, step, device))
    }

    fn log_prior(&self, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 1> {
        self.parts.prior(step, &z.device()).log_prob(z)
    }

    fn draws(&self, batch: &Batch<B>, step: &StepContext) -> Option<Sampler<'_, B>> {
        let batch = Batch {
            condition: self.condition(batch, step),
            ..batch.clone()
        };
        let method = &self.method;
        (method.gives_likelihood())
            .then(|| method.draws(&self.parts, &batch, step))
            .flatten()
    }
}
