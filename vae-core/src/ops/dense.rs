//! A dense layer with its activation.

use std::ops::Range;

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    activate,
    fused::{Fused, View, apply, primitive},
    in_kernel,
    kernels::{
        elementwise::{bias_and_activation, slope},
        matrix::{Matrix, Place, multiply},
        threads::{self, LINE, Room, Shares, split},
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
    let [activation, after] = in_kernel(activation);
    let op = Dense {
        activation,
        transposed,
    };
    let output = apply(&op, [primitive(x), primitive(weight), primitive(bias)])?;
    Some(activate(output, after))
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
        let matrix = weight.matrix();
        if self.transposed {
            matrix.transposed()
        } else {
            matrix
        }
    }
}

/// Each thread takes some of the output units, in both passes: their weights stay in its cache.
impl Fused<3> for Dense {
    fn forward(&self, [x, weight, bias]: [View<'_>; 3]) -> (Vec<f32>, Shape) {
        let (batch, inputs, outputs) = (x.rows(), x.columns(), bias.values.len());
        let mut y = Room::new(batch * outputs);
        let values = y.shares();
        threads::each(
            &split(outputs, LINE, batch * inputs * outputs),
            |_, units| {
                let place = Place {
                    values,
                    width: outputs,
                    row: 0,
                    column: units.start,
                };
                let weight = self.weight(weight).columns(units.clone());
                // SAFETY: the units of the threads do not overlap.
                unsafe { multiply(place, x.matrix(), weight) };
                for row in 0..batch {
                    // SAFETY: as above.
                    let row = unsafe { values.part(columns(row * outputs, &units)) };
                    bias_and_activation(row, &bias.values[units.clone()], self.activation);
                }
            },
        );
        // SAFETY: every unit was written in every row.
        let y = unsafe { y.filled(batch * outputs) };
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
        let parts = split(outputs, LINE, batch * inputs * outputs);
        let mut of_bias = vec![0.0; outputs];
        let mut of_weight = want_weight.then(|| Room::new(inputs * outputs));
        // What each part of the units adds to the gradient of the input.
        let mut of_x: Vec<Room> = match want_x {
            true => parts.iter().map(|_| Room::new(batch * inputs)).collect(),
            false => Vec::new(),
        };

        let gradient = Shares::new(gradient);
        let bias_shares = Shares::new(&mut of_bias);
        let weight_shares = of_weight.as_mut().map(Room::shares);
        let x_shares: Vec<_> = of_x.iter_mut().map(Room::shares).collect();
        threads::each(&parts, |part, units| {
            // SAFETY: here and below, the units of the threads do not overlap, and each part has an
            // `of_x` of its own.
            let sums = unsafe { bias_shares.part(units.clone()) };
            for row in 0..batch {
                let columns = columns(row * outputs, &units);
                let slopes = unsafe { gradient.part(columns.clone()) };
                slope(slopes, &y.values[columns], sums, self.activation);
            }
            let slopes = unsafe { Matrix::of_shares(gradient, batch, outputs) };
            let slopes = slopes.columns(units.clone()); // [batch, units]
            if let Some(values) = weight_shares {
                let x = x.matrix();
                let (row, column) = (0, units.start);
                if self.transposed {
                    let place = Place {
                        values,
                        width: inputs,
                        row: column,
                        column: row,
                    };
                    unsafe { multiply(place, slopes.transposed(), x) };
                } else {
                    let place = Place {
                        values,
                        width: outputs,
                        row,
                        column,
                    };
                    unsafe { multiply(place, x.transposed(), slopes) };
                }
            }
            if let Some(&values) = x_shares.get(part) {
                let place = Place {
                    values,
                    width: inputs,
                    row: 0,
                    column: 0,
                };
                let weight = self.weight(weight).columns(units);
                unsafe { multiply(place, slopes, weight.transposed()) };
            }
        });
        // SAFETY: the products wrote every value, as there is a part for every unit.
        let (of_x, of_weight) = unsafe {
            let of_x = of_x.into_iter().map(|part| part.filled(batch * inputs));
            let of_weight = of_weight.map(|room| room.filled(inputs * outputs));
            (of_x.collect(), of_weight)
        };
        [
            want_x.then(|| threads::sum(of_x)),
            of_weight,
            want_bias.then_some(of_bias),
        ]
    }
}

/// A range of the columns of the row that begins at `start`.
fn columns(start: usize, range: &Range<usize>) -> Range<usize> {
    start + range.start..start + range.end
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
