//! A model on some backend, for whoever need not know which.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};
use vae_core::{
    Autoencoder, Batch, Decoder, Distribution, Encoder, Loss, Parts, Position, Result, StepContext,
    complete, complete_by_importance, importance_nll,
    train::{Evaluation, evaluate_batches},
};
use vae_data::HostBatch;

use super::{
    BATCH, Draw,
    codes::Codes,
    complete::{Found, Plan},
};
use crate::{Description, Model, ModelBytes};

/// One value of the objective for each of some examples, in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// `reconstruction`, or the name of the term.
    pub name: &'static str,
    /// Its weight in the objective.
    pub weight: f64,
    /// Before weighting. `[examples]`
    pub values: Vec<f32>,
}

/// What is shown of an example that goes through a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Whether its code is drawn, and not the mean.
    pub is_drawn: bool,
    /// What is shown of the likelihood of the code.
    pub draw: Draw,
}

/// What codes are decoded under, in the model's own scale.
#[derive(Debug, Clone, Copy)]
pub(super) enum Under<'a> {
    /// No condition.
    Nothing,
    /// The same condition. `[condition]`
    One(&'a [f32]),
    /// Each its own. `[codes, condition]`
    Each(&'a [f32]),
}

/// Batches in the model's own scale.
pub(super) type HostBatches<'a> = dyn Iterator<Item = Result<HostBatch>> + 'a;

/// What is asked of a model, in plain numbers of the model's own scale.
pub(super) trait Engine: Send {
    fn latent(&self) -> usize;
    fn parameters(&self) -> usize;
    fn is_generative(&self) -> bool;
    fn gives_likelihood(&self) -> bool;
    /// With a code drawn for each example where `is_drawn`.
    fn encode(&self, batch: HostBatch, step: &StepContext, is_drawn: bool) -> Codes;
    /// What the codes are decoded under, `[batch, condition]`, if anything.
    fn condition(&self, batch: HostBatch, step: &StepContext) -> Option<Vec<f32>>;
    fn reconstruct(&self, batch: HostBatch, step: &StepContext, shown: Shown) -> Vec<f32>;
    fn terms(&self, batch: HostBatch, step: &StepContext) -> Vec<Term>;
    /// `[batch]` in nats; nothing for a model that gives no likelihood.
    fn nll(&self, batch: HostBatch, samples: usize, step: &StepContext) -> Option<Vec<f32>>;
    /// The target is NaN where something is missing.
    fn complete(
        &self,
        batch: HostBatch,
        plan: &Plan,
        step: &StepContext,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Found>;
    /// Codes, `[rows, latent]`, to the mean of the likelihood, all under one condition or each under its own; with
    /// a seed and a number to what is drawn from it.
    fn decode(&self, codes: &[f32], under: Under<'_>, draw: Option<(u64, u64)>) -> Vec<f32>;
    /// Codes from the prior, `[count, latent]`; nothing for a model without one.
    fn sample(&self, count: usize, step: &StepContext) -> Option<Vec<f32>>;
    fn evaluate(
        &self,
        batches: &mut HostBatches<'_>,
        seed: u64,
        position: Position,
    ) -> Result<Evaluation>;
    fn to_bytes(&self, description: &Description) -> Result<ModelBytes>;
}

pub(super) struct On<B: Backend, A> {
    pub model: Model<B, A>,
    pub device: B::Device,
}

impl<B: Backend, A: Parts<B>> On<B, A> {
    fn batch(&self, host: HostBatch) -> Batch<B> {
        Batch::from_host(host, &self.device)
    }
}

impl<B: Backend, A: Parts<B> + 'static> Engine for On<B, A> {
    fn latent(&self) -> usize {
        Autoencoder::<B>::latent(&self.model)
    }

    fn parameters(&self) -> usize {
        self.model.num_params()
    }

    fn is_generative(&self) -> bool {
        Autoencoder::<B>::is_generative(&self.model)
    }

    fn gives_likelihood(&self) -> bool {
        Autoencoder::<B>::gives_likelihood(&self.model)
    }

    fn encode(&self, batch: HostBatch, step: &StepContext, is_drawn: bool) -> Codes {
        let code = self.model.encode(&self.batch(batch), step);
        Codes {
            drawn: is_drawn.then(|| to_vec(code.draw(step))),
            ..Codes::of(&code)
        }
    }

    fn condition(&self, batch: HostBatch, step: &StepContext) -> Option<Vec<f32>> {
        Autoencoder::<B>::condition(&self.model, &self.batch(batch), step).map(to_vec)
    }

    fn reconstruct(&self, batch: HostBatch, step: &StepContext, shown: Shown) -> Vec<f32> {
        let batch = self.batch(batch);
        let code = self.model.encode(&batch, step);
        let z = match shown.is_drawn {
            true => code.draw(step),
            false => code.mean(),
        };
        let condition = self.model.condition(&batch, step);
        let parameters = self.model.decode(z, condition.as_ref(), step);
        let likelihood = self.model.likelihood(parameters);
        to_vec(match shown.draw {
            Draw::Mean => likelihood.mean(),
            Draw::Sample => likelihood.sample(1, &step.clone().with_temperature(1.0)),
        })
    }

    fn terms(&self, batch: HostBatch, step: &StepContext) -> Vec<Term> {
        let objective = self.model.loss(&self.batch(batch), step);
        let reconstruction = Term {
            name: "reconstruction",
            weight: 1.0,
            values: to_vec(objective.reconstruction),
        };
        let terms = objective.terms.into_iter().map(|term| Term {
            name: term.name,
            weight: term.weight,
            values: to_vec(term.value),
        });
        [reconstruction].into_iter().chain(terms).collect()
    }

    fn nll(&self, batch: HostBatch, samples: usize, step: &StepContext) -> Option<Vec<f32>> {
        importance_nll(&self.model, &self.batch(batch), samples, step).map(to_vec)
    }

    fn complete(
        &self,
        batch: HostBatch,
        plan: &Plan,
        step: &StepContext,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Found> {
        let (model, batch) = (&self.model, self.batch(batch));
        let completed = match plan {
            Plan::Chains(how) => complete(model, &batch, how, step, goes_on),
            Plan::Importance { draws, codes } => {
                complete_by_importance(model, &batch, (*draws, *codes), step, goes_on)
            }
        }?;
        Ok(Found {
            mean: to_vec(completed.mean),
            drawn: completed.drawn.map(to_vec).unwrap_or_default(),
            accepted: completed.accepted,
        })
    }

    fn decode(&self, codes: &[f32], under: Under<'_>, draw: Option<(u64, u64)>) -> Vec<f32> {
        let latent = self.latent();
        let step = StepContext::evaluate(0, 0, 0, 1);
        let rows = |values: Vec<f32>, width: usize| {
            let count = values.len() / width;
            Tensor::<B, 2>::from_data(TensorData::new(values, [count, width]), &self.device)
        };
        let mut values = Vec::new();
        for (number, chunk) in (0_u64..).zip(codes.chunks(BATCH * latent)) {
            let z = rows(chunk.to_vec(), latent);
            let condition = match under {
                Under::Nothing => None,
                Under::One(row) => Some(rows(row.repeat(z.dims()[0]), row.len())),
                Under::Each(all) => {
                    let width = all.len() * latent / codes.len();
                    let first = number as usize * BATCH * width;
                    let of_chunk = &all[first..first + z.dims()[0] * width];
                    Some(rows(of_chunk.to_vec(), width))
                }
            };
            let parameters = self.model.decode(z, condition.as_ref(), &step);
            let likelihood = self.model.likelihood(parameters);
            let step =
                |(seed, of): (u64, u64)| StepContext::evaluate(seed, (of << 32) | number, 0, 1);
            values.extend(to_vec(match draw.map(step) {
                None => likelihood.mean(),
                Some(step) => likelihood.sample(1, &step),
            }));
        }
        values
    }

    fn sample(&self, count: usize, step: &StepContext) -> Option<Vec<f32>> {
        self.model.sample(count, step, &self.device).map(to_vec)
    }

    fn evaluate(
        &self,
        batches: &mut HostBatches<'_>,
        seed: u64,
        position: Position,
    ) -> Result<Evaluation> {
        evaluate_batches(&self.model, batches, seed, position, &self.device)
    }

    fn to_bytes(&self, description: &Description) -> Result<ModelBytes> {
        ModelBytes::of(&self.model, description)
    }
}

/// A tensor's values on the host, in single precision.
pub(super) fn to_vec<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
