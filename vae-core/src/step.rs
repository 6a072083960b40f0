//! What a loss may know about the step it is computed in, and the noise it may draw.

use std::cell::Cell;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_data::random::{self, Generator, RngCore, Stream};

use crate::{
    noise::{self, is_card},
    ops,
};

/// So many numbers are drawn on a graphics card itself: for fewer, launching the operations of the generator would
/// take longer than to draw them on the host.
const DEVICE_FROM: usize = 1 << 14;

/// Whether a pass is part of training or of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Dropout is active and schedules move.
    Train,
    /// Part of a training step, but of networks that are not trained in it: dropout is off, and no
    /// statistics move.
    Still,
    /// Dropout is off.
    Evaluate,
    /// New examples are drawn; dropout is off.
    Sample,
}

/// Where a training stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Optimizer steps of this stage that are done.
    pub step: u64,
    /// Steps that this stage takes.
    pub total_steps: u64,
    /// 0 for the main training, else the number of what is trained after it.
    pub stage: usize,
    /// Examples of the training split.
    pub examples: u64,
}

impl Position {
    /// After `step` of `total_steps` of the main training.
    pub fn at(step: u64, total_steps: u64) -> Self {
        Self {
            step,
            total_steps,
            ..Self::default()
        }
    }

    /// Before the first step.
    pub fn start() -> Self {
        Self::at(0, 1)
    }
}

/// Where in the training a pass happens, and a source of noise that is a pure function of
/// `(seed, mode, step, draw)`.
///
/// An exact resume hence needs no generator state. Noise is drawn on the host, so that every backend sees the same
/// numbers; only a graphics card ([`is_card`]) draws large amounts in training and evaluations itself, by a generator
/// of its own: numbers of the same distribution, but other ones. Samples are the same everywhere, and so is all noise
/// after [`ops::use_reference`].
#[derive(Debug, Clone)]
pub struct StepContext {
    seed: u64,
    mode: Mode,
    /// Optimizer steps done before this one.
    pub step: u64,
    /// Steps that the whole training takes.
    pub total_steps: u64,
    /// 0 for the main training, else the number of what is trained after it.
    pub stage: usize,
    /// Examples of the training split; 0 where it is not known.
    pub examples: u64,
    /// What normal noise is multiplied by.
    temperature: f64,
    /// Examples that share their noise, if they do.
    alike: Option<usize>,
    draws: Cell<u64>,
}

impl StepContext {
    /// The context of training step `step` (counted from 0) of `total_steps`.
    pub fn train(seed: u64, step: u64, total_steps: u64) -> Self {
        Self::of(seed, Mode::Train, Position::at(step, total_steps))
    }

    /// The context of the training step at `position`.
    pub fn train_at(seed: u64, position: Position) -> Self {
        Self::of(seed ^ mixed(position.stage as u64), Mode::Train, position)
    }

    /// The context of an evaluation pass over batch `batch`. Schedules stand where training step
    /// `step` left them; the noise depends on `batch` alone, so that evaluations at different
    /// times compare like with like.
    pub fn evaluate(seed: u64, batch: u64, step: u64, total_steps: u64) -> Self {
        Self::evaluate_at(seed, batch, Position::at(step, total_steps))
    }

    /// [`StepContext::evaluate`] at any position.
    pub fn evaluate_at(seed: u64, batch: u64, position: Position) -> Self {
        let seed = seed ^ mixed(batch.wrapping_add(1));
        Self::of(seed, Mode::Evaluate, position)
    }

    /// The context in which new examples are drawn.
    pub fn sample(seed: u64) -> Self {
        Self::of(seed, Mode::Sample, Position::start())
    }

    fn of(seed: u64, mode: Mode, position: Position) -> Self {
        Self {
            seed,
            mode,
            step: position.step,
            total_steps: position.total_steps,
            stage: position.stage,
            examples: position.examples,
            temperature: 1.0,
            alike: None,
            draws: Cell::new(0),
        }
    }

    /// The same with another temperature, which is 1 otherwise: normal noise is multiplied by it, and logits that
    /// are drawn from are divided. Below 1 codes are drawn nearer to the middle of the prior.
    #[must_use]
    pub fn with_temperature(self, temperature: f64) -> Self {
        Self {
            temperature,
            ..self
        }
    }

    /// See [`StepContext::with_temperature`].
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// The same for a batch of so many examples that all get the same normal noise, for each code of them another:
    /// what is computed of an example then depends on nothing else. Rows belong to the examples in turn.
    #[must_use]
    pub fn alike(self, examples: usize) -> Self {
        Self {
            alike: Some(examples.max(1)),
            ..self
        }
    }

    /// Whether the examples of a batch get the same noise.
    pub(crate) fn is_alike(&self) -> bool {
        self.alike.is_some()
    }

    /// The same step for networks that are not trained in it.
    #[must_use]
    pub fn still(&self) -> Self {
        let mode = match self.mode {
            Mode::Train => Mode::Still,
            other => other,
        };
        Self {
            mode,
            ..self.clone()
        }
    }

    /// The seed that its noise follows from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether this is a pass of a training step through networks that are not trained in it.
    pub fn is_still(&self) -> bool {
        self.mode == Mode::Still
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
        if let Some(examples) = self.alike {
            return self.normal_alike(shape, examples, device);
        }
        let count = shape.iter().product();
        if self.is_drawn_on::<B>(count, device) {
            let noise = noise::normal::<B, D>(self.key(Stream::Posterior), shape, device);
            return match self.temperature {
                1.0 => noise,
                temperature => noise.mul_scalar(temperature),
            };
        }
        let mut values = vec![0.0; count];
        random::fill_normal(&mut self.rng(Stream::Posterior), &mut values);
        if self.temperature != 1.0 {
            let temperature = self.temperature as f32;
            values.iter_mut().for_each(|value| *value *= temperature);
        }
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Row `i` for all examples whose code it is.
    fn normal_alike<B: Backend, const D: usize>(
        &self,
        shape: [usize; D],
        examples: usize,
        device: &B::Device,
    ) -> Tensor<B, D> {
        let own = Self {
            alike: None,
            ..self.clone()
        };
        let (rows, width) = (shape[0].div_ceil(examples), shape[1..].iter().product());
        let noise = own.normal::<B, 2>([rows, width], device);
        self.draws.set(own.draws.get());
        let all = noise.unsqueeze_dim::<3>(1).expand([rows, examples, width]);
        all.reshape([rows * examples, width])
            .narrow(0, 0, shape[0])
            .reshape(shape)
    }

    /// Uniform noise on `[0, 1)` of the given shape; each call gives fresh numbers.
    pub fn uniform<B: Backend, const D: usize>(
        &self,
        shape: [usize; D],
        device: &B::Device,
    ) -> Tensor<B, D> {
        let count = shape.iter().product();
        if self.is_drawn_on::<B>(count, device) {
            return noise::uniform::<B, D>(self.key(Stream::Dropout), shape, device);
        }
        Tensor::from_data(TensorData::new(self.uniform_values(count), shape), device)
    }

    /// Uniform noise for the host, the same as [`StepContext::uniform`] gives where that is drawn there.
    pub fn uniform_values(&self, count: usize) -> Vec<f32> {
        let mut values = vec![0.0; count];
        random::fill_uniform(&mut self.uniform_generator(), &mut values);
        values
    }

    /// What draws uniform noise on the host.
    pub fn uniform_generator(&self) -> Generator {
        self.rng(Stream::Dropout)
    }

    /// Whether so many numbers are drawn on the device itself.
    pub(crate) fn is_drawn_on<B: Backend>(&self, count: usize, device: &B::Device) -> bool {
        let is_large = count >= DEVICE_FROM && self.mode != Mode::Sample;
        is_large && !ops::is_reference() && is_card::<B>(device)
    }

    /// What the numbers of a draw on the device follow from.
    fn key(&self, stream: Stream) -> noise::Key {
        let mut rng = self.rng(stream);
        [rng.next_u32(), rng.next_u32()]
    }

    fn rng(&self, stream: Stream) -> Generator {
        let draw = self.draws.get();
        self.draws.set(draw + 1);
        // 2^24 draws per step leave 2^40 steps.
        let (stream, step) = match self.mode {
            Mode::Train | Mode::Still => (stream, self.step),
            Mode::Evaluate => (stream, (1 << 40) - 1),
            Mode::Sample => (Stream::Sample, 0),
        };
        random::rng(self.seed, stream, (step << 24) | draw)
    }
}

/// A number far from those of other numbers; 0 for 0.
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;

    /// Row `i` is that of example `i % examples`; each code of an example gets noise of its own, and each call other.
    #[test]
    fn examples_get_the_same_noise_where_they_are_alike() {
        let draw = |step: &StepContext, rows: usize| -> Vec<f32> {
            let noise: Tensor<Flex, 2> = step.normal([rows, 2], &Default::default());
            noise.into_data().to_vec().unwrap()
        };
        let step = StepContext::evaluate(1, 0, 0, 1);
        let plain = step.clone();
        let (first, second) = (draw(&plain, 3), draw(&plain, 3));
        for examples in [1, 4] {
            let alike = step.clone().alike(examples);
            for expected in [&first, &second] {
                let found = draw(&alike, 3 * examples);
                for (place, row) in found.chunks(2).enumerate() {
                    assert_eq!(row, &expected[place / examples * 2..][..2]);
                }
            }
        }
    }
}
