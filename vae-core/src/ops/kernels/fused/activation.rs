//! Activations on their own.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    Activation,
    activation::Sum,
    kernels::{
        elementwise::{activation, activation_slope, add},
        threads::{self, Room},
    },
};

impl Fused<1> for Activation {
    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let y = threads::copied_rows(x.values, 1, 1, |_, values| activation(values, *self));
        (y, Shape::from(x.shape))
    }

    fn backward(
        &self,
        [x]: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        threads::rows(gradient, 1, 1, |first, gradient| {
            activation_slope(gradient, &x.values[first..][..gradient.len()], *self);
        });
        [None]
    }
}

impl Fused<2> for Sum {
    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, [a, b]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let y = threads::copied_rows(a.values, 1, 1, |first, values| {
            add(values, &b.values[first..][..values.len()]);
            activation(values, self.0);
        });
        (y, Shape::from(a.shape))
    }

    fn backward(
        &self,
        [a, b]: [View<'_>; 2],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        /// Values that are worked on before they leave the nearest cache.
        const BLOCK: usize = 4096;
        let length = gradient.len();
        let mut same = Room::new(length);
        let shares = same.shares();
        threads::rows(gradient, 1, 1, |first, gradient| {
            let mut before = [0.0; BLOCK];
            for (block, gradient) in gradient.chunks_mut(BLOCK).enumerate() {
                let range = first + block * BLOCK..first + block * BLOCK + gradient.len();
                let before = &mut before[..gradient.len()];
                before.copy_from_slice(&a.values[range.clone()]);
                add(before, &b.values[range.clone()]);
                activation_slope(gradient, before, self.0);
                // SAFETY: the ranges of the threads do not overlap.
                unsafe { shares.part(range) }.copy_from_slice(gradient);
            }
        });
        // SAFETY: the ranges cover every value.
        [None, Some(unsafe { same.filled(length) })]
    }
}
