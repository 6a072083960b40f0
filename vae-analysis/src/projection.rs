//! Maps of rows onto the plane: principal components, and t-SNE (van der Maaten and Hinton 2008; Barnes-Hut: van der
//! Maaten 2014, by the crate `bhtsne`).

use std::{
    ops::ControlFlow,
    panic::{self, AssertUnwindSafe},
};

use bhtsne::{Neighbor, tSNE};

use crate::error::{Error, Result, check};
use crate::neighbours::nearest_others;
use crate::pca::Pca;
use crate::rows::Rows;

/// Principal components that t-SNE is given, of wider rows.
const WIDTH: usize = 50;
/// Standard deviation of the first coordinate where t-SNE starts (Kobak and Berens 2019).
const SPREAD: f32 = 1e-4;

/// Settings of [`tsne`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TsneOptions {
    /// How many neighbours a row has, roughly. It is lowered to a third of the other rows.
    pub perplexity: f32,
    /// Steps; the first 250 exaggerate the likeness of near rows twelvefold.
    pub epochs: usize,
    /// A group of points this small for its distance is taken as one: lower is more exact and slower.
    pub theta: f32,
}

impl Default for TsneOptions {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            epochs: 1000,
            theta: 0.5,
        }
    }
}

/// The first two principal components of each row; the second is 0 where there is one only.
///
/// # Errors
/// If there are fewer than two rows.
pub fn pca_map(rows: Rows) -> Result<Vec<[f32; 2]>> {
    let pca = Pca::fit(rows, 2)?;
    let flat = pca.transform(rows)?;
    let components = pca.components().nrows();
    let points = flat.chunks_exact(components);
    Ok(points
        .map(|p| [p[0], p.get(1).copied().unwrap_or(0.0)])
        .collect())
}

/// t-SNE of the first 50 principal components of the rows, or of the rows where they are narrower. It starts from
/// [`pca_map`], so that nothing is random, and runs on one thread, since with more the order of the sums would show in the
/// result.
///
/// `progress` is told after each step how many are done, and ends the work by [`ControlFlow::Break`].
///
/// # Errors
/// If there are fewer than 4 rows, or an option is out of bounds; [`Error::Stopped`].
pub fn tsne(
    rows: Rows,
    options: TsneOptions,
    mut progress: impl FnMut(usize) -> ControlFlow<()> + Send,
) -> Result<Vec<[f32; 2]>> {
    let count = rows.at_least("rows", 4)?.count();
    let TsneOptions {
        perplexity,
        epochs,
        theta,
    } = options;
    check(
        "perplexity",
        perplexity,
        perplexity >= 1.0 && perplexity.is_finite(),
        "at least 1",
    )?;
    check("epochs", epochs, epochs >= 1, "at least 1")?;
    check(
        "theta",
        theta,
        theta > 0.0 && theta <= 1.0,
        "above 0 and at most 1",
    )?;
    let perplexity = perplexity.min((count - 1) as f32 / 3.0);

    let reduced;
    let rows = if rows.width() > WIDTH {
        let pca = Pca::fit(rows, WIDTH)?;
        reduced = pca.transform(rows)?;
        Rows::new(&reduced, pca.components().nrows())?
    } else {
        rows
    };
    let neighbours = nearest_others(rows, ((3.0 * perplexity) as usize).max(1))?;
    let near: Vec<Vec<Neighbor<f32>>> = (0..count)
        .map(|row| {
            let distances = apart(neighbours.distances(row), perplexity);
            let pairs = neighbours.indices(row).iter().zip(distances);
            pairs
                .map(|(index, distance)| Neighbor {
                    index: *index as usize,
                    distance,
                })
                .collect()
        })
        .collect();
    let start = start(rows)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| Error::argument("threads", e, "available: one is needed"))?;
    // `bhtsne` has no other way to end early; nothing of it is used afterwards.
    let stop = || panic::resume_unwind(Box::new(Error::Stopped));
    let work = AssertUnwindSafe(|| {
        let data: Vec<&[f32]> = rows.iter().collect();
        let mut tsne: tSNE<f32, &[f32]> = tSNE::new(&data);
        tsne.perplexity(perplexity)
            .epochs(epochs)
            .initial_embedding(start)
            .epoch_callback(|epoch, _| {
                if progress(epoch + 1).is_break() {
                    stop();
                }
            })
            .barnes_hut_with_neighbors(theta, &near);
        tsne.embedding()
    });
    let flat = pool.install(|| panic::catch_unwind(work));
    let flat = flat.map_err(|cause| match cause.downcast() {
        Ok(error) => *error,
        Err(other) => panic::resume_unwind(other),
    })?;
    Ok(flat.as_chunks::<2>().0.to_vec())
}

/// Distances of which fewer than `perplexity` are the lowest, since no bandwidth has that perplexity otherwise, and `bhtsne`
/// looks for one until its numbers overflow. Where they tie, each is moved 1e-4 of the mean beyond the one before.
fn apart(distances: &[f32], perplexity: f32) -> Vec<f32> {
    let lowest = distances[0];
    let ties = distances.iter().filter(|d| **d <= lowest).count();
    let mean = distances.iter().sum::<f32>() / distances.len() as f32;
    let step = if (ties as f32) < perplexity {
        0.0
    } else if mean > 0.0 {
        1e-4 * mean
    } else {
        1.0
    };
    let moved = distances.iter().enumerate();
    moved.map(|(i, d)| d + step * i as f32).collect()
}

/// The first two principal components, small. Equal rows start a little apart, at the points of a sequence that fills the
/// square evenly (Roberts 2018): nothing could part them later.
fn start(rows: Rows) -> Result<Vec<f32>> {
    let mut points = pca_map(rows)?;
    let variance = points.iter().map(|p| p[0] * p[0]).sum::<f32>() / points.len() as f32;
    let scale = if variance > 0.0 {
        SPREAD / variance.sqrt()
    } else {
        1.0
    };
    for (i, point) in points.iter_mut().enumerate() {
        for (v, step) in point
            .iter_mut()
            .zip([0.754_877_666_246_693, 0.569_840_290_998_053_f64])
        {
            let place = (step * i as f64).fract() as f32 - 0.5;
            *v = *v * scale + 0.01 * SPREAD * place;
        }
    }
    Ok(points.concat())
}
