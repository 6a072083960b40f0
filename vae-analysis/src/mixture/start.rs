//! The start of a fit: k-means++ (Arthur and Vassilvitskii 2007) and a few of Lloyd's steps.

use ndarray::{Array2, ArrayView1, Axis};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use crate::random::weighted;

/// Steps of Lloyd's algorithm.
const STEPS: usize = 10;

/// The nearest of at most `count` centres, for each of `rows`; and how many centres there are: fewer where the rows have
/// fewer distinct places.
pub(super) fn assign(
    rows: &Array2<f64>,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> (Vec<usize>, usize) {
    let mut centres = spread(rows, count, rng);
    let mut nearest = closest(rows, &centres);
    for _ in 0..STEPS {
        let mut sums = Array2::<f64>::zeros(centres.dim());
        let mut counts = vec![0_usize; centres.nrows()];
        for (row, &centre) in rows.outer_iter().zip(&nearest) {
            sums.row_mut(centre).scaled_add(1.0, &row);
            counts[centre] += 1;
        }
        for (i, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            centres.row_mut(i).assign(&(&sums.row(i) / *count as f64));
        }
        let next = closest(rows, &centres);
        let settled = next == nearest;
        nearest = next;
        if settled {
            break;
        }
    }
    let count = centres.nrows();
    (nearest, count)
}

/// Centres among the rows, each drawn in proportion to its squared distance from those before.
fn spread(rows: &Array2<f64>, count: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let first = ((u128::from(rng.next_u64()) * rows.nrows() as u128) >> 64) as usize;
    let mut chosen = vec![first];
    let mut distances = vec![f64::INFINITY; rows.nrows()];
    while chosen.len() < count {
        let last = rows.row(chosen[chosen.len() - 1]);
        for (distance, row) in distances.iter_mut().zip(rows.outer_iter()) {
            *distance = distance.min(squared_distance(row, last));
        }
        if distances.iter().all(|d| *d <= 0.0) {
            break;
        }
        chosen.push(weighted(rng, &distances));
    }
    rows.select(Axis(0), &chosen)
}

fn closest(rows: &Array2<f64>, centres: &Array2<f64>) -> Vec<usize> {
    // |x - c|^2 = |x|^2 - 2 x.c + |c|^2, of which the first is the same for all centres.
    let norms: Vec<f64> = centres.outer_iter().map(|c| c.dot(&c) / 2.0).collect();
    let products = rows.dot(&centres.t()); // [rows, centres]
    let best = products.outer_iter().map(|row| {
        let gaps = row.iter().zip(&norms).map(|(product, norm)| norm - product);
        let found = gaps.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        found.expect("at least one centre").0
    });
    best.collect()
}

fn squared_distance(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}
