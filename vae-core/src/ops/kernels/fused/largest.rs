//! The largest values of rows.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{kernels::threads, largest::Largest};

impl Largest {
    /// Sets `values` to 0 where `row` is below the last value that is kept.
    fn clear(&self, row: &[f32], values: &mut [f32], room: &mut Vec<f32>) {
        room.clear();
        room.extend_from_slice(row);
        let (_, &mut last, _) = room.select_nth_unstable_by(self.k - 1, |a, b| b.total_cmp(a));
        for (value, &x) in values.iter_mut().zip(row) {
            if x < last {
                *value = 0.0;
            }
        }
    }
}

impl Fused<1> for Largest {
    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let width = x.columns();
        let y = threads::copied_rows(x.values, width, width, |first, rows| {
            let mut room = Vec::with_capacity(width);
            for (row, values) in (first..).zip(rows.chunks_exact_mut(width)) {
                self.clear(x.row(row), values, &mut room);
            }
        });
        (y, Shape::from(x.shape))
    }

    fn backward(
        &self,
        [x]: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let width = x.columns();
        threads::rows(gradient, width, width, |first, rows| {
            let mut room = Vec::with_capacity(width);
            for (row, gradient) in (first..).zip(rows.chunks_exact_mut(width)) {
                self.clear(x.row(row), gradient, &mut room);
            }
        });
        [None]
    }
}
