//! The conditional VAE (Sohn 2015, eq. 4, with the prior independent of the condition): encoder and
//! decoder both see the condition `c`, a one-hot class and numeric attributes:
//! `-E_q(z|x,c)[log p(x|z,c)] + KL(q(z|x,c) || N(0, I))`.
//!
//! Dense encoders get `c` appended to the features, convolutional ones as constant planes appended
//! to the image's channels. The decoder gets `z` with `c` appended.

use burn::{module::Module, tensor::backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Error, Method, ModelSpec, Objective, Parts, Result, StepContext, VariantConfig,
    negative_elbo, nets::Init,
};

/// The conditional VAE. It has no options of its own: what it is conditioned on are the data's classes
/// and the `data.condition` columns.
#[derive(
    Module, Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema, Validate,
)]
#[serde(default, deny_unknown_fields)]
pub struct Cvae {}

impl VariantConfig for Cvae {
    const NAME: &'static str = "cvae";
    const SUMMARY: &'static str = "VAE conditioned on classes and numeric attributes";
    const PAPER: &'static str = "Sohn 2015";
    const EXAMPLE: &'static str = "--variant cvae --dataset mnist-mini";

    type Method<B: Backend> = Self;

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        if spec.condition == 0 {
            return Err(Error::Unfit(
                "the cvae variant needs something to be conditioned on, but the data have neither \
                 labels nor attributes: name a column with --label or --condition, sort images \
                 into one folder per class, or choose another --variant"
                    .into(),
            ));
        }
        Ok(())
    }

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }

    fn is_conditional(&self) -> bool {
        true
    }
}

impl<B: Backend> Method<B> for Cvae {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        negative_elbo(parts, batch, 1.0, step)
    }
}
