//! Mean and covariance of rows that come one at a time.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::error::{Result, check};
use crate::gaussian::Gaussian;

/// Rows that are taken together, so that their products are one of matrices.
const BLOCK: usize = 256;

/// Count, mean and centred second moments of rows, in `f64`. Merges blocks as Chan, Golub and LeVeque 1983, so that a
/// mean far from zero costs no digits.
#[derive(Clone, Debug)]
pub struct Moments {
    count: usize,
    mean: Array1<f64>,
    squares: Array2<f64>,
    waiting: Vec<f64>,
}

impl Moments {
    /// Of no rows, `width` numbers each.
    ///
    /// # Errors
    /// If `width` is 0.
    pub fn new(width: usize) -> Result<Self> {
        check("width", width, width >= 1, "at least 1")?;
        Ok(Self {
            count: 0,
            mean: Array1::zeros(width),
            squares: Array2::zeros((width, width)),
            waiting: Vec::with_capacity(BLOCK.min(1 << 20) * width),
        })
    }

    /// Adds a row: `[width]`, finite.
    ///
    /// # Panics
    /// If the width differs.
    pub fn add(&mut self, row: &[f32]) {
        assert_eq!(
            row.len(),
            self.mean.len(),
            "every row is as wide as the first"
        );
        self.waiting.extend(row.iter().map(|v| f64::from(*v)));
        if self.waiting.len() >= BLOCK * row.len() {
            self.merge();
        }
    }

    /// How many rows were added.
    pub fn count(&self) -> usize {
        self.count + self.waiting.len() / self.mean.len()
    }

    /// The mean of the rows: `[width]`; zeros of no rows.
    pub fn mean(&mut self) -> &Array1<f64> {
        self.merge();
        &self.mean
    }

    /// The covariance, divided by the count: `[width, width]`; zeros of no rows.
    pub fn covariance(&mut self) -> Array2<f64> {
        self.merge();
        &self.squares / self.count.max(1) as f64
    }

    /// The Gaussian with this mean and covariance; see [`Gaussian::new`].
    ///
    /// # Errors
    /// If there were no rows, or `shrinkage` is outside of 0 to 1.
    pub fn gaussian(&mut self, shrinkage: f64) -> Result<Gaussian> {
        check("rows", "none", self.count() >= 1, "at least 1")?;
        let covariance = self.covariance();
        Gaussian::new(self.mean.clone(), covariance, shrinkage)
    }

    fn merge(&mut self) {
        let width = self.mean.len();
        let rows = self.waiting.len() / width;
        if rows == 0 {
            return;
        }
        let block = ArrayView2::from_shape((rows, width), &self.waiting).expect("whole rows");
        let mean = block.mean_axis(Axis(0)).expect("at least one row");
        let centred = &block - &mean;
        self.squares += &centred.t().dot(&centred);
        let total = self.count + rows;
        let step = &mean - &self.mean;
        let column = step.view().insert_axis(Axis(1)); // [width, 1]
        let between = self.count as f64 * rows as f64 / total as f64;
        self.squares.scaled_add(between, &column.dot(&column.t()));
        self.mean.scaled_add(rows as f64 / total as f64, &step);
        self.count = total;
        self.waiting.clear();
    }
}
