//! Each operation beside its reference: forward, and backward to every input.
//!
//! `cargo bench -p vae-core`, or with a part of a name: `cargo bench -p vae-core -- conv`.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use divan::Bencher;
use vae_core::{
    nets::Activation,
    ops::{self, AdamStep, MomentumStep, Normalise, Over, RmsPropStep, Statistics, Window},
};
use vae_data::{fill_normal, random::Stream, rng};

type Ad = Autodiff<Flex>;

const BATCH: usize = 128;
const FEATURES: usize = 784;
const HIDDEN: usize = 512;

fn main() {
    divan::main();
}

/// Which operations run.
#[derive(Debug, Clone, Copy)]
enum Ops {
    Kernels,
    Reference,
}

const BOTH: [Ops; 2] = [Ops::Kernels, Ops::Reference];

impl Ops {
    fn choose(self) {
        match self {
            Self::Kernels => ops::use_kernels(),
            Self::Reference => ops::use_reference(),
        }
    }
}

/// Standard normal values.
fn normal<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    let mut values = vec![0.0; shape.iter().product()];
    fill_normal(&mut rng(1, Stream::Sample, 0), &mut values);
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// A leaf whose gradient is wanted.
fn leaf<const D: usize>(shape: [usize; D]) -> Tensor<Ad, D> {
    normal::<Ad, D>(shape).require_grad()
}

/// Times `op` and the backward pass of its sum.
fn both_passes<const D: usize>(bencher: Bencher<'_, '_>, ops: Ops, op: impl Fn() -> Tensor<Ad, D>) {
    ops.choose();
    bencher.bench_local(|| op().sum().backward());
}

#[divan::bench(args = BOTH)]
fn dense_relu(bencher: Bencher<'_, '_>, ops: Ops) {
    let (x, weight) = (normal::<Ad, 2>([BATCH, FEATURES]), leaf([FEATURES, HIDDEN]));
    let bias = leaf([HIDDEN]);
    both_passes(bencher, ops, || {
        ops::dense(x.clone(), weight.clone(), bias.clone(), Activation::Relu)
    });
}

#[divan::bench(args = BOTH)]
fn conv_relu(bencher: Bencher<'_, '_>, ops: Ops) {
    let (x, weight, bias) = (leaf([64, 32, 14, 14]), leaf([64, 32, 4, 4]), leaf([64]));
    both_passes(bencher, ops, || {
        let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
        ops::conv2d(x, weight, bias, HALVE, Activation::Relu)
    });
}

#[divan::bench(args = BOTH)]
fn conv_transpose_relu(bencher: Bencher<'_, '_>, ops: Ops) {
    let (x, weight, bias) = (leaf([64, 64, 7, 7]), leaf([64, 32, 4, 4]), leaf([32]));
    both_passes(bencher, ops, || {
        let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
        ops::conv_transpose2d(x, weight, bias, HALVE, [14, 14], Activation::Relu)
    });
}

const HALVE: Window = Window {
    kernel: 4,
    stride: 2,
    padding: 1,
};

/// `conv_relu` with many channels and few pixels.
#[divan::bench(args = BOTH)]
fn conv_wide(bencher: Bencher<'_, '_>, ops: Ops) {
    let (x, weight) = (leaf([64, 256, 4, 4]), leaf([512, 256, 4, 4]));
    let bias = leaf([512]);
    both_passes(bencher, ops, || {
        let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
        ops::conv2d(x, weight, bias, HALVE, Activation::Relu)
    });
}

#[divan::bench(args = BOTH)]
fn batch_norm(bencher: Bencher<'_, '_>, ops: Ops) {
    normalise(bencher, ops, [64 * 14 * 14, 32], 1, 32);
}

#[divan::bench(args = BOTH)]
fn layer_norm(bencher: Bencher<'_, '_>, ops: Ops) {
    normalise(bencher, ops, [BATCH, HIDDEN], BATCH, 1);
}

fn normalise(
    bencher: Bencher<'_, '_>,
    ops: Ops,
    [rows, units]: [usize; 2],
    sets: usize,
    groups: usize,
) {
    let (x, scale, shift) = (leaf([rows, units]), leaf([units]), leaf([units]));
    let over = Over { sets, groups };
    let op = Normalise {
        over,
        statistics: Statistics::OfInput,
        epsilon: 1e-5,
        activation: Activation::Relu,
    };
    both_passes(bencher, ops, || {
        let moments = ops::moments(x.clone(), over);
        op.forward(x.clone(), moments, scale.clone(), shift.clone())
    });
}

#[divan::bench(args = BOTH)]
fn dropout(bencher: Bencher<'_, '_>, ops: Ops) {
    let x = leaf([BATCH, HIDDEN]);
    let generator = rng(1, Stream::Dropout, 0);
    both_passes(bencher, ops, || {
        ops::dropout(x.clone(), 0.1, generator.clone())
    });
}

#[divan::bench(args = BOTH)]
fn keep_largest(bencher: Bencher<'_, '_>, ops: Ops) {
    let x = leaf([BATCH, HIDDEN]);
    both_passes(bencher, ops, || ops::keep_largest(x.clone(), 5));
}

/// The squared norm of 20 rows of a Jacobian for each example.
#[divan::bench(args = BOTH)]
fn jacobian(bencher: Bencher<'_, '_>, ops: Ops) {
    let (slope, hidden) = (leaf([BATCH, 20]), leaf([BATCH, 256]));
    let (weight, first) = (leaf([256, 20]), leaf([FEATURES, 256]));
    both_passes(bencher, ops, || {
        let rows = ops::jacobian_rows(slope.clone(), weight.clone(), hidden.clone());
        let rows = ops::scale_rows(rows, hidden.clone());
        ops::row_forms(rows, ops::gram(first.clone()))
    });
}

#[divan::bench(args = BOTH)]
fn resize(bencher: Bencher<'_, '_>, ops: Ops) {
    let x = leaf([64, 32, 7, 7]);
    both_passes(bencher, ops, || ops::resize(x.clone(), [14, 14]));
}

#[divan::bench(args = BOTH)]
fn gelu(bencher: Bencher<'_, '_>, ops: Ops) {
    let x = leaf([BATCH, HIDDEN]);
    both_passes(bencher, ops, || ops::activate(x.clone(), Activation::Gelu));
}

#[divan::bench(args = BOTH)]
fn bernoulli_nll(bencher: Bencher<'_, '_>, ops: Ops) {
    let (logits, target) = (leaf([BATCH, FEATURES]), normal([BATCH, FEATURES]));
    both_passes(bencher, ops, || {
        ops::bernoulli_nll(logits.clone(), target.clone())
    });
}

#[divan::bench(args = BOTH)]
fn continuous_bernoulli_nll(bencher: Bencher<'_, '_>, ops: Ops) {
    let (logits, target) = (leaf([BATCH, FEATURES]), normal([BATCH, FEATURES]));
    both_passes(bencher, ops, || {
        ops::continuous_bernoulli_nll(logits.clone(), target.clone())
    });
}

#[divan::bench(args = BOTH)]
fn squared_error(bencher: Bencher<'_, '_>, ops: Ops) {
    let (mean, target) = (leaf([BATCH, FEATURES]), normal([BATCH, FEATURES]));
    both_passes(bencher, ops, || {
        ops::squared_error(mean.clone(), target.clone())
    });
}

#[divan::bench(args = BOTH)]
fn gaussian_nll(bencher: Bencher<'_, '_>, ops: Ops) {
    let (parameters, target) = (leaf([BATCH, 2 * FEATURES]), normal([BATCH, FEATURES]));
    both_passes(bencher, ops, || {
        ops::gaussian_nll(parameters.clone(), target.clone(), -6.0)
    });
}

#[divan::bench(args = BOTH)]
fn reparameterise(bencher: Bencher<'_, '_>, ops: Ops) {
    let (parameters, noise) = (leaf([BATCH, 2 * HIDDEN]), normal([BATCH, HIDDEN]));
    both_passes(bencher, ops, || {
        ops::reparameterise(parameters.clone(), noise.clone())
    });
}

#[divan::bench(args = BOTH)]
fn gaussian_kl(bencher: Bencher<'_, '_>, ops: Ops) {
    let parameters = leaf([BATCH, 2 * HIDDEN]);
    both_passes(bencher, ops, || ops::gaussian_kl(parameters.clone()));
}

#[divan::bench(args = BOTH)]
fn momentum(bencher: Bencher<'_, '_>, ops: Ops) {
    ops.choose();
    let shape = [FEATURES, HIDDEN];
    let gradient = normal::<Flex, 2>(shape);
    let step = MomentumStep {
        lr: 1e-3,
        momentum: 0.9,
        decay: 0.0,
        time: 10,
    };
    let mut state = Some([normal(shape), normal::<Flex, 2>(shape)]);
    bencher.bench_local(|| {
        let moved = state.take();
        state = moved.map(|state| ops::momentum(state, gradient.clone(), &step));
    });
}

#[divan::bench(args = BOTH)]
fn rms_prop(bencher: Bencher<'_, '_>, ops: Ops) {
    ops.choose();
    let shape = [FEATURES, HIDDEN];
    let gradient = normal::<Flex, 2>(shape);
    let step = RmsPropStep {
        lr: 1e-3,
        rho: 0.99,
        epsilon: 1e-8,
        time: 10,
    };
    let mut state = Some([normal(shape), normal::<Flex, 2>(shape).abs()]);
    bencher.bench_local(|| {
        let moved = state.take();
        state = moved.map(|state| ops::rms_prop(state, gradient.clone(), &step));
    });
}

#[divan::bench(args = BOTH)]
fn adam(bencher: Bencher<'_, '_>, ops: Ops) {
    ops.choose();
    let shape = [FEATURES, HIDDEN];
    let gradient = normal::<Flex, 2>(shape);
    let step = AdamStep {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        decay: 0.0,
        decoupled_decay: 0.0,
        time: 10,
    };
    let mut state = Some([normal(shape), normal(shape), normal::<Flex, 2>(shape).abs()]);
    bencher.bench_local(|| {
        let moved = state
            .take()
            .map(|state| ops::adam(state, gradient.clone(), &step));
        state = moved;
    });
}
