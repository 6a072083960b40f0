//! Activations and their derivatives.

use burn::tensor::{Tensor, activation, backend::Backend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{apply, primitive};

/// Negative slope of the leaky ReLU.
pub(super) const LEAK: f64 = 0.01;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x`
    Identity,
    /// `max(x, 0)`
    #[default]
    Relu,
    /// `x` above 0, `0.01 x` below
    LeakyRelu,
    /// `x * Phi(x)` with the exact Gaussian distribution function
    Gelu,
    /// `x * sigmoid(x)`
    Silu,
    /// `tanh(x)`
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
}

impl Activation {
    /// Every activation, for tests and help texts.
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Relu,
        Self::LeakyRelu,
        Self::Gelu,
        Self::Silu,
        Self::Tanh,
        Self::Sigmoid,
    ];

    /// Applies the function elementwise, by plain tensor operations. [`activate`] is faster.
    pub fn forward<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Identity => x,
            Self::Relu => activation::relu(x),
            // Written out: the gradient of `activation::leaky_relu` at 0 is 1, and not the leak as in the kernel
            // and in PyTorch.
            Self::LeakyRelu => {
                x.clone().mul_scalar(LEAK) + activation::relu(x).mul_scalar(1.0 - LEAK)
            }
            // Written out: on some backends the gradient of `activation::gelu` is that of its
            // tanh approximation.
            Self::Gelu => x.clone() * normal_distribution(x),
            Self::Silu => activation::silu(x),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => activation::sigmoid(x),
        }
    }

    /// The derivative at `x`, itself differentiable (0 is taken as the slope of the kinks).
    pub fn derivative<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Identity => x.ones_like(),
            Self::Relu => x.greater_elem(0.0).float(),
            Self::LeakyRelu => x
                .greater_elem(0.0)
                .float()
                .mul_scalar(1.0 - LEAK)
                .add_scalar(LEAK),
            Self::Gelu => {
                // Phi(x) + x phi(x)
                let density = x
                    .clone()
                    .square()
                    .mul_scalar(-0.5)
                    .exp()
                    .div_scalar((2.0 * std::f64::consts::PI).sqrt());
                normal_distribution(x.clone()) + x * density
            }
            Self::Silu => {
                // s (1 + x (1 - s))
                let s = activation::sigmoid(x.clone());
                s.clone() * (x * s.neg().add_scalar(1.0)).add_scalar(1.0)
            }
            Self::Tanh => x.tanh().square().neg().add_scalar(1.0),
            Self::Sigmoid => {
                let s = activation::sigmoid(x);
                s.clone() * s.neg().add_scalar(1.0)
            }
        }
    }
}

/// The activation of each value. Where a dense or convolutional layer comes just before, its own
/// operation does this too, for less.
pub fn activate<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    activation: Activation,
) -> Tensor<B, D> {
    if activation == Activation::Identity {
        return x;
    }
    apply(&activation, [primitive(&x)]).unwrap_or_else(|| activation.forward(x))
}

/// The activation of each sum of two values.
pub fn activate_sum<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    activation: Activation,
) -> Tensor<B, D> {
    // LibTorch does not know what permuted values share: as long as there is another owner, nothing is added in place.
    let inputs = (a.clone(), b.clone());
    let y = apply(&Sum(activation), [primitive(&a), primitive(&b)])
        .unwrap_or_else(|| activation.forward(a + b));
    drop(inputs);
    y
}

/// See [`activate_sum`].
#[derive(Debug, Clone)]
pub(super) struct Sum(#[cfg_attr(not(feature = "kernels"), allow(dead_code))] pub Activation);

/// `Phi(x) = (1 + erf(x / sqrt 2)) / 2`
fn normal_distribution<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.div_scalar(std::f64::consts::SQRT_2)
        .erf()
        .add_scalar(1.0)
        .mul_scalar(0.5)
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    /// The written-out derivatives against automatic differentiation, away from the kinks.
    #[test]
    fn derivatives_match_autodiff() {
        type Ad = Autodiff<Flex>;
        let device = Default::default();
        for activation in Activation::ALL {
            let x = Tensor::<Ad, 1>::from_data([-3.0, -0.7, -0.01, 0.02, 0.9, 4.0], &device)
                .require_grad();
            let gradients = activation.forward(x.clone()).sum().backward();
            let expected: Vec<f32> = x.grad(&gradients).unwrap().into_data().to_vec().unwrap();
            let derivative: Vec<f32> = activation.derivative(x).into_data().to_vec().unwrap();
            for (a, b) in derivative.iter().zip(&expected) {
                assert!((a - b).abs() < 2e-5, "{activation:?}: {a} against {b}");
            }
        }
    }

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

        #[test]
        fn sums_match_the_reference(
            sizes: [prop::sample::Index; 2],
            activation in prop::sample::select(&Activation::ALL[..]),
            viewed: bool,
            seed: u64,
        ) {
            let shape = sizes.map(|size| 1 + size.index(200));
            assert_same(&Sums(Values { shape, activation, viewed }), seed, &[]);
        }
    }

    /// The first input may be a view.
    #[derive(Debug)]
    struct Sums(Values);

    impl Sums {
        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let [a, b] = inputs.try_into().unwrap();
            [
                matrix(a, self.0.shape, self.0.viewed),
                matrix(b, self.0.shape, false),
            ]
        }
    }

    impl Probe for Sums {
        fn lengths(&self) -> Vec<usize> {
            vec![self.0.shape[0] * self.0.shape[1]; 2]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [a, b] = self.inputs(inputs);
            activate_sum(a, b, self.0.activation).flatten(0, 1)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [a, b] = self.inputs(inputs);
            self.0.activation.forward(a + b).flatten(0, 1)
        }
    }
}
