//! Rows of values as images for convolutions, and back.

use burn::tensor::{
    Shape, Tensor,
    backend::Backend,
    module::interpolate,
    ops::{InterpolateMode, InterpolateOptions},
};

use super::{apply, primitive};

/// Each row of a matrix as an image, with the channels where [`conv2d`](super::conv2d) has them.
///
/// # Shapes
/// - `x`: `[batch, channels * height * width]`
/// - output: `[batch, channels, height, width]`
pub fn images<B: Backend>(x: Tensor<B, 2>, [channels, height, width]: [usize; 3]) -> Tensor<B, 4> {
    let batch = x.dims()[0];
    if channels > 1 && height * width > 1 {
        let op = Swap {
            matrix: [channels, height * width],
            shape: Shape::new([batch, height, width, channels]),
        };
        if let Some(pixels) = apply::<B, 4, 1>(&op, [primitive(&x)]) {
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
        let op = Swap {
            matrix: [height * width, channels],
            shape: Shape::new([batch, channels * height * width]),
        };
        if let Some(rows) = apply::<B, 2, 1>(&op, [primitive(&pixels)]) {
            return rows;
        }
    }
    x.flatten(1, 3)
}

/// Images of another size, `[height, width]`: each pixel is the one of `x` at its place.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, to height, to width]`
pub fn resize<B: Backend>(x: Tensor<B, 4>, to: [usize; 2]) -> Tensor<B, 4> {
    let pixels = x.clone().permute([0, 2, 3, 1]);
    let op = Resize { to };
    match apply::<B, 4, 1>(&op, [primitive(&pixels)]) {
        Some(pixels) => pixels.permute([0, 3, 1, 2]),
        None => op.reference(x),
    }
}

/// Takes and gives images as `[batch, height, width, channels]`.
#[derive(Debug, Clone)]
pub(super) struct Resize {
    /// Height and width of the output.
    pub to: [usize; 2],
}

impl Resize {
    /// From and to `[batch, channels, height, width]`.
    fn reference<B: Backend>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let nearest = InterpolateOptions::new(InterpolateMode::Nearest);
        interpolate(x, self.to, nearest)
    }
}

/// Transposes matrices that follow each other.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "kernels"), allow(dead_code))]
pub(super) struct Swap {
    /// Rows and columns of each.
    pub matrix: [usize; 2],
    /// Of the output.
    pub shape: Shape,
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

    #[derive(Debug)]
    struct Resized {
        batch: usize,
        shape: [usize; 3],
        to: [usize; 2],
    }

    impl Resized {
        fn images<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 4> {
            let [x] = inputs.try_into().unwrap();
            let [channels, height, width] = self.shape;
            x.reshape([self.batch, channels, height, width])
        }
    }

    impl Probe for Resized {
        fn lengths(&self) -> Vec<usize> {
            vec![self.batch * self.shape.iter().product::<usize>()]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            resize(self.images(inputs), self.to).flatten(0, 3)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let op = Resize { to: self.to };
            op.reference(self.images(inputs)).flatten(0, 3)
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

        #[test]
        fn resized_images_match_the_reference(
            batch in 1..5_usize,
            shape in [1..5_usize, 1..9, 1..9],
            to in [1..20_usize, 1..20],
            seed: u64,
        ) {
            assert_same(&Resized { batch, shape, to }, seed, &[]);
        }
    }
}
