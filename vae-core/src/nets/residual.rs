//! Residual blocks of convolutions.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::{Activation, Init, ModelConfig, Norm, conv::KEEP};
use crate::{
    StepContext,
    ops::{activate_sum, conv2d},
};

/// A convolution that keeps the resolution, and its normalisation.
#[derive(Module, Debug)]
pub struct Kept<B: Backend> {
    /// `[channels, channels, kernel, kernel]`
    pub weight: Param<Tensor<B, 4>>,
    /// `[channels]`
    pub bias: Param<Tensor<B, 1>>,
    /// The normalisation, if any.
    pub norm: Option<Norm<B>>,
}

impl<B: Backend> Kept<B> {
    fn init(config: &ModelConfig, channels: usize, init: &mut Init<'_, B>) -> Self {
        let kernel = KEEP.kernel;
        let fan_in = channels * kernel * kernel;
        Self {
            weight: init.uniform([channels, channels, kernel, kernel], fan_in),
            bias: init.uniform([channels], fan_in),
            norm: Norm::init(config.norm, channels, init.device()),
        }
    }

    fn forward(
        &self,
        x: Tensor<B, 4>,
        activation: Activation,
        rate: f64,
        step: &StepContext,
    ) -> Tensor<B, 4> {
        let convolution = |weight, bias, activation| conv2d(x, weight, bias, KEEP, activation);
        let (weight, bias) = (self.weight.val(), self.bias.val());
        super::conv::layer(
            weight,
            bias,
            self.norm.as_ref(),
            convolution,
            activation,
            rate,
            step,
        )
    }
}

/// Two convolutions whose output is added to their input (He 2016, figure 2):
/// `f(x + second(f(first(x))))` with the activation `f`.
#[derive(Module, Debug)]
pub struct Residual<B: Backend> {
    /// The first convolution.
    pub first: Kept<B>,
    /// The second convolution.
    pub second: Kept<B>,
}

impl<B: Backend> Residual<B> {
    /// A block of so many channels.
    pub fn init(config: &ModelConfig, channels: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            first: Kept::init(config, channels, init),
            second: Kept::init(config, channels, init),
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, channels, height, width]`
    pub fn forward(
        &self,
        x: Tensor<B, 4>,
        activation: Activation,
        rate: f64,
        step: &StepContext,
    ) -> Tensor<B, 4> {
        // Pixel after pixel, as the convolutions have them: so the two gradients of the input are added, too.
        let pixels = x.permute([0, 2, 3, 1]);
        let x = pixels.clone().permute([0, 3, 1, 2]);
        let change = self.first.forward(x, activation, rate, step);
        let change = self.second.forward(change, Activation::Identity, 0.0, step);
        let change = change.permute([0, 2, 3, 1]);
        activate_sum(pixels, change, activation).permute([0, 3, 1, 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    /// With weights of 0 the second convolution adds its bias.
    #[test]
    fn the_input_is_added_by_hand() {
        let device = Default::default();
        let mut init = Init::new(1, &device);
        let mut block = Residual::<Flex>::init(&ModelConfig::default(), 2, &mut init);
        block.second.weight = block.second.weight.map(|weight| weight.zeros_like());
        block.second.bias = init.constant([2], 0.5);
        let x = Tensor::<Flex, 1>::from_floats([1.0, -2.0, 3.0, 0.0, -0.25, 4.0], &device);
        let x = x.reshape([1, 2, 1, 3]);
        let step = StepContext::evaluate(0, 0, 0, 1);
        let found = block.forward(x, Activation::Relu, 0.0, &step);
        let found: Vec<f32> = found.into_data().to_vec().unwrap();
        assert_eq!(found, [1.5, 0.0, 3.5, 0.5, 0.25, 4.5]);
    }
}
