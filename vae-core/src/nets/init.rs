//! Initial weights, drawn on the host so that every backend starts from the same numbers.

use burn::{
    module::Param,
    tensor::{Tensor, TensorData, backend::Backend},
};
use vae_data::random::{self, Stream};

/// Draws initial weights on a device, as a pure function of a seed and the order of the calls.
pub struct Init<'a, B: Backend> {
    device: &'a B::Device,
    seed: u64,
    drawn: u64,
}

impl<'a, B: Backend> Init<'a, B> {
    /// Starts the sequence of draws that belongs to `seed`.
    pub fn new(seed: u64, device: &'a B::Device) -> Self {
        Self {
            device,
            seed,
            drawn: 0,
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

    /// A constant vector.
    pub fn constant(&mut self, length: usize, value: f32) -> Param<Tensor<B, 1>> {
        Param::from_data(TensorData::new(vec![value; length], [length]), self.device)
    }
}
