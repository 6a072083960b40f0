//! Activations on their own.

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::{
        elementwise::{activation, activation_slope},
        threads,
    },
};
use crate::nets::Activation;

/// The activation of each value. Where a dense or convolutional layer comes just before, its own
/// operation does this too, for less.
pub fn activate<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    activation: Activation,
) -> Tensor<B, D> {
    if activation == Activation::Identity {
        return x;
    }
    apply(&Activate(activation), [primitive(&x)]).unwrap_or_else(|| activation.forward(x))
}

#[derive(Debug, Clone)]
struct Activate(Activation);

impl Fused<1> for Activate {
    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let mut y = x.values.to_vec();
        threads::rows(&mut y, 1, 1, |_, values| activation(values, self.0));
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
            activation_slope(gradient, &x.values[first..][..gradient.len()], self.0);
        });
        [Some(gradient.to_vec())]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Values {
        shape: [usize; 2],
        activation: Activation,
        viewed: bool,
    }

    impl Values {
        fn input<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 2> {
            let [x] = inputs.try_into().unwrap();
            matrix(x, self.shape, self.viewed)
        }
    }

    impl Probe for Values {
        fn lengths(&self) -> Vec<usize> {
            vec![self.shape[0] * self.shape[1]]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            activate(self.input(inputs), self.activation).flatten(0, 1)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            self.activation.forward(self.input(inputs)).flatten(0, 1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 2],
            activation in prop::sample::select(&Activation::ALL[..]),
            viewed: bool,
            seed: u64,
        ) {
            let shape = sizes.map(|size| 1 + size.index(200));
            let values = Values { shape, activation, viewed };
            assert_same(&values, seed, &[]);
            assert_same(&values, seed, &[30.0, -30.0, 1e-4]);
        }
    }
}
