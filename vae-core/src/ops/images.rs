//! Rows of values as images for convolutions, and back.

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::threads,
};

/// Each row of a matrix as an image, with the channels where [`conv2d`](super::conv2d) has them.
///
/// # Shapes
/// - `x`: `[batch, channels * height * width]`
/// - output: `[batch, channels, height, width]`
pub fn images<B: Backend>(x: Tensor<B, 2>, [channels, height, width]: [usize; 3]) -> Tensor<B, 4> {
    let batch = x.dims()[0];
    if channels > 1 && height * width > 1 {
        let rows = x.clone().reshape([batch, channels, height * width]);
        if let Some(pixels) = apply::<B, 3, 1>(&Swap, [primitive(&rows)]) {
            let pixels = pixels.reshape([batch, height, width, channels]);
            return pixels.permute([0, 3, 1, 2]);
        }
    }
    x.reshape([batch, channels, height, width])
}

/// The inverse of [`images`].
pub fn rows<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [batch, channels, height, width] = x.dims();
    if channels > 1 && height * width > 1 {
        let pixels = x.clone().permute([0, 2, 3, 1]);
        let pixels = pixels.reshape([batch, height * width, channels]);
        if let Some(rows) = apply::<B, 3, 1>(&Swap, [primitive(&pixels)]) {
            return rows.flatten(1, 2);
        }
    }
    x.flatten(1, 3)
}

/// Swaps the last two of three dimensions.
#[derive(Debug, Clone)]
struct Swap;

impl Fused<1> for Swap {
    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let [batch, rows, columns] = [x.shape[0], x.shape[1], x.shape[2]];
        (
            swap(x.values, rows, columns),
            Shape::new([batch, columns, rows]),
        )
    }

    fn backward(
        &self,
        [x]: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        [Some(swap(gradient, x.shape[2], x.shape[1]))]
    }
}

/// The transposes of matrices that follow each other.
fn swap(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let size = rows * columns;
    let mut swapped = vec![0.0; values.len()];
    threads::rows(&mut swapped, size, size, |first, part| {
        let matrices = values[first * size..].chunks_exact(size);
        for (swapped, matrix) in part.chunks_exact_mut(size).zip(matrices) {
            for (column, out) in swapped.chunks_exact_mut(rows).enumerate() {
                let from = matrix[column..].iter().step_by(columns);
                for (out, &value) in out.iter_mut().zip(from) {
                    *out = value;
                }
            }
        }
    });
    swapped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same};

    /// To images, or back.
    #[derive(Debug)]
    struct Way {
        batch: usize,
        shape: [usize; 3],
        back: bool,
    }

    impl Way {
        fn walk<B: Backend>(
            &self,
            inputs: Vec<Tensor<B, 1>>,
            there: impl FnOnce(Tensor<B, 2>) -> Tensor<B, 4>,
            back: impl FnOnce(Tensor<B, 4>) -> Tensor<B, 2>,
        ) -> Tensor<B, 1> {
            let [x] = inputs.try_into().unwrap();
            let [channels, height, width] = self.shape;
            let weights = Tensor::arange(0..x.dims()[0] as i64, &x.device()).float();
            if self.back {
                let x = x.reshape([self.batch, channels, height, width]);
                back(x).flatten(0, 1) * weights
            } else {
                let x = x.reshape([self.batch, channels * height * width]);
                there(x).reshape([-1]) * weights
            }
        }
    }

    impl Probe for Way {
        fn lengths(&self) -> Vec<usize> {
            vec![self.batch * self.shape.iter().product::<usize>()]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            self.walk(inputs, |x| images(x, self.shape), rows)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [channels, height, width] = self.shape;
            self.walk(
                inputs,
                |x| x.reshape([self.batch, channels, height, width]),
                |x| x.flatten(1, 3),
            )
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            batch in 1..5_usize,
            shape in [1..20_usize, 1..9, 1..9],
            back: bool,
            seed: u64,
        ) {
            assert_same(&Way { batch, shape, back }, seed, &[]);
        }
    }
}
