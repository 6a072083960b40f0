//! Taking noise away.

use vae_core::{Result, StepContext};
use vae_data::{Batcher, Corruption, HostBatch};

use super::{Draw, Examples, Reconstructions, Trained};

impl Trained {
    /// Whether the model has learned to take noise away: it saw corrupted input, and its aim was the clean one.
    pub fn is_denoising(&self) -> bool {
        self.description.corruption().is_some()
    }

    /// Lets the model clean examples, batch after batch. They go in as they are, or, with `noise`, after it was put
    /// on them, in the scale of the model: then [`Reconstructions::corrupted`] is what went in. The noise of
    /// an example depends on its index and the seed of the examples alone. Corruption of the model's own training is left out.
    pub fn denoise<'a>(
        &'a self,
        examples: &Examples<'a>,
        noise: Option<Corruption>,
    ) -> impl Iterator<Item = Result<Reconstructions>> + 'a {
        let through = match examples.is_raw {
            true => self.codes_of(),
            false => None,
        };
        let first = match examples.is_raw {
            true => self.root(),
            false => self,
        };
        let noise = noise.map(|noise| noise.with_range(first.description.range()));
        let (seed, shown, temperature) = (examples.seed, examples.shown, examples.temperature);
        let batcher =
            Batcher::sequential(examples.subset.clone(), examples.batch_size.max(1), seed)
                .binarize(first.description.binarize)
                .corrupt(noise);
        let stream = examples.stream(batcher).enumerate();
        stream.map(move |(number, host)| {
            let host = host?;
            let step = StepContext::evaluate_at(seed, number as u64, self.position);
            let step = step.with_temperature(temperature);
            let (target, corrupted) = (host.target.clone(), host.corrupted.clone());
            let input = HostBatch {
                target: host.input().to_vec(),
                corrupted: None,
                ..host
            };
            let input = match through {
                Some(through) => through.encoded(input, &step),
                None => input,
            };
            let totals = input.target.clone();
            let cleaned = self.model.reconstruct(input, &step, shown);
            let drawn = (shown.draw == Draw::Sample).then_some((step.seed(), 0));
            Ok(Reconstructions {
                target: first.in_units_of_data(target, None),
                corrupted: corrupted.map(|rows| first.in_units_of_data(rows, None)),
                reconstructed: self.in_units_of_data(self.with_totals(cleaned, &totals), drawn),
            })
        })
    }

    /// The examples themselves, batch after batch: as they are in the data, with the columns of the model.
    pub fn rows<'a>(
        &'a self,
        examples: &Examples<'a>,
    ) -> impl Iterator<Item = Result<Vec<f32>>> + 'a {
        let first = match examples.is_raw {
            true => self.root(),
            false => self,
        };
        let batcher = Batcher::sequential(examples.subset.clone(), examples.batch_size.max(1), 0);
        let stream = examples.stream(batcher);
        stream.map(|host| Ok(first.in_units_of_data(host?.target, None)))
    }
}
