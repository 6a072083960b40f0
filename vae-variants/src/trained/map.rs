//! Codes as points of a plane.

use std::{ops::ControlFlow, sync::atomic::Ordering};

use vae_analysis::{
    Index, IndexOptions, Rows, TsneOptions, nearest_others, pca_map, quantile, tsne,
};
use vae_core::{Error, Result};

use super::{Condition, Examples, Trained, mean_error};
use crate::Variant;

/// Codes of which the neighbours are found by comparing all with all; an index finds those of more.
const COMPARED: usize = 30_000;
/// Fewest rows of a t-SNE.
const TSNE_LEAST: usize = 4;

/// How codes become points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapMethod {
    /// The two numbers of a code.
    Codes,
    /// The first two principal components of the codes.
    Pca,
    /// t-SNE, which keeps neighbours near each other.
    Tsne,
}

/// Codes with their points.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// How the points were made.
    pub method: MapMethod,
    /// `[examples]`
    pub points: Vec<[f32; 2]>,
    /// `[examples, latent]`
    pub codes: Vec<f32>,
}

fn unfit(error: vae_analysis::Error) -> Error {
    Error::Unfit(format!("no map of the codes: {error}"))
}

impl Map {
    /// The `k` other examples whose codes are nearest to that of each, and how far they are: exactly of at most 30,000,
    /// of more as an index finds them.
    ///
    /// # Errors
    /// [`Error::Unfit`] of a single example, or if `k` is 0.
    pub fn neighbours(&self, k: usize) -> Result<Vec<Vec<(u32, f32)>>> {
        let count = self.points.len();
        let rows = Rows::new(&self.codes, self.codes.len() / count.max(1)).map_err(unfit)?;
        if count <= COMPARED {
            let found = nearest_others(rows, k).map_err(unfit)?;
            let of = |number| {
                let pairs = found.indices(number).iter().zip(found.distances(number));
                pairs.map(|(at, distance)| (*at, *distance)).collect()
            };
            return Ok((0..count).map(of).collect());
        }
        let ids: Vec<u64> = (0..count as u64).collect();
        let near = || -> vae_analysis::Result<Vec<Vec<(u32, f32)>>> {
            let mut index = Index::new(rows.width(), IndexOptions::default())?;
            index.add(rows, &ids)?;
            let of = |(number, row)| {
                let found = index.search(row, k + 1)?.into_iter();
                let found = found.map(|found| (found.id as u32, found.distance));
                Ok(found.filter(|(at, _)| *at != number).take(k).collect())
            };
            (0..).zip(rows.iter()).map(of).collect()
        };
        near().map_err(unfit)
    }
}

impl Trained {
    /// The codes of examples as points of a plane, by default the codes themselves where they have two numbers, and
    /// else t-SNE, whose time grows a little faster than the number of examples: 10,000 take some 13 seconds.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the codes do not allow the method; those of the data, and [`Error::Stopped`].
    pub fn map(&self, examples: &Examples<'_>, method: Option<MapMethod>) -> Result<Map> {
        let latent = self.latent();
        let method = method.unwrap_or(match (latent, examples.len()) {
            (2, _) => MapMethod::Codes,
            (_, ..TSNE_LEAST) => MapMethod::Pca,
            _ => MapMethod::Tsne,
        });
        if method == MapMethod::Codes && latent != 2 {
            return Err(Error::Unfit(format!(
                "a code of this model has {latent} numbers, and a map of the codes themselves needs two: train with \
                 --latent 2, or take another method"
            )));
        }
        let codes = self.codes(examples)?;
        let rows = Rows::new(&codes, latent).map_err(unfit)?;
        let points = match method {
            MapMethod::Codes => codes.as_chunks::<2>().0.to_vec(),
            MapMethod::Pca => pca_map(rows).map_err(unfit)?,
            MapMethod::Tsne => {
                let options = TsneOptions::default();
                let (progress, stop) = examples.watched();
                progress.start("t-SNE", Some(options.epochs as u64));
                let points = tsne(rows, options, |_| {
                    progress.advance(1);
                    match stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                });
                progress.finish();
                if let Err(vae_analysis::Error::Stopped) = points {
                    return Err(Error::Stopped);
                }
                points.map_err(unfit)?
            }
        };
        Ok(Map {
            method,
            points,
            codes,
        })
    }

    /// The mean over the numbers of each example of the squared difference to its reconstruction, in the scale of the
    /// model; see [`Reconstructions::errors`](super::Reconstructions::errors). `[examples]`
    ///
    /// # Errors
    /// Those of the data, and [`Error::Stopped`].
    pub fn reconstruction_errors(&self, examples: &Examples<'_>) -> Result<Vec<f32>> {
        let data = self.data();
        let mut all = Vec::with_capacity(examples.len());
        for batch in self.reconstruct(examples) {
            let errors = batch?.errors(data);
            all.extend(errors.chunks_exact(data.row_width()).map(mean_error));
        }
        Ok(all)
    }

    /// Codes on a grid over a plane of two latent dimensions, row after row from the top, where the second number is
    /// largest: at equally likely steps of a standard normal distribution (Kingma and Welling 2014, fig. 4), or, of a
    /// variant without a prior, of `codes`, `[examples, 2]`. `[side * side, 2]`
    ///
    /// # Errors
    /// [`Error::Unfit`] if a code has not two numbers, or is entries of a codebook.
    pub fn grid_codes(&self, side: usize, codes: &[f32]) -> Result<Vec<f32>> {
        if let Variant::Vq(_) = self.description.variant {
            let why = "a code of this model is entries of a codebook, between which there is nothing to decode";
            return Err(Error::Unfit(why.into()));
        }
        let latent = self.latent();
        if latent != 2 {
            return Err(Error::Unfit(format!(
                "a code of this model has {latent} numbers, and a decoded grid shows a plane: train with --latent 2"
            )));
        }
        let at = |axis: usize| -> Result<Vec<f32>> {
            let share = |step: usize| (step as f64 + 0.5) / side as f64;
            if self.is_generative() {
                return Ok((0..side)
                    .map(|step| normal_quantile(share(step)) as f32)
                    .collect());
            }
            let values = codes.iter().skip(axis).step_by(2);
            let values: Vec<f64> = values.map(|value| f64::from(*value)).collect();
            let at = |step| Ok(quantile(&values, share(step))? as f32);
            let all: vae_analysis::Result<Vec<_>> = (0..side).map(at).collect();
            all.map_err(unfit)
        };
        let (across, up) = (at(0)?, at(1)?);
        let rows = up.iter().rev();
        Ok(rows
            .flat_map(|&y| across.iter().flat_map(move |&x| [x, y]))
            .collect())
    }

    /// What a grid of codes stands for; see [`Trained::grid_codes`]. `[side * side, features]`
    ///
    /// # Errors
    /// Those of [`Trained::grid_codes`].
    pub fn decoded_grid(
        &self,
        side: usize,
        codes: &[f32],
        condition: Option<&Condition>,
    ) -> Result<Vec<f32>> {
        Ok(self.decode(&self.grid_codes(side, codes)?, condition))
    }
}

/// Where a standard normal variable is below with this probability, by bisection of its distribution function.
fn normal_quantile(probability: f64) -> f64 {
    // The middle is 0, and not what the bisection leaves of it.
    if probability == 0.5 {
        return 0.0;
    }
    let (mut low, mut high) = (-10.0, 10.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match cumulative(middle) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

/// The distribution function of the standard normal by its power series (Abramowitz and Stegun 26.2.11).
fn cumulative(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return f64::from(u8::from(x > 0.0));
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From tables of the normal distribution.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        let known = [
            (0.5, 0.0),
            (0.975, 1.959_963_985),
            (0.025, -1.959_963_985),
            (0.9, 1.281_551_566),
        ];
        for (share, expected) in known {
            let found = normal_quantile(share);
            assert!((found - expected).abs() < 1e-8, "{share}: {found}");
        }
    }
}
