//! Matrix products.

use gemm::Parallelism;

/// Multiplications below which a second thread costs more than it brings.
const SMALL: usize = 1 << 20;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "{rows} x {columns} values");
        Self {
            values,
            rows,
            columns,
            transposed: false,
        }
    }

    /// The transpose of a row-major matrix of `rows` and `columns`.
    pub fn transposed(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self {
            transposed: true,
            ..Self::new(values, rows, columns)
        }
    }

    fn size(&self) -> [usize; 2] {
        if self.transposed {
            [self.columns, self.rows]
        } else {
            [self.rows, self.columns]
        }
    }

    /// Distance between rows, and between columns.
    fn strides(&self) -> [isize; 2] {
        let width = self.columns as isize;
        if self.transposed {
            [1, width]
        } else {
            [width, 1]
        }
    }
}

/// `a b`, row-major.
pub(in crate::ops) fn multiply(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
    let ([m, k], [inner, n]) = (a.size(), b.size());
    assert_eq!(k, inner, "columns of the left factor, rows of the right");
    if m == 0 || n == 0 || k == 0 {
        return vec![0.0; m * n];
    }
    let parallelism = if m * n * k < SMALL || rayon::current_num_threads() == 1 {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    let mut product = Vec::with_capacity(m * n);
    let ([a_row, a_column], [b_row, b_column]) = (a.strides(), b.strides());
    // SAFETY: sizes and strides stay within the slices, as `Matrix::new` checked; the product has
    // room for `m n` values, and all of them are written because `read_dst` is false.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            product.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.values.as_ptr(),
            a_column,
            a_row,
            b.values.as_ptr(),
            b_column,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
        product.set_len(m * n);
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: [[1, 2, 3], [4, 5, 6]] times [[1, 0], [0, 1], [2, 2]].
    #[test]
    fn product_by_hand() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 0.0, 1.0, 2.0, 2.0];
        let expected = [7.0, 8.0, 16.0, 17.0];
        let product = multiply(Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2));
        assert_eq!(product, expected);
        let a = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let b = [1.0, 0.0, 2.0, 0.0, 1.0, 2.0];
        let product = multiply(Matrix::transposed(&a, 3, 2), Matrix::transposed(&b, 2, 3));
        assert_eq!(product, expected);
        assert_eq!(
            multiply(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 1)),
            [0.0; 2]
        );
    }
}
