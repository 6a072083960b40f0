//! A Gaussian with a full covariance, and the distance of rows from it (Mahalanobis 1936).

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cholesky::{cholesky, inverse_of_lower};
use crate::error::{Result, check};
use crate::moments::Moments;
use crate::rows::Rows;

/// Rows that are taken at once.
const BLOCK: usize = 1024;

/// Share of the mean variance that is added to the diagonal where the covariance is not positive definite.
const RIDGE: f64 = 1e-9;

/// A Gaussian with a full covariance. Stored as `mean` and `factor`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Gaussian {
    mean: Array1<f64>,
    /// Lower triangular L with L L^T = covariance.
    factor: Array2<f64>,
    /// L^-T, so that `(x - mean) whitening` is white.
    whitening: Array2<f64>,
    log_normaliser: f64,
}

impl Gaussian {
    /// The Gaussian of `mean` (`[width]`) and of the lower triangle of `covariance` (`[width, width]`).
    ///
    /// The covariance becomes `(1 - shrinkage) C + shrinkage tr(C) / width I`, as `shrunk_covariance` of
    /// scikit-learn. Where that is not positive definite, as with constant columns, `1e-9` of the mean variance is added
    /// to the diagonal, and ten times as much until it is; a covariance of zeros becomes `1e-12 I`.
    ///
    /// # Errors
    /// If the shapes differ, a number is not finite, or `shrinkage` is outside of 0 to 1.
    pub fn new(mean: Array1<f64>, covariance: Array2<f64>, shrinkage: f64) -> Result<Self> {
        let width = mean.len();
        check("mean", "empty", width >= 1, "at least one number")?;
        check(
            "covariance",
            format_args!("{:?}", covariance.dim()),
            covariance.dim() == (width, width),
            format_args!("{:?}", (width, width)),
        )?;
        let finite = mean.iter().chain(&covariance).all(|v| v.is_finite());
        check("covariance", "not finite", finite, "finite")?;
        check(
            "shrinkage",
            shrinkage,
            (0.0..=1.0).contains(&shrinkage),
            "from 0 to 1",
        )?;
        let variance = covariance.diag().sum() / width as f64;
        let mut covariance = covariance * (1.0 - shrinkage);
        covariance
            .diag_mut()
            .map_inplace(|v| *v += shrinkage * variance);
        let mut ridge = (RIDGE * variance).max(1e-12);
        let factor = loop {
            if let Some(factor) = cholesky(&covariance) {
                break factor;
            }
            covariance.diag_mut().map_inplace(|v| *v += ridge);
            ridge *= 10.0;
        };
        Ok(Self::from_factor(mean, factor))
    }

    /// The Gaussian of the mean and the covariance (divided by the count) of `rows`.
    ///
    /// # Errors
    /// If there are no rows, or `shrinkage` is outside of 0 to 1; see [`Gaussian::new`].
    pub fn fit(rows: Rows, shrinkage: f64) -> Result<Self> {
        rows.at_least("rows", 1)?;
        let mut moments = Moments::new(rows.width())?;
        rows.iter().for_each(|row| moments.add(row));
        moments.gaussian(shrinkage)
    }

    /// Fits to all rows, then `refits` times to the share `keep` of them that are closest to the last fit: the
    /// concentration step of Rousseeuw and Van Driessen 1999. No factor corrects for the rows that were left out, so
    /// that distances order the rows but are larger than those of an untrimmed fit.
    ///
    /// # Errors
    /// If there are no rows, `keep` is not in 0.5 to 1, or `shrinkage` is outside of 0 to 1.
    pub fn fit_trimmed(rows: Rows, keep: f64, refits: usize, shrinkage: f64) -> Result<Self> {
        check("keep", keep, (0.5..=1.0).contains(&keep), "from 0.5 to 1")?;
        let mut gaussian = Self::fit(rows, shrinkage)?;
        let kept = ((rows.count() as f64 * keep).ceil() as usize).clamp(1, rows.count());
        for _ in 0..refits {
            let distances = gaussian.distances(rows)?;
            let mut order: Vec<usize> = (0..rows.count()).collect();
            order.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
            let mut moments = Moments::new(rows.width())?;
            order[..kept].iter().for_each(|i| moments.add(rows.row(*i)));
            gaussian = moments.gaussian(shrinkage)?;
        }
        Ok(gaussian)
    }

    pub(crate) fn from_factor(mean: Array1<f64>, factor: Array2<f64>) -> Self {
        let log_determinant = 2.0 * factor.diag().mapv(f64::ln).sum();
        let width = mean.len() as f64;
        Self {
            whitening: inverse_of_lower(&factor).reversed_axes(),
            log_normaliser: -0.5 * (log_determinant + width * std::f64::consts::TAU.ln()),
            mean,
            factor,
        }
    }

    /// The mean: `[width]`.
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// The lower triangular L with L L^T = covariance: `[width, width]`.
    pub fn factor(&self) -> &Array2<f64> {
        &self.factor
    }

    /// L^-T for the factor L: `(x - mean) whitening` is white. `[width, width]`
    pub fn whitening(&self) -> &Array2<f64> {
        &self.whitening
    }

    /// The covariance, with what was added to make it positive definite: `[width, width]`.
    pub fn covariance(&self) -> Array2<f64> {
        self.factor.dot(&self.factor.t())
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Squared Mahalanobis distance of each row: `[count]`. Of rows from this Gaussian, it has the chi-squared
    /// distribution with `width` degrees of freedom.
    ///
    /// # Errors
    /// If the width differs.
    pub fn distances(&self, rows: Rows) -> Result<Vec<f64>> {
        rows.of_width("rows", self.width())?;
        let blocks: Vec<Rows> = rows.blocks(BLOCK).collect();
        let parts: Vec<Vec<f64>> = blocks
            .into_par_iter()
            .map(|block| self.block_distances(&block.view().mapv(f64::from)))
            .collect();
        Ok(parts.concat())
    }

    /// What each number of a row adds to its squared Mahalanobis distance: `d_j (C^-1 d)_j` for the difference `d` from the
    /// mean. They add up to the distance, and one may be negative. `[count, width]`
    ///
    /// # Errors
    /// If the width differs.
    pub fn contributions(&self, rows: Rows) -> Result<Vec<f64>> {
        rows.of_width("rows", self.width())?;
        let blocks: Vec<Rows> = rows.blocks(BLOCK).collect();
        let parts: Vec<Vec<f64>> = blocks
            .into_par_iter()
            .map(|block| {
                let from = &block.view().mapv(f64::from) - &self.mean; // [rows, width]
                let white = from.dot(&self.whitening);
                let parts = white.dot(&self.whitening.t()) * from;
                parts.into_iter().collect()
            })
            .collect();
        Ok(parts.concat())
    }

    /// Logarithm of the density of each row in nats: `[count]`.
    ///
    /// # Errors
    /// If the width differs.
    pub fn log_prob(&self, rows: Rows) -> Result<Vec<f64>> {
        let mut values = self.distances(rows)?;
        values.iter_mut().for_each(|v| *v = self.log_density(*v));
        Ok(values)
    }

    /// Logarithm of the density at a squared distance, in nats.
    pub(crate) fn log_density(&self, distance: f64) -> f64 {
        self.log_normaliser - 0.5 * distance
    }

    /// Squared distances of `block`, `[rows, width]`: `[rows]`.
    pub(crate) fn block_distances(&self, block: &Array2<f64>) -> Vec<f64> {
        let white = (block - &self.mean).dot(&self.whitening); // [rows, width]
        let squares = white.axis_iter(Axis(0)).map(|row| row.dot(&row));
        squares.collect()
    }
}

/// A Gaussian as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    mean: Vec<f64>,
    /// The lower triangle of the Cholesky factor, row after row.
    factor: Vec<f64>,
}

impl From<Gaussian> for Stored {
    fn from(gaussian: Gaussian) -> Self {
        let rows = gaussian.factor.axis_iter(Axis(0)).enumerate();
        Self {
            factor: rows
                .flat_map(|(i, row)| row.iter().take(i + 1).copied().collect::<Vec<_>>())
                .collect(),
            mean: gaussian.mean.to_vec(),
        }
    }
}

impl TryFrom<Stored> for Gaussian {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let width = stored.mean.len();
        if width == 0 || Some(stored.factor.len()) != (width + 1).checked_mul(width).map(|n| n / 2)
        {
            let length = stored.factor.len();
            return Err(format!(
                "a mean of {width} numbers with a factor of {length}"
            ));
        }
        let mut factor = Array2::zeros((width, width));
        let mut values = stored.factor.iter();
        for i in 0..width {
            for j in 0..=i {
                factor[[i, j]] = *values.next().expect("counted above");
            }
        }
        let finite = stored
            .mean
            .iter()
            .chain(&factor)
            .all(|v: &f64| v.is_finite());
        if !finite || factor.diag().iter().any(|v| *v <= 0.0) {
            return Err(
                "the factor of a covariance must be finite, its diagonal positive".to_owned(),
            );
        }
        Ok(Self::from_factor(Array1::from(stored.mean), factor))
    }
}
