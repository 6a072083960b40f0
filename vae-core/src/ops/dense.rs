//! A dense layer with its activation.

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::{
        elementwise::{add, bias_and_activation, slope},
        matrix::{Matrix, multiply},
        threads,
    },
};
use crate::nets::Activation;

/// `activation(x weight + bias)`.
///
/// # Shapes
/// - `x`: `[batch, inputs]`
/// - `weight`: `[inputs, outputs]`
/// - `bias`: `[outputs]`
/// - output: `[batch, outputs]`
pub fn dense<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> Tensor<B, 2> {
    fused(&x, &weight, &bias, activation, false)
        .unwrap_or_else(|| reference(x, weight, bias, activation))
}

/// [`dense`] with the transpose of `weight`.
///
/// # Shapes
/// - `weight`: `[outputs, inputs]`, the others as in [`dense`]
pub fn dense_transposed<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> Tensor<B, 2> {
    fused(&x, &weight, &bias, activation, true)
        .unwrap_or_else(|| reference(x, weight.transpose(), bias, activation))
}

fn reference<B: Backend>(
    x: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    bias: Tensor<B, 1>,
    activation: Activation,
) -> Tensor<B, 2> {
    activation.forward(x.matmul(weight) + bias.unsqueeze())
}

fn fused<B: Backend>(
    x: &Tensor<B, 2>,
    weight: &Tensor<B, 2>,
    bias: &Tensor<B, 1>,
    activation: Activation,
    transposed: bool,
) -> Option<Tensor<B, 2>> {
    // The slopes of these two cannot be told from their outputs.
    let after = match activation {
        Activation::Gelu | Activation::Silu => activation,
        _ => Activation::Identity,
    };
    let activation = match after {
        Activation::Identity => activation,
        _ => Activation::Identity,
    };
    let op = Dense {
        activation,
        transposed,
    };
    let output = apply(&op, [primitive(x), primitive(weight), primitive(bias)])?;
    Some(after.forward(output))
}

#[derive(Debug, Clone)]
struct Dense {
    activation: Activation,
    /// Whether the weight is `[outputs, inputs]`.
    transposed: bool,
}

impl Dense {
    /// `[inputs, outputs]`
    fn weight<'a>(&self, weight: View<'a>) -> Matrix<'a> {
        let (rows, columns) = (weight.rows(), weight.columns());
        if self.transposed {
            Matrix::transposed(weight.values, rows, columns)
        } else {
            Matrix::new(weight.values, rows, columns)
        }
    }

    /// `[outputs, inputs]`
    fn weight_transposed<'a>(&self, weight: View<'a>) -> Matrix<'a> {
        let other = Self {
            transposed: !self.transposed,
            ..*self
        };
        other.weight(weight)
    }
}

impl Fused<3> for Dense {
    fn forward(&self, [x, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Shape) {
        let (batch, inputs) = (x.rows(), x.columns());
        let outputs = bias.values.len();
        let mut y = multiply(Matrix::new(x.values, batch, inputs), self.weight(weight));
        threads::rows(&mut y, outputs, outputs, |_, rows| {
            bias_and_activation(rows, bias.values, self.activation);
        });
        (y, Shape::new([batch, outputs]))
    }

    fn backward(
        &self,
        [x, weight, _]: [View<'_>; 3],
        y: View<'_>,
        gradient: &mut [f32],
        [want_x, want_weight, want_bias]: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        let (batch, inputs, outputs) = (x.rows(), x.columns(), y.columns());
        let partial = threads::map_rows(gradient, outputs, outputs, |first, rows| {
            let mut sums = vec![0.0; outputs];
            let y = &y.values[first * outputs..][..rows.len()];
            slope(rows, y, &mut sums, self.activation);
            sums
        });
        let bias = want_bias.then(|| {
            let mut sums = vec![0.0; outputs];
            partial.iter().for_each(|part| add(&mut sums, part));
            sums
        });
        let weight_gradient = want_weight.then(|| {
            if self.transposed {
                let before = Matrix::transposed(gradient, batch, outputs);
                multiply(before, Matrix::new(x.values, batch, inputs))
            } else {
                let x = Matrix::transposed(x.values, batch, inputs);
                multiply(x, Matrix::new(gradient, batch, outputs))
            }
        });
        let x_gradient = want_x.then(|| {
            let before = Matrix::new(gradient, batch, outputs);
            multiply(before, self.weight_transposed(weight))
        });
        [x_gradient, weight_gradient, bias]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Layer {
        sizes: [usize; 3],
        activation: Activation,
        transposed: bool,
        viewed: bool,
    }

    impl Layer {
        fn inputs<B: Backend>(
            &self,
            inputs: Vec<Tensor<B, 1>>,
        ) -> (Tensor<B, 2>, Tensor<B, 2>, Tensor<B, 1>) {
            let [x, weight, bias] = inputs.try_into().unwrap();
            let [batch, inputs, outputs] = self.sizes;
            let shape = match self.transposed {
                true => [outputs, inputs],
                false => [inputs, outputs],
            };
            let x = matrix(x, [batch, inputs], self.viewed);
            (x, matrix(weight, shape, self.viewed), bias)
        }
    }

    impl Probe for Layer {
        fn lengths(&self) -> Vec<usize> {
            let [batch, inputs, outputs] = self.sizes;
            vec![batch * inputs, inputs * outputs, outputs]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let (x, weight, bias) = self.inputs(inputs);
            let layer = match self.transposed {
                true => dense_transposed,
                false => dense,
            };
            layer(x, weight, bias, self.activation).flatten(0, 1)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let (x, weight, bias) = self.inputs(inputs);
            let weight = match self.transposed {
                true => weight.transpose(),
                false => weight,
            };
            reference(x, weight, bias, self.activation).flatten(0, 1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 3],
            kind in 0..Activation::ALL.len(),
            transposed: bool,
            viewed: bool,
            seed: u64,
        ) {
            let layer = Layer {
                sizes: sizes.map(|size| 1 + size.index(70)),
                activation: Activation::ALL[kind],
                transposed,
                viewed,
            };
            assert_same(&layer, seed, &[]);
            assert_same(&layer, seed, &[1e4, -1e4]);
        }
    }

    /// Flex's own ReLU makes it 0, which would hide a training gone wrong.
    #[test]
    fn not_a_number_is_passed_on() {
        let device = Default::default();
        for activation in Activation::ALL {
            let x = Tensor::<burn_flex::Flex, 2>::from_data([[f32::NAN], [1.0]], &device);
            let (weight, bias) = (Tensor::ones([1, 2], &device), Tensor::zeros([2], &device));
            let y: Vec<f32> = dense(x, weight, bias, activation)
                .into_data()
                .to_vec()
                .unwrap();
            assert!(y[0].is_nan() && y[1].is_nan(), "{activation:?}: {y:?}");
            assert!(
                y[2].is_finite() && y[3].is_finite(),
                "{activation:?}: {y:?}"
            );
        }
    }

    /// Large enough that the threads share the work.
    #[test]
    fn many_rows_match_the_reference() {
        for activation in Activation::ALL {
            let layer = Layer {
                sizes: [301, 130, 131],
                activation,
                transposed: false,
                viewed: false,
            };
            assert_same(&layer, 1, &[]);
        }
    }
}
