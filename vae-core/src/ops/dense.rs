//! A dense layer with its activation.

use burn::tensor::{Tensor, backend::Backend};

use super::{Activation, activate, apply, in_kernel, primitive};

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
    let op = Dense {
        activation,
        transposed: false,
    };
    op.of(x, weight, bias)
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
    let op = Dense {
        activation,
        transposed: true,
    };
    op.of(x, weight, bias)
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Dense {
    pub activation: Activation,
    /// Whether the weight is `[outputs, inputs]`.
    pub transposed: bool,
}

impl Dense {
    fn of<B: Backend>(
        self,
        x: Tensor<B, 2>,
        weight: Tensor<B, 2>,
        bias: Tensor<B, 1>,
    ) -> Tensor<B, 2> {
        let [activation, after] = in_kernel(self.activation);
        let op = Self { activation, ..self };
        match apply(&op, [primitive(&x), primitive(&weight), primitive(&bias)]) {
            Some(output) => activate(output, after),
            None => self.reference(x, weight, bias),
        }
    }

    fn reference<B: Backend>(
        self,
        x: Tensor<B, 2>,
        weight: Tensor<B, 2>,
        bias: Tensor<B, 1>,
    ) -> Tensor<B, 2> {
        let weight = match self.transposed {
            true => weight.transpose(),
            false => weight,
        };
        self.activation.forward(x.matmul(weight) + bias.unsqueeze())
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
            let op = Dense {
                activation: self.activation,
                transposed: false,
            };
            op.reference(x, weight, bias).flatten(0, 1)
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
            // Flex's own ReLU, and the leaky one made of it, turn NaN into 0.
            if !matches!(layer.activation, Activation::Relu | Activation::LeakyRelu) {
                assert_same(&layer, seed, &[f32::INFINITY, -f32::INFINITY]);
            }
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
