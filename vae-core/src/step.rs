//! What a loss may know about the step it is computed in, and the noise it may draw.

use std::cell::Cell;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_data::random::{self, RngCore, Stream};

/// Whether a pass is part of training or of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout is active and schedules move.
    Train,
    /// Dropout is off.
    Evaluate,
}

/// Where in the training a pass happens, and a source of noise that is a pure function of
/// `(seed, mode, step, draw)`.
///
/// Noise is drawn on the host, so every backend sees the same numbers and an exact resume needs
/// no generator state.
#[derive(Debug, Clone)]
pub struct StepContext {
    seed: u64,
    mode: Mode,
    /// Optimizer steps done before this one.
    pub step: u64,
    /// Steps that the whole training takes.
    pub total_steps: u64,
    draws: Cell<u64>,
}

impl StepContext {
    /// The context of training step `step` (counted from 0) of `total_steps`.
    pub fn train(seed: u64, step: u64, total_steps: u64) -> Self {
        Self {
            seed,
            mode: Mode::Train,
            step,
            total_steps,
            draws: Cell::new(0),
        }
    }

    /// The context of an evaluation pass over batch `batch`. Schedules stand where training step
    /// `step` left them; the noise depends on `batch` alone, so that evaluations at different
    /// times compare like with like.
    pub fn evaluate(seed: u64, batch: u64, step: u64, total_steps: u64) -> Self {
        Self {
            seed: seed ^ batch.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            mode: Mode::Evaluate,
            step,
            total_steps,
            draws: Cell::new(0),
        }
    }

    /// Whether this is a training pass.
    pub fn is_training(&self) -> bool {
        self.mode == Mode::Train
    }

    /// Standard normal noise of the given shape; each call gives fresh numbers.
    pub fn normal<B: Backend, const D: usize>(
        &self,
        shape: [usize; D],
        device: &B::Device,
    ) -> Tensor<B, D> {
        let mut values = vec![0.0; shape.iter().product()];
        random::fill_normal(&mut self.rng(Stream::Posterior), &mut values);
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Uniform noise on `[0, 1)` of the given shape; each call gives fresh numbers.
    pub fn uniform<B: Backend, const D: usize>(
        &self,
        shape: [usize; D],
        device: &B::Device,
    ) -> Tensor<B, D> {
        let mut values = vec![0.0; shape.iter().product()];
        random::fill_uniform(&mut self.rng(Stream::Dropout), &mut values);
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn rng(&self, stream: Stream) -> impl RngCore {
        let draw = self.draws.get();
        self.draws.set(draw + 1);
        // 2^24 draws per step leave 2^40 steps.
        let step = match self.mode {
            Mode::Train => self.step,
            Mode::Evaluate => (1 << 40) - 1,
        };
        random::rng(self.seed, stream, (step << 24) | draw)
    }
}
