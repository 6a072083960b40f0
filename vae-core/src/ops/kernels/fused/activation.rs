//! Activations on their own.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    Activation,
    kernels::{
        elementwise::{activation, activation_slope},
        threads,
    },
};

impl Fused<1> for Activation {
    const IN_PLACE: bool = true;

    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let mut y = x.values.to_vec();
        threads::rows(&mut y, 1, 1, |_, values| activation(values, *self));
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
