//! The codes of the examples as a map, and what stands out on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use vae_analysis::{Pca, Rows, TsneOptions, nearest, quantile, tsne};
use vae_data::Progress;
use vae_variants::{Detector, Latents, MapMethod, Trained};

use crate::items::Items;
use crate::refusal::Answer;

/// Examples that the use of the latents is found on.
const LATENTS: usize = 5_000;
/// Examples of a t-SNE, at most.
const TSNE: usize = 10_000;
/// Examples that are ranked by how unusual they are, at most.
const RANKED: usize = 20_000;
/// Unusual examples that are shown.
const OUTLIERS: usize = 60;
/// Codes of the prior that are compared with those of the examples, and of examples that they are compared with.
const PRIOR: usize = 2_000;
const COMPARED: usize = 20_000;
/// Codes without neighbours that are shown.
const HOLES: usize = 200;
/// Points of the map that a place between them is decoded from.
const AROUND: usize = 8;

/// What is known of the codes of all examples.
pub struct Atlas {
    /// How codes became points.
    pub method: MapMethod,
    /// `[examples, 2]`
    pub points: Vec<[f32; 2]>,
    /// `[examples, latent]`
    pub codes: Vec<f32>,
    /// How much each latent is used.
    pub latents: Latents,
    /// The most unusual examples first, with their scores.
    pub outliers: Vec<(usize, f32)>,
    /// Codes of the prior that no example is near.
    pub holes: Option<Holes>,
    /// Numbers of the examples that are on the map.
    pub numbers: Vec<usize>,
    pca: Option<Pca>,
    latent: usize,
}

/// Where the prior has mass and the examples have no codes.
pub struct Holes {
    /// Share of the prior that is farther from the codes than 95 % of the codes that are drawn for examples are.
    pub share: f64,
    /// `[holes, 2]`
    pub points: Vec<[f32; 2]>,
    /// `[holes, latent]`
    pub codes: Vec<f32>,
}

/// How far the work on an atlas is.
#[derive(Default)]
pub struct Doing {
    what: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Doing {
    /// What is done, and how many of how many.
    pub fn now(&self) -> (String, u64, u64) {
        let what = self
            .what
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (
            what,
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }
}

impl Progress for Doing {
    fn start(&self, what: &str, total: Option<u64>) {
        what.clone_into(&mut self.what.lock().unwrap_or_else(PoisonError::into_inner));
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total.unwrap_or(0), Ordering::Relaxed);
    }

    fn advance(&self, by: u64) {
        self.done.fetch_add(by, Ordering::Relaxed);
    }

    fn finish(&self) {}
}

impl Atlas {
    /// Encodes the examples and looks at their codes.
    ///
    /// # Errors
    /// If the examples cannot be read, or there are fewer than two.
    pub fn new(
        model: &Trained,
        items: &Items,
        method: Option<MapMethod>,
        detector: Option<&Detector>,
        doing: &Doing,
    ) -> Answer<Self> {
        let latent = model.latent();
        let method = method.unwrap_or(match latent {
            2 => MapMethod::Codes,
            _ => MapMethod::Pca,
        });
        let most = match method {
            MapMethod::Tsne => TSNE,
            _ => items.count(),
        };
        let numbers: Vec<usize> = thinned(items.count(), most);
        let examples = items.examples(model, &numbers)?;
        let codes = model.codes(&examples.progress("encoding the examples", doing))?;
        let rows = Rows::new(&codes, latent)?;
        doing.start("looking at the codes", None);
        let mut pca = None;
        let points = match method {
            MapMethod::Codes => codes.as_chunks::<2>().0.to_vec(),
            MapMethod::Pca => {
                let found = Pca::fit(rows, 2)?;
                let points = planar(&found, rows)?;
                pca = Some(found);
                points
            }
            MapMethod::Tsne => {
                let options = TsneOptions::default();
                doing.start("t-SNE of the codes", Some(options.epochs as u64));
                tsne(rows, options, |_| {
                    doing.advance(1);
                    std::ops::ControlFlow::Continue(())
                })?
            }
        };
        let few: Vec<usize> = thinned(items.count(), LATENTS);
        let latents = model.latents(
            &items
                .examples(model, &few)?
                .progress("looking at each latent", doing),
        )?;
        let outliers = outliers(model, items, detector, doing)?;
        let mut atlas = Self {
            method,
            points,
            codes,
            latents,
            outliers,
            holes: None,
            numbers,
            pca,
            latent,
        };
        if model.is_generative() {
            doing.start("looking for holes", None);
            atlas.holes = atlas.find_holes(model, items)?;
        }
        Ok(atlas)
    }

    fn find_holes(&self, model: &Trained, items: &Items) -> Answer<Option<Holes>> {
        let compared = thinned(self.numbers.len(), COMPARED);
        let known: Vec<f32> = compared
            .iter()
            .flat_map(|place| self.code(*place))
            .copied()
            .collect();
        let known = Rows::new(&known, self.latent)?;
        let places = thinned(compared.len(), PRIOR);
        let numbers: Vec<usize> = places
            .iter()
            .map(|place| self.numbers[compared[*place]])
            .collect();
        let mut drawn = Vec::new();
        for codes in model.encode(&items.examples(model, &numbers)?.drawn()) {
            let codes = codes?;
            drawn.extend(codes.drawn.unwrap_or(codes.mean));
        }
        if known.count() < 3 {
            return Ok(None);
        }
        // An example is near its own code.
        let near = nearest(known, Rows::new(&drawn, self.latent)?, 2)?;
        let usual: Vec<f64> = (0..places.len())
            .map(|row| {
                let own = near.indices(row)[0] as usize == places[row];
                f64::from(near.distances(row)[usize::from(own)])
            })
            .collect();
        let far = quantile(&usual, 0.95)?;
        let prior = model.sample_codes(PRIOR, &model.sampling(1))?;
        let near = nearest(known, Rows::new(&prior, self.latent)?, 1)?;
        let mut holes: Vec<(f32, usize)> = (0..PRIOR)
            .map(|row| (near.distances(row)[0], row))
            .collect();
        holes.retain(|(distance, _)| f64::from(*distance) > far);
        let share = holes.len() as f64 / PRIOR as f64;
        holes.sort_by(|a, b| b.0.total_cmp(&a.0));
        holes.truncate(HOLES);
        let codes: Vec<f32> = holes
            .iter()
            .flat_map(|(_, row)| &prior[row * self.latent..(row + 1) * self.latent])
            .copied()
            .collect();
        let points = holes_points(self, &codes)?;
        Ok(Some(Holes {
            share,
            points,
            codes,
        }))
    }

    /// The code of an example that is on the map.
    pub fn code(&self, place: usize) -> &[f32] {
        &self.codes[place * self.latent..(place + 1) * self.latent]
    }

    /// Where codes are on the map: by t-SNE where the nearest code is.
    ///
    /// # Errors
    /// If they have another width.
    pub fn project(&self, codes: &[f32]) -> Answer<Vec<[f32; 2]>> {
        let rows = Rows::new(codes, self.latent)?;
        Ok(match (&self.pca, self.method) {
            (Some(pca), _) => planar(pca, rows)?,
            (None, MapMethod::Codes) => codes.as_chunks::<2>().0.to_vec(),
            (None, _) => {
                let found = nearest(Rows::new(&self.codes, self.latent)?, rows, 1)?;
                (0..rows.count())
                    .map(|row| self.points[found.indices(row)[0] as usize])
                    .collect()
            }
        })
    }

    /// The code that a place of the map stands for: that in the plane of the map, or between those of the points around it.
    ///
    /// # Errors
    /// If there is none.
    pub fn code_at(&self, place: [f32; 2]) -> Answer<Vec<f32>> {
        if let Some(pca) = &self.pca {
            let kept = pca.components().nrows();
            return Ok(pca.inverse(Rows::new(&place[..kept.min(2)], kept.min(2))?)?);
        }
        if self.method == MapMethod::Codes {
            return Ok(place.to_vec());
        }
        let flat = self.points.as_flattened();
        let found = nearest(Rows::new(flat, 2)?, Rows::new(&place, 2)?, AROUND)?;
        let weights = found
            .distances(0)
            .iter()
            .map(|distance| 1.0 / (f64::from(*distance).powi(2) + 1e-9));
        let weights: Vec<f64> = weights.collect();
        let total: f64 = weights.iter().sum();
        let mut code = vec![0.0; self.latent];
        for (place, weight) in found.indices(0).iter().zip(&weights) {
            for (sum, value) in code.iter_mut().zip(self.code(*place as usize)) {
                *sum += weight / total * f64::from(*value);
            }
        }
        Ok(code.into_iter().map(|value| value as f32).collect())
    }

    /// The covariance of a posterior on the map, as `[xx, xy, yy]`; nothing where a place has no linear meaning.
    pub fn spread(&self, log_variance: &[f32]) -> Option<[f64; 3]> {
        let variance = |latent: usize| f64::from(log_variance[latent]).exp();
        match (&self.pca, self.method) {
            (Some(pca), _) => {
                let of = pca.components();
                let entry = |a: usize, b: usize| -> f64 {
                    match a < of.nrows() && b < of.nrows() {
                        true => (0..self.latent)
                            .map(|i| of[[a, i]] * of[[b, i]] * variance(i))
                            .sum(),
                        false => 0.0,
                    }
                };
                Some([entry(0, 0), entry(0, 1), entry(1, 1)])
            }
            (None, MapMethod::Codes) => Some([variance(0), 0.0, variance(1)]),
            _ => None,
        }
    }

    /// The examples whose codes are nearest to a code, with their distances.
    ///
    /// # Errors
    /// If the code has another width.
    pub fn near(&self, code: &[f32], count: usize) -> Answer<Vec<(usize, f32)>> {
        let found = nearest(
            Rows::new(&self.codes, self.latent)?,
            Rows::new(code, self.latent)?,
            count,
        )?;
        let pairs = found.indices(0).iter().zip(found.distances(0));
        Ok(pairs
            .map(|(place, distance)| (self.numbers[*place as usize], *distance))
            .collect())
    }
}

fn holes_points(atlas: &Atlas, codes: &[f32]) -> Answer<Vec<[f32; 2]>> {
    match codes.is_empty() {
        true => Ok(Vec::new()),
        false => atlas.project(codes),
    }
}

/// The first two coordinates; of a single one the second is 0.
fn planar(pca: &Pca, rows: Rows<'_>) -> Answer<Vec<[f32; 2]>> {
    let kept = pca.components().nrows();
    let coordinates = pca.transform(rows)?;
    Ok(coordinates
        .chunks(kept)
        .map(|row| [row[0], row.get(1).copied().unwrap_or(0.0)])
        .collect())
}

/// At most so many numbers below `count`, evenly.
fn thinned(count: usize, most: usize) -> Vec<usize> {
    let kept = count.min(most);
    (0..kept).map(|place| place * count / kept).collect()
}

/// By the detector of the model where there is one, else by the error of the reconstruction.
fn outliers(
    model: &Trained,
    items: &Items,
    detector: Option<&Detector>,
    doing: &Doing,
) -> Answer<Vec<(usize, f32)>> {
    let numbers = thinned(items.count(), RANKED);
    let examples = items
        .examples(model, &numbers)?
        .progress("ranking the examples", doing);
    let scores = match detector {
        None => model.reconstruction_errors(&examples)?,
        Some(detector) => {
            let mut scores = Vec::with_capacity(numbers.len());
            for batch in model.score(detector, &examples)? {
                scores.extend(batch?.scores);
            }
            scores
        }
    };
    let mut ranked: Vec<(usize, f32)> = numbers.into_iter().zip(scores).collect();
    ranked.retain(|(_, score)| score.is_finite());
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(OUTLIERS);
    Ok(ranked)
}
