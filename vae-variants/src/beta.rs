//! The beta-VAE (Higgins 2017, eq. 4): the VAE with the KL weighted by beta. The controlled-capacity
//! form of Burgess 2018 (eq. 8) is `--capacity`, which every Gaussian variant takes.

use burn::{module::Module, tensor::backend::Backend};
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Loss, ModelSpec, Objective, OptionInfo, Result, Schedule, StepContext, Updates,
    VariantConfig, nets::Init,
};

use crate::{Vae, VaeConfig, vae::is_a_vae};

/// Options of the beta-VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BetaConfig {
    /// Weight of the KL.
    pub beta: Schedule,
}

impl Default for BetaConfig {
    fn default() -> Self {
        Self {
            beta: Schedule::Constant(4.0),
        }
    }
}

impl VariantConfig for BetaConfig {
    const NAME: &'static str = "beta";
    const SUMMARY: &'static str = "VAE with a weighted KL, for disentangled codes";
    const PAPER: &'static str = "Higgins 2017; --capacity: Burgess 2018";
    const OPTIONS: &'static [OptionInfo] = &[OptionInfo {
        key: "beta",
        help: "Weight of the KL, at least 0; 1 is the plain VAE. A number or a schedule",
    }];
    const EXAMPLE: &'static str = "--variant beta --beta 4";

    type Model<B: Backend> = Beta<B>;

    fn check(&self) -> Result<()> {
        self.beta.check_at_least("variant.beta", 0.0)
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Beta<B>> {
        Ok(Beta {
            vae: VaeConfig::default().build(spec, init)?,
            beta: self.beta.clone(),
        })
    }
}

/// A beta-VAE.
#[derive(Module, Debug)]
pub struct Beta<B: Backend> {
    vae: Vae<B>,
    #[module(skip)]
    beta: Schedule,
}

is_a_vae!(Beta);

impl<B: Backend> Loss<B> for Beta<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let beta = self.beta.at(step.step, step.total_steps);
        self.vae.weighted_loss(batch, beta, step)
    }

    fn updates(&self) -> Updates {
        self.vae.updates()
    }
}
