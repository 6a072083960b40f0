//! The squared error of a Gaussian likelihood.

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::elementwise::{self, scaled_difference},
};

/// `|mean - target|^2` of each example: the sum over its features.
///
/// # Shapes
/// - `mean`, `target`: `[batch, features]`
/// - output: `[batch]`
pub fn squared_error<B: Backend>(mean: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    apply(&SquaredError, [primitive(&mean), primitive(&target)])
        .unwrap_or_else(|| reference(mean, target))
}

fn reference<B: Backend>(mean: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    (mean - target).square().sum_dim(1).squeeze_dim(1)
}

#[derive(Debug, Clone)]
struct SquaredError;

impl Fused<2> for SquaredError {
    fn forward(&self, [mean, target]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let errors = mean.per_row(|row| elementwise::squared_error(mean.row(row), target.row(row)));
        (errors, Shape::new([mean.rows()]))
    }

    fn backward(
        &self,
        [mean, target]: [View<'_>; 2],
        _errors: View<'_>,
        gradient: &mut [f32],
        wanted: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let slope = |wanted: bool, sign: f32| {
            wanted.then(|| {
                mean.map_rows(|row, out| {
                    let scale = sign * 2.0 * gradient[row];
                    scaled_difference(out, mean.row(row), target.row(row), scale);
                })
            })
        };
        [slope(wanted[0], 1.0), slope(wanted[1], -1.0)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Errors {
        shape: [usize; 2],
        viewed: bool,
    }

    impl Errors {
        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let inputs: [_; 2] = inputs.try_into().unwrap();
            inputs.map(|values| matrix(values, self.shape, self.viewed))
        }
    }

    impl Probe for Errors {
        fn lengths(&self) -> Vec<usize> {
            vec![self.shape[0] * self.shape[1]; 2]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [mean, target] = self.inputs(inputs);
            squared_error(mean, target)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [mean, target] = self.inputs(inputs);
            reference(mean, target)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 2],
            viewed: bool,
            seed: u64,
        ) {
            let shape = sizes.map(|size| 1 + size.index(200));
            let errors = Errors { shape, viewed };
            assert_same(&errors, seed, &[]);
            assert_same(&errors, seed, &[f32::NAN, f32::INFINITY, -300.0]);
        }
    }
}
