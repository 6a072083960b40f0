//! The settings of the networks.

use serde::{Deserialize, Serialize};
use vae_data::{DataShape, ValueRange};

use super::{Activation, NormKind};
use crate::{
    LikelihoodConfig, LikelihoodKind,
    error::{Error, Result, check},
};

/// The kind of network on both sides of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// One dense layer on each side, no activation.
    Linear,
    /// Dense layers.
    #[default]
    Mlp,
    /// Strided convolutions; images only.
    Conv,
}

/// How a convolutional decoder doubles the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upsample {
    /// Transposed convolution, the encoder's adjoint.
    #[default]
    Transposed,
    /// Nearest-neighbour resize, then a convolution (Odena 2016): no checkerboard pattern.
    Resize,
}

/// The `[model]` settings: networks and likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Kind of network.
    pub arch: Arch,
    /// Width of the latent code.
    pub latent: usize,
    /// Widths of the dense hidden layers from the data inwards; the decoder mirrors them. Unset:
    /// 512, 256 for `mlp`, 256 for `conv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Vec<usize>>,
    /// Channels of the convolutions from the data inwards, each halving the resolution.
    pub channels: Vec<usize>,
    /// How a convolutional decoder doubles the resolution.
    pub upsample: Upsample,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Normalisation before the activation of the hidden layers.
    pub norm: NormKind,
    /// Probability with which a hidden unit is dropped in training.
    pub dropout: f64,
    /// Whether the decoder uses the encoder's weights transposed (dense networks only).
    pub tied: bool,
    /// Distribution of the data given the code. Unset: `bernoulli` for data in [0, 1] that come as
    /// images, `gaussian` otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<LikelihoodKind>,
    /// Standard deviation of the `gaussian` likelihood, in units of the scaled data.
    pub sigma: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            arch: Arch::Mlp,
            latent: 20,
            hidden: None,
            channels: vec![32, 64],
            upsample: Upsample::Transposed,
            activation: Activation::Relu,
            norm: NormKind::None,
            dropout: 0.0,
            tied: false,
            likelihood: None,
            sigma: 1.0,
        }
    }
}

impl ModelConfig {
    /// The dense hidden widths in force.
    pub fn hidden(&self) -> Vec<usize> {
        match (&self.hidden, self.arch) {
            (_, Arch::Linear) => Vec::new(),
            (Some(hidden), _) => hidden.clone(),
            (None, Arch::Mlp) => vec![512, 256],
            (None, Arch::Conv) => vec![256],
        }
    }

    /// The likelihood in force for data of the given shape and range.
    pub fn likelihood(&self, shape: &DataShape, range: ValueRange) -> LikelihoodConfig {
        let kind = self.likelihood.unwrap_or({
            if shape.image().is_some() && range.is_unit() {
                LikelihoodKind::Bernoulli
            } else {
                LikelihoodKind::Gaussian
            }
        });
        LikelihoodConfig {
            kind,
            sigma: self.sigma,
        }
    }

    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first that is out of bounds.
    pub fn check(&self) -> Result<()> {
        check("model.latent", self.latent, self.latent >= 1, "at least 1")?;
        if self.arch == Arch::Linear && self.hidden.as_ref().is_some_and(|h| !h.is_empty()) {
            return Err(Error::setting(
                "model.hidden",
                format!("{:?}", self.hidden()),
                "left out with model.arch = \"linear\"",
            ));
        }
        for width in self.hidden() {
            check("model.hidden", width, width >= 1, "widths of at least 1")?;
        }
        for &width in &self.channels {
            check("model.channels", width, width >= 1, "counts of at least 1")?;
        }
        if self.arch == Arch::Conv && self.channels.is_empty() {
            return Err(Error::setting(
                "model.channels",
                "[]",
                "at least one number",
            ));
        }
        check(
            "model.dropout",
            self.dropout,
            (0.0..1.0).contains(&self.dropout),
            "at least 0 and below 1",
        )
    }
}
