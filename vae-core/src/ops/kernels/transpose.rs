//! Transposes of row-major matrices.

/// Rows and columns that are read together: lines of the cache, as many as may lie at distances of a power of two.
const TILE: [usize; 2] = [8, 16];

/// Fills `out` with the transpose, in the thread that calls.
pub(in crate::ops) fn transpose_into(values: &[f32], columns: usize, out: &mut [f32]) {
    let rows = values.len() / columns;
    let [high, wide] = TILE;
    for (band, out) in out.chunks_mut((wide * rows).max(1)).enumerate() {
        let first = band * wide;
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
            let mut found = vec![f32::NAN; values.len()];
            transpose_into(&values, columns, &mut found);
            for (i, value) in found.into_iter().enumerate() {
                prop_assert_eq!(value as usize, i % rows * columns + i / rows);
            }
        }
    }
}
