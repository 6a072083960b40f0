//! The plain autoencoder: minimise `-log p(x | decode(encode(x)))`.
//!
//! With `--arch linear --likelihood gaussian` the optimum spans the subspace of the first principal
//! components (Baldi & Hornik 1989, "Neural networks and principal component analysis").

use burn::{module::Module, tensor::backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Code, CodeShape, Method, ModelSpec, Objective, Parts, PriorKind, Result, StepContext,
    VariantConfig,
    nets::{Init, ModelConfig},
};
use vae_data::DataShape;

use crate::deterministic::{decoded, point};

/// The plain autoencoder. It has no options.
#[derive(
    Module, Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema, Validate,
)]
#[serde(default, deny_unknown_fields)]
pub struct Ae {}

impl VariantConfig for Ae {
    const NAME: &'static str = "ae";
    const SUMMARY: &'static str = "plain autoencoder with a deterministic code";
    const PAPER: &'static str = "Hinton & Salakhutdinov 2006; linear: Baldi & Hornik 1989";
    const EXAMPLE: &'static str = "--variant ae --latent 32";
    const PRIORS: &'static [PriorKind] = &[];

    type Method<B: Backend> = Self;

    fn code(&self, model: &ModelConfig, _shape: &DataShape) -> Result<CodeShape> {
        Ok(point(model))
    }

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }
}

impl<B: Backend> Method<B> for Ae {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        decoded(parts, parts.encode(batch, step), batch, step)
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        parts.encode(batch, step).into()
    }

    fn is_generative(&self) -> bool {
        false
    }
}
