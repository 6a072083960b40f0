//! The beta-VAE (Higgins 2017, eq. 4): the VAE with the KL weighted by beta. The controlled-capacity
//! form of Burgess 2018 (eq. 8) is `--capacity`, which every Gaussian variant takes.

use burn::{module::Module, tensor::backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Method, ModelSpec, Objective, Parts, Result, Schedule, StepContext, VariantConfig,
    negative_elbo, nets::Init,
};

/// The beta-VAE.
#[derive(Module, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct Beta {
    /// Weight of the KL, at least 0; 1 is the plain VAE. A number or a schedule.
    #[garde(dive)]
    pub beta: Schedule,
}

impl Default for Beta {
    fn default() -> Self {
        Self {
            beta: Schedule::Constant(4.0),
        }
    }
}

impl VariantConfig for Beta {
    const NAME: &'static str = "beta";
    const SUMMARY: &'static str = "VAE with a weighted KL, for disentangled codes";
    const PAPER: &'static str = "Higgins 2017; --capacity: Burgess 2018";
    const EXAMPLE: &'static str = "--variant beta --beta 4";

    type Method<B: Backend> = Self;

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }
}

impl<B: Backend> Method<B> for Beta {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let beta = self.beta.at(step.step, step.total_steps);
        negative_elbo(parts, batch, beta, step)
    }
}
