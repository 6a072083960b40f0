//! New examples.

use vae_core::{Error, LikelihoodKind, Result, StepContext};

use super::{Condition, Trained, engine::Under};

/// What is shown of the likelihood of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Its mean; the most likely level of a category.
    Mean,
    /// An example drawn from it.
    Sample,
}

/// How new examples are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// The seed of the codes, and of what is drawn from their likelihood.
    pub seed: u64,
    /// What is shown of the likelihood of a code.
    pub draw: Draw,
    /// What the noise of the prior is multiplied by: below 1 examples are more alike and more typical. Of a
    /// codebook the logits are divided by it.
    pub temperature: f64,
}

impl Trained {
    /// What new examples show unless told otherwise: of tables and counts what was drawn, as their means alone
    /// would vary too little; of images the mean.
    pub fn draws(&self) -> Draw {
        let data = self.data();
        let is_image = data.shape.image().is_some();
        let is_plain = data.likelihood.kind != LikelihoodKind::PerColumn;
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
        }
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
        let codes = self.sample_codes(count, how)?;
        Ok(self.decode_each(&codes, conditions, how))
    }

    /// Draws codes from the prior. `[count, latent]`
    ///
    /// # Errors
    /// [`Error::Unfit`] for a model without a prior.
    pub fn sample_codes(&self, count: usize, how: &Sampling) -> Result<Vec<f32>> {
        let step = StepContext::sample(how.seed).with_temperature(how.temperature);
        self.model.sample(count, &step).ok_or_else(|| {
            Error::Unfit(format!(
                "a {} model has no prior to draw codes from; train a generative variant such as vae",
                self.description.variant.info().name
            ))
        })
    }

    /// The examples that codes, `[count, latent]`, stand for under each of `conditions`, or once if there are
    /// none. `[conditions, count, features]`
    pub fn decode_each(&self, codes: &[f32], conditions: &[Condition], how: &Sampling) -> Vec<f32> {
        let decode = |(number, condition): (u64, Option<&Condition>)| {
            let under = condition.map_or(Under::Nothing, Condition::under);
            let seed = (how.draw == Draw::Sample).then_some((how.seed, number));
            self.in_units_of_data(self.model.decode(codes, under, seed), seed)
        };
        if conditions.is_empty() {
            return decode((0, None));
        }
        let of_each = (0..).zip(conditions.iter().map(Some)).flat_map(decode);
        of_each.collect()
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
