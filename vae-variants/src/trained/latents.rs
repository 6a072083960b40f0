//! How much each latent is used.

use vae_core::{CodeKind, PriorKind, Result};

use super::{Examples, Trained};

/// What the codes of some examples are in each latent of the row that is decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// Mean of the mean codes. `[latent]`
    pub mean: Vec<f32>,
    /// Standard deviation of the mean codes. `[latent]`
    pub deviation: Vec<f32>,
    /// Mean KL to the prior in nats, where it is a sum over the latents. `[latent]`
    pub kl: Option<Vec<f64>>,
}

impl Latents {
    /// The latents in the order of their KL, or of their deviation where there is none: the highest first, and of
    /// equal ones the first.
    pub fn order(&self) -> Vec<usize> {
        let use_of = |latent: usize| match &self.kl {
            Some(kl) => kl[latent],
            None => f64::from(self.deviation[latent]),
        };
        let mut order: Vec<usize> = (0..self.mean.len()).collect();
        order.sort_by(|a, b| use_of(*b).total_cmp(&use_of(*a)));
        order
    }
}

impl Trained {
    /// What the codes of some examples are in each latent, and its KL, from two passes over them. Of a code with several
    /// levels it is the lowest, which is decoded.
    ///
    /// # Errors
    /// Those of the data, and [`Error::Stopped`](vae_core::Error::Stopped).
    pub fn latents(&self, examples: &Examples<'_>) -> Result<Latents> {
        let latent = self.latent();
        let mut all = vec![Moments::default(); latent];
        for codes in self.encode(examples) {
            for row in codes?.mean.chunks(latent) {
                all.iter_mut()
                    .zip(row)
                    .for_each(|(of, value)| of.add(*value));
            }
        }
        let kl = self.evaluate(examples)?.latent;
        let kl = kl.and_then(|of| of.kl_per_dimension);
        Ok(Latents {
            mean: all.iter().map(|of| of.mean as f32).collect(),
            deviation: all.iter().map(|of| of.deviation() as f32).collect(),
            // The lowest level comes first.
            kl: kl.filter(|kl| kl.len() >= latent).map(|mut kl| {
                kl.truncate(latent);
                kl
            }),
        })
    }

    /// Whether the prior of the code that is decoded is `N(0, I)`, so that its latents are measured by that.
    pub fn has_standard_prior(&self) -> bool {
        let of = &self.description;
        let code = of.variant.code(&of.model, &of.shape);
        let is_row = code.is_ok_and(|code| code.kind == CodeKind::Distribution && code.extra == 0);
        is_row && self.is_generative() && of.model.prior() == PriorKind::Normal
    }
}

/// Running mean and sum of squares (Welford's method).
#[derive(Debug, Clone, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f32) {
        let value = f64::from(value);
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latents_are_ordered_by_their_kl_or_else_by_their_deviation() {
        let latents = Latents {
            mean: vec![0.0; 3],
            deviation: vec![0.1, 0.3, 0.2],
            kl: Some(vec![2.0, 0.0, 2.0]),
        };
        assert_eq!(latents.order(), [0, 2, 1]);
        let latents = Latents {
            kl: None,
            ..latents
        };
        assert_eq!(latents.order(), [1, 2, 0]);
    }
}
