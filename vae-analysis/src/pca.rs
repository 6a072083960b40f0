//! Principal components (Pearson 1901; Jolliffe 2002).

use ndarray::{Array1, Array2, s};

use crate::eigen::symmetric;
use crate::error::{Result, check};
use crate::moments::Moments;
use crate::rows::Rows;

/// Rows that are taken at once.
const BLOCK: usize = 4096;

/// The directions of largest variance of rows.
#[derive(Clone, Debug)]
pub struct Pca {
    mean: Array1<f64>,
    components: Array2<f64>,
    explained_variance: Vec<f64>,
    total_variance: f64,
}

impl Pca {
    /// Of `rows`, with the first `components` directions, or as many as there can be: the lower of width and count less
    /// one, but at least 1. Of each direction, the largest entry is positive.
    ///
    /// Exact: the time grows as the third power of the width, or of the count where that is lower; a width of 784
    /// takes about a second.
    ///
    /// # Errors
    /// If there are fewer than two rows, or `components` is 0.
    pub fn fit(rows: Rows, components: usize) -> Result<Self> {
        rows.at_least("rows", 2)?;
        check("components", components, components >= 1, "at least 1")?;
        let (count, width) = (rows.count(), rows.width());
        let kept = components.min(width).min(count - 1).max(1);
        if count < width {
            return Ok(Self::of_few(rows, kept));
        }
        let mut moments = Moments::new(width)?;
        rows.iter().for_each(|row| moments.add(row));
        let unbiased = count as f64 / (count - 1) as f64;
        let covariance = moments.covariance() * unbiased;
        let total_variance = covariance.diag().sum();
        let (values, vectors) = symmetric(covariance.into_iter().collect(), width);
        let flat = vectors[..kept].concat();
        Ok(Self {
            mean: moments.mean().clone(),
            components: signed(Array2::from_shape_vec((kept, width), flat).expect("whole rows")),
            explained_variance: values[..kept].iter().map(|v| v.max(0.0)).collect(),
            total_variance,
        })
    }

    /// By the products of the rows with each other, which have the same eigenvalues.
    fn of_few(rows: Rows, kept: usize) -> Self {
        let mut centred = rows.view().mapv(f64::from);
        let mean = centred
            .mean_axis(ndarray::Axis(0))
            .expect("at least two rows");
        centred -= &mean;
        let products = centred.dot(&centred.t()) / (rows.count() - 1) as f64;
        let total_variance = products.diag().sum();
        let (values, vectors) = symmetric(products.into_iter().collect(), rows.count());
        let flat = vectors[..kept].concat();
        let sides = Array2::from_shape_vec((kept, rows.count()), flat).expect("whole rows");
        let mut components = sides.dot(&centred);
        for mut row in components.outer_iter_mut() {
            let length = row.dot(&row).sqrt();
            // A direction without variance stays zero.
            row /= if length > 0.0 { length } else { 1.0 };
        }
        Self {
            mean,
            components: signed(components),
            explained_variance: values[..kept].iter().map(|v| v.max(0.0)).collect(),
            total_variance,
        }
    }

    /// The mean of the rows: `[width]`.
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// The directions, of length 1 and orthogonal, one row each: `[components, width]`.
    pub fn components(&self) -> &Array2<f64> {
        &self.components
    }

    /// Variance along each direction, divided by the count less one: `[components]`.
    pub fn explained_variance(&self) -> &[f64] {
        &self.explained_variance
    }

    /// Share of the whole variance along each direction: `[components]`; zeros where nothing varies.
    pub fn explained_ratio(&self) -> Vec<f64> {
        let total = if self.total_variance > 0.0 {
            self.total_variance
        } else {
            1.0
        };
        self.explained_variance.iter().map(|v| v / total).collect()
    }

    /// Coordinates along the directions: `[count, components]`, row-major.
    ///
    /// # Errors
    /// If the width differs.
    pub fn transform(&self, rows: Rows) -> Result<Vec<f32>> {
        rows.of_width("rows", self.mean.len())?;
        let mut out = Vec::with_capacity(rows.count() * self.components.nrows());
        for block in rows.blocks(BLOCK) {
            let centred = block.view().mapv(f64::from) - &self.mean;
            out.extend(centred.dot(&self.components.t()).iter().map(|v| *v as f32));
        }
        Ok(out)
    }

    /// The rows at `coordinates`, of which there may be fewer than directions: `[count, width]`, row-major.
    ///
    /// # Errors
    /// If there are more coordinates than directions.
    pub fn inverse(&self, coordinates: Rows) -> Result<Vec<f32>> {
        let used = coordinates.width();
        let known = self.components.nrows();
        check(
            "coordinates",
            format_args!("{used} wide"),
            used <= known,
            format_args!("at most {known} wide"),
        )?;
        let components = self.components.slice(s![..used, ..]);
        let rows = coordinates.view().mapv(f64::from).dot(&components) + &self.mean;
        Ok(rows.iter().map(|v| *v as f32).collect())
    }
}

/// With the largest entry of each row positive.
fn signed(mut components: Array2<f64>) -> Array2<f64> {
    for mut row in components.outer_iter_mut() {
        let largest = row
            .iter()
            .copied()
            .fold(0.0_f64, |a, b| if b.abs() > a.abs() { b } else { a });
        if largest < 0.0 {
            row.mapv_inplace(|v| -v);
        }
    }
    components
}
