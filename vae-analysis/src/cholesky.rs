//! Cholesky factors of small dense matrices.

use ndarray::{Array2, s};

/// The lower triangular L with L L^T = `matrix`, of which the lower triangle is read; `None` if it is not positive
/// definite, that is where a pivot is lost in rounding.
pub(crate) fn cholesky(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let width = matrix.nrows();
    let largest = matrix.diag().iter().fold(0.0_f64, |a, b| a.max(*b));
    let mut factor = Array2::zeros((width, width));
    for i in 0..width {
        for j in 0..=i {
            let known = factor.slice(s![i, ..j]).dot(&factor.slice(s![j, ..j]));
            let value: f64 = matrix[[i, j]] - known;
            if i == j {
                let positive = value > 0.0 && value > largest * f64::EPSILON;
                factor[[i, i]] = positive.then(|| value.sqrt())?;
            } else {
                factor[[i, j]] = value / factor[[j, j]];
            }
        }
    }
    Some(factor)
}

/// The inverse of a lower triangular matrix.
pub(crate) fn inverse_of_lower(factor: &Array2<f64>) -> Array2<f64> {
    let width = factor.nrows();
    // Transposed while it is built, so that both rows of each product are contiguous.
    let mut transposed = Array2::<f64>::zeros((width, width));
    for i in 0..width {
        let pivot = 1.0 / factor[[i, i]];
        for j in 0..i {
            let known = factor
                .slice(s![i, j..i])
                .dot(&transposed.slice(s![j, j..i]));
            transposed[[j, i]] = -known * pivot;
        }
        transposed[[i, i]] = pivot;
    }
    transposed.reversed_axes()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// By hand: [[2, 0], [1, 3]] times its transpose is [[4, 2], [2, 10]].
    #[test]
    fn factor_and_inverse_by_hand() {
        let factor = cholesky(&array![[4.0, 2.0], [2.0, 10.0]]).expect("positive definite");
        assert_eq!(factor, array![[2.0, 0.0], [1.0, 3.0]]);
        let inverse = inverse_of_lower(&factor);
        let error = (inverse.dot(&factor) - Array2::<f64>::eye(2))
            .mapv(f64::abs)
            .sum();
        assert!(error < 1e-15, "{inverse}");
    }

    #[test]
    fn a_singular_matrix_has_none() {
        assert!(cholesky(&array![[1.0, 1.0], [1.0, 1.0]]).is_none());
        assert!(cholesky(&array![[0.0]]).is_none());
    }
}
