//! Evaluation: the objective and the state of the latent code over a whole split.

use burn::tensor::{Tensor, backend::Backend};
use vae_data::{Batcher, HostBatch};

use crate::{
    Autoencoder, Batch, Code, Loss, Objective, StepContext,
    error::Result,
    evaluation::{ACTIVE_VARIANCE, Evaluation, LatentDiagnostics},
    importance_nll,
    readings::{Meter, Readings},
    step::Position,
};

/// Evaluates `model` on all examples of `batches`. Schedules stand where `position` leaves them; the noise is the same in every evaluation.
///
/// # Errors
/// An [`Error`](crate::Error) of the data.
pub fn evaluate<B: Backend, M: Loss<B>>(
    model: &M,
    batches: &Batcher,
    seed: u64,
    position: Position,
    device: &B::Device,
) -> Result<Evaluation> {
    let batches = batches.epoch(0, 0).map(|batch| Ok(batch?));
    evaluate_batches(model, batches, seed, position, device)
}

/// [`evaluate`] on batches from anywhere.
///
/// # Errors
/// The first error among the batches.
pub fn evaluate_batches<B: Backend, M: Loss<B>>(
    model: &M,
    batches: impl Iterator<Item = Result<HostBatch>>,
    seed: u64,
    position: Position,
    device: &B::Device,
) -> Result<Evaluation> {
    let mut meter = Meter::default();
    let mut codes = CodeSums::default();
    for (number, host) in batches.enumerate() {
        let host = host?;
        let examples = host.len;
        let batch = Batch::from_host(host, device);
        let context = StepContext::evaluate_at(seed, number as u64, position);
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
    levels: Option<Vec<usize>>,
    /// How often each entry of a codebook was used.
    uses: Option<Vec<f64>>,
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
        if let Code::Grid(grid) = codes {
            let uses = self.uses.get_or_insert_with(|| vec![0.0; grid.codes]);
            for index in grid.indices.to_data().iter::<i64>() {
                uses[index as usize] += 1.0;
            }
        }
        if let Code::Levels(levels) = codes {
            self.levels = Some(levels.iter().map(|level| level.dims()[1]).collect());
        }
        let mean = codes.units();
        add_rows(&mut self.mean, mean.clone());
        add_rows(&mut self.square, mean.square());
        if let Some(kl) = &objective.kl_per_unit {
            add_rows(self.kl.get_or_insert_default(), kl.clone());
        }
        if let Some(gaussian) = codes.gaussian() {
            let noise = gaussian.noise(1, context);
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
            units_per_level: self.levels,
            perplexity: self.uses.as_deref().map(perplexity),
            dead_codes: (self.uses.as_deref()).map(|uses| {
                let dead = uses.iter().filter(|count| **count == 0.0).count();
                dead as f64 / uses.len() as f64
            }),
        })
    }
}

/// `exp` of the entropy of the distribution with these weights.
fn perplexity(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    let shares = weights.iter().map(|weight| weight / sum);
    let terms = shares.filter(|share| *share > 0.0).map(|p| -p * p.ln());
    terms.sum::<f64>().exp()
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
