//! Convolutional networks for images of any size and channel count.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use vae_data::DataShape;

use super::{
    Activation, Arch, GridConv, Init, Mlp, ModelConfig, NetSpec, Norm, Residual, Upsample, dropout,
};
use crate::{
    StepContext,
    error::{Error, Result},
    ops::{Window, activate, conv_transpose2d, conv2d, images, resize, rows},
    settings::kebab,
};

/// Halves an even size.
const HALVE: Window = Window {
    kernel: 4,
    stride: 2,
    padding: 1,
};
/// Keeps a size, after a resize.
pub(super) const KEEP: Window = Window {
    kernel: 3,
    stride: 1,
    padding: 1,
};

/// One layer: convolution, normalisation, activation, dropout.
#[derive(Module, Debug)]
pub struct ConvBlock<B: Backend> {
    /// `[out, in, kernel, kernel]`; for a transposed convolution `[in, out, kernel, kernel]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[out]`
    pub bias: Param<Tensor<B, 1>>,
    /// The normalisation, if any.
    pub norm: Option<Norm<B>>,
    /// What follows in a residual network.
    pub residual: Option<Residual<B>>,
}

impl<B: Backend> ConvBlock<B> {
    fn init(
        shape: [usize; 4],
        fan_in: usize,
        out: usize,
        norm: Option<Norm<B>>,
        init: &mut Init<'_, B>,
    ) -> Self {
        Self {
            weight: init.uniform(shape, fan_in),
            bias: init.uniform([out], fan_in),
            norm,
            residual: None,
        }
    }

    /// With a residual block of so many channels, if the network is to have them.
    fn followed(self, config: &ModelConfig, channels: usize, init: &mut Init<'_, B>) -> Self {
        let is_residual = config.arch == Arch::Resnet;
        Self {
            residual: is_residual.then(|| Residual::init(config, channels, init)),
            ..self
        }
    }

    /// The layer, where `convolution(weight, bias, activation)` is its first part.
    fn forward(
        &self,
        convolution: impl FnOnce(Tensor<B, 4>, Tensor<B, 1>, Activation) -> Tensor<B, 4>,
        activation: Activation,
        rate: f64,
        step: &StepContext,
    ) -> Tensor<B, 4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let norm = self.norm.as_ref();
        let x = layer(weight, bias, norm, convolution, activation, rate, step);
        match &self.residual {
            Some(block) => block.forward(x, activation, rate, step),
            None => x,
        }
    }
}

/// A layer, where `convolution(weight, bias, activation)` is its first part.
pub(super) fn layer<B: Backend>(
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
    norm: Option<&Norm<B>>,
    convolution: impl FnOnce(Tensor<B, 4>, Tensor<B, 1>, Activation) -> Tensor<B, 4>,
    activation: Activation,
    rate: f64,
    step: &StepContext,
) -> Tensor<B, 4> {
    let x = match norm {
        None => convolution(weight, bias, activation),
        Some(norm) => {
            let x = convolution(weight, bias, Activation::Identity);
            let examples = x.dims()[0];
            by_pixel(x, |x| norm.forward(x, examples, activation, step))
        }
    };
    match rate {
        0.0 => x,
        _ => by_pixel(x, |x| dropout(x, rate, step)),
    }
}

/// Applies `f` to the images as `[batch, height, width, channels]`: the order in which the convolutions have them.
fn by_pixel<B: Backend>(
    x: Tensor<B, 4>,
    f: impl FnOnce(Tensor<B, 4>) -> Tensor<B, 4>,
) -> Tensor<B, 4> {
    let pixels = x.permute([0, 2, 3, 1]);
    let images = f(pixels.clone());
    // LibTorch does not know what permuted values share: as long as there is another owner, nothing is changed in place.
    drop(pixels);
    images.permute([0, 3, 1, 2])
}

/// The `[C, H, W]` of the data, and the sizes after each convolution.
pub(super) fn sizes(config: &ModelConfig, shape: &DataShape) -> Result<(usize, Vec<[usize; 2]>)> {
    let [channels, height, width] = shape.image().ok_or_else(|| {
        Error::setting(
            "model.arch",
            format!("\"{}\"", kebab(&config.arch)),
            format!("\"mlp\" or \"linear\" for data of shape {shape}, which are not images"),
        )
    })?;
    let mut sizes = vec![[height, width]];
    for _ in &config.channels {
        let [h, w] = sizes[sizes.len() - 1];
        let (Some(h), Some(w)) = (HALVE.coarse(h), HALVE.coarse(w)) else {
            return Err(Error::setting(
                "model.channels",
                format!("{:?}", config.channels),
                format!(
                    "at most {} numbers for images of {height}x{width}: each layer halves the \
                     resolution",
                    sizes.len() - 1
                ),
            ));
        };
        sizes.push([h, w]);
    }
    Ok((channels, sizes))
}

/// Strided convolutions, then dense layers, or for a code on a grid one more convolution.
#[derive(Module, Debug)]
pub struct ConvEncoder<B: Backend> {
    /// Convolutions in order.
    pub convs: Vec<ConvBlock<B>>,
    /// The dense part, unless the code is a grid.
    pub dense: Option<Mlp<B>>,
    /// Gives the cells of a code on a grid.
    pub grid: Option<GridConv<B>>,
    #[module(skip)]
    input: [usize; 3],
    /// Shape of the last feature map.
    #[module(skip)]
    last: [usize; 3],
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: f64,
}

impl<B: Backend> ConvEncoder<B> {
    /// Builds the encoder.
    ///
    /// # Errors
    /// [`Error::Setting`] if the data are not images or too small for the number of layers.
    pub fn init(config: &ModelConfig, spec: &NetSpec, init: &mut Init<'_, B>) -> Result<Self> {
        let (channels, sizes) = sizes(config, &spec.input)?;
        let [height, width] = sizes[0];
        let mut previous = channels;
        let mut convs = Vec::with_capacity(config.channels.len());
        for &next in &config.channels {
            let norm = Norm::init(config.norm, next, init.device());
            let kernel = HALVE.kernel;
            let fan_in = previous * kernel * kernel;
            let shape = [next, previous, kernel, kernel];
            let block = ConvBlock::init(shape, fan_in, next, norm, init);
            convs.push(block.followed(config, next, init));
            previous = next;
        }
        let places @ [h, w] = sizes[config.channels.len()];
        let (dense, grid) = match spec.cell {
            None => {
                let inputs = previous * h * w;
                let dense = Mlp::init(config, inputs, &config.hidden(), spec.code, init);
                (Some(dense), None)
            }
            Some(cell) => {
                let grid = GridConv::encoder(previous, places, cell, spec.code, init)?;
                (None, Some(grid))
            }
        };
        Ok(Self {
            convs,
            dense,
            grid,
            last: [previous, h, w],
            input: [channels, height, width],
            activation: config.activation,
            dropout: config.dropout,
        })
    }

    /// # Shapes
    /// - `x`: `[batch, channels * height * width]`
    /// - output: `[batch, code]`
    pub fn forward(&self, x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        match &self.grid {
            Some(grid) => grid.cells(self.map(x, step)),
            None => self.code(self.features(x, step), step),
        }
    }

    /// The code from [`ConvEncoder::features`].
    ///
    /// # Shapes
    /// - `features`: `[batch, last channels * its height * its width]`
    /// - output: `[batch, code]`
    pub fn code(&self, features: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        match (&self.dense, &self.grid) {
            (Some(dense), _) => dense.forward(features, step),
            (None, Some(grid)) => grid.cells(images(features, self.last)),
            (None, None) => unreachable!("init makes one of the two"),
        }
    }

    /// The output of the last convolution.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels * height * width]`
    /// - output: `[batch, last channels * its height * its width]`
    pub fn features(&self, x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        rows(self.map(x, step))
    }

    /// The output of the last convolution. `[batch, channels, height, width]`
    fn map(&self, x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 4> {
        let mut x = images(x, self.input);
        for block in &self.convs {
            x = block.forward(
                |weight, bias, activation| conv2d(x, weight, bias, HALVE, activation),
                self.activation,
                self.dropout,
                step,
            );
        }
        x
    }
}

/// Dense layers, or for a code on a grid a convolution, then upsampling convolutions: the mirror of [`ConvEncoder`].
#[derive(Module, Debug)]
pub struct ConvDecoder<B: Backend> {
    /// The dense part, whose output has the shape of the encoder's last feature map, unless the code is
    /// a grid.
    pub dense: Option<Mlp<B>>,
    /// Takes the cells of a code on a grid.
    pub grid: Option<GridConv<B>>,
    /// Upsampling layers from the code outwards.
    pub convs: Vec<ConvBlock<B>>,
    #[module(skip)]
    start: [usize; 3],
    /// Resolution after each layer.
    #[module(skip)]
    sizes: Vec<[usize; 2]>,
    #[module(skip)]
    upsample: Upsample,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: f64,
}

impl<B: Backend> ConvDecoder<B> {
    /// Builds the decoder.
    ///
    /// # Errors
    /// As [`ConvEncoder::init`].
    pub fn init(config: &ModelConfig, spec: &NetSpec, init: &mut Init<'_, B>) -> Result<Self> {
        let (channels, mut sizes) = sizes(config, &spec.output)?;
        let depth = config.channels.len();
        let outputs = channels * spec.parameters_per_feature;
        let mut widths: Vec<usize> = config.channels.iter().rev().copied().collect();
        widths.push(outputs);
        sizes.reverse();

        let places @ [h, w] = sizes[0];
        let (dense, grid) = match spec.cell {
            None => {
                let hidden: Vec<usize> = config.hidden().iter().rev().copied().collect();
                let dense = Mlp::init(config, spec.latent, &hidden, widths[0] * h * w, init);
                (Some(dense), None)
            }
            Some(cell) => {
                let grid = GridConv::decoder(widths[0], places, cell, spec.latent, init)?;
                (None, Some(grid))
            }
        };
        let mut convs = Vec::with_capacity(depth);
        for layer in 0..depth {
            let (previous, next) = (widths[layer], widths[layer + 1]);
            let norm = if layer + 1 == depth {
                None
            } else {
                Norm::init(config.norm, next, init.device())
            };
            let (shape, fan_in) = match config.upsample {
                // PyTorch counts the fan-in of a transposed convolution over its output channels.
                Upsample::Transposed => {
                    let kernel = HALVE.kernel;
                    ([previous, next, kernel, kernel], next * kernel * kernel)
                }
                Upsample::Resize => {
                    let kernel = KEEP.kernel;
                    ([next, previous, kernel, kernel], previous * kernel * kernel)
                }
            };
            let block = ConvBlock::init(shape, fan_in, next, norm, init);
            convs.push(match layer + 1 == depth {
                true => block,
                false => block.followed(config, next, init),
            });
        }
        Ok(Self {
            dense,
            grid,
            convs,
            start: [widths[0], h, w],
            sizes: sizes[1..].to_vec(),
            upsample: config.upsample,
            activation: config.activation,
            dropout: config.dropout,
        })
    }

    /// # Shapes
    /// - `z`: `[batch, latent]`
    /// - output: `[batch, channels * parameters per feature * height * width]`
    pub fn forward(&self, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        let mut x = match (&self.dense, &self.grid) {
            (Some(dense), _) => {
                let x = activate(dense.forward(z, step), self.activation);
                images(x, self.start)
            }
            (None, Some(grid)) => grid.map(z, self.activation),
            (None, None) => unreachable!("init makes one of the two"),
        };
        for (layer, (block, &size)) in self.convs.iter().zip(&self.sizes).enumerate() {
            let convolution = |weight, bias, activation| match self.upsample {
                Upsample::Transposed => conv_transpose2d(x, weight, bias, HALVE, size, activation),
                Upsample::Resize => conv2d(resize(x, size), weight, bias, KEEP, activation),
            };
            x = if layer + 1 < self.convs.len() {
                block.forward(convolution, self.activation, self.dropout, step)
            } else {
                convolution(block.weight.val(), block.bias.val(), Activation::Identity)
            };
        }
        rows(x)
    }
}
