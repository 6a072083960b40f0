//! The variational autoencoder (Kingma & Welling 2014): minimise the negative ELBO
//! `-E_q(z|x)[log p(x|z)] + KL(q(z|x) || p(z))` with one reparameterised sample per example (eq. 7
//! and 10). Posterior and prior are Gaussian unless the `[model]` settings choose others.

use burn::{module::Module, tensor::backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Method, ModelSpec, Objective, Parts, Result, StepContext, VariantConfig, negative_elbo,
    nets::Init,
};

/// The variational autoencoder. It has no options of its own; see the `[objective]` settings.
#[derive(
    Module, Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema, Validate,
)]
#[serde(default, deny_unknown_fields)]
pub struct Vae {}

impl VariantConfig for Vae {
    const NAME: &'static str = "vae";
    const SUMMARY: &'static str = "variational autoencoder, Gaussian posterior and prior";
    const PAPER: &'static str = "Kingma & Welling 2014";
    const EXAMPLE: &'static str = "--variant vae --latent 20 --hidden 400";

    type Method<B: Backend> = Self;

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }
}

impl<B: Backend> Method<B> for Vae {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        negative_elbo(parts, batch, 1.0, step)
    }
}
