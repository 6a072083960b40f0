//! Transposes of row-major matrices.

use super::threads::{self, Shares, split};

/// Rows and columns that are read together: lines of the cache, as many as may lie at distances of a power of two.
const TILE: [usize; 2] = [8, 16];

/// The transpose, with all threads.
pub(in crate::ops) fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns.max(1);
    let mut out = vec![0.0; values.len()];
    let shares = Shares::new(&mut out);
    threads::each(&split(columns, TILE[1], values.len()), |_, part| {
        // SAFETY: the rows of the threads do not overlap.
        let out = unsafe { shares.part(part.start * rows..part.end * rows) };
        columns_of(values, columns, part.start, out);
    });
    out
}

/// Fills `out` with the transpose, in the thread that calls.
pub(in crate::ops) fn transpose_into(values: &[f32], columns: usize, out: &mut [f32]) {
    columns_of(values, columns, 0, out);
}

/// Writes columns of a matrix, from `first` on, as rows.
fn columns_of(values: &[f32], columns: usize, first: usize, out: &mut [f32]) {
    let rows = values.len() / columns;
    let [high, wide] = TILE;
    for (band, out) in out.chunks_mut(wide * rows).enumerate() {
        let first = first + band * wide;
        for start in (0..rows).step_by(high) {
            let end = rows.min(start + high);
            for (column, out) in (first..).zip(out.chunks_exact_mut(rows)) {
                for (out, row) in out[start..end].iter_mut().zip(start..) {
                    *out = values[row * columns + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn every_value_changes_its_place(rows in 0..150_usize, columns in 1..150_usize) {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let found = transpose(&values, columns);
            let mut by_one = vec![f32::NAN; values.len()];
            if rows > 0 {
                transpose_into(&values, columns, &mut by_one);
            }
            prop_assert_eq!(&found, &by_one);
            for (i, value) in found.into_iter().enumerate() {
                prop_assert_eq!(value as usize, i % rows * columns + i / rows);
            }
        }
    }
}
