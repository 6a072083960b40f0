//! The plain autoencoder: minimise `-log p(x | decode(encode(x)))`.
//!
//! With `--arch linear --likelihood gaussian` the optimum spans the subspace of the first principal
//! components (Baldi & Hornik 1989, "Neural networks and principal component analysis").

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};
use vae_core::{
    Autoencoder, Batch, Decoder, Encoder, Likelihood, Loss, ModelSpec, Objective, OptionInfo,
    Result, StepContext, VariantConfig,
    nets::{Init, Nets},
};

use crate::deterministic::reconstruction;

/// Options of the plain autoencoder: none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AeConfig {}

impl VariantConfig for AeConfig {
    const NAME: &'static str = "ae";
    const SUMMARY: &'static str = "plain autoencoder with a deterministic code";
    const PAPER: &'static str = "Hinton & Salakhutdinov 2006; linear: Baldi & Hornik 1989";
    const OPTIONS: &'static [OptionInfo] = &[];
    const EXAMPLE: &'static str = "--variant ae --latent 32";

    type Model<B: Backend> = Ae<B>;

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Ae<B>> {
        Ok(Ae {
            nets: Nets::init(&spec.model, &spec.nets(spec.model.latent), init)?,
            likelihood: spec.likelihood.init(init.device())?,
            latent: spec.model.latent,
        })
    }
}

/// A plain autoencoder.
#[derive(Module, Debug)]
pub struct Ae<B: Backend> {
    nets: Nets<B>,
    likelihood: Likelihood<B>,
    #[module(skip)]
    latent: usize,
}

impl<B: Backend> Encoder<B> for Ae<B> {
    type Code = Tensor<B, 2>;

    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Tensor<B, 2> {
        self.nets.encode(batch.input.clone(), step)
    }
}

impl<B: Backend> Decoder<B> for Ae<B> {
    fn decode(
        &self,
        z: Tensor<B, 2>,
        _condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        self.nets.decode(z, step)
    }
}

impl<B: Backend> Loss<B> for Ae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        reconstruction(self, batch, step).0
    }
}

impl<B: Backend> Autoencoder<B> for Ae<B> {
    fn likelihood(&self) -> &Likelihood<B> {
        &self.likelihood
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn is_generative(&self) -> bool {
        false
    }
}
