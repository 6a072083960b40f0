//! Evaluates a case: every term of the objective, the reconstruction and the gradients.

use std::{collections::BTreeMap, fs, path::Path};

use burn::{
    module::{AutodiffModule, Module, ModuleMapper, Param},
    optim::GradientsParams,
    tensor::{
        Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use serde::{Deserialize, Serialize};
use vae_core::{Autoencoder, Batch, Loss, Position, StepContext, Term, files::save_parameters};
use vae_data::{Stream, fill_normal, rng};
use vae_variants::Model;

use super::cases::{Case, Draw};
use super::sets::{BATCH, Sets};

/// Schedules stand where step 30 of 100 leaves them.
pub const STEP: (u64, u64) = (30, 100);
const SEED: u64 = 5;

/// The numbers that are compared, in nats per example.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// What the loss is computed from: examples, noise and parameters.
    pub inputs: BTreeMap<String, Digest>,
    /// What is minimised: the batch mean.
    pub loss: f64,
    /// The reconstruction term of each example.
    pub reconstruction: Vec<f64>,
    /// The other terms by name.
    pub terms: BTreeMap<String, Weighted>,
    /// What is reported besides, of each example.
    pub monitors: BTreeMap<String, Vec<f64>>,
    /// The mean of the likelihood at the mean code.
    pub output: Digest,
    /// The gradient of the loss with respect to each parameter tensor.
    pub gradients: BTreeMap<String, Digest>,
}

/// A term.
#[derive(Debug, Serialize, Deserialize)]
pub struct Weighted {
    /// Its weight.
    pub weight: f64,
    /// Its value for each example.
    pub values: Vec<f64>,
}

/// Two numbers that stand for a tensor `t` in row-major order.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Digest {
    /// The root of the sum of `t_i^2`.
    pub norm: f64,
    /// The sum of `t_i cos(i)`, which depends on the order. Missing numbers are left out of both.
    pub probe: f64,
}

impl Digest {
    /// Of the numbers in order.
    pub fn of(values: impl Iterator<Item = f32>) -> Self {
        let (mut square, mut probe) = (0.0, 0.0);
        for (i, value) in values.map(f64::from).enumerate() {
            // What is missing.
            if value.is_nan() {
                continue;
            }
            square += value * value;
            probe += value * (i as f64).cos();
        }
        Self {
            norm: f64::sqrt(square),
            probe,
        }
    }

    fn of_tensor<B: Backend>(tensor: &Tensor<B, 2>) -> Self {
        let values: Vec<f32> = tensor.to_data().to_vec().unwrap();
        Self::of(values.into_iter())
    }
}

/// The context in which the loss is computed; equal ones draw equal noise.
pub fn context(case: &Case) -> StepContext {
    let position = Position {
        stage: case.stage,
        ..Position::at(STEP.0, STEP.1)
    };
    match case.training {
        true => StepContext::train_at(SEED, position),
        false => StepContext::evaluate_at(SEED, 3, position),
    }
}

/// The noise that the loss of a case draws.
pub fn noise<B: Backend>(case: &Case, device: &B::Device) -> Vec<Tensor<B, 2>> {
    let context = context(case);
    let draw = |draw: &Draw| match *draw {
        Draw::Normal(width) => context.normal([BATCH, width], device),
        Draw::Uniform(width) => context.uniform([BATCH, width], device),
    };
    case.draws.iter().map(draw).collect()
}

/// Doubles the initial weights and moves vectors such as biases and scales, which may start at a
/// constant, so that every parameter matters.
struct Shake(u64);

impl<B: Backend> ModuleMapper<B> for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, _) = param.consume();
        let shape = tensor.dims();
        let device = tensor.device();
        let mut values: Vec<f32> = tensor.into_data().to_vec().unwrap();
        if D == 1 {
            let mut noise = vec![0.0; values.len()];
            fill_normal(&mut rng(SEED, Stream::Other, self.0), &mut noise);
            values
                .iter_mut()
                .zip(noise)
                .for_each(|(v, n)| *v += 0.1 * n);
        } else {
            values.iter_mut().for_each(|v| *v *= 2.0);
        }
        self.0 += 1;
        let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
        Param::initialized(id, tensor.require_grad())
    }
}

/// Puts its gradient in the place of every parameter.
struct IntoGradients(GradientsParams);

impl<B: Backend> ModuleMapper<B> for IntoGradients {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, _) = param.consume();
        let gradient = self.0.remove::<B, D>(id);
        Param::initialized(id, gradient.unwrap_or_else(|| tensor.zeros_like()))
    }
}

/// A quantity that is reported.
type Monitor<B> = (
    &'static str,
    Tensor<<B as AutodiffBackend>::InnerBackend, 1>,
);

/// A case with its model.
pub struct Built<B: AutodiffBackend> {
    /// The model whose loss is taken.
    pub model: Model<B>,
    /// The examples.
    pub batch: Batch<B>,
}

impl<B: AutodiffBackend> Built<B> {
    /// Builds the model and brings it and the batch to a device.
    pub fn new(case: &Case, sets: &Sets, device: &B::Device) -> Self {
        let model = case.describe(sets).build::<B>(17, device).unwrap();
        Self {
            model: model.map(&mut Shake(0)),
            batch: Batch::from_host(case.batch(sets), device),
        }
    }

    /// The terms without, and the gradients with automatic differentiation. The gradients end up
    /// in `file` under the names of their parameters.
    pub fn measure(&self, case: &Case, file: &Path) -> Measured {
        let model = self.model.valid();
        let batch = Batch {
            input: self.batch.input.clone().inner(),
            target: self.batch.target.clone().inner(),
            condition: self.batch.condition.clone().map(Tensor::inner),
            labels: self.batch.labels.clone(),
            has_gaps: self.batch.has_gaps,
        };
        let objective = model.loss(&batch, &context(case));
        let (mut terms, mut monitors) = (BTreeMap::new(), BTreeMap::new());
        let mut list = |prefix: &str, of: &[Term<B::InnerBackend>], watched: &[Monitor<B>]| {
            for term in of {
                let (weight, values) = (term.weight, numbers(&term.value));
                terms.insert(
                    format!("{prefix}{}", term.name),
                    Weighted { weight, values },
                );
            }
            for (name, values) in watched {
                monitors.insert(format!("{prefix}{name}"), numbers(values));
            }
        };
        list("", &objective.terms, &objective.monitors);
        for player in &objective.players {
            list(
                &format!("{}.", player.name),
                &player.terms,
                &player.monitors,
            );
        }
        // A pass of its own without dropout: it decodes the mean code.
        let output = model.reconstruct(&batch, &StepContext::evaluate(SEED, 3, STEP.0, STEP.1));
        Measured {
            inputs: self.inputs(case, file),
            loss: numbers(&objective.total())[0],
            reconstruction: numbers(&objective.reconstruction),
            terms,
            monitors,
            output: Digest::of_tensor(&output),
            gradients: self.gradients(case, file),
        }
    }

    fn inputs(&self, case: &Case, file: &Path) -> BTreeMap<String, Digest> {
        let batch = &self.batch;
        let mut inputs = BTreeMap::from([
            ("input".to_owned(), Digest::of_tensor(&batch.input)),
            ("target".to_owned(), Digest::of_tensor(&batch.target)),
        ]);
        if let Some(condition) = &batch.condition {
            inputs.insert("condition".to_owned(), Digest::of_tensor(condition));
        }
        let device = batch.input.device();
        for (i, noise) in noise::<B>(case, &device).iter().enumerate() {
            inputs.insert(format!("noise {i}"), Digest::of_tensor(noise));
        }
        save_parameters(&self.model.valid(), file).unwrap();
        let parameters = digests(&fs::read(file).unwrap());
        let all = Digest {
            norm: parameters.values().map(|d| d.norm).sum(),
            probe: parameters.values().map(|d| d.probe).sum(),
        };
        inputs.insert("parameters".to_owned(), all);
        inputs
    }

    fn gradients(&self, case: &Case, file: &Path) -> BTreeMap<String, Digest> {
        let loss = self.model.loss(&self.batch, &context(case)).joint_total();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        let model = self.model.valid().map(&mut IntoGradients(gradients));
        save_parameters(&model, file).unwrap();
        digests(&fs::read(file).unwrap())
    }
}

fn numbers<B: Backend>(tensor: &Tensor<B, 1>) -> Vec<f64> {
    let values: Vec<f32> = tensor.to_data().to_vec().unwrap();
    values.into_iter().map(f64::from).collect()
}

/// Of every tensor in a safetensors file: a length, a header in JSON, the numbers.
fn digests(bytes: &[u8]) -> BTreeMap<String, Digest> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, numbers) = bytes[8..].split_at(length);
    let header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let mut digests = BTreeMap::new();
    for (name, entry) in header.as_object().unwrap() {
        if name == "__metadata__" {
            continue;
        }
        assert_eq!(entry["dtype"], "F32");
        let place = |i: usize| entry["data_offsets"][i].as_u64().unwrap() as usize;
        let floats = numbers[place(0)..place(1)]
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        digests.insert(name.clone(), Digest::of(floats));
    }
    digests
}
