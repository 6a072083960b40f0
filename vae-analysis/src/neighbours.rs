//! Exact nearest neighbours by comparing everything with everything (Euclidean), and the classifier they make (Cover and
//! Hart 1967).

use ndarray::{Array1, Array2, ArrayView2, Axis, linalg::general_mat_mul};
use rayon::prelude::*;

use crate::accuracy::Accuracy;
use crate::error::{Result, check};
use crate::probe::one_for_each;
use crate::rows::Rows;

/// Queries that are taken at once.
const QUERIES: usize = 256;
/// Rows that they are compared with at once.
const TILE: usize = 1024;
/// Neighbours beyond those asked for that are compared exactly, since products in single precision misorder close ones.
const SPARE: usize = 8;

/// The nearest rows of each query, from the nearest; of equally near ones, the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    k: usize,
    indices: Vec<u32>,
    distances: Vec<f32>,
}

impl Neighbours {
    /// Neighbours of each query: fewer than asked for where there are fewer rows.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Positions of the neighbours of a query among the rows: `[k]`.
    ///
    /// # Panics
    /// If there are not that many queries.
    pub fn indices(&self, query: usize) -> &[u32] {
        &self.indices[query * self.k..][..self.k]
    }

    /// Their Euclidean distances: `[k]`.
    ///
    /// # Panics
    /// If there are not that many queries.
    pub fn distances(&self, query: usize) -> &[f32] {
        &self.distances[query * self.k..][..self.k]
    }
}

/// The `k` rows of `base` that are nearest to each of `queries`, or all where there are fewer.
///
/// # Errors
/// If the widths differ, `base` is empty or has 2^32 rows, or `k` is 0.
pub fn nearest(base: Rows, queries: Rows, k: usize) -> Result<Neighbours> {
    find(base, queries, k, Own::Counts)
}

/// The `k` other rows that are nearest to each of `rows`, or all others where there are fewer.
///
/// # Errors
/// If there are fewer than 2 rows or 2^32, or `k` is 0.
pub fn nearest_others(rows: Rows, k: usize) -> Result<Neighbours> {
    find(rows, rows, k, Own::LeftOut)
}

/// How many of `rows` get their label as the most frequent one among their `k` nearest rows of `train`; of equally frequent ones,
/// that of the nearest.
///
/// # Errors
/// As [`nearest`]; if there are not as many labels as rows.
pub fn knn_accuracy(
    (train, train_labels): (Rows, &[u32]),
    (rows, labels): (Rows, &[u32]),
    k: usize,
) -> Result<Accuracy> {
    one_for_each(train, train_labels)?;
    one_for_each(rows, labels)?;
    let neighbours = nearest(train, rows, k)?;
    let answers: Vec<u32> = (0..rows.count())
        .map(|query| {
            vote(
                neighbours
                    .indices(query)
                    .iter()
                    .map(|i| train_labels[*i as usize]),
            )
        })
        .collect();
    Ok(Accuracy::of(&answers, labels))
}

/// The most frequent label, the first of equals.
fn vote(labels: impl Iterator<Item = u32>) -> u32 {
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for label in labels {
        match counts.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max();
    let first = counts.iter().find(|(_, count)| Some(*count) == most);
    first.expect("at least one neighbour").0
}

/// Whether a row is a neighbour of itself.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    Counts,
    LeftOut,
}

fn find(base: Rows, queries: Rows, k: usize, own: Own) -> Result<Neighbours> {
    queries.of_width("queries", base.width())?;
    let left_out = usize::from(own == Own::LeftOut);
    let count = base.at_least("base", 1 + left_out)?.count();
    check(
        "base",
        format_args!("{count} rows"),
        u32::try_from(count).is_ok(),
        "below 2^32 rows",
    )?;
    check("k", k, k >= 1, "at least 1")?;
    let k = k.min(count - left_out);

    // Close to zero, squares lose the least.
    let centre = base
        .view()
        .mapv(f64::from)
        .mean_axis(Axis(0))
        .expect("at least one row")
        .mapv(|v| v as f32);
    let norms: Vec<f32> = base
        .iter()
        .map(|row| squared(row, centre.as_slice().expect("a vector")))
        .collect();
    let blocks: Vec<(usize, Rows)> = queries.blocks(QUERIES).enumerate().collect();
    let search = Search {
        base,
        centre,
        norms,
        kept: (k + SPARE + left_out).min(count),
        k,
        own,
    };
    let parts: Vec<(Vec<u32>, Vec<f32>)> = blocks
        .into_par_iter()
        .map(|(number, block)| search.block(number * QUERIES, block))
        .collect();
    let (indices, distances): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    Ok(Neighbours {
        k,
        indices: indices.concat(),
        distances: distances.concat(),
    })
}

struct Search<'a> {
    base: Rows<'a>,
    centre: Array1<f32>,
    /// Squared lengths of the centred rows.
    norms: Vec<f32>,
    kept: usize,
    k: usize,
    own: Own,
}

impl Search<'_> {
    /// The neighbours of the queries from number `first`.
    fn block(&self, first: usize, queries: Rows) -> (Vec<u32>, Vec<f32>) {
        let centred = &queries.view() - &self.centre;
        let mut lists: Vec<Closest> = (0..queries.count())
            .map(|_| Closest::new(self.kept))
            .collect();
        let mut products = Array2::zeros((queries.count(), TILE));
        for (tile, rows) in self.base.blocks(TILE).enumerate() {
            let start = tile * TILE;
            let rows = &rows.view() - &self.centre;
            let norms = &self.norms[start..start + rows.nrows()];
            let mut products = products.slice_mut(ndarray::s![.., ..rows.nrows()]);
            multiply(&centred.view(), &rows.view(), &mut products);
            for (row, list) in products.outer_iter().zip(&mut lists) {
                // |q - b|^2 without |q|^2, which is the same for all b.
                for (i, (product, norm)) in row.iter().zip(norms).enumerate() {
                    list.offer(norm - 2.0 * product, (start + i) as u32);
                }
            }
        }
        let mut indices = Vec::with_capacity(queries.count() * self.k);
        let mut distances = Vec::with_capacity(queries.count() * self.k);
        for (number, (query, list)) in queries.iter().zip(lists).enumerate() {
            let mut exact: Vec<(f32, u32)> = list
                .entries
                .into_iter()
                .filter(|(_, i)| self.own == Own::Counts || *i as usize != first + number)
                .map(|(_, i)| (squared(query, self.base.row(i as usize)), i))
                .collect();
            exact.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            indices.extend(exact.iter().take(self.k).map(|(_, i)| *i));
            distances.extend(exact.iter().take(self.k).map(|(d, _)| d.sqrt()));
        }
        (indices, distances)
    }
}

fn multiply(
    queries: &ArrayView2<f32>,
    rows: &ArrayView2<f32>,
    out: &mut ndarray::ArrayViewMut2<f32>,
) {
    general_mat_mul(1.0, queries, &rows.t(), 0.0, out);
}

/// The lowest of the values offered, at most `most`, in order.
struct Closest {
    most: usize,
    worst: f32,
    entries: Vec<(f32, u32)>,
}

impl Closest {
    fn new(most: usize) -> Self {
        Self {
            most,
            worst: f32::INFINITY,
            entries: Vec::with_capacity(most + 1),
        }
    }

    fn offer(&mut self, value: f32, index: u32) {
        if self.entries.len() == self.most && value >= self.worst {
            return;
        }
        let place = self.entries.partition_point(|(known, _)| *known <= value);
        self.entries.insert(place, (value, index));
        self.entries.truncate(self.most);
        self.worst = self.entries[self.entries.len() - 1].0;
    }
}

/// Squared Euclidean distance, in eight lanes, then four.
pub(crate) fn squared(a: &[f32], b: &[f32]) -> f32 {
    let (a_whole, a_rest) = a.as_chunks::<8>();
    let (b_whole, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a_whole.iter().zip(b_whole) {
        for i in 0..8 {
            let gap = a[i] - b[i];
            lanes[i] += gap * gap;
        }
    }
    let (a_four, a_rest) = a_rest.as_chunks::<4>();
    let (b_four, b_rest) = b_rest.as_chunks::<4>();
    let mut four = [0.0; 4];
    for i in 0..4 {
        four[i] = lanes[i] + lanes[i + 4];
    }
    for (a, b) in a_four.iter().zip(b_four) {
        for i in 0..4 {
            let gap = a[i] - b[i];
            four[i] += gap * gap;
        }
    }
    let rest: f32 = a_rest
        .iter()
        .zip(b_rest)
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    (four[0] + four[1]) + (four[2] + four[3]) + rest
}
