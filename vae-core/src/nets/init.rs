//! Initial weights, drawn on the host so that every backend starts from the same numbers.

use burn::{
    module::{Param, ParamId},
    tensor::{Tensor, TensorData, backend::Backend},
};
use vae_data::random::{self, Stream};

/// Draws initial weights on a device, as a pure function of a seed and the order of the calls.
pub struct Init<'a, B: Backend> {
    device: &'a B::Device,
    seed: u64,
    drawn: u64,
    is_dry: bool,
}

impl<'a, B: Backend> Init<'a, B> {
    /// Starts the sequence of draws that belongs to `seed`.
    pub fn new(seed: u64, device: &'a B::Device) -> Self {
        Self {
            device,
            seed,
            drawn: 0,
            is_dry: false,
        }
    }

    /// Gives parameters that have a shape, but no numbers before they are asked for: what is built of them
    /// tells how large a model is.
    pub fn dry(device: &'a B::Device) -> Self {
        Self {
            is_dry: true,
            ..Self::new(0, device)
        }
    }

    /// Where the weights live.
    pub fn device(&self) -> &'a B::Device {
        self.device
    }

    /// Uniform on `+-1 / sqrt(fan_in)`: the default of PyTorch's linear and convolutional layers.
    pub fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        fan_in: usize,
    ) -> Param<Tensor<B, D>> {
        if self.is_dry {
            return self.lazy(shape, 0.0);
        }
        let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
        let mut values = vec![0.0; shape.iter().product()];
        random::fill_uniform(
            &mut random::rng(self.seed, Stream::Init, self.drawn),
            &mut values,
        );
        self.drawn += 1;
        for value in &mut values {
            *value = bound * (2.0 * *value - 1.0);
        }
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// The same number everywhere.
    pub fn constant<const D: usize>(
        &mut self,
        shape: [usize; D],
        value: f32,
    ) -> Param<Tensor<B, D>> {
        if self.is_dry {
            return self.lazy(shape, value);
        }
        let values = vec![value; shape.iter().product()];
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    fn lazy<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<B, D>> {
        Param::uninitialized(
            ParamId::new(),
            move |device, _| Tensor::full(shape, value, device),
            self.device.clone(),
            true,
            shape.into(),
        )
    }
}
