//! Encoder and decoder networks built from settings.

mod conv;
mod grid;
mod init;
mod mlp;
mod norm;
mod open;
mod residual;

pub use crate::ops::Activation;
pub use crate::settings::{Arch, ModelConfig, NormKind, Upsample};
pub use conv::{ConvDecoder, ConvEncoder};
pub use grid::{GridConv, places};
pub use init::Init;
pub use mlp::{Dense, Mlp, TiedMlp};
pub use norm::Norm;
pub use open::{Network, Networks, Pair};
pub use residual::Residual;

use burn::{
    module::{Module, ParamId, list_param_ids},
    tensor::{Tensor, backend::Backend},
};
use vae_data::DataShape;

use crate::{
    StepContext,
    error::{Result, check},
    ops,
    settings::kebab,
};

/// The widths between which the networks are built.
#[derive(Debug, Clone)]
pub struct NetSpec {
    /// Shape of what the encoder sees.
    pub input: DataShape,
    /// Width of the encoder's output, e.g. twice the latent width for a Gaussian.
    pub code: usize,
    /// Width of the decoder's input.
    pub latent: usize,
    /// Shape of the data that the decoder describes.
    pub output: DataShape,
    /// Numbers the decoder gives for each feature.
    pub parameters_per_feature: usize,
    /// Width of a cell, where the code is a grid of such.
    pub cell: Option<usize>,
}

/// The encoder's network.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum EncoderNet<B: Backend> {
    /// Dense layers, or a single one.
    Mlp(Mlp<B>),
    /// Strided convolutions.
    Conv(ConvEncoder<B>),
}

impl<B: Backend> EncoderNet<B> {
    /// Builds the network.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the settings are out of bounds or do not fit
    /// the data.
    pub fn init(config: &ModelConfig, spec: &NetSpec, init: &mut Init<'_, B>) -> Result<Self> {
        config.check()?;
        Ok(match config.arch {
            Arch::Conv | Arch::Resnet => Self::Conv(ConvEncoder::init(config, spec, init)?),
            Arch::Linear | Arch::Mlp => {
                let inputs = spec.input.features();
                Self::Mlp(Mlp::init(config, inputs, &config.hidden(), spec.code, init))
            }
        })
    }

    /// # Shapes
    /// - `input`: `[batch, input features]`
    /// - output: `[batch, code]`
    pub fn forward(&self, input: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        match self {
            Self::Mlp(net) => net.forward(input, step),
            Self::Conv(net) => net.forward(input, step),
        }
    }

    /// The output of [`EncoderNet::forward`], and what the network computes it from: the last
    /// convolution or else the last dense hidden layer.
    ///
    /// # Shapes
    /// - `input`: `[batch, input features]`
    /// - output: `[batch, features]`, `[batch, code]`
    pub fn with_features(
        &self,
        input: Tensor<B, 2>,
        step: &StepContext,
    ) -> (Tensor<B, 2>, Tensor<B, 2>) {
        match self {
            Self::Mlp(net) => {
                let features = net.features(input, step);
                let code = net.head.forward(features.clone(), Activation::Identity);
                (features, code)
            }
            Self::Conv(net) => {
                let features = net.features(input, step);
                (features.clone(), net.code(features, step))
            }
        }
    }
}

/// The decoder's network.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum DecoderNet<B: Backend> {
    /// Dense layers, or a single one.
    Mlp(Mlp<B>),
    /// Upsampling convolutions.
    Conv(ConvDecoder<B>),
    /// Dense layers that use the encoder's weights transposed.
    Tied(TiedMlp<B>),
}

/// An encoder network and the decoder network that mirrors it.
#[derive(Module, Debug)]
pub struct Nets<B: Backend> {
    /// `[batch, input features]` to `[batch, code]`
    pub encoder: EncoderNet<B>,
    /// `[batch, latent]` to `[batch, output features * parameters per feature]`
    pub decoder: DecoderNet<B>,
}

impl<B: Backend> Nets<B> {
    /// Builds both networks.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the settings are out of bounds or do not fit
    /// the data.
    pub fn init(config: &ModelConfig, spec: &NetSpec, init: &mut Init<'_, B>) -> Result<Self> {
        config.check()?;
        let hidden = config.hidden();
        if config.arch.is_convolutional() {
            let bound = format!("false with model.arch = \"{}\"", kebab(&config.arch));
            check("model.tied", config.tied, !config.tied, &bound)?;
            return Ok(Self {
                encoder: EncoderNet::init(config, spec, init)?,
                decoder: DecoderNet::Conv(ConvDecoder::init(config, spec, init)?),
            });
        }
        let encoder = EncoderNet::init(config, spec, init)?;
        let outputs = spec.output.features() * spec.parameters_per_feature;
        let decoder = if config.tied {
            check(
                "model.tied",
                true,
                outputs == spec.input.features() && spec.latent <= spec.code,
                "false for conditional variants and for --likelihood gaussian-pixel",
            )?;
            DecoderNet::Tied(TiedMlp::init(config, outputs, &hidden, init))
        } else {
            let mirrored: Vec<usize> = hidden.iter().rev().copied().collect();
            DecoderNet::Mlp(Mlp::init(config, spec.latent, &mirrored, outputs, init))
        };
        Ok(Self { encoder, decoder })
    }
}

impl<B: Backend> Networks<B> for Nets<B> {
    fn encode(&self, input: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        self.encoder.forward(input, step)
    }

    fn decode(&self, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        match (&self.decoder, &self.encoder) {
            (DecoderNet::Mlp(net), _) => net.forward(z, step),
            (DecoderNet::Conv(net), _) => net.forward(z, step),
            (DecoderNet::Tied(net), EncoderNet::Mlp(encoder)) => net.forward(z, encoder, step),
            (DecoderNet::Tied(_), EncoderNet::Conv(_)) => {
                unreachable!("init ties dense networks only")
            }
        }
    }

    fn encoder_parameters(&self) -> Vec<ParamId> {
        list_param_ids(&self.encoder)
    }

    fn jacobian(
        &self,
        input: Tensor<B, 2>,
        code: Activation,
    ) -> Option<(Tensor<B, 2>, Tensor<B, 1>)> {
        match &self.encoder {
            EncoderNet::Mlp(net) if net.has_exact_jacobian() => Some(net.jacobian(input, code)),
            _ => None,
        }
    }

    fn has_exact_jacobian(&self) -> bool {
        matches!(&self.encoder, EncoderNet::Mlp(net) if net.has_exact_jacobian())
    }
}

/// Sets each entry to 0 with probability `rate` and scales the rest by `1 / (1 - rate)`, in
/// training passes only.
///
/// # Shapes
/// - `x` and output: any, equal
pub fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    rate: f64,
    step: &StepContext,
) -> Tensor<B, D> {
    if rate == 0.0 || !step.is_training() {
        return x;
    }
    let (shape, device) = (x.dims(), x.device());
    if step.is_drawn_on::<B>(shape.iter().product(), &device) {
        let noise = step.uniform::<B, D>(shape, &device);
        return ops::drop_below(x, noise, rate);
    }
    ops::dropout(x, rate, step.uniform_generator())
}
