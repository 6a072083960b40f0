//! A trained model, to be used: rows in and out in the units of the data that it was trained on.

mod chain;
mod codes;
mod complete;
mod completion;
mod condition;
mod denoise;
mod engine;
mod examples;
mod features;
mod latents;
mod map;
mod open;
mod reconstruct;
mod sample;
mod score;
mod search;
mod walk;

use std::sync::Arc;

use vae_core::{Error, Position, Result, StepContext, train::Evaluation};
use vae_data::{Batcher, Dataset, HostBatch, Stream, Subset, aligned, aligned_with_gaps, rng};

use crate::Description;

pub use codes::{Codes, Level};
pub use completion::{Completing, Completion, Completions};
pub use condition::Condition;
pub use engine::Term;
pub use examples::Examples;
pub use features::{Features, Labelled, Probed};
pub use latents::Latents;
pub use map::{Map, MapMethod};
pub use reconstruct::{Reconstructions, mean_error};
pub use sample::{Draw, Sampling};
pub use score::{Detector, DetectorParts, Measure, Scores, Threshold};
pub use search::{Hit, Indexed, SearchIndex, Speed};
pub use walk::{Course, Spot};

use engine::{Engine, HostBatches, Under};
use examples::{Align, Matched};

/// Examples that go through a model at a time, if nothing else is asked for.
const BATCH: usize = 512;

/// A trained model of any variant on any backend, ready to use.
///
/// What goes in and comes out is in the units of the data: columns as they were before they were scaled (a
/// category as the index of its level in [`Description::table`], NaN where a cell is missing), pixels between
/// 0 and 1, and for a model of the codes of another one (`codes_of`) the data of that one.
pub struct Trained {
    description: Description,
    model: Box<dyn Engine>,
    codes_of: Option<Box<Trained>>,
    position: Position,
}

impl Trained {
    /// How the model is built, and what is known of its data.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The model whose codes it was trained on.
    pub fn codes_of(&self) -> Option<&Self> {
        self.codes_of.as_deref()
    }

    /// What is known of the data: of the model whose codes this one was trained on, else its own.
    pub fn data(&self) -> &Description {
        &self.root().description
    }

    /// The model that takes the data themselves.
    fn root(&self) -> &Self {
        self.codes_of().map_or(self, Self::root)
    }

    /// Width of a code.
    pub fn latent(&self) -> usize {
        self.model.latent()
    }

    /// Numbers that were trained.
    pub fn parameters(&self) -> usize {
        self.model.parameters()
    }

    /// Whether new examples can be drawn.
    pub fn is_generative(&self) -> bool {
        self.model.is_generative()
    }

    /// Whether the likelihood of data can be estimated.
    pub fn gives_likelihood(&self) -> bool {
        self.model.gives_likelihood()
    }

    /// Examples in the units of the data, to use the model on. Columns, levels and classes are found by their
    /// names, wherever they stand, and further columns are left out; classes and attributes are needed where the model is conditional.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they do not fit the model.
    pub fn examples<'a>(&self, dataset: Arc<dyn Dataset>) -> Result<Examples<'a>> {
        let count = u32::try_from(dataset.len())
            .map_err(|_| Error::Unfit("more than 2^32 examples".into()))?;
        self.examples_at(dataset, (0..count).collect())
    }

    /// As [`Trained::examples`], those with these indices alone. What is drawn for an example depends on its index.
    ///
    /// # Errors
    /// Those of [`Trained::examples`], and [`Error::Data`] if there is no such example.
    pub fn examples_at<'a>(
        &self,
        dataset: Arc<dyn Dataset>,
        indices: Vec<u32>,
    ) -> Result<Examples<'a>> {
        self.examples_aligned(dataset, indices, aligned)
    }

    /// As [`Trained::examples_at`], but numbers may be missing even if the model has seen no gaps: to be
    /// completed, see [`Trained::complete`].
    ///
    /// # Errors
    /// Those of [`Trained::examples_at`].
    pub fn examples_with_gaps<'a>(
        &self,
        dataset: Arc<dyn Dataset>,
        indices: Vec<u32>,
    ) -> Result<Examples<'a>> {
        self.examples_aligned(dataset, indices, aligned_with_gaps)
    }

    fn examples_aligned<'a>(
        &self,
        dataset: Arc<dyn Dataset>,
        indices: Vec<u32>,
        align: Align,
    ) -> Result<Examples<'a>> {
        let matched = Matched::new(dataset, align, self.data(), &self.description)?;
        let attributes = match matched.attributes().is_empty() {
            true => None,
            false => self.description.attribute_scaler.clone(),
        };
        let mut subset = Subset::new(Arc::new(matched), indices)?;
        if let Some(table) = &self.data().table {
            subset = subset.with_table(Arc::new(table.clone()))?;
        }
        let scaler = self.data().scaler.clone();
        let subset = subset.scaled(scaler.map(Arc::new), attributes.map(Arc::new))?;
        Ok(Examples::new(subset, true))
    }

    /// Examples of a split that was prepared for the training of this model: in its own scale, and codes
    /// where it was trained on codes.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they have another shape than the training data.
    pub fn examples_of_split<'a>(&self, split: &Subset) -> Result<Examples<'a>> {
        let shape = &self.description.shape;
        if split.shape() != shape {
            let found = split.shape();
            let why = format!("the model takes examples of shape {shape}, not {found}");
            return Err(Error::Unfit(why));
        }
        Ok(Examples::new(split.clone(), false))
    }

    /// The batches of some examples as the model takes them, counted from 0.
    fn batches<'a>(
        &'a self,
        examples: &Examples<'a>,
    ) -> impl Iterator<Item = Result<(HostBatch, StepContext)>> + use<'a> {
        let through = match examples.is_raw {
            true => self.codes_of(),
            false => None,
        };
        let first = through.map_or(&self.description, Self::data);
        let (seed, is_corrupted) = (examples.seed, examples.is_corrupted);
        let temperature = examples.temperature;
        let batcher =
            Batcher::sequential(examples.subset.clone(), examples.batch_size.max(1), seed)
                .binarize(first.binarize);
        let corruption = is_corrupted.then(|| self.description.corruption());
        let corruption = corruption.flatten();
        let batcher = match through {
            None => batcher.corrupt(corruption),
            Some(_) => batcher,
        };
        let stream = examples.stream(batcher).enumerate();
        stream.map(move |(number, host)| {
            let step = StepContext::evaluate_at(seed, number as u64, self.position);
            let step = step.with_temperature(temperature);
            let Some(through) = through else {
                return Ok((host?, step));
            };
            let mut host = through.encoded(host?, &step);
            host.corrupted = corruption.map(|corruption| {
                let mut rows = host.target.clone();
                for (row, example) in rows
                    .chunks_mut(self.description.shape.features())
                    .zip(&host.indices)
                {
                    let mut rng = rng(seed, Stream::Corrupt, u64::from(*example));
                    corruption.apply(row, &self.description.shape, &mut rng);
                }
                rows
            });
            Ok((host, step))
        })
    }

    /// The code of each example, batch after batch.
    pub fn encode<'a>(
        &'a self,
        examples: &Examples<'a>,
    ) -> impl Iterator<Item = Result<Codes>> + 'a {
        let is_drawn = examples.shown.is_drawn;
        let batches = self.batches(examples);
        batches.map(move |batch| batch.map(|(host, step)| self.model.encode(host, &step, is_drawn)))
    }

    /// The codes of all examples, as [`Codes::mean`] has them. `[examples, latent]`
    ///
    /// # Errors
    /// Those of the data, and [`Error::Stopped`].
    pub fn codes(&self, examples: &Examples<'_>) -> Result<Vec<f32>> {
        let mut all = Vec::with_capacity(examples.len() * self.latent());
        for codes in self.encode(examples) {
            all.extend(codes?.mean);
        }
        Ok(all)
    }

    /// The reconstruction term and the other terms of the objective for each example, batch after batch.
    pub fn terms<'a>(
        &'a self,
        examples: &Examples<'a>,
    ) -> impl Iterator<Item = Result<Vec<Term>>> + 'a {
        let batches = self.batches(examples);
        batches.map(|batch| batch.map(|(host, step)| self.model.terms(host, &step)))
    }

    /// An estimate of `-log p(x)` in nats for each example from so many codes of it, at least 1, batch after
    /// batch; see [`vae_core::importance_nll`]. It is that of the scaled values.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the model gives no likelihood.
    pub fn nll<'a>(
        &'a self,
        examples: &Examples<'a>,
        samples: usize,
    ) -> Result<impl Iterator<Item = Result<Vec<f32>>> + 'a> {
        let none = || {
            let name = self.description.variant.info().name;
            Error::Unfit(format!(
                "{name} gives no likelihood of the data: its code has no distribution to draw from"
            ))
        };
        if !self.gives_likelihood() {
            return Err(none());
        }
        Ok(self.batches(examples).map(move |batch| {
            let (host, step) = batch?;
            self.model.nll(host, samples, &step).ok_or_else(none)
        }))
    }

    /// The means of the objective over the examples, and the state of their codes.
    ///
    /// # Errors
    /// Those of the data, and [`Error::Stopped`].
    pub fn evaluate(&self, examples: &Examples<'_>) -> Result<Evaluation> {
        let mut batches = self.batches(examples).map(|batch| Ok(batch?.0));
        let batches: &mut HostBatches<'_> = &mut batches;
        self.model.evaluate(batches, examples.seed, self.position)
    }

    /// The examples that codes, `[count, latent]`, stand for: the mean of the likelihood, all under one
    /// condition. `[count, features]`
    pub fn decode(&self, codes: &[f32], condition: Option<&Condition>) -> Vec<f32> {
        let under = condition.map_or(Under::Nothing, Condition::under);
        self.in_units_of_data(self.model.decode(codes, under, None), None)
    }
}
