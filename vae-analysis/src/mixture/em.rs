//! Expectation maximisation. Rows are taken in blocks whose sums are added in order, so that the result does not depend on
//! the number of threads.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;

use super::{Mixture, start};
use crate::gaussian::Gaussian;
use crate::random::{Stream, rng};
use crate::rows::Rows;

/// Rows that are taken at once.
const BLOCK: usize = 4096;
/// Most steps of a fit.
const STEPS: usize = 200;
/// A step that gains less ends the fit, nats per row.
const GAIN: f64 = 1e-4;
/// What is added to the diagonal of each covariance, of columns with variance 1 (scikit-learn's `reg_covar`).
const RIDGE: f64 = 1e-6;
/// A component with fewer rows is dropped.
const LEAST: f64 = 2.0;

pub(super) fn fit(rows: Rows, components: usize, seed: u64) -> Mixture {
    let (shift, scale) = scaling(rows);
    let scaled = (rows.view().mapv(f64::from) - &shift) / &scale;
    let most = (rows.count() / (rows.width() + 1)).max(1);
    let mut rng = rng(seed, Stream::Start);
    let (nearest, count) = start::assign(&scaled, components.min(most), &mut rng);
    let blocks: Vec<Array2<f64>> = scaled
        .axis_chunks_iter(Axis(0), BLOCK)
        .map(|b| b.to_owned())
        .collect();

    let mut sums = Sums::new(count, rows.width());
    for (block, nearest) in blocks.iter().zip(nearest.chunks(BLOCK)) {
        let mut shares = Array2::zeros((block.nrows(), count));
        for (mut row, centre) in shares.outer_iter_mut().zip(nearest) {
            row[*centre] = 1.0;
        }
        sums.add(block, &shares);
    }
    let (mut weights, mut gaussians) = sums.maximise();
    let mut last = f64::NEG_INFINITY;
    for _ in 0..STEPS {
        let parts: Vec<Sums> = blocks
            .par_iter()
            .map(|block| expect(&weights, &gaussians, block))
            .collect();
        let sums = parts
            .into_iter()
            .reduce(Sums::join)
            .expect("at least one block");
        let likelihood = sums.log_likelihood / rows.count() as f64;
        let before = weights.len();
        (weights, gaussians) = sums.maximise();
        // A component that was dropped changes the likelihood by itself.
        if weights.len() == before && likelihood - last < GAIN {
            break;
        }
        last = likelihood;
    }
    let unscaled = gaussians.into_iter().map(|gaussian| {
        let mean = gaussian.mean() * &scale + &shift;
        let factor = gaussian.factor() * &scale.view().insert_axis(Axis(1));
        Gaussian::from_factor(mean, factor)
    });
    Mixture {
        weights,
        components: unscaled.collect(),
    }
}

/// Mean and standard deviation of each column; 1 for a column that is constant up to rounding.
fn scaling(rows: Rows) -> (Array1<f64>, Array1<f64>) {
    let count = rows.count() as f64;
    let mut mean = Array1::<f64>::zeros(rows.width());
    for row in rows.iter() {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, v)| *m += f64::from(*v));
    }
    mean /= count;
    let mut square = Array1::<f64>::zeros(rows.width());
    for row in rows.iter() {
        let squares = square.iter_mut().zip(row).zip(&mean);
        squares.for_each(|((s, v), m)| *s += (f64::from(*v) - m).powi(2));
    }
    let deviation = (square / count).mapv(f64::sqrt);
    let constant = |(d, m): (&f64, &f64)| {
        if *d > m.abs() * f64::from(f32::EPSILON) {
            *d
        } else {
            1.0
        }
    };
    let scale = deviation.iter().zip(&mean).map(constant).collect();
    (mean, scale)
}

/// Logarithms of `weight * density` of each row under each component: `[rows, components]`.
pub(super) fn joint(weights: &[f64], components: &[Gaussian], block: &Array2<f64>) -> Array2<f64> {
    let mut out = Array2::zeros((block.nrows(), components.len()));
    for ((mut column, weight), component) in out.axis_iter_mut(Axis(1)).zip(weights).zip(components)
    {
        let log_weight = weight.ln();
        let distances = component.block_distances(block);
        for (out, distance) in column.iter_mut().zip(distances) {
            *out = log_weight + component.log_density(distance);
        }
    }
    out
}

pub(super) fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest + values.iter().map(|v| (v - largest).exp()).sum::<f64>().ln()
}

fn expect(weights: &[f64], components: &[Gaussian], block: &Array2<f64>) -> Sums {
    let mut shares = joint(weights, components, block);
    let mut sums = Sums::new(weights.len(), block.ncols());
    for mut row in shares.outer_iter_mut() {
        let total = log_sum_exp(row.as_slice().expect("a row"));
        row.mapv_inplace(|v| (v - total).exp());
        sums.log_likelihood += total;
    }
    sums.add(block, &shares);
    sums
}

/// What a step needs of the rows, for each component.
struct Sums {
    counts: Array1<f64>,
    /// `[components, width]`
    sums: Array2<f64>,
    /// `[width, width]` each
    squares: Vec<Array2<f64>>,
    log_likelihood: f64,
}

impl Sums {
    fn new(components: usize, width: usize) -> Self {
        Self {
            counts: Array1::zeros(components),
            sums: Array2::zeros((components, width)),
            squares: vec![Array2::zeros((width, width)); components],
            log_likelihood: 0.0,
        }
    }

    /// Adds rows (`[rows, width]`) with their shares (`[rows, components]`).
    fn add(&mut self, block: &Array2<f64>, shares: &Array2<f64>) {
        self.counts += &shares.sum_axis(Axis(0));
        self.sums += &shares.t().dot(block);
        for (square, share) in self.squares.iter_mut().zip(shares.axis_iter(Axis(1))) {
            let weighted = block * &share.insert_axis(Axis(1));
            *square += &block.t().dot(&weighted);
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.counts += &other.counts;
        self.sums += &other.sums;
        self.squares
            .iter_mut()
            .zip(&other.squares)
            .for_each(|(a, b)| *a += b);
        self.log_likelihood += other.log_likelihood;
        self
    }

    /// Weights and components that make the rows most likely, without components that have lost theirs.
    fn maximise(&self) -> (Vec<f64>, Vec<Gaussian>) {
        let mut kept: Vec<usize> = (0..self.counts.len())
            .filter(|i| self.counts[*i] >= LEAST)
            .collect();
        if kept.is_empty() {
            let largest =
                (0..self.counts.len()).max_by(|a, b| self.counts[*a].total_cmp(&self.counts[*b]));
            kept.extend(largest);
        }
        let total: f64 = kept.iter().map(|i| self.counts[*i]).sum();
        let gaussian = |i: &usize| {
            let count = self.counts[*i];
            let mean = &self.sums.row(*i) / count;
            let column = mean.view().insert_axis(Axis(1));
            let mut covariance = &self.squares[*i] / count - column.dot(&column.t());
            covariance.diag_mut().mapv_inplace(|v| v.max(0.0) + RIDGE);
            Gaussian::new(mean, covariance, 0.0).expect("finite moments of finite rows")
        };
        let weights = kept.iter().map(|i| self.counts[*i] / total);
        (weights.collect(), kept.iter().map(gaussian).collect())
    }
}
