//! The variational autoencoder (Kingma & Welling 2014): minimise the negative ELBO
//! `-E_q(z|x)[log p(x|z)] + KL(q(z|x) || N(0, I))` with a diagonal Gaussian posterior and one
//! reparameterised sample per example (eq. 7 and 10).

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};
use vae_core::{
    Autoencoder, Batch, Decoder, DiagonalGaussian, Encoder, Likelihood, Loss, ModelSpec, Objective,
    ObjectiveConfig, OptionInfo, Result, StepContext, Updates, VariantConfig, negative_elbo,
    nets::{Init, Nets},
};

/// Options of the variational autoencoder: none of its own; see the `[objective]` settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaeConfig {}

impl VariantConfig for VaeConfig {
    const NAME: &'static str = "vae";
    const SUMMARY: &'static str = "variational autoencoder, Gaussian posterior and prior";
    const PAPER: &'static str = "Kingma & Welling 2014";
    const OPTIONS: &'static [OptionInfo] = &[];
    const EXAMPLE: &'static str = "--variant vae --latent 20 --hidden 400";

    type Model<B: Backend> = Vae<B>;

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Vae<B>> {
        Ok(Vae {
            nets: Nets::init(&spec.model, &spec.nets(2 * spec.model.latent), init)?,
            likelihood: spec.likelihood.init(init.device())?,
            objective: spec.objective.clone(),
            latent: spec.model.latent,
        })
    }
}

/// A variational autoencoder.
#[derive(Module, Debug)]
pub struct Vae<B: Backend> {
    pub(crate) nets: Nets<B>,
    likelihood: Likelihood<B>,
    #[module(skip)]
    objective: ObjectiveConfig,
    #[module(skip)]
    latent: usize,
}

impl<B: Backend> Vae<B> {
    /// The KL term's settings.
    pub(crate) fn objective(&self) -> &ObjectiveConfig {
        &self.objective
    }

    /// The negative ELBO with the KL weighted by `kl_weight`.
    pub(crate) fn weighted_loss(
        &self,
        batch: &Batch<B>,
        kl_weight: f64,
        step: &StepContext,
    ) -> Objective<B> {
        negative_elbo(self, batch, kl_weight, &self.objective, step)
    }
}

impl<B: Backend> Encoder<B> for Vae<B> {
    type Code = DiagonalGaussian<B>;

    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> DiagonalGaussian<B> {
        DiagonalGaussian::from_parameters(self.nets.encode(batch.input.clone(), step))
    }
}

impl<B: Backend> Decoder<B> for Vae<B> {
    fn decode(
        &self,
        z: Tensor<B, 2>,
        _condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        self.nets.decode(z, step)
    }
}

impl<B: Backend> Loss<B> for Vae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        self.weighted_loss(batch, 1.0, step)
    }

    fn updates(&self) -> Updates {
        self.objective.updates(&self.nets.encoder, self)
    }
}

impl<B: Backend> Autoencoder<B> for Vae<B> {
    fn likelihood(&self) -> &Likelihood<B> {
        &self.likelihood
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn is_generative(&self) -> bool {
        true
    }
}

/// Gives a model that holds a [`Vae`] in its field `vae` that one's encoder, decoder and likelihood.
macro_rules! is_a_vae {
    ($model:ident) => {
        impl<B: burn::tensor::backend::Backend> vae_core::Encoder<B> for $model<B> {
            type Code = vae_core::DiagonalGaussian<B>;

            fn encode(
                &self,
                batch: &vae_core::Batch<B>,
                step: &vae_core::StepContext,
            ) -> Self::Code {
                self.vae.encode(batch, step)
            }
        }

        impl<B: burn::tensor::backend::Backend> vae_core::Decoder<B> for $model<B> {
            fn decode(
                &self,
                z: burn::tensor::Tensor<B, 2>,
                condition: Option<&burn::tensor::Tensor<B, 2>>,
                step: &vae_core::StepContext,
            ) -> burn::tensor::Tensor<B, 2> {
                self.vae.decode(z, condition, step)
            }
        }

        impl<B: burn::tensor::backend::Backend> vae_core::Autoencoder<B> for $model<B> {
            fn likelihood(&self) -> &vae_core::Likelihood<B> {
                self.vae.likelihood()
            }

            fn latent(&self) -> usize {
                vae_core::Autoencoder::<B>::latent(&self.vae)
            }

            fn is_generative(&self) -> bool {
                true
            }
        }
    };
}

pub(crate) use is_a_vae;
