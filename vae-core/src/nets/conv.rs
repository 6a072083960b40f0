//! Convolutional networks for images of any size and channel count.

use burn::{
    module::{Module, Param},
    tensor::{
        Tensor,
        backend::Backend,
        module::{conv_transpose2d, conv2d, interpolate},
        ops::{ConvOptions, ConvTransposeOptions, InterpolateMode, InterpolateOptions},
    },
};
use vae_data::DataShape;

use super::{Activation, Init, Mlp, ModelConfig, NetSpec, Norm, Upsample, dropout};
use crate::{
    StepContext,
    error::{Error, Result},
};

/// Kernel, stride and padding that halve an even size.
const KERNEL: usize = 4;
const STRIDE: usize = 2;
const PADDING: usize = 1;
/// Kernel of the convolution that follows a resize.
const RESIZE_KERNEL: usize = 3;

/// One layer: convolution, normalisation, activation, dropout.
#[derive(Module, Debug)]
pub struct ConvBlock<B: Backend> {
    /// `[out, in, kernel, kernel]`; for a transposed convolution `[in, out, kernel, kernel]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[out]`
    pub bias: Param<Tensor<B, 1>>,
    /// The normalisation, if any.
    pub norm: Option<Norm<B>>,
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
        }
    }

    fn finish(
        &self,
        x: Tensor<B, 4>,
        activation: Activation,
        rate: f64,
        step: &StepContext,
    ) -> Tensor<B, 4> {
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        dropout(activation.forward(x), rate, step)
    }
}

/// The `[C, H, W]` of the data, and the sizes after each convolution.
fn sizes(config: &ModelConfig, shape: &DataShape) -> Result<(usize, Vec<[usize; 2]>)> {
    let [channels, height, width] = shape.image().ok_or_else(|| {
        Error::setting(
            "model.arch",
            "\"conv\"",
            format!("\"mlp\" or \"linear\" for data of shape {shape}, which are not images"),
        )
    })?;
    let mut sizes = vec![[height, width]];
    for _ in &config.channels {
        let [h, w] = sizes[sizes.len() - 1];
        if h < STRIDE || w < STRIDE {
            return Err(Error::setting(
                "model.channels",
                format!("{:?}", config.channels),
                format!(
                    "at most {} numbers for images of {height}x{width}: each layer halves the \
                     resolution",
                    sizes.len() - 1
                ),
            ));
        }
        sizes.push([h, w].map(|n| (n + 2 * PADDING - KERNEL) / STRIDE + 1));
    }
    Ok((channels, sizes))
}

/// Strided convolutions, then dense layers.
#[derive(Module, Debug)]
pub struct ConvEncoder<B: Backend> {
    /// Convolutions in order.
    pub convs: Vec<ConvBlock<B>>,
    /// The dense part.
    pub dense: Mlp<B>,
    #[module(skip)]
    input: [usize; 3],
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
            let shape = [next, previous, KERNEL, KERNEL];
            convs.push(ConvBlock::init(
                shape,
                previous * KERNEL * KERNEL,
                next,
                norm,
                init,
            ));
            previous = next;
        }
        let [h, w] = sizes[config.channels.len()];
        Ok(Self {
            convs,
            dense: Mlp::init(config, previous * h * w, &config.hidden(), spec.code, init),
            input: [channels, height, width],
            activation: config.activation,
            dropout: config.dropout,
        })
    }

    /// # Shapes
    /// - `x`: `[batch, channels * height * width]`
    /// - output: `[batch, code]`
    pub fn forward(&self, x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        let [batch, _] = x.dims();
        let [c, h, w] = self.input;
        let mut x = x.reshape([batch, c, h, w]);
        for block in &self.convs {
            let options = ConvOptions::new([STRIDE; 2], [PADDING; 2], [1, 1], 1);
            x = conv2d(x, block.weight.val(), Some(block.bias.val()), options);
            x = block.finish(x, self.activation, self.dropout, step);
        }
        self.dense.forward(x.flatten(1, 3), step)
    }
}

/// Dense layers, then upsampling convolutions: the mirror of [`ConvEncoder`].
#[derive(Module, Debug)]
pub struct ConvDecoder<B: Backend> {
    /// The dense part, whose output has the shape of the encoder's last feature map.
    pub dense: Mlp<B>,
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

        let [h, w] = sizes[0];
        let hidden: Vec<usize> = config.hidden().iter().rev().copied().collect();
        let dense = Mlp::init(config, spec.latent, &hidden, widths[0] * h * w, init);
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
                Upsample::Transposed => ([previous, next, KERNEL, KERNEL], next * KERNEL * KERNEL),
                Upsample::Resize => (
                    [next, previous, RESIZE_KERNEL, RESIZE_KERNEL],
                    previous * RESIZE_KERNEL * RESIZE_KERNEL,
                ),
            };
            convs.push(ConvBlock::init(shape, fan_in, next, norm, init));
        }
        Ok(Self {
            dense,
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
        let [batch, _] = z.dims();
        let [c, h, w] = self.start;
        let x = self.activation.forward(self.dense.forward(z, step));
        let mut x = x.reshape([batch, c, h, w]);
        for (layer, (block, &size)) in self.convs.iter().zip(&self.sizes).enumerate() {
            x = self.upsample(x, block, size);
            if layer + 1 < self.convs.len() {
                x = block.finish(x, self.activation, self.dropout, step);
            }
        }
        x.flatten(1, 3)
    }

    fn upsample(&self, x: Tensor<B, 4>, block: &ConvBlock<B>, to: [usize; 2]) -> Tensor<B, 4> {
        let (weight, bias) = (block.weight.val(), Some(block.bias.val()));
        match self.upsample {
            Upsample::Transposed => {
                let [_, _, h, w] = x.dims();
                // A stride of 2 loses the last row of an odd size: the extra padding restores it.
                let extra = [to[0] - STRIDE * h, to[1] - STRIDE * w];
                let options =
                    ConvTransposeOptions::new([STRIDE; 2], [PADDING; 2], extra, [1, 1], 1);
                conv_transpose2d(x, weight, bias, options)
            }
            Upsample::Resize => {
                let x = interpolate(x, to, InterpolateOptions::new(InterpolateMode::Nearest));
                let options = ConvOptions::new([1, 1], [PADDING; 2], [1, 1], 1);
                conv2d(x, weight, bias, options)
            }
        }
    }
}
