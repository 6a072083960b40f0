//! Matrix products.

use std::marker::PhantomData;
use std::ops::Range;

use gemm::Parallelism;

use super::threads::{self, LINE, Shares, split};

/// A matrix in a slice, or a part of one.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Matrix<'a> {
    start: *const f32,
    rows: usize,
    columns: usize,
    /// Distance between rows, and between columns.
    strides: [usize; 2],
    lifetime: PhantomData<&'a [f32]>,
}

// SAFETY: it stands for values that are shared, or written by one thread alone.
unsafe impl Sync for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Send for Matrix<'_> {}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "{rows} x {columns} values");
        Self {
            start: values.as_ptr(),
            rows,
            columns,
            strides: [columns, 1],
            lifetime: PhantomData,
        }
    }

    /// A row-major matrix whose rows begin `step` values apart, and may overlap.
    pub fn overlapping(values: &'a [f32], rows: usize, columns: usize, step: usize) -> Self {
        let last = rows.saturating_sub(1) * step;
        assert!(last + columns <= values.len(), "{rows} x {columns} values");
        Self {
            start: values.as_ptr(),
            rows,
            columns,
            strides: [step, 1],
            lifetime: PhantomData,
        }
    }

    /// A row-major matrix whose parts the threads write.
    ///
    /// # Safety
    /// Only those parts may be read that no other thread writes at the same time.
    pub unsafe fn of_shares(values: Shares<'a>, rows: usize, columns: usize) -> Self {
        Self {
            start: values.start(0..rows * columns),
            rows,
            columns,
            strides: [columns, 1],
            lifetime: PhantomData,
        }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            strides: [self.strides[1], self.strides[0]],
            ..self
        }
    }

    /// Some of the rows.
    pub fn rows(self, range: Range<usize>) -> Self {
        self.transposed().columns(range).transposed()
    }

    /// Some of the columns.
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns);
        Self {
            // An empty matrix may have no values to point at.
            start: self.start.wrapping_add(range.start * self.strides[1]),
            columns: range.len(),
            ..self
        }
    }
}

/// Where a product is written: from this place in a row-major matrix on.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Place<'a> {
    pub values: Shares<'a>,
    /// Columns of the matrix.
    pub width: usize,
    pub row: usize,
    pub column: usize,
}

impl<'a> Place<'a> {
    /// All of a row-major matrix.
    pub fn whole(values: &'a mut [f32], width: usize) -> Self {
        Self {
            values: Shares::new(values),
            width,
            row: 0,
            column: 0,
        }
    }
}

/// Writes `a b`, in the thread that calls.
///
/// # Safety
/// No other thread may use that part of the matrix at the same time.
pub(in crate::ops) unsafe fn multiply(place: Place<'_>, a: Matrix<'_>, b: Matrix<'_>) {
    // SAFETY: by the contract.
    unsafe { write(Onto::Nothing, place, a, b) };
}

/// Fills a row-major matrix with `a b`, in the thread that calls.
pub(in crate::ops) fn product(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    // SAFETY: `out` is borrowed.
    unsafe { write(Onto::Nothing, Place::whole(out, b.columns), a, b) };
}

/// Adds `a b` to a row-major matrix, in the thread that calls.
pub(in crate::ops) fn add_product(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    // SAFETY: `out` is borrowed.
    unsafe { write(Onto::Present, Place::whole(out, b.columns), a, b) };
}

/// Fills a row-major matrix with `a b`, or adds it, with all threads.
///
/// # Safety
/// No other thread may use the matrix at the same time; with [`Onto::Present`] its values must have been written.
pub(in crate::ops) unsafe fn share_product(
    onto: Onto,
    values: Shares<'_>,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    let (rows, columns) = (a.rows, b.columns);
    let is_wide = columns > rows;
    let cost = rows * columns * a.columns;
    let parts = split(if is_wide { columns } else { rows }, LINE, cost);
    threads::each(&parts, |_, part| {
        let (row, column, a, b) = match is_wide {
            true => (0, part.start, a, b.columns(part)),
            false => (part.start, 0, a.rows(part), b),
        };
        let place = Place {
            values,
            width: columns,
            row,
            column,
        };
        // SAFETY: by the contract, and the parts do not overlap.
        unsafe { write(onto, place, a, b) };
    });
}

/// What a product is added to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Onto {
    Nothing,
    /// What is there.
    Present,
}

/// # Safety
/// As [`multiply`]; with [`Onto::Present`] the values must have been written.
unsafe fn write(onto: Onto, place: Place<'_>, a: Matrix<'_>, b: Matrix<'_>) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "columns of the left factor, rows of the right");
    assert!(
        place.column + n <= place.width,
        "the product fits in the matrix"
    );
    if m == 0 || n == 0 {
        return;
    }
    let first = place.row * place.width + place.column;
    let start = place.values.start(first..first + (m - 1) * place.width + n);
    // SAFETY: the place has room for `m` rows of `n` values, as checked above; the factors have the
    // sizes and strides that they were made with. `gemm` writes every value of the product and
    // reads none if `read_dst` is false; for `k = 0` it then writes zeros.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            start,
            1,
            place.width as isize,
            onto == Onto::Present,
            a.start,
            a.strides[1] as isize,
            a.strides[0] as isize,
            b.start,
            b.strides[1] as isize,
            b.strides[0] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
        let mut values = vec![f32::NAN; a.rows * b.columns];
        super::product(&mut values, a, b);
        values
    }

    /// By hand: [[1, 2, 3], [4, 5, 6]] times [[1, 0], [0, 1], [2, 2]].
    #[test]
    fn product_by_hand() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 0.0, 1.0, 2.0, 2.0];
        let (a, b) = (Matrix::new(&a, 2, 3), Matrix::new(&b, 3, 2));
        assert_eq!(product(a, b), [7.0, 8.0, 16.0, 17.0]);
        assert_eq!(
            product(a.transposed().columns(1..2).transposed(), b.columns(0..1)),
            [16.0]
        );
        let (other_a, other_b) = (
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0],
            [1.0, 0.0, 2.0, 0.0, 1.0, 2.0],
        );
        let other_a = Matrix::new(&other_a, 3, 2).transposed();
        let other_b = Matrix::new(&other_b, 2, 3).transposed();
        assert_eq!(product(other_a, other_b), [7.0, 8.0, 16.0, 17.0]);
        let (none, nothing) = (Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 1));
        assert_eq!(product(none, nothing), [0.0; 2]);
    }

    #[test]
    fn a_product_leaves_its_surroundings_alone() {
        let mut values = vec![9.0; 12];
        let part = Place {
            values: Shares::new(&mut values),
            width: 4,
            row: 1,
            column: 1,
        };
        let (a, b) = ([1.0, 2.0], [3.0, 4.0]);
        // SAFETY: there is one thread.
        unsafe { multiply(part, Matrix::new(&a, 2, 1), Matrix::new(&b, 1, 2)) };
        let expected = [9.0, 9.0, 9.0, 9.0, 9.0, 3.0, 4.0, 9.0, 9.0, 6.0, 8.0, 9.0];
        assert_eq!(values, expected);
    }
}
