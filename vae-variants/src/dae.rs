//! The denoising autoencoder (Vincent 2008, 2010): corrupt the input, reproduce the clean target,
//! `-log p(x | decode(encode(corrupted x)))`. The corruption itself lives with the data.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};
use vae_core::{
    Autoencoder, Batch, Decoder, Encoder, Likelihood, Loss, ModelSpec, Objective, OptionInfo,
    Result, StepContext, VariantConfig, error::check, nets::Init,
};
use vae_data::{Corruption, CorruptionKind};

use crate::{Ae, AeConfig};

/// Options of the denoising autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DaeConfig {
    /// Kind of corruption.
    pub noise: CorruptionKind,
    /// Its strength.
    pub noise_level: f64,
}

impl Default for DaeConfig {
    fn default() -> Self {
        Self {
            noise: CorruptionKind::Masking,
            noise_level: 0.3,
        }
    }
}

impl VariantConfig for DaeConfig {
    const NAME: &'static str = "dae";
    const SUMMARY: &'static str = "denoising autoencoder: corrupted input, clean target";
    const PAPER: &'static str = "Vincent 2008, 2010";
    const OPTIONS: &'static [OptionInfo] = &[
        OptionInfo {
            key: "noise",
            help: "Corruption of the input: gaussian, masking, salt-pepper or block",
        },
        OptionInfo {
            key: "noise_level",
            help: "Standard deviation of gaussian noise, else the share of features hit, 0 to 1",
        },
    ];
    const EXAMPLE: &'static str = "--variant dae --noise masking --noise-level 0.3";

    type Model<B: Backend> = Dae<B>;

    fn check(&self) -> Result<()> {
        let (max, bound) = match self.noise {
            CorruptionKind::Gaussian => (f64::from(f32::MAX), "a standard deviation of at least 0"),
            _ => (1.0, "a share of the features, from 0 to 1"),
        };
        let inside = (0.0..=max).contains(&self.noise_level);
        check("variant.noise_level", self.noise_level, inside, bound)
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Dae<B>> {
        Ok(Dae {
            ae: AeConfig::default().build(spec, init)?,
        })
    }

    fn corruption(&self) -> Option<Corruption> {
        Corruption::new(self.noise, self.noise_level as f32).ok()
    }
}

/// A denoising autoencoder.
#[derive(Module, Debug)]
pub struct Dae<B: Backend> {
    ae: Ae<B>,
}

impl<B: Backend> Encoder<B> for Dae<B> {
    type Code = Tensor<B, 2>;

    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Tensor<B, 2> {
        self.ae.encode(batch, step)
    }
}

impl<B: Backend> Decoder<B> for Dae<B> {
    fn decode(
        &self,
        z: Tensor<B, 2>,
        condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        self.ae.decode(z, condition, step)
    }
}

impl<B: Backend> Loss<B> for Dae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        self.ae.loss(batch, step)
    }
}

impl<B: Backend> Autoencoder<B> for Dae<B> {
    fn likelihood(&self) -> &Likelihood<B> {
        self.ae.likelihood()
    }

    fn latent(&self) -> usize {
        Autoencoder::<B>::latent(&self.ae)
    }

    fn is_generative(&self) -> bool {
        false
    }
}
