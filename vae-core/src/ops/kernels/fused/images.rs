//! Images: their channels first or last, and other sizes.

use std::ops::Range;

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    images::{Resize, Swap},
    kernels::{elementwise::add, threads, transpose::transpose_into},
};

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
        // SAFETY: every pixel of every image is written.
        let values = unsafe {
            threads::new_rows(x.rows() * resized, resized, resized, |first, part| {
                for (image, out) in (first..).zip(part.chunks_exact_mut(resized)) {
                    let image = &x.values[image * size..(image + 1) * size];
                    self.pixels(x, |to, from| out[to].copy_from_slice(&image[from]));
                }
            })
        };
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

impl Fused<1> for Swap {
    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        (swap(x.values, self.matrix), self.shape.clone())
    }

    fn backward(
        &self,
        _: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let [rows, columns] = self.matrix;
        [Some(swap(gradient, [columns, rows]))]
    }
}

/// The transposes of matrices that follow each other.
fn swap(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let size = rows * columns;
    // SAFETY: a transpose has as many values.
    unsafe {
        threads::new_rows(values.len(), size, size, |first, part| {
            let matrices = values[first * size..].chunks_exact(size);
            for (swapped, matrix) in part.chunks_exact_mut(size).zip(matrices) {
                transpose_into(matrix, columns, swapped);
            }
        })
    }
}
