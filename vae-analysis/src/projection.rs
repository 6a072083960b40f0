//! Maps of rows onto the plane: principal components, and t-SNE (van der Maaten and Hinton 2008; Barnes-Hut: van der
//! Maaten 2014, by the crate `bhtsne`).

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
/// `progress` is told after each step how many are done.
///
/// # Errors
/// If there are fewer than 4 rows, or an option is out of bounds.
pub fn tsne(
    rows: Rows,
    options: TsneOptions,
    mut progress: impl FnMut(usize) + Send,
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
            let pairs = neighbours
                .indices(row)
                .iter()
                .zip(neighbours.distances(row));
            pairs
                .map(|(index, distance)| Neighbor {
                    index: *index as usize,
                    distance: *distance,
                })
                .collect()
        })
        .collect();
    let start = start(rows)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| Error::argument("threads", e, "available: one is needed"))?;
    let flat = pool.install(|| {
        let data: Vec<&[f32]> = rows.iter().collect();
        let mut tsne: tSNE<f32, &[f32]> = tSNE::new(&data);
        tsne.perplexity(perplexity)
            .epochs(epochs)
            .initial_embedding(start)
            .epoch_callback(|epoch, _| progress(epoch + 1))
            .barnes_hut_with_neighbors(theta, &near);
        tsne.embedding()
    });
    Ok(flat.as_chunks::<2>().0.to_vec())
}

/// The first two principal components, small.
fn start(rows: Rows) -> Result<Vec<f32>> {
    let mut points = pca_map(rows)?;
    let variance = points.iter().map(|p| p[0] * p[0]).sum::<f32>() / points.len() as f32;
    let scale = if variance > 0.0 {
        SPREAD / variance.sqrt()
    } else {
        1.0
    };
    points.iter_mut().flatten().for_each(|v| *v *= scale);
    Ok(points.concat())
}
