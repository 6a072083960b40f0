//! What the training examples tell of what is usual.

use serde::{Deserialize, Serialize};
use vae_analysis::{Gaussian, Rows, nearest, quantile, threshold_of_false_positives};
use vae_core::{Error, Result};
use vae_data::{Columns, Stream, random::permutation, rng};

use super::{Measure, Trained, Views};
use crate::Examples;

/// Training examples that a detector is fitted to at most, evenly from all.
const FITTED: usize = 100_000;
/// Training examples among which neighbours are looked for, and which of the nearest counts: of rows of a table,
/// whose density varies, and of images, which have few near ones.
const OF_ROWS: Vicinity = Vicinity {
    references: 2_000,
    neighbour: 5,
};
const OF_IMAGES: Vicinity = Vicinity {
    references: 10_000,
    neighbour: 1,
};
/// The share of the training examples that the Gaussian is refitted to, how often, and how far its covariance is shrunk.
const KEPT: f64 = 0.8;
const REFITS: usize = 5;
const SHRINKAGE: f64 = 0.5;
/// The quantile of the training examples that becomes 1.
const UPPER: f64 = 0.8;

/// What scores examples: a [`Measure`] with what it knows of the training examples. Made by
/// [`Trained::fit_detector`].
#[derive(Debug, Clone)]
pub struct Detector {
    pub(super) state: State,
    /// Rows among which neighbours are looked for: examples, or codes. `[references, width]`
    pub(super) references: Vec<f32>,
}

/// All of a detector but its references.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub measure: Measure,
    /// Tells models apart.
    pub model: String,
    /// Width of the references, and of the Gaussian.
    pub width: usize,
    pub gaussian: Option<Gaussian>,
    pub vicinity: Vicinity,
    /// Scales of the views that are combined: the model, the neighbours and, of tables, the Gaussian.
    pub scales: Vec<Scale>,
    /// Added to the distance of a neighbour before its logarithm is taken.
    pub offset: f64,
    /// Mean error of each number of the data over the training examples. `[row width]`
    pub errors: Vec<f64>,
    pub threshold: Option<Threshold>,
}

/// Where neighbours are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vicinity {
    references: usize,
    /// Counted from 1.
    neighbour: usize,
}

/// From what score on an example is called an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The score.
    pub value: f64,
    /// The share of usual examples that is above it.
    pub false_positives: f64,
    /// What it was chosen on.
    pub chosen_on: String,
    /// How many examples those were.
    pub examples: usize,
}

/// Brings a view to 0 at the median of the training examples and to 1 at their quantile 0.8.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    median: f64,
    upper: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Result<Self> {
        let at = |share| quantile(values, share).map_err(unfit);
        Ok(Self {
            median: at(0.5)?,
            upper: at(UPPER)?,
        })
    }

    fn apply(self, value: f64) -> f64 {
        (value - self.median) / (self.upper - self.median + 1e-9)
    }
}

fn unfit(error: vae_analysis::Error) -> Error {
    Error::Unfit(format!("no detector of anomalies: {error}"))
}

impl Trained {
    /// Learns from training examples what is usual. There may be anomalies among them. It takes at most 100,000,
    /// evenly from all.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the measure does not fit the model or there are fewer than 2 examples; and those of the data.
    pub fn fit_detector(
        &self,
        training: &Examples<'_>,
        measure: Measure,
        seed: u64,
    ) -> Result<Detector> {
        self.check_measure(measure)?;
        let training = training.clone().thinned(FITTED);
        let mut all = Views {
            rows: Vec::new(),
            of_model: Vec::new(),
            codes: Vec::new(),
            errors: Vec::new(),
        };
        for batch in self.batches(&training) {
            let views = self.views(measure, batch?.0);
            if measure == Measure::Combined {
                all.rows.extend(views.rows);
            }
            all.of_model.extend(views.of_model);
            all.codes.extend(views.codes);
            all.errors.extend(views.errors);
        }
        let width = self.description().row_width();
        let examples = all.errors.len() / width;
        if examples < 2 {
            return Err(Error::Unfit(format!(
                "no detector of anomalies: at least 2 training examples are needed, and there are {examples}"
            )));
        }
        let (values, wide) = match measure {
            Measure::Mahalanobis | Measure::Neighbours => (&all.codes, self.latent()),
            _ => (&all.rows, self.description().shape.features()),
        };
        let is_image = self.description().shape.image().is_some();
        let vicinity = match is_image && measure == Measure::Combined {
            true => OF_IMAGES,
            false => OF_ROWS,
        };
        let has_references = matches!(measure, Measure::Combined | Measure::Neighbours);
        let rows = || Rows::new(values, wide).map_err(unfit);
        let gaussian = match measure {
            Measure::Combined if !is_image => {
                Some(Gaussian::fit_trimmed(rows()?, KEPT, REFITS, SHRINKAGE).map_err(unfit)?)
            }
            Measure::Mahalanobis => Some(Gaussian::fit(rows()?, 0.0).map_err(unfit)?),
            _ => None,
        };
        let references = match has_references {
            true => {
                let order = permutation(&mut rng(seed, Stream::Limit, 0), examples);
                let chosen = order
                    .iter()
                    .take(vicinity.references)
                    .map(|&row| row as usize);
                let rows = chosen.flat_map(|row| &values[row * wide..(row + 1) * wide]);
                rows.copied().collect()
            }
            false => Vec::new(),
        };
        let mut detector = Detector {
            state: State {
                measure,
                model: self.fingerprint()?,
                width: wide,
                gaussian,
                vicinity,
                scales: Vec::new(),
                offset: 0.0,
                errors: mean_of_columns(&all.errors, width),
                threshold: None,
            },
            references,
        };
        if measure == Measure::Combined {
            let distances = detector.neighbours(&all.rows)?;
            detector.state.offset = 0.01 * distances.iter().sum::<f64>() / examples as f64 + 1e-12;
            let views = detector.combined(&all)?;
            let scales: Result<Vec<_>> = views.iter().map(|view| Scale::of(view)).collect();
            detector.state.scales = scales?;
        }
        Ok(detector)
    }
}

/// What a score is computed from, beside the model: for programs that compute it elsewhere.
#[derive(Debug, Clone)]
pub struct DetectorParts<'a> {
    /// What it scores by.
    pub measure: Measure,
    /// The distribution of rows or codes; see [`Measure`].
    pub gaussian: Option<&'a Gaussian>,
    /// Rows among which neighbours are looked for. `[references, width]`
    pub references: &'a [f32],
    /// Width of the references, and of the Gaussian.
    pub width: usize,
    /// Which of the nearest counts, from 1.
    pub neighbour: usize,
    /// Median and quantile 0.8 of the views that are combined: the model, the neighbours and, of tables, the Gaussian.
    pub scales: Vec<(f64, f64)>,
    /// Added to the distance of a neighbour before its logarithm is taken.
    pub offset: f64,
    /// Codes of an example that its likelihood is estimated from.
    pub samples: usize,
}

impl Detector {
    /// What it is made of.
    pub fn parts(&self) -> DetectorParts<'_> {
        let state = &self.state;
        DetectorParts {
            measure: state.measure,
            gaussian: state.gaussian.as_ref(),
            references: &self.references,
            width: state.width,
            neighbour: state.vicinity.neighbour,
            scales: state
                .scales
                .iter()
                .map(|scale| (scale.median, scale.upper))
                .collect(),
            offset: state.offset,
            samples: super::SAMPLES,
        }
    }

    /// What it scores by.
    pub fn measure(&self) -> Measure {
        self.state.measure
    }

    /// From what score on an example is called an anomaly, where that was chosen.
    pub fn threshold(&self) -> Option<&Threshold> {
        self.state.threshold.as_ref()
    }

    /// Calls so many of some examples anomalies, at most; these are called `chosen_on`.
    ///
    /// # Errors
    /// [`Error::Unfit`] if there is no score, or the share is not between 0 and 1.
    pub fn with_threshold(
        mut self,
        scores: &[f32],
        false_positives: f64,
        chosen_on: &str,
    ) -> Result<Self> {
        let values: Vec<f64> = scores.iter().copied().map(f64::from).collect();
        self.state.threshold = Some(Threshold {
            value: threshold_of_false_positives(&values, false_positives).map_err(unfit)?,
            false_positives,
            chosen_on: chosen_on.to_owned(),
            examples: scores.len(),
        });
        Ok(self)
    }

    /// Whether it was fitted to this model.
    pub fn is_of(&self, model: &Trained) -> bool {
        model
            .fingerprint()
            .is_ok_and(|model| model == self.state.model)
    }

    /// # Errors
    /// [`Error::Unfit`] if it was fitted to another model.
    pub(super) fn check(&self, model: &Trained) -> Result<()> {
        match self.is_of(model) {
            true => Ok(()),
            false => Err(Error::Unfit(
                "the detector of anomalies was fitted to another model: fit it anew".into(),
            )),
        }
    }

    pub(super) fn scores(&self, views: &Views) -> Result<Vec<f32>> {
        let scores = match self.state.measure {
            Measure::Combined => {
                let all = self.combined(views)?;
                let of_example = |example: usize| {
                    let scaled = all.iter().zip(&self.state.scales);
                    let scaled = scaled.map(|(view, scale)| scale.apply(view[example]));
                    let largest = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
                    largest
                        + scaled
                            .map(|value| (value - largest).exp())
                            .sum::<f64>()
                            .ln()
                };
                (0..views.of_model.len()).map(of_example).collect()
            }
            Measure::Mahalanobis => {
                let squares = self.distances(&views.codes)?;
                squares.into_iter().map(f64::sqrt).collect()
            }
            Measure::Neighbours => self.neighbours(&views.codes)?,
            Measure::Reconstruction | Measure::Elbo | Measure::Nll => views.of_model.clone(),
        };
        Ok(scores.into_iter().map(|score| score as f32).collect())
    }

    /// The views before they are scaled.
    fn combined(&self, views: &Views) -> Result<Vec<Vec<f64>>> {
        let near = self.neighbours(&views.rows)?.into_iter();
        let near = near.map(|distance| (distance + self.state.offset).ln());
        let mut all = vec![views.of_model.clone(), near.collect()];
        if self.state.gaussian.is_some() {
            let far = self.distances(&views.rows)?.into_iter();
            all.push(far.map(|square| (square + super::TINY).ln()).collect());
        }
        Ok(all)
    }

    /// Squared Mahalanobis distances.
    fn distances(&self, rows: &[f32]) -> Result<Vec<f64>> {
        let Some(gaussian) = &self.state.gaussian else {
            return Ok(Vec::new());
        };
        let rows = Rows::new(rows, self.state.width).map_err(unfit)?;
        gaussian.distances(rows).map_err(unfit)
    }

    /// The distance to that of the nearest references which counts. One that is the row itself, or just like it, is left out.
    fn neighbours(&self, rows: &[f32]) -> Result<Vec<f64>> {
        let neighbour = self.state.vicinity.neighbour;
        let of = |values| Rows::new(values, self.state.width).map_err(unfit);
        let (base, queries) = (of(&self.references)?, of(rows)?);
        let found = nearest(base, queries, neighbour + 1).map_err(unfit)?;
        let of_row = |row| {
            let distances = found.distances(row);
            let own = usize::from(distances[0] == 0.0);
            let last = distances.len() - 1;
            f64::from(distances[(neighbour - 1 + own).min(last)])
        };
        Ok((0..queries.count()).map(of_row).collect())
    }

    /// The part of each number of the data in what is unusual: by the Gaussian of the rows, or the errors of the
    /// reconstruction where there is none.
    pub(super) fn contributions(&self, views: &Views, table: Option<&Columns>) -> Result<Vec<f32>> {
        let width = self.state.errors.len();
        let parts: Vec<f64> = match (&self.state.gaussian, self.state.measure) {
            (Some(gaussian), Measure::Combined) => {
                let rows = Rows::new(&views.rows, self.state.width).map_err(unfit)?;
                let parts = gaussian.contributions(rows).map_err(unfit)?;
                match table {
                    None => parts,
                    Some(table) => {
                        let rows = parts.chunks(self.state.width);
                        rows.flat_map(|row| table.sums(row)).collect()
                    }
                }
            }
            _ => {
                let usual = self.state.errors.iter().cycle();
                let pairs = views.errors.iter().zip(usual);
                pairs
                    .map(|(&error, usual)| f64::from(error) / (usual + super::TINY))
                    .collect()
            }
        };
        let shares = parts.chunks(width).flat_map(|parts| {
            // What is missing is NaN, which is no maximum.
            let sum: f64 = parts.iter().map(|part| part.max(0.0)).sum();
            parts.iter().map(move |part| match sum > 0.0 {
                true => (part.max(0.0) / sum) as f32,
                false => 0.0,
            })
        });
        Ok(shares.collect())
    }
}

/// The mean of each column over the rows that have it.
fn mean_of_columns(values: &[f32], width: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0_usize); width];
    for row in values.chunks(width) {
        for ((sum, count), value) in sums.iter_mut().zip(row) {
            if !value.is_nan() {
                *sum += f64::from(*value);
                *count += 1;
            }
        }
    }
    let mean = |(sum, count): (f64, usize)| sum / count.max(1) as f64;
    sums.into_iter().map(mean).collect()
}
