//! Dropout.

use std::sync::OnceLock;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_data::random::{Generator, fill_uniform};

use super::{apply, primitive};

/// Each value is 0 with the probability `rate`, else `value / (1 - rate)` (Srivastava 2014). `generator` draws one
/// number for each value.
pub fn dropout<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    rate: f64,
    generator: Generator,
) -> Tensor<B, D> {
    let op = Dropout {
        rate,
        generator,
        kept: OnceLock::new(),
    };
    apply(&op, [primitive(&x)]).unwrap_or_else(|| op.reference(x))
}

/// [`dropout`] with the numbers given: the values under those below `rate` are 0.
///
/// # Shapes
/// - `numbers`: as `x`, each in `[0, 1)`
pub fn drop_below<B: Backend, const D: usize>(
    x: Tensor<B, D>,
    numbers: Tensor<B, D>,
    rate: f64,
) -> Tensor<B, D> {
    let kept = numbers.greater_equal_elem(rate).float();
    x * kept.div_scalar(1.0 - rate)
}

#[derive(Debug, Clone)]
pub(super) struct Dropout {
    pub rate: f64,
    /// Draws a number for each value.
    pub generator: Generator,
    /// Which values were kept, a bit for each, from the forward to the backward pass.
    #[cfg_attr(not(feature = "kernels"), allow(dead_code))]
    pub kept: OnceLock<Vec<u64>>,
}

impl Dropout {
    fn reference<B: Backend, const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        let shape = x.dims();
        let mut numbers = vec![0.0; shape.iter().product()];
        fill_uniform(&mut self.generator.clone(), &mut numbers);
        let numbers = Tensor::from_data(TensorData::new(numbers, shape), &x.device());
        drop_below(x, numbers, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vae_data::random::{Stream, rng};

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Layer {
        shape: [usize; 2],
        rate: f64,
        viewed: bool,
        generator: Generator,
    }

    impl Layer {
        fn run<B: Backend>(
            &self,
            inputs: Vec<Tensor<B, 1>>,
            of: impl Fn(Tensor<B, 2>) -> Tensor<B, 2>,
        ) -> Tensor<B, 1> {
            let [x] = inputs.try_into().unwrap();
            of(matrix(x, self.shape, self.viewed)).flatten(0, 1)
        }
    }

    impl Probe for Layer {
        fn lengths(&self) -> Vec<usize> {
            vec![self.shape[0] * self.shape[1]]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            self.run(inputs, |x| dropout(x, self.rate, self.generator.clone()))
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let op = Dropout {
                rate: self.rate,
                generator: self.generator.clone(),
                kept: OnceLock::new(),
            };
            self.run(inputs, |x| op.reference(x))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        /// Also with a generator that has drawn before, and on more values than one thread takes.
        #[test]
        fn matches_the_reference(
            shape in [1..200_usize, 1..200],
            rate in 0.001..0.999,
            viewed: bool,
            drawn in 0..70_u128,
            seed: u64,
        ) {
            let mut generator = rng(seed, Stream::Dropout, 3);
            generator.set_word_pos(drawn);
            let layer = Layer { shape, rate, viewed, generator };
            assert_same(&layer, seed, &[]);
            assert_same(&layer, seed, &[f32::INFINITY]);
        }
    }
}
