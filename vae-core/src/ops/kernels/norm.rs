//! Normalisation of rows of units.
//!
//! A *set* is so many rows that follow each other; in each set the units of a group are normalised together. Batch
//! normalisation has one set and a group for each unit, layer normalisation a set for each example and one group.

use super::{
    elementwise::{activation, activation_slope, add_rows},
    math::fma,
    vectorised,
};
use crate::ops::Activation;

/// Values that are worked on before they leave the nearest cache.
const BLOCK: usize = 4096;

vectorised! {
    /// Adds the squared distances of the rows from `mean` to `sums`.
    fn add_squares<const FMA: bool>(rows: &[f32], mean: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for ((sum, &x), &mean) in sums.iter_mut().zip(row).zip(mean) {
                *sum = fma::<FMA>(x - mean, x - mean, *sum);
            }
        }
    }
}

/// Mean and sum of squared distances from it, of each unit of some rows.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Spread {
    rows: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Spread {
    /// Of rows of so many units.
    pub fn of(x: &[f32], units: usize) -> Self {
        let mut all = Self {
            rows: 0.0,
            mean: vec![0.0; units],
            squares: vec![0.0; units],
        };
        let mut mean = vec![0.0; units];
        let mut squares = vec![0.0; units];
        for block in x.chunks(block(units)) {
            let rows = (block.len() / units) as f32;
            mean.fill(0.0);
            add_rows(block, &mut mean);
            mean.iter_mut().for_each(|mean| *mean /= rows);
            squares.fill(0.0);
            add_squares(block, &mean, &mut squares);
            all.add(f64::from(rows), &mean, &squares);
        }
        all
    }

    /// Takes other rows in (Chan 1979, equation 2.1).
    fn add<V: Copy + Into<f64>>(&mut self, rows: f64, mean: &[V], squares: &[V]) {
        let all = self.rows + rows;
        let (share, weight) = (rows / all, self.rows * rows / all);
        let theirs = mean.iter().zip(squares);
        let ours = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), (&other, &others)) in ours.zip(theirs) {
            let apart = other.into() - *mean;
            *mean += share * apart;
            *squares += others.into() + weight * apart * apart;
        }
        self.rows = all;
    }

    /// Of all rows of several.
    pub fn together(parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut all = parts.next().expect("at least one part");
        for part in parts {
            all.add(part.rows, &part.mean, &part.squares);
        }
        all
    }

    /// Mean and variance of each group of units that follow each other.
    pub fn moments(&self, groups: usize, mut moment: impl FnMut(usize, f32, f32)) {
        let width = self.mean.len() / groups;
        let units = self.mean.chunks(width).zip(self.squares.chunks(width));
        for (group, (means, squares)) in units.enumerate() {
            let mean = means.iter().sum::<f64>() / width as f64;
            let apart: f64 = means.iter().map(|unit| (unit - mean).powi(2)).sum();
            let squares = squares.iter().sum::<f64>() + self.rows * apart;
            moment(
                group,
                mean as f32,
                (squares / (self.rows * width as f64)) as f32,
            );
        }
    }
}

/// Length of a block of whole rows.
fn block(units: usize) -> usize {
    (BLOCK / units).max(1) * units
}

/// What each unit of a set is normalised with.
pub(in crate::ops) struct Units<'a> {
    mean: Vec<f32>,
    /// One over the standard deviation.
    precision: Vec<f32>,
    scale: &'a [f32],
    shift: &'a [f32],
    activation: Activation,
    groups: usize,
}

impl<'a> Units<'a> {
    /// Room for the moments of a set.
    pub fn new(scale: &'a [f32], shift: &'a [f32], groups: usize, activation: Activation) -> Self {
        Self {
            mean: vec![0.0; scale.len()],
            precision: vec![0.0; scale.len()],
            scale,
            shift,
            activation,
            groups,
        }
    }

    /// Takes the mean and the variance of each group.
    pub fn set(&mut self, mean: &[f32], variance: &[f32], epsilon: f32) {
        let width = self.scale.len() / self.groups;
        let units = self
            .mean
            .chunks_mut(width)
            .zip(self.precision.chunks_mut(width));
        for ((means, precisions), (&mean, &variance)) in units.zip(mean.iter().zip(variance)) {
            means.fill(mean);
            precisions.fill(1.0 / (variance + epsilon).sqrt());
        }
    }

    /// `activation(scale (x - mean) / deviation + shift)`
    pub fn forward(&self, x: &[f32], out: &mut [f32]) {
        let length = block(self.scale.len());
        for (x, out) in x.chunks(length).zip(out.chunks_mut(length)) {
            self.affine(x, out);
            activation(out, self.activation);
        }
    }

    /// What the activation is applied to.
    fn affine(&self, x: &[f32], out: &mut [f32]) {
        affine(out, x, &self.mean, &self.precision, self.scale, self.shift);
    }

    /// Turns the gradient after the activation into the one before it; adds it, and its products with what was
    /// normalised, to the sums of the units.
    pub fn slopes(&self, gradient: &mut [f32], x: &[f32], sums: &mut Sums) {
        let units = self.scale.len();
        let length = block(units);
        let mut before = match self.activation {
            Activation::Identity => Vec::new(),
            _ => vec![0.0; length.min(x.len())],
        };
        let (mut of_shift, mut of_scale) = (vec![0.0; units], vec![0.0; units]);
        for (x, gradient) in x.chunks(length).zip(gradient.chunks_mut(length)) {
            if self.activation != Activation::Identity {
                let before = &mut before[..x.len()];
                self.affine(x, before);
                activation_slope(gradient, before, self.activation);
            }
            of_shift.fill(0.0);
            of_scale.fill(0.0);
            let sums_of_block = (&mut of_shift[..], &mut of_scale[..]);
            add_gradients(gradient, x, &self.mean, &self.precision, sums_of_block);
            sums.add(&of_shift, &of_scale);
        }
    }

    /// Turns the gradient before the activation into that of the input, if the moments are those of the input:
    /// `sums` are those of all `rows` of the set.
    pub fn input_gradient(&self, gradient: &mut [f32], x: &[f32], sums: &Sums, rows: usize) {
        let units = self.scale.len();
        let (width, mut constant, mut linear) =
            (units / self.groups, vec![0.0; units], vec![0.0; units]);
        let count = (width * rows) as f64;
        for group in 0..self.groups {
            let range = group * width..(group + 1) * width;
            let mean = |sums: &[f64]| {
                let scaled = sums[range.clone()].iter().zip(&self.scale[range.clone()]);
                scaled
                    .map(|(sum, &scale)| sum * f64::from(scale))
                    .sum::<f64>()
                    / count
            };
            let precision = f64::from(self.precision[range.start]);
            let (of_shift, of_scale) = (mean(&sums.of_shift), mean(&sums.of_scale));
            constant[range.clone()].fill((precision * of_shift) as f32);
            linear[range.clone()].fill((precision * precision * of_scale) as f32);
        }
        let factors = self.factors();
        let length = block(units);
        for (x, gradient) in x.chunks(length).zip(gradient.chunks_mut(length)) {
            through_moments(gradient, x, &self.mean, &factors, &constant, &linear);
        }
    }

    /// Turns the gradient before the activation into that of the input, if the moments are given.
    pub fn given_gradient(&self, gradient: &mut [f32]) {
        scale_rows(gradient, &self.factors());
    }

    fn factors(&self) -> Vec<f32> {
        let factors = self.scale.iter().zip(&self.precision);
        factors
            .map(|(scale, precision)| scale * precision)
            .collect()
    }
}

/// The gradients of shift and scale of each unit.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Sums {
    of_shift: Vec<f64>,
    of_scale: Vec<f64>,
}

impl Sums {
    /// Zeros.
    pub fn new(units: usize) -> Self {
        Self {
            of_shift: vec![0.0; units],
            of_scale: vec![0.0; units],
        }
    }

    fn add<V: Copy + Into<f64>>(&mut self, of_shift: &[V], of_scale: &[V]) {
        let add = |sums: &mut [f64], values: &[V]| {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += value.into();
            }
        };
        add(&mut self.of_shift, of_shift);
        add(&mut self.of_scale, of_scale);
    }

    /// Adds others.
    pub fn take(&mut self, other: &Self) {
        self.add(&other.of_shift, &other.of_scale);
    }

    /// Back to zeros.
    pub fn clear(&mut self) {
        self.of_shift.fill(0.0);
        self.of_scale.fill(0.0);
    }

    /// The gradients of scale and shift.
    pub fn gradients(&self) -> [Vec<f32>; 2] {
        [&self.of_scale, &self.of_shift].map(|sums| sums.iter().map(|&sum| sum as f32).collect())
    }
}

vectorised! {
    /// `scale ((x - mean) precision) + shift` of each row.
    fn affine<const FMA: bool>(
        out: &mut [f32],
        x: &[f32],
        mean: &[f32],
        precision: &[f32],
        scale: &[f32],
        shift: &[f32],
    ) {
        let units = mean.len();
        let rows = out.chunks_exact_mut(units).zip(x.chunks_exact(units));
        for (out, x) in rows {
            let unit = mean.iter().zip(precision).zip(scale.iter().zip(shift));
            for ((out, &x), ((&mean, &precision), (&scale, &shift))) in out.iter_mut().zip(x).zip(unit) {
                *out = fma::<FMA>((x - mean) * precision, scale, shift);
            }
        }
    }
}

vectorised! {
    /// Adds the rows of the gradient to the first sums, and `gradient (x - mean) precision` to the second.
    fn add_gradients<const FMA: bool>(
        gradient: &[f32],
        x: &[f32],
        mean: &[f32],
        precision: &[f32],
        sums: (&mut [f32], &mut [f32]),
    ) {
        let units = mean.len();
        let (of_shift, of_scale) = sums;
        for (gradient, x) in gradient.chunks_exact(units).zip(x.chunks_exact(units)) {
            let unit = mean.iter().zip(precision);
            let sums = of_shift.iter_mut().zip(of_scale.iter_mut());
            for (((of_shift, of_scale), (&mean, &precision)), (&g, &x)) in
                sums.zip(unit).zip(gradient.iter().zip(x))
            {
                *of_shift += g;
                *of_scale = fma::<FMA>(g, (x - mean) * precision, *of_scale);
            }
        }
    }
}

vectorised! {
    /// `factor gradient - constant - linear (x - mean)` in each row.
    fn through_moments<const FMA: bool>(
        gradient: &mut [f32],
        x: &[f32],
        mean: &[f32],
        factor: &[f32],
        constant: &[f32],
        linear: &[f32],
    ) {
        let units = mean.len();
        for (gradient, x) in gradient.chunks_exact_mut(units).zip(x.chunks_exact(units)) {
            let unit = mean.iter().zip(factor).zip(constant.iter().zip(linear));
            for ((g, &x), ((&mean, &factor), (&constant, &linear))) in
                gradient.iter_mut().zip(x).zip(unit)
            {
                *g = fma::<FMA>(factor, *g, -constant) - linear * (x - mean);
            }
        }
    }
}

vectorised! {
    /// Multiplies each row with `factors`.
    fn scale_rows<const FMA: bool>(rows: &mut [f32], factors: &[f32]) {
        for row in rows.chunks_exact_mut(factors.len()) {
            for (value, &factor) in row.iter_mut().zip(factors) {
                *value *= factor;
            }
        }
    }
}
