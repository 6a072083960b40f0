//! Normalisation with its activation.

use burn::tensor::{Tensor, backend::Backend};

use super::{Activation, apply, primitive};

/// Which values are normalised together: the units of a group, in all rows of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Sets of equally many rows that follow each other: 1 for batch normalisation, for layer normalisation one for
    /// each example.
    pub sets: usize,
    /// Groups of equally many units that follow each other: as many as units for batch normalisation, 1 for layer
    /// normalisation.
    pub groups: usize,
}

impl Over {
    /// `[sets, rows of a set, groups, units of a group]`
    fn split<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, 4> {
        let units = x.dims()[D - 1];
        let Self { sets, groups } = self;
        let rows = x.shape().num_elements() / (sets * units);
        x.reshape([sets, rows, groups, units / groups])
    }

    /// Mean and variance in each group of each set, each `[sets, 1, groups, 1]`.
    fn moments<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> [Tensor<B, 4>; 2] {
        let x = self.split(x);
        let mean = x.clone().mean_dim(1).mean_dim(3);
        let variance = (x - mean.clone()).square().mean_dim(1).mean_dim(3);
        [mean, variance]
    }
}

/// Mean and variance in each group, without a gradient; the variance is the mean squared distance.
///
/// # Shapes
/// - `x`: `[.., units]`
/// - output: `[2, sets * groups]`, means and variances
pub fn moments<B: Backend, const D: usize>(x: Tensor<B, D>, over: Over) -> Tensor<B, 2> {
    let x = x.detach();
    let op = Moments(over);
    apply(&op, [primitive(&x)]).unwrap_or_else(|| op.reference(x))
}

/// Where the moments come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistics {
    /// They are those of the input, which gets its gradient through them too.
    OfInput,
    /// They are given.
    Given,
}

/// `activation(scale (x - mean) / sqrt(variance + epsilon) + shift)` (Ioffe & Szegedy 2015, algorithm 1; Ba 2016; Wu &
/// He 2018).
#[derive(Debug, Clone, Copy)]
pub struct Normalise {
    /// What is normalised together.
    pub over: Over,
    /// Where the moments come from.
    pub statistics: Statistics,
    /// Added to the variance.
    pub epsilon: f64,
    /// What follows.
    pub activation: Activation,
}

impl Normalise {
    /// # Shapes
    /// - `x` and output: `[.., units]`
    /// - `moments`: as [`moments`] gives them
    /// - `scale`, `shift`: `[units]`
    pub fn forward<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        moments: Tensor<B, 2>,
        scale: Tensor<B, 1>,
        shift: Tensor<B, 1>,
    ) -> Tensor<B, D> {
        let inputs = [
            primitive(&x),
            primitive(&moments),
            primitive(&scale),
            primitive(&shift),
        ];
        apply(self, inputs).unwrap_or_else(|| self.reference(x, moments, scale, shift))
    }

    fn reference<B: Backend, const D: usize>(
        &self,
        x: Tensor<B, D>,
        moments: Tensor<B, 2>,
        scale: Tensor<B, 1>,
        shift: Tensor<B, 1>,
    ) -> Tensor<B, D> {
        let shape = x.dims();
        let [mean, variance] = match self.statistics {
            Statistics::OfInput => self.over.moments(x.clone()),
            Statistics::Given => [0, 1].map(|row| {
                let moment = moments.clone().narrow(0, row, 1);
                moment.reshape([self.over.sets, 1, self.over.groups, 1])
            }),
        };
        let deviation = variance.add_scalar(self.epsilon).sqrt();
        let x = ((self.over.split(x) - mean) / deviation).reshape(shape);
        let y = x * scale.unsqueeze() + shift.unsqueeze();
        self.activation.forward(y)
    }
}

/// See [`moments`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments(pub(super) Over);

impl Moments {
    fn reference<B: Backend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, 2> {
        let count = self.0.sets * self.0.groups;
        let moments = self.0.moments(x).map(|moment| moment.reshape([1, count]));
        Tensor::cat(moments.to_vec(), 0)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same};

    #[derive(Debug)]
    struct Layer {
        over: Over,
        /// Rows of a set, units of a group.
        sizes: [usize; 2],
        statistics: Statistics,
        activation: Activation,
    }

    impl Layer {
        fn rows(&self) -> usize {
            self.over.sets * self.sizes[0]
        }

        fn units(&self) -> usize {
            self.over.groups * self.sizes[1]
        }

        /// The input, given moments, scale and shift.
        fn inputs<B: Backend>(
            &self,
            inputs: Vec<Tensor<B, 1>>,
        ) -> (Tensor<B, 3>, Tensor<B, 2>, Tensor<B, 1>, Tensor<B, 1>) {
            let [x, scale, shift] = inputs.try_into().unwrap();
            let x = x.reshape([self.over.sets, self.sizes[0], self.units()]);
            let moments = match self.statistics {
                Statistics::OfInput => moments(x.clone(), self.over),
                Statistics::Given => {
                    let count = self.over.sets * self.over.groups;
                    let values = Tensor::arange(0..2 * count as i64, &x.device()).float();
                    values.mul_scalar(0.1).add_scalar(0.2).reshape([2, count])
                }
            };
            (x, moments, scale, shift)
        }

        fn op(&self) -> Normalise {
            Normalise {
                over: self.over,
                statistics: self.statistics,
                epsilon: 1e-2,
                activation: self.activation,
            }
        }
    }

    impl Probe for Layer {
        fn lengths(&self) -> Vec<usize> {
            vec![self.rows() * self.units(), self.units(), self.units()]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let (x, moments, scale, shift) = self.inputs(inputs);
            self.op().forward(x, moments, scale, shift).flatten(0, 2)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let (x, moments, scale, shift) = self.inputs(inputs);
            self.op().reference(x, moments, scale, shift).flatten(0, 2)
        }
    }

    fn layers() -> impl Strategy<Value = Layer> {
        let over = prop_oneof![Just(1_usize), 1..9_usize];
        let statistics = prop_oneof![Just(Statistics::OfInput), Just(Statistics::Given)];
        let activation = prop::sample::select(&Activation::ALL[..]);
        (
            over,
            1..9_usize,
            [1..40_usize, 1..40],
            statistics,
            activation,
        )
            .prop_map(|(sets, groups, sizes, statistics, activation)| Layer {
                over: Over { sets, groups },
                sizes,
                statistics,
                activation,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..Default::default() })]

        #[test]
        fn matches_the_reference(layer in layers(), seed: u64) {
            assert_same(&layer, seed, &[]);
        }
    }

    /// Large enough that the threads share the work, in one set and in many.
    #[test]
    fn many_rows_match_the_reference() {
        for (sets, groups, sizes) in [(1, 96, [700, 1]), (60, 1, [16, 48]), (50, 4, [1, 200])] {
            let layer = Layer {
                over: Over { sets, groups },
                sizes,
                statistics: Statistics::OfInput,
                activation: Activation::LeakyRelu,
            };
            assert_same(&layer, 1, &[]);
        }
    }

    /// By hand: 1, 3 and 5, 9 in two sets of two rows; and all four in one group. Far from 0 no digit is lost that
    /// the values have.
    #[test]
    fn moments_by_hand() {
        for far in [0.0, 65_536.0] {
            let x = Tensor::<Flex, 2>::from_data(
                [[1.0 + far, 5.0 + far], [3.0 + far, 9.0 + far]],
                &Default::default(),
            );
            let found = |sets, groups| -> Vec<f32> {
                moments(x.clone(), Over { sets, groups })
                    .into_data()
                    .to_vec()
                    .unwrap()
            };
            assert_eq!(found(1, 2), [2.0 + far, 7.0 + far, 1.0, 4.0]);
            assert_eq!(found(2, 1), [3.0 + far, 6.0 + far, 4.0, 9.0]);
            assert_eq!(found(1, 1), [4.5 + far, 8.75]);
        }
    }
}
