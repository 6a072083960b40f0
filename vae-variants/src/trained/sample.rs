//! New examples.

use std::sync::Arc;

use vae_analysis::{Choice, Mixture, Rows};
use vae_core::{Error, Result, StepContext};

use super::{Condition, Examples, Trained, engine::Under};

/// What is shown of the likelihood of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Its mean; the most likely level of a category.
    Mean,
    /// An example drawn from it.
    Sample,
}

/// How new examples are drawn.
#[derive(Debug, Clone)]
pub struct Sampling {
    /// The seed of the codes, and of what is drawn from their likelihood.
    pub seed: u64,
    /// What is shown of the likelihood of a code.
    pub draw: Draw,
    /// What the noise of the prior is multiplied by: below 1 examples are more alike and more typical. Of a
    /// codebook the logits are divided by it.
    pub temperature: f64,
    /// What the codes are drawn from; the prior of the model if nothing.
    pub mixture: Option<Arc<Mixture>>,
    /// Brings the numbers of each column of a table to the values that they have in the training data, and as often,
    /// in the order that was drawn: how columns depend on each other is the model's, how each is distributed the data's.
    /// Of conditional models, whose classes differ in both, it changes nothing.
    pub matches_columns: bool,
}

/// Examples that are drawn at a time at most, and at least to bring columns to their distributions.
const CHUNK: usize = 20_000;
/// Numbers of the examples that are drawn at a time.
const NUMBERS: usize = 1 << 24;

/// Numbers of components that a mixture of codes is tried with.
const COMPONENTS: [usize; 6] = [1, 2, 5, 10, 20, 40];

/// Codes that a mixture is fitted to at most: the first, of which there are enough for the components.
const FITTED: usize = 20_000;

impl Trained {
    /// What new examples show unless told otherwise: of tables and counts what was drawn, as their means alone
    /// would vary too little; of images the mean.
    pub fn draws(&self) -> Draw {
        let data = self.data();
        let is_image = data.shape.image().is_some();
        let is_plain = !data.likelihood.kind.is_of_columns();
        match is_image && is_plain && !data.likelihood.kind.is_of_counts() {
            true => Draw::Mean,
            false => Draw::Sample,
        }
    }

    /// How new examples are drawn unless told otherwise.
    pub fn sampling(&self, seed: u64) -> Sampling {
        Sampling {
            seed,
            draw: self.draws(),
            temperature: 1.0,
            mixture: None,
            matches_columns: false,
        }
    }

    /// Fits a Gaussian mixture to the codes of training examples, with as many components as make the codes of
    /// the validation examples most likely: what new codes are drawn from in place of the prior, which also
    /// makes variants without a prior generative (Ghosh 2020, section 4, "ex-post density estimation"). Codes
    /// that have a distribution are drawn from it.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the codes are entries of a codebook, whose numbers no mixture fits, or there are none; and
    /// those of the data.
    pub fn fit_mixture(
        &self,
        training: &Examples<'_>,
        validation: &Examples<'_>,
        seed: u64,
    ) -> Result<Choice> {
        let unfit = |why: String| Error::Unfit(why);
        let codes = |examples: &Examples<'_>| -> Result<Vec<f32>> {
            let mut all = Vec::new();
            for codes in self.encode(&examples.clone().first(FITTED).drawn()) {
                let codes = codes?;
                if codes.indices.is_some() {
                    let name = self.description.variant.info().name;
                    let why = "a code is entries of a codebook, which no mixture fits; its own prior draws them";
                    return Err(unfit(format!("of a {name} model {why}")));
                }
                all.extend(codes.drawn.unwrap_or(codes.mean));
            }
            Ok(all)
        };
        let [training, validation] = [codes(training)?, codes(validation)?];
        let rows = |codes| Rows::new(codes, self.latent());
        let choice = rows(&training)
            .and_then(|training| Mixture::choose(training, rows(&validation)?, &COMPONENTS, seed));
        choice.map_err(|error| unfit(format!("no mixture of the codes: {error}")))
    }

    /// Draws `count` examples under each of `conditions`, or once `count` if there are none: codes from the
    /// prior, decoded. Every condition gets the same codes, so that one shows a class in the style of the
    /// other's. `[conditions, count, features]`
    ///
    /// # Errors
    /// [`Error::Unfit`] for a model without a prior.
    pub fn sample(&self, count: usize, conditions: &[Condition], seed: u64) -> Result<Vec<f32>> {
        self.sample_with(count, conditions, &self.sampling(seed))
    }

    /// As [`Trained::sample`], where `how` says more.
    ///
    /// # Errors
    /// Those of [`Trained::sample`].
    pub fn sample_with(
        &self,
        count: usize,
        conditions: &[Condition],
        how: &Sampling,
    ) -> Result<Vec<f32>> {
        let chunks: Result<Vec<_>> = self.samples(count, conditions, how).collect();
        Ok(chunks?.concat())
    }

    /// What [`Trained::sample_with`] gives in pieces, so that more can be drawn than memory holds. `[piece, features]`
    /// each
    ///
    /// # Errors
    /// Those of [`Trained::sample`].
    pub fn samples<'a>(
        &'a self,
        count: usize,
        conditions: &'a [Condition],
        how: &'a Sampling,
    ) -> impl Iterator<Item = Result<Vec<f32>>> + 'a {
        let is_matched = how.matches_columns && conditions.is_empty() && self.has_marginals();
        let chunk = match is_matched {
            true => CHUNK,
            false => (NUMBERS / self.data().row_width()).clamp(1, CHUNK),
        };
        (0..conditions.len().max(1)).flat_map(move |number| {
            let starts = (0..count).step_by(chunk);
            (0..).zip(starts).map(move |(place, start): (u64, usize)| {
                let how = Sampling {
                    // Each piece draws numbers of its own.
                    seed: how.seed ^ (place << 32),
                    ..how.clone()
                };
                let wanted = chunk.min(count - start);
                let drawn = if is_matched { chunk } else { wanted };
                let codes = self.sample_codes(drawn, &how)?;
                let mut rows = self.decode_under(&codes, number, conditions.get(number), &how);
                if is_matched {
                    self.match_columns(&mut rows);
                    rows.truncate(wanted * self.data().row_width());
                }
                Ok(rows)
            })
        })
    }

    /// Whether the training data have columns whose distributions are known.
    fn has_marginals(&self) -> bool {
        !self.data().marginals.is_empty()
    }

    /// Brings the numbers of each column to those of the training data.
    fn match_columns(&self, rows: &mut [f32]) {
        let width = self.data().row_width();
        for (column, marginal) in self.data().marginals.iter().enumerate() {
            if let Some(marginal) = marginal {
                marginal.match_column(rows, width, column);
            }
        }
    }

    /// Draws codes from the prior, or from the mixture that `how` names. `[count, latent]`
    ///
    /// # Errors
    /// [`Error::Unfit`] for a model without a prior.
    pub fn sample_codes(&self, count: usize, how: &Sampling) -> Result<Vec<f32>> {
        if let Some(mixture) = &how.mixture {
            return Ok(mixture.sample(count, how.temperature, how.seed));
        }
        let step = StepContext::sample(how.seed).with_temperature(how.temperature);
        self.model.sample(count, &step).ok_or_else(|| {
            Error::Unfit(format!(
                "a {} model has no prior to draw codes from; fit a mixture to the codes of its training data, or \
                 train a generative variant such as vae",
                self.description.variant.info().name
            ))
        })
    }

    /// The examples that codes, `[count, latent]`, stand for under each of `conditions`, or once if there are
    /// none. `[conditions, count, features]`
    pub fn decode_each(&self, codes: &[f32], conditions: &[Condition], how: &Sampling) -> Vec<f32> {
        if conditions.is_empty() {
            return self.decode_under(codes, 0, None, how);
        }
        let of_each = conditions.iter().enumerate();
        of_each
            .flat_map(|(number, condition)| self.decode_under(codes, number, Some(condition), how))
            .collect()
    }

    /// What codes stand for under the condition with a number. `[count, features]`
    fn decode_under(
        &self,
        codes: &[f32],
        number: usize,
        condition: Option<&Condition>,
        how: &Sampling,
    ) -> Vec<f32> {
        let under = condition.map_or(Under::Nothing, Condition::under);
        let seed = (how.draw == Draw::Sample).then_some((how.seed, number as u64));
        self.in_units_of_data(self.model.decode(codes, under, seed), seed)
    }

    /// The examples that codes, `[count, latent]`, stand for, each under a condition of its own.
    /// `[count, features]`
    ///
    /// # Panics
    /// If there are not as many conditions as codes.
    pub fn decode_rows(&self, codes: &[f32], conditions: &[Condition], how: &Sampling) -> Vec<f32> {
        assert_eq!(codes.len(), conditions.len() * self.latent());
        let rows = conditions.iter().flat_map(|condition| &condition.0);
        let rows: Vec<f32> = rows.copied().collect();
        let seed = (how.draw == Draw::Sample).then_some((how.seed, 0));
        self.in_units_of_data(self.model.decode(codes, Under::Each(&rows), seed), seed)
    }
}
