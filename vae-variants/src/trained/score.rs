//! How unusual examples are: anomalies.

mod detector;
mod stored;

use serde::{Deserialize, Serialize};
use vae_core::{Error, Result, StepContext};
use vae_data::HostBatch;

use super::{Draw, Examples, Trained, engine::Shown};

pub use detector::{Detector, DetectorParts, Threshold};

/// Codes that the likelihood of an example is estimated from.
const SAMPLES: usize = 16;

/// What says how unusual an example is: the larger, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// What several views say together, of which each sees other anomalies. Of a table: how unlikely the model finds
    /// the row (the importance-weighted `-log p(x)`, or the logarithm of its reconstruction error where the model
    /// gives no likelihood), the logarithm of the distance to the fifth nearest of 2,000 training rows, and that of the distance
    /// from a Gaussian that was fitted to the most likely four fifths of the training rows, with its covariance
    /// shrunk by half towards a sphere. Of images: the logarithms of the reconstruction error and of the distance to the
    /// nearest of 10,000 training images. Each is brought to 0 at the median of the training examples and 1 at their
    /// quantile 0.8; the logarithm of the sum of their exponentials lets the one that is surest decide.
    #[default]
    Combined,
    /// The squared error of the reconstruction in the model's scale, averaged over the numbers that are there.
    Reconstruction,
    /// The negative ELBO, in nats.
    Elbo,
    /// The importance-weighted `-log p(x)` from 16 codes, in nats (Burda 2016).
    Nll,
    /// The Mahalanobis distance of the mean code from the mean codes of the training examples.
    Mahalanobis,
    /// The Euclidean distance of the mean code to the fifth nearest of 2,000 codes of training examples.
    Neighbours,
}

impl Measure {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Combined,
        Self::Reconstruction,
        Self::Elbo,
        Self::Nll,
        Self::Mahalanobis,
        Self::Neighbours,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Reconstruction => "reconstruction",
            Self::Elbo => "elbo",
            Self::Nll => "nll",
            Self::Mahalanobis => "mahalanobis",
            Self::Neighbours => "neighbours",
        }
    }
}

/// Examples that were scored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// How unusual each is. `[examples]`
    pub scores: Vec<f32>,
    /// The part that each number of the data has in what is unusual; they add up to 1. With [`Measure::Combined`] on tables it is what
    /// the number adds to the squared distance from the Gaussian, else its squared error over that of the training
    /// examples. 0 for what is missing. `[examples, row width]`
    pub contributions: Vec<f32>,
}

/// What a measure is made of, for some examples.
struct Views {
    /// In the scale of the model; 0, the middle of what is standardised, where something is missing.
    /// `[examples, features]`
    rows: Vec<f32>,
    /// How unlikely, or what else the model says of them. `[examples]`
    of_model: Vec<f64>,
    /// `[examples, latent]`; empty where the measure needs none.
    codes: Vec<f32>,
    /// Squared error of each number of the data. `[examples, row width]`
    errors: Vec<f32>,
}

impl Trained {
    /// Whether a measure can be had of this model.
    ///
    /// # Errors
    /// [`Error::Unfit`] with the reason why not.
    pub fn check_measure(&self, measure: Measure) -> Result<()> {
        match measure {
            Measure::Nll if !self.gives_likelihood() => Err(Error::Unfit(format!(
                "the measure nll needs the likelihood of data, which {} does not give: take combined or \
                 reconstruction",
                self.description.variant.info().name
            ))),
            _ => Ok(()),
        }
    }

    /// How unusual each example is, batch after batch.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the detector is of another model; and those of the data.
    pub fn score<'a>(
        &'a self,
        detector: &'a Detector,
        examples: &Examples<'a>,
    ) -> Result<impl Iterator<Item = Result<Scores>> + 'a> {
        detector.check(self)?;
        Ok(self.batches(examples).map(move |batch| {
            let views = self.views(detector.measure(), batch?.0);
            Ok(Scores {
                scores: detector.scores(&views)?,
                contributions: detector.contributions(&views, self.description.table.as_ref())?,
            })
        }))
    }

    /// A pass that scores: all examples get the same noise, so that a score is that of the example alone.
    pub fn scoring_step(&self, examples: usize) -> StepContext {
        StepContext::evaluate_at(0, 0, self.position).alike(examples)
    }

    fn views(&self, measure: Measure, host: HostBatch) -> Views {
        let step = &self.scoring_step(host.len);
        let target = host.target.clone();
        let shown = Shown {
            is_drawn: false,
            draw: Draw::Mean,
        };
        let found = self.model.reconstruct(host.clone(), step, shown);
        let found = self.with_totals(found, &target);
        let errors = self.errors(&target, &found);
        let by_error = |is_log: bool| {
            let rows = errors.chunks(self.description.row_width());
            let mean = |row: &[f32]| {
                let known = row.iter().filter(|error| !error.is_nan());
                let (sum, count) = known.fold((0.0, 0), |(sum, count), error| {
                    (sum + f64::from(*error), count + 1)
                });
                sum / f64::from(count.max(1))
            };
            let means = rows.map(mean);
            match is_log {
                true => means.map(|error| (error + TINY).ln()).collect(),
                false => means.collect(),
            }
        };
        let nll = |host| {
            let nll = self.model.nll(host, SAMPLES, step)?;
            Some(nll.into_iter().map(f64::from).collect())
        };
        let is_image = self.description.shape.image().is_some();
        let of_model: Vec<f64> = match measure {
            Measure::Combined if is_image => by_error(true),
            Measure::Combined => nll(host.clone()).unwrap_or_else(|| by_error(true)),
            Measure::Nll => nll(host.clone()).unwrap_or_default(),
            Measure::Reconstruction => by_error(false),
            Measure::Elbo => {
                let terms = self.model.terms(host.clone(), step);
                let mut sums = vec![0.0; host.len];
                for term in terms {
                    for (sum, value) in sums.iter_mut().zip(term.values) {
                        *sum += term.weight * f64::from(value);
                    }
                }
                sums
            }
            Measure::Mahalanobis | Measure::Neighbours => Vec::new(),
        };
        let codes = match measure {
            Measure::Mahalanobis | Measure::Neighbours => self.model.encode(host, step, false).mean,
            _ => Vec::new(),
        };
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        Views {
            rows: target.into_iter().map(finite).collect(),
            of_model,
            codes,
            errors,
        }
    }
}

impl Trained {
    /// The squared error of each number of the data, in the scale of the model; of a category half of that of its
    /// places, which is 0 if all probability is on the right level and 1 if it is on a wrong one; NaN where
    /// something is missing. `[examples, row width]`
    fn errors(&self, target: &[f32], found: &[f32]) -> Vec<f32> {
        let squares = target.iter().zip(found).map(|(x, y)| (x - y).powi(2));
        let Some(table) = &self.description.table else {
            return squares.collect();
        };
        let squares: Vec<f32> = squares.collect();
        let rows = squares.chunks(self.description.shape.features());
        let errors = rows.flat_map(|row| {
            let mut row = row;
            table.kinds().iter().map(move |kind| {
                let (places, rest) = row.split_at(kind.width());
                row = rest;
                match kind.is_category() {
                    true => 0.5 * places.iter().sum::<f32>(),
                    false => places[0],
                }
            })
        });
        errors.collect()
    }
}

/// Keeps the logarithm of an error of 0 finite.
const TINY: f64 = 1e-12;
