//! Convolutions of images, strided and transposed, as matrix products.
//!
//! A strided convolution reads a *fine* image and writes a *coarse* one; its adjoint, the transposed
//! convolution, goes the other way. Both, and the gradient of their common weight, are three
//! products, one image at a time.
//!
//! A stride of `s` is taken out first: the fine image, with its padding, is cut into *blocks* of
//! `s x s` pixels, each of which counts as one pixel of `s s channels` values. Over blocks, the
//! convolution has the stride 1 and `t x t` taps, where `t` is the kernel's size over `s`, rounded
//! up. The `t` taps of a row lie side by side in memory, so that a matrix whose rows overlap stands
//! for them, and nothing is copied `t t` times, as it is in the usual way of unfolding an image.
//! Between the rows of an image such a matrix has `t - 1` rows too many, which are left out
//! afterwards, or meet zeros.
//!
//! Images are `[height, width, channels]`. The weight is `[coarse channels, fine channels, kernel,
//! kernel]`, for the strided and for the transposed convolution.

mod unfolded;

use std::ops::Range;

use super::{
    elementwise::bias_and_activation,
    matrix::{Matrix, add_product, product},
    threads,
};
use crate::ops::{Activation, Window};

/// Size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) struct Image {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Image {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.height * self.row()
    }

    /// Number of values in a row of pixels.
    pub fn row(&self) -> usize {
        self.width * self.channels
    }
}

/// One of the two images of a convolution.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) enum End {
    Fine,
    Coarse,
}

/// Values of a row of the fine image that lie side by side in a row of blocks too.
#[derive(Debug)]
struct Run {
    fine: Range<usize>,
    block: usize,
}

/// The sizes of a convolution.
#[derive(Debug)]
pub(in crate::ops) struct Plan {
    window: Window,
    fine: Image,
    coarse: Image,
    /// The fine image as blocks.
    blocks: Image,
    /// Taps of the kernel over blocks, in each direction.
    taps: usize,
    runs: Vec<Run>,
}

impl Plan {
    /// A convolution between images of these sizes.
    pub fn new(window: Window, fine: Image, coarse: Image) -> Self {
        for (fine, coarse) in [(fine.height, coarse.height), (fine.width, coarse.width)] {
            assert_eq!(window.coarse(fine), Some(coarse), "{window:?} over {fine}");
        }
        let Window {
            kernel,
            stride,
            padding,
        } = window;
        let taps = kernel.div_ceil(stride);
        let blocks = Image {
            height: coarse.height + taps - 1,
            width: coarse.width + taps - 1,
            channels: stride * stride * fine.channels,
        };
        let mut runs = Vec::new();
        let mut x = 0;
        // What lies beyond the last block is in no place of the kernel.
        while x < fine.width && (x + padding) / stride < blocks.width {
            let (block, within) = ((x + padding) / stride, (x + padding) % stride);
            let end = fine.width.min(x + stride - within);
            runs.push(Run {
                fine: x * fine.channels..end * fine.channels,
                block: block * blocks.channels + within * fine.channels,
            });
            x = end;
        }
        Self {
            window,
            fine,
            coarse,
            blocks,
            taps,
            runs,
        }
    }

    /// The size of one of the images.
    pub fn image(&self, end: End) -> Image {
        match end {
            End::Fine => self.fine,
            End::Coarse => self.coarse,
        }
    }

    /// The weight as [`Buffers::compute`] wants it for this image.
    pub fn weight_to(&self, end: End, weight: &[f32]) -> Vec<f32> {
        match end {
            End::Fine => self.weight_up(weight),
            End::Coarse => self.weight_down(weight),
        }
    }

    /// Multiplications of one of the three products, for one image.
    pub fn cost(&self) -> usize {
        self.places() * self.taps * self.taps * self.blocks.channels * self.coarse.channels
    }

    /// Places of the kernel over blocks, with those between the rows.
    fn places(&self) -> usize {
        (self.coarse.height - 1) * self.blocks.width + self.coarse.width
    }

    /// Values of the taps of a row.
    fn tap_row(&self) -> usize {
        self.taps * self.blocks.channels
    }

    /// For each row of the fine image, itself and where the row of blocks begins that holds it.
    fn rows(&self) -> impl Iterator<Item = (Range<usize>, usize)> {
        let Window {
            stride, padding, ..
        } = self.window;
        let rows = (0..self.fine.height).map(move |y| {
            let (block, within) = ((y + padding) / stride, (y + padding) % stride);
            let start = block * self.blocks.row() + within * stride * self.fine.channels;
            (block, y * self.fine.row()..(y + 1) * self.fine.row(), start)
        });
        rows.take_while(|&(block, ..)| block < self.blocks.height)
            .map(|(_, row, start)| (row, start))
    }

    /// The element of the weight under a value of a block, for each of the taps; none where the
    /// kernel's size is no multiple of the stride.
    fn weight_at(&self, tap_y: usize, tap_x: usize, value: usize) -> Option<usize> {
        let Window { kernel, stride, .. } = self.window;
        let (pixel, channel) = (value / self.fine.channels, value % self.fine.channels);
        let y = tap_y * stride + pixel / stride;
        let x = tap_x * stride + pixel % stride;
        (y < kernel && x < kernel).then(|| (channel * kernel + y) * kernel + x)
    }

    /// Number of values of a packed weight.
    pub fn packed_weight(&self) -> usize {
        self.taps * self.tap_row() * self.coarse.channels
    }

    /// Length of a coarse channel's part of the weight.
    fn weight_row(&self) -> usize {
        self.fine.channels * self.window.kernel * self.window.kernel
    }

    /// The weight as [`Buffers::down`] wants it: `[tap y, tap x, value of a block, coarse channel]`.
    fn weight_down(&self, weight: &[f32]) -> Vec<f32> {
        let channels = self.coarse.channels;
        let mut packed = vec![0.0; self.packed_weight()];
        threads::rows(&mut packed, channels, channels, |first, rows| {
            for (row, packed) in (first..).zip(rows.chunks_exact_mut(channels)) {
                let (taps, value) = (row / self.blocks.channels, row % self.blocks.channels);
                let at = self.weight_at(taps / self.taps, taps % self.taps, value);
                if let Some(at) = at {
                    let column = weight[at..].iter().step_by(self.weight_row());
                    for (packed, &weight) in packed.iter_mut().zip(column) {
                        *packed = weight;
                    }
                }
            }
        });
        packed
    }

    /// The inverse of [`Plan::weight_down`], for a gradient.
    pub fn weight_from_down(&self, packed: &[f32]) -> Vec<f32> {
        let row = self.weight_row();
        let mut weight = vec![0.0; self.coarse.channels * row];
        threads::rows(&mut weight, row, row, |first, rows| {
            for (channel, weight) in (first..).zip(rows.chunks_exact_mut(row)) {
                let packed = packed[channel..].iter().step_by(self.coarse.channels);
                for (i, &packed) in packed.enumerate() {
                    let (taps, value) = (i / self.blocks.channels, i % self.blocks.channels);
                    let at = self.weight_at(taps / self.taps, taps % self.taps, value);
                    if let Some(at) = at {
                        weight[at] = packed;
                    }
                }
            }
        });
        weight
    }

    /// The weight as [`Buffers::up`] wants it: `[tap y, tap x from the last to the first, coarse
    /// channel, value of a block]`.
    fn weight_up(&self, weight: &[f32]) -> Vec<f32> {
        let (taps, channels) = (self.taps, self.coarse.channels);
        let width = self.blocks.channels;
        let mut packed = vec![0.0; self.packed_weight()];
        threads::rows(&mut packed, width, width, |first, rows| {
            for (row, packed) in (first..).zip(rows.chunks_exact_mut(width)) {
                let (tap, channel) = (row / channels, row % channels);
                let (tap_y, tap_x) = (tap / taps, taps - 1 - tap % taps);
                let weight = &weight[channel * self.weight_row()..];
                for (value, packed) in packed.iter_mut().enumerate() {
                    if let Some(at) = self.weight_at(tap_y, tap_x, value) {
                        *packed = weight[at];
                    }
                }
            }
        });
        packed
    }
}

/// What one thread needs for one image at a time.
pub(in crate::ops) struct Buffers<'a> {
    plan: &'a Plan,
    /// The fine image as blocks; its padding stays zero.
    blocks: Vec<f32>,
    /// The coarse image, in rows as wide as those of the blocks, after `margin` zeros.
    wide: Vec<f32>,
    margin: usize,
    /// A product before the places between the rows are left out.
    product: Vec<f32>,
}

impl<'a> Buffers<'a> {
    /// Room for an image.
    pub fn new(plan: &'a Plan) -> Self {
        let margin = (plan.taps - 1) * (plan.blocks.width + 1) * plan.coarse.channels;
        let pixels = plan.blocks.height * plan.blocks.width;
        Self {
            plan,
            blocks: vec![0.0; plan.blocks.len()],
            wide: vec![0.0; margin + pixels * plan.coarse.channels],
            margin,
            product: vec![0.0; plan.blocks.len().max(plan.places() * plan.coarse.channels)],
        }
    }

    /// Takes one of the images, for [`Buffers::compute`] of the other and for
    /// [`Buffers::weight_gradient`].
    pub fn set(&mut self, end: End, image: &[f32]) {
        match end {
            End::Fine => self.set_fine(image),
            End::Coarse => self.set_coarse(image),
        }
    }

    /// Computes one of the images from the other, with a bias that is repeated for each pixel of a
    /// row.
    pub fn compute(
        &mut self,
        end: End,
        weight: &[f32],
        bias: &[f32],
        activation: Activation,
        out: &mut [f32],
    ) {
        match end {
            End::Fine => self.up(weight, bias, activation, out),
            End::Coarse => self.down(weight, bias, activation, out),
        }
    }

    /// Takes a fine image, for [`Buffers::down`] and [`Buffers::weight_gradient`].
    fn set_fine(&mut self, fine: &[f32]) {
        for (row, start) in self.plan.rows() {
            let (row, blocks) = (&fine[row], &mut self.blocks[start..]);
            for run in &self.plan.runs {
                let values = &row[run.fine.clone()];
                blocks[run.block..run.block + values.len()].copy_from_slice(values);
            }
        }
    }

    /// Takes a coarse image, for [`Buffers::up`] and [`Buffers::weight_gradient`].
    fn set_coarse(&mut self, coarse: &[f32]) {
        let wide = self.plan.blocks.width * self.plan.coarse.channels;
        let rows = coarse.chunks_exact(self.plan.coarse.row());
        for (row, place) in rows.zip(self.wide[self.margin..].chunks_mut(wide)) {
            place[..row.len()].copy_from_slice(row);
        }
    }

    /// The strided convolution of the fine image, with a bias that is repeated for each pixel of
    /// a row.
    fn down(&mut self, weight: &[f32], bias: &[f32], activation: Activation, out: &mut [f32]) {
        let plan = self.plan;
        let (places, channels) = (plan.places(), plan.coarse.channels);
        let values = &mut self.product[..places * channels];
        let weights = weight.chunks_exact(plan.tap_row() * channels);
        for (tap, weight) in weights.enumerate() {
            let taps = Matrix::overlapping(
                &self.blocks[tap * plan.blocks.row()..],
                places,
                plan.tap_row(),
                plan.blocks.channels,
            );
            let weight = Matrix::new(weight, plan.tap_row(), channels);
            match tap {
                0 => product(values, taps, weight),
                _ => add_product(values, taps, weight),
            }
        }
        let wide = plan.blocks.width * channels;
        let rows = out.chunks_exact_mut(plan.coarse.row());
        for (out, row) in rows.zip(values.chunks(wide)) {
            out.copy_from_slice(&row[..out.len()]);
            bias_and_activation(out, bias, activation);
        }
    }

    /// The transposed convolution of the coarse image, with a bias that is repeated for each pixel
    /// of a row.
    fn up(&mut self, weight: &[f32], bias: &[f32], activation: Activation, out: &mut [f32]) {
        let plan = self.plan;
        let (taps, channels) = (plan.taps, plan.coarse.channels);
        let (pixels, width) = (plan.blocks.height * plan.blocks.width, plan.blocks.channels);
        let values = &mut self.product[..plan.blocks.len()];
        let weights = weight.chunks_exact(taps * channels * width);
        for (tap, weight) in weights.enumerate() {
            // From the last tap of a row on.
            let before = (tap * plan.blocks.width + taps - 1) * channels;
            let wide = &self.wide[self.margin - before..];
            let reached = Matrix::overlapping(wide, pixels, taps * channels, channels);
            let weight = Matrix::new(weight, taps * channels, width);
            match tap {
                0 => product(values, reached, weight),
                _ => add_product(values, reached, weight),
            }
        }
        let mut done = 0;
        for (row, start) in plan.rows() {
            done = row.end;
            let (out, blocks) = (&mut out[row], &values[start..]);
            let mut covered = 0;
            for run in &plan.runs {
                let place = &mut out[run.fine.clone()];
                place.copy_from_slice(&blocks[run.block..run.block + place.len()]);
                covered = run.fine.end;
            }
            out[covered..].fill(0.0);
            bias_and_activation(out, bias, activation);
        }
        for row in out[done..].chunks_exact_mut(plan.fine.row()) {
            row.fill(0.0);
            bias_and_activation(row, bias, activation);
        }
    }

    /// Adds the gradient of the weight to `sum`, which is laid out as by [`Plan::weight_down`]; one
    /// of the two images is that of the layer's input, the other the gradient of its output.
    pub fn weight_gradient(&self, sum: &mut [f32]) {
        let plan = self.plan;
        let (places, channels) = (plan.places(), plan.coarse.channels);
        let wide = &self.wide[self.margin..][..places * channels];
        let sums = sum.chunks_exact_mut(plan.tap_row() * channels);
        for (tap, sum) in sums.enumerate() {
            let taps = Matrix::overlapping(
                &self.blocks[tap * plan.blocks.row()..],
                places,
                plan.tap_row(),
                plan.blocks.channels,
            );
            let wide = Matrix::new(wide, places, channels);
            add_product(sum, taps.transposed(), wide);
        }
    }
}
