//! Rows of values as images for convolutions, and back.

use std::ops::Range;

use burn::tensor::{
    Shape, Tensor,
    backend::Backend,
    module::interpolate,
    ops::{InterpolateMode, InterpolateOptions},
};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::{elementwise::add, threads},
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

/// Images of another size, `[height, width]`: each pixel is the one of `x` at its place.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, to height, to width]`
pub fn resize<B: Backend>(x: Tensor<B, 4>, to: [usize; 2]) -> Tensor<B, 4> {
    let pixels = x.clone().permute([0, 2, 3, 1]);
    match apply::<B, 4, 1>(&Resize { to }, [primitive(&pixels)]) {
        Some(pixels) => pixels.permute([0, 3, 1, 2]),
        None => interpolate(x, to, InterpolateOptions::new(InterpolateMode::Nearest)),
    }
}

/// Takes and gives images as `[batch, height, width, channels]`.
#[derive(Debug, Clone)]
struct Resize {
    to: [usize; 2],
}

impl Resize {
    /// Calls `copy(pixel of the output, pixel of the input)`, in values.
    fn pixels(&self, x: View<'_>, mut copy: impl FnMut(Range<usize>, Range<usize>)) {
        let ([height, width, channels], to) = ([x.shape[1], x.shape[2], x.shape[3]], self.to);
        let values = |pixel: usize| pixel * channels..(pixel + 1) * channels;
        for row in 0..to[0] {
            let from = row * height / to[0] * width;
            for column in 0..to[1] {
                copy(
                    values(row * to[1] + column),
                    values(from + column * width / to[1]),
                );
            }
        }
    }

    /// Numbers of values of an image before and after.
    fn sizes(&self, x: View<'_>) -> [usize; 2] {
        let channels = x.shape[3];
        [x.shape[1] * x.shape[2], self.to[0] * self.to[1]].map(|pixels| pixels * channels)
    }
}

impl Fused<1> for Resize {
    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let [size, resized] = self.sizes(x);
        let mut values = vec![0.0; x.rows() * resized];
        threads::rows(&mut values, resized, resized, |first, part| {
            for (image, out) in (first..).zip(part.chunks_exact_mut(resized)) {
                let image = &x.values[image * size..(image + 1) * size];
                self.pixels(x, |to, from| out[to].copy_from_slice(&image[from]));
            }
        });
        let shape = [x.rows(), self.to[0], self.to[1], x.shape[3]];
        (values, Shape::new(shape))
    }

    fn backward(
        &self,
        [x]: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let [size, resized] = self.sizes(x);
        let mut values = vec![0.0; x.values.len()];
        threads::rows(&mut values, size, resized, |first, part| {
            for (image, sums) in (first..).zip(part.chunks_exact_mut(size)) {
                let gradient = &gradient[image * resized..(image + 1) * resized];
                self.pixels(x, |to, from| add(&mut sums[from], &gradient[to]));
            }
        });
        [Some(values)]
    }
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
            let nearest = InterpolateOptions::new(InterpolateMode::Nearest);
            interpolate(self.images(inputs), self.to, nearest).flatten(0, 3)
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
