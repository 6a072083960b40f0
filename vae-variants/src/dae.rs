//! The denoising autoencoder (Vincent 2008, 2010): corrupt the input, reproduce the clean target,
//! `-log p(x | decode(encode(corrupted x)))`. The corruption itself lives with the data.

use burn::tensor::backend::Backend;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    CodeShape, ModelSpec, PriorKind, Result, VariantConfig,
    error::check,
    nets::{Init, ModelConfig},
};
use vae_data::{Corruption, CorruptionKind, DataShape};

use crate::{Ae, deterministic::point};

/// The denoising autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Dae {
    /// Corruption of the input.
    pub noise: CorruptionKind,
    /// Standard deviation of gaussian noise, else the share of features hit, 0 to 1.
    pub noise_level: f64,
}

impl Default for Dae {
    fn default() -> Self {
        Self {
            noise: CorruptionKind::Masking,
            noise_level: 0.3,
        }
    }
}

impl VariantConfig for Dae {
    const NAME: &'static str = "dae";
    const SUMMARY: &'static str = "denoising autoencoder: corrupted input, clean target";
    const PAPER: &'static str = "Vincent 2008, 2010";
    const EXAMPLE: &'static str = "--variant dae --noise masking --noise-level 0.3";
    const PRIORS: &'static [PriorKind] = &[];

    // What is corrupted is the batch.
    type Method<B: Backend> = Ae;

    fn code(&self, model: &ModelConfig, _shape: &DataShape) -> Result<CodeShape> {
        Ok(point(model))
    }

    fn check_together(&self) -> Result<()> {
        let (max, bound) = match self.noise {
            CorruptionKind::Gaussian => (f64::from(f32::MAX), "a standard deviation of at least 0"),
            _ => (1.0, "a share of the features, from 0 to 1"),
        };
        let inside = (0.0..=max).contains(&self.noise_level);
        check("variant.noise_level", self.noise_level, inside, bound)
    }

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Ae> {
        Ok(Ae::default())
    }

    fn corruption(&self) -> Option<Corruption> {
        Corruption::new(self.noise, self.noise_level as f32).ok()
    }
}
