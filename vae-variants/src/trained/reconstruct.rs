//! Examples beside what a model makes of them.

use vae_core::{LikelihoodKind, Result};

use super::{Draw, Examples, Trained};
use crate::Description;

/// Examples, what the encoder saw of them, and what the model made of that. `[examples, features]` each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reconstructions {
    /// The clean examples.
    pub target: Vec<f32>,
    /// The corrupted input, where it was asked for; see [`Examples::corrupted`].
    pub corrupted: Option<Vec<f32>>,
    /// The mean of the likelihood given the mean code; for `multinomial` of as many counts as the example has.
    pub reconstructed: Vec<f32>,
}

impl Reconstructions {
    /// Those of some batches, one after the other.
    pub fn joined(batches: impl IntoIterator<Item = Self>) -> Self {
        let mut batches = batches.into_iter();
        let mut all = batches.next().unwrap_or_default();
        for batch in batches {
            all.target.extend(batch.target);
            all.reconstructed.extend(batch.reconstructed);
            if let (Some(all), Some(more)) = (&mut all.corrupted, batch.corrupted) {
                all.extend(more);
            }
        }
        all
    }

    /// How far each number of the clean examples is from its reconstruction: the square of the difference in the
    /// scale that the model was trained in, which for standardised columns is that of the training data; of a
    /// category 0 or 1; NaN where the example has none. `[examples, row width]`
    pub fn errors(&self, data: &Description) -> Vec<f32> {
        let width = data.row_width();
        let scaled = |row: &[f32]| {
            let mut row = row.to_vec();
            if let Some(scaler) = &data.scaler {
                scaler.apply(&mut row);
            }
            row
        };
        let targets = self.target.chunks_exact(width);
        let rows = targets.zip(self.reconstructed.chunks_exact(width));
        let errors = rows.flat_map(|(target, found)| {
            let pairs = scaled(target).into_iter().zip(scaled(found));
            pairs.enumerate().map(|(column, (target, found))| {
                if target.is_nan() {
                    return f32::NAN;
                }
                match data.levels(column).is_empty() {
                    true => (target - found).powi(2),
                    false => f32::from(u8::from(target != found)),
                }
            })
        });
        errors.collect()
    }
}

/// The mean of the errors of one example that are known; 0 of none. `[row width]`
pub fn mean_error(errors: &[f32]) -> f32 {
    let known = errors.iter().copied().filter(|error| !error.is_nan());
    let count = known.clone().count();
    known.sum::<f32>() / count.max(1) as f32
}

impl Trained {
    /// Each example beside what the model makes of it, batch after batch.
    pub fn reconstruct<'a>(
        &'a self,
        examples: &Examples<'a>,
    ) -> impl Iterator<Item = Result<Reconstructions>> + 'a {
        let shown = examples.shown;
        self.batches(examples).map(move |batch| {
            let (host, step) = batch?;
            let (target, corrupted) = (host.target.clone(), host.corrupted.clone());
            let reconstructed = self.model.reconstruct(host, &step, shown);
            let reconstructed = self.with_totals(reconstructed, &target);
            let drawn = (shown.draw == Draw::Sample).then_some((step.seed(), 0));
            Ok(Reconstructions {
                target: self.in_units_of_data(target, None),
                corrupted: corrupted.map(|rows| self.in_units_of_data(rows, None)),
                reconstructed: self.in_units_of_data(reconstructed, drawn),
            })
        })
    }

    /// The shares that a multinomial gives, times what the examples add up to.
    pub(super) fn with_totals(&self, mut reconstructed: Vec<f32>, target: &[f32]) -> Vec<f32> {
        if self.description.likelihood.kind == LikelihoodKind::Multinomial {
            let features = self.description.shape.features();
            let rows = reconstructed.chunks_exact_mut(features);
            for (row, target) in rows.zip(target.chunks_exact(features)) {
                let total: f32 = target.iter().sum();
                row.iter_mut().for_each(|share| *share *= total);
            }
        }
        reconstructed
    }
}
