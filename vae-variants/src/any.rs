//! What [`Variant`] and [`Methods`] do, handed on to the variant that they are.

use burn::tensor::{Tensor, backend::Backend};
use vae_core::{
    Batch, Code, CodeShape, Method, ModelSpec, Objective, Parts, Result, Sampler, Stage,
    StepContext, Updates, VariantConfig,
    nets::{Init, ModelConfig},
    train::Evaluation,
};
use vae_data::{Corruption, DataShape};

use crate::{Methods, Variant, VariantInfo};

impl Variant {
    /// What is known of this variant.
    pub fn info(&self) -> VariantInfo {
        of_any!(self, Self: any => VariantInfo::of(any))
    }

    /// Checks every option against its bound.
    ///
    /// # Errors
    /// [`vae_core::Error::Setting`] naming the first that is out of bounds.
    pub fn check(&self) -> Result<()> {
        of_any!(self, Self: any => VariantConfig::check(any))
    }

    /// What is done to the encoder's input.
    pub fn corruption(&self) -> Option<Corruption> {
        of_any!(self, Self: any => any.corruption())
    }

    /// The share of each training batch that labelled examples are to have.
    pub fn labelled_share(&self) -> Option<f64> {
        of_any!(self, Self: any => VariantConfig::labelled_share(any))
    }

    /// Whether the model needs class labels or attributes.
    pub fn is_conditional(&self) -> bool {
        of_any!(self, Self: any => any.is_conditional())
    }

    /// Whether the method's own networks get their initial weights before those of the parts.
    pub(crate) fn is_method_first(&self) -> bool {
        fn first<V: VariantConfig>(_: &V) -> bool {
            V::METHOD_FIRST
        }
        of_any!(self, Self: any => first(any))
    }

    /// The code.
    ///
    /// # Errors
    /// [`vae_core::Error::Setting`] if the settings do not fit the variant or the data.
    pub fn code(&self, model: &ModelConfig, shape: &DataShape) -> Result<CodeShape> {
        of_any!(self, Self: any => VariantConfig::code(any, model, shape))
    }

    /// Checks that data and settings are such that the variant can do something with them.
    ///
    /// # Errors
    /// [`vae_core::Error::Setting`] or [`vae_core::Error::Unfit`] if not.
    pub fn fits(&self, spec: &ModelSpec) -> Result<()> {
        of_any!(self, Self: any => VariantConfig::fits(any, spec))
    }

    /// Whether the code is one distribution over a row of numbers, with the default networks.
    pub(crate) fn has_posterior(&self) -> bool {
        let code = self.code(&ModelConfig::default(), &DataShape::flat(1));
        code.is_ok_and(|code| code.is_posterior())
    }

    /// Builds the method with fresh weights.
    ///
    /// # Errors
    /// [`vae_core::Error::Setting`] or [`vae_core::Error::Unfit`] if the settings do not fit the
    /// variant or the data.
    pub fn build<B: Backend>(
        &self,
        spec: &ModelSpec,
        init: &mut Init<'_, B>,
    ) -> Result<Methods<B>> {
        Ok(map_any!(self, Self: any => any.build(spec, init)?))
    }
}

impl<B: Backend> Method<B> for Methods<B> {
    fn check(&self, parts: &impl Parts<B>) -> Result<()> {
        of_any!(self, Self: any => Method::check(any, parts))
    }

    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        of_any!(self, Self: any => any.loss(parts, batch, step))
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        of_any!(self, Self: any => any.encode(parts, batch, step))
    }

    fn condition(
        &self,
        parts: &impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Option<Tensor<B, 2>> {
        of_any!(self, Self: any => any.condition(parts, batch, step))
    }

    fn is_generative(&self) -> bool {
        of_any!(self, Self: any => Method::<B>::is_generative(any))
    }

    fn gives_likelihood(&self) -> bool {
        of_any!(self, Self: any => Method::<B>::gives_likelihood(any))
    }

    fn sample(
        &self,
        parts: &impl Parts<B>,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        of_any!(self, Self: any => any.sample(parts, count, step, device))
    }

    fn draws<'a>(
        &'a self,
        parts: &'a impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Option<Sampler<'a, B>> {
        of_any!(self, Self: any => any.draws(parts, batch, step))
    }

    fn updates(&self, parts: &impl Parts<B>, stage: usize) -> Updates {
        of_any!(self, Self: any => any.updates(parts, stage))
    }

    fn later_stages(&self) -> Vec<Stage> {
        of_any!(self, Self: any => Method::<B>::later_stages(any))
    }

    fn prepare(self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Self {
        map_any!(self, Self: any => any.prepare(parts, batch, step))
    }

    fn after_step(self, codes: Option<Code<B>>, step: &StepContext) -> Self {
        map_any!(self, Self: any => Method::<B>::after_step(any, codes, step))
    }

    fn after_epoch(self, evaluation: Option<&Evaluation>) -> Self {
        map_any!(self, Self: any => Method::<B>::after_epoch(any, evaluation))
    }
}
