//! A linear probe: how much of a label a linear classifier reads out of rows (Alain and Bengio 2017), by multinomial logistic
//! regression.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::accuracy::Accuracy;
use crate::error::{Result, check};
use crate::lbfgs::{Stop, minimise};
use crate::rows::Rows;

/// Rows that are taken at once.
const BLOCK: usize = 1024;

/// Settings of a [`Probe`].
#[derive(Clone, Copy, Debug)]
pub struct ProbeOptions {
    /// Weight of the penalty `penalty / 2 |W|^2` beside the mean cross-entropy; biases are free. scikit-learn's `C` is
    /// `1 / (penalty * rows)`.
    pub penalty: f64,
    /// Most steps of L-BFGS.
    pub steps: usize,
    /// Training ends where no entry of the gradient is larger.
    pub tolerance: f64,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            penalty: 1e-4,
            steps: 100,
            tolerance: 1e-4,
        }
    }
}

/// A multinomial logistic regression of labels on rows whose columns were scaled to mean 0 and variance 1.
#[derive(Clone, Debug)]
pub struct Probe {
    mean: Array1<f32>,
    /// One over the standard deviation; 0 of a column that is constant.
    scale: Array1<f32>,
    /// `[width + 1, classes]`, the biases last.
    weights: Array2<f64>,
    converged: bool,
}

impl Probe {
    /// Fits to `rows` with a class from 0 for each.
    ///
    /// # Errors
    /// If there are no rows, the lengths differ, or `penalty` or `tolerance` is negative or not finite.
    pub fn fit(rows: Rows, labels: &[u32], options: ProbeOptions) -> Result<Self> {
        rows.at_least("rows", 1)?;
        one_for_each(rows, labels)?;
        let valid = |v: f64| v.is_finite() && v >= 0.0;
        check(
            "penalty",
            options.penalty,
            valid(options.penalty),
            "at least 0",
        )?;
        check(
            "tolerance",
            options.tolerance,
            valid(options.tolerance),
            "at least 0",
        )?;
        let classes = labels.iter().max().map_or(0, |l| *l as usize + 1);
        check(
            "labels",
            format_args!("up to {}", classes - 1),
            classes <= 1 << 16,
            "below 65536",
        )?;
        let (mean, scale) = scaling(rows);
        let mut probe = Self {
            mean,
            scale,
            weights: Array2::zeros((rows.width() + 1, classes)),
            converged: false,
        };
        let stop = Stop {
            steps: options.steps,
            gradient: options.tolerance,
        };
        let shape = probe.weights.dim();
        let mut flat = vec![0.0; shape.0 * shape.1];
        probe.converged = minimise(&mut flat, stop, |at| {
            let weights = ArrayView2::from_shape(shape, at).expect("as many as there are weights");
            let (loss, gradient) = probe.loss(rows, labels, weights, options.penalty);
            (loss, gradient.into_iter().collect())
        });
        probe.weights = Array2::from_shape_vec(shape, flat).expect("as many as there are weights");
        Ok(probe)
    }

    /// The most likely class of each row: `[count]`.
    ///
    /// # Errors
    /// If the width differs.
    pub fn predict(&self, rows: Rows) -> Result<Vec<u32>> {
        rows.of_width("rows", self.mean.len())?;
        let weights = self.weights.mapv(|w| w as f32);
        let blocks: Vec<Rows> = rows.blocks(BLOCK).collect();
        let parts: Vec<Vec<u32>> = blocks
            .into_par_iter()
            .map(|block| {
                let logits = logits(&self.scaled(block), weights.view());
                let best = logits.outer_iter().map(|row| {
                    let found = row
                        .iter()
                        .enumerate()
                        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
                    found.expect("at least one class").0 as u32
                });
                best.collect()
            })
            .collect();
        Ok(parts.concat())
    }

    /// How many of `rows` get their label.
    ///
    /// # Errors
    /// If the width or the lengths differ.
    pub fn accuracy(&self, rows: Rows, labels: &[u32]) -> Result<Accuracy> {
        one_for_each(rows, labels)?;
        Ok(Accuracy::of(&self.predict(rows)?, labels))
    }

    /// Weights of the scaled columns, and the biases in the last row: `[width + 1, classes]`.
    pub fn weights(&self) -> &Array2<f64> {
        &self.weights
    }

    /// Whether the gradient vanished before the steps were used up.
    pub fn converged(&self) -> bool {
        self.converged
    }

    fn scaled(&self, block: Rows) -> Array2<f32> {
        (&block.view() - &self.mean) * &self.scale
    }

    /// Mean cross-entropy with the penalty, and its gradient.
    fn loss(
        &self,
        rows: Rows,
        labels: &[u32],
        weights: ArrayView2<f64>,
        penalty: f64,
    ) -> (f64, Array2<f64>) {
        let single = weights.mapv(|w| w as f32);
        let blocks: Vec<(Rows, &[u32])> = rows.blocks(BLOCK).zip(labels.chunks(BLOCK)).collect();
        let parts: Vec<(f64, Array2<f32>)> = blocks
            .into_par_iter()
            .map(|(block, labels)| self.block_loss(block, labels, single.view()))
            .collect();
        let count = rows.count() as f64;
        let mut loss = 0.0;
        let mut gradient = Array2::<f64>::zeros(weights.dim());
        // In order, so that the number of threads does not show.
        for (part, slope) in parts {
            loss += part / count;
            gradient.zip_mut_with(&slope, |g, s| *g += f64::from(*s) / count);
        }
        let inner = weights.slice(s![..-1, ..]);
        loss += penalty / 2.0 * inner.iter().map(|w| w * w).sum::<f64>();
        gradient.slice_mut(s![..-1, ..]).scaled_add(penalty, &inner);
        (loss, gradient)
    }

    fn block_loss(
        &self,
        block: Rows,
        labels: &[u32],
        weights: ArrayView2<f32>,
    ) -> (f64, Array2<f32>) {
        let scaled = self.scaled(block);
        let mut residual = logits(&scaled, weights); // [rows, classes]
        let mut loss = 0.0;
        for (mut row, &label) in residual.outer_iter_mut().zip(labels) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let own = row[label as usize] - largest;
            row.mapv_inplace(|v| (v - largest).exp());
            let total = row.sum();
            loss += f64::from(total.ln() - own);
            row.mapv_inplace(|v| v / total);
            row[label as usize] -= 1.0;
        }
        let mut gradient = Array2::zeros(weights.dim());
        gradient
            .slice_mut(s![..-1, ..])
            .assign(&scaled.t().dot(&residual));
        gradient
            .slice_mut(s![-1, ..])
            .assign(&residual.sum_axis(Axis(0)));
        (loss, gradient)
    }
}

fn logits(scaled: &Array2<f32>, weights: ArrayView2<f32>) -> Array2<f32> {
    scaled.dot(&weights.slice(s![..-1, ..])) + weights.slice(s![-1, ..])
}

pub(crate) fn one_for_each(rows: Rows, labels: &[u32]) -> Result<()> {
    let count = rows.count();
    check(
        "labels",
        format_args!("{} numbers", labels.len()),
        labels.len() == count,
        format_args!("one for each of {count} rows"),
    )
}

/// Mean, and one over the standard deviation, of each column.
fn scaling(rows: Rows) -> (Array1<f32>, Array1<f32>) {
    let count = rows.count() as f64;
    let mut mean = vec![0.0_f64; rows.width()];
    for row in rows.iter() {
        mean.iter_mut()
            .zip(row)
            .for_each(|(m, v)| *m += f64::from(*v) / count);
    }
    let mut variance = vec![0.0_f64; rows.width()];
    for row in rows.iter() {
        let squares = variance.iter_mut().zip(row).zip(&mean);
        squares.for_each(|((s, v), m)| *s += (f64::from(*v) - m).powi(2) / count);
    }
    let scale = variance.iter().zip(&mean).map(|(v, m)| {
        let deviation = v.sqrt();
        let constant = deviation <= m.abs() * f64::from(f32::EPSILON);
        if constant {
            0.0
        } else {
            (1.0 / deviation) as f32
        }
    });
    let scale = scale.collect();
    (mean.iter().map(|m| *m as f32).collect(), scale)
}
