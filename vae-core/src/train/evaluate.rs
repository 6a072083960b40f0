//! Evaluation: the objective and the state of the latent code over a whole split.

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};
use vae_data::Batcher;

use super::{Meter, Readings};
use crate::{
    Autoencoder, Batch, Loss, Objective, Posterior, StepContext, error::Result, importance_nll,
};

/// A unit is active if the variance of its posterior mean over the data exceeds this
/// (Burda 2016, section 5.2).
pub const ACTIVE_VARIANCE: f64 = 0.01;

/// The means of an objective over a split, and what its codes look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Examples evaluated.
    pub examples: u64,
    /// Means in nats per example.
    pub readings: Readings,
    /// State of the latent code, if the objective gives its codes.
    pub latent: Option<LatentDiagnostics>,
}

/// The state of the latent code over a split: is it used, or has it collapsed?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LatentDiagnostics {
    /// Dimensions whose mean varies by more than [`ACTIVE_VARIANCE`] over the data.
    pub active_units: usize,
    /// Variance over the data of each dimension's mean.
    pub mean_variance: Vec<f64>,
    /// Mean KL of each dimension in nats, for Gaussian posteriors.
    pub kl_per_dimension: Option<Vec<f64>>,
    /// Mutual information between example and code within the batches, in nats, for Gaussian
    /// posteriors; see [`DiagonalGaussian::mutual_information`](crate::DiagonalGaussian).
    #[serde(default)]
    pub mutual_information: Option<f64>,
    /// Mean share of units that are on for an example, for sparse codes.
    pub active_fraction: Option<f64>,
    /// Units that are on for no example, for sparse codes.
    pub dead_units: Option<usize>,
}

/// Evaluates `model` on all examples of `batches`. Schedules stand where `step` of `total_steps`
/// leaves them; the noise is the same in every evaluation.
///
/// # Errors
/// An [`Error`](crate::Error) of the data.
pub fn evaluate<B: Backend, M: Loss<B>>(
    model: &M,
    batches: &Batcher,
    seed: u64,
    (step, total_steps): (u64, u64),
    device: &B::Device,
) -> Result<Evaluation> {
    let mut meter = Meter::default();
    let mut codes = CodeSums::default();
    for (number, host) in batches.epoch(0, 0).enumerate() {
        let host = host?;
        let examples = host.len;
        let batch = Batch::from_host(host, device);
        let context = StepContext::evaluate(seed, number as u64, step, total_steps);
        let objective = model.loss(&batch, &context);
        codes.add(&objective, examples, &context);
        let readings = Readings::of(&objective);
        meter.add(&readings, examples);
    }
    Ok(Evaluation {
        examples: meter.examples(),
        readings: meter.mean(),
        latent: codes.finish(),
    })
}

/// An estimate of the mean of `-log p(x)` over all examples of `batches`, in nats, from `samples` codes
/// of each; see [`importance_nll`]. Nothing for a model without a Gaussian posterior.
///
/// # Errors
/// An [`Error`](crate::Error) of the data.
///
/// # Panics
/// If `samples` is 0.
pub fn evaluate_nll<B: Backend>(
    model: &impl Autoencoder<B>,
    batches: &Batcher,
    samples: usize,
    seed: u64,
    device: &B::Device,
) -> Result<Option<f64>> {
    let (mut sum, mut examples) = (0.0, 0);
    for (number, host) in batches.epoch(0, 0).enumerate() {
        let batch = Batch::from_host(host?, device);
        let context = StepContext::evaluate(seed, number as u64, 0, 1);
        let Some(nll) = importance_nll(model, &batch, samples, &context) else {
            return Ok(None);
        };
        sum += nll.into_data().iter::<f32>().map(f64::from).sum::<f64>();
        examples += batch.len();
    }
    Ok(Some(sum / examples.max(1) as f64))
}

/// Sums over the examples, per latent dimension.
#[derive(Default)]
struct CodeSums {
    examples: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
    kl: Option<Vec<f64>>,
    information: Option<Vec<f64>>,
    on: Option<Vec<f64>>,
}

impl CodeSums {
    fn add<B: Backend>(
        &mut self,
        objective: &Objective<B>,
        examples: usize,
        context: &StepContext,
    ) {
        let Some(codes) = &objective.codes else {
            return;
        };
        self.examples += examples as f64;
        let mean = codes.mean();
        add_rows(&mut self.mean, mean.clone());
        add_rows(&mut self.square, mean.square());
        if let Posterior::Gaussian(gaussian) = codes {
            add_rows(self.kl.get_or_insert_default(), gaussian.kl_per_dimension());
            let noise = context.normal(gaussian.dims(), &gaussian.device());
            let information = gaussian.mutual_information(noise).unsqueeze_dim(1);
            add_rows(self.information.get_or_insert_default(), information);
        }
        if let Some(active) = &objective.active {
            add_rows(self.on.get_or_insert_default(), active.clone());
        }
    }

    fn finish(self) -> Option<LatentDiagnostics> {
        if self.mean.is_empty() {
            return None;
        }
        let share = |sums: &[f64]| -> Vec<f64> { sums.iter().map(|s| s / self.examples).collect() };
        let mean_variance: Vec<f64> = share(&self.square)
            .iter()
            .zip(share(&self.mean))
            .map(|(square, mean)| (square - mean * mean).max(0.0))
            .collect();
        Some(LatentDiagnostics {
            active_units: mean_variance
                .iter()
                .filter(|v| **v > ACTIVE_VARIANCE)
                .count(),
            mean_variance,
            kl_per_dimension: self.kl.as_deref().map(share),
            mutual_information: self.information.as_deref().map(|sum| share(sum)[0]),
            active_fraction: self
                .on
                .as_ref()
                .map(|on| on.iter().sum::<f64>() / (self.examples * on.len() as f64)),
            dead_units: self
                .on
                .as_ref()
                .map(|on| on.iter().filter(|count| **count == 0.0).count()),
        })
    }
}

/// Adds the column sums of `rows` in double precision.
fn add_rows<B: Backend>(sums: &mut Vec<f64>, rows: Tensor<B, 2>) {
    let [_, width] = rows.dims();
    sums.resize(width, 0.0);
    let data = rows.into_data();
    for (i, value) in data.iter::<f32>().enumerate() {
        sums[i % width] += f64::from(value);
    }
}
