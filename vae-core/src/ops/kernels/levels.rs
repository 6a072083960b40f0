//! Loops over rows of eight-bit pixels: see [`crate::ops::levels`] for the formulas.

use super::{
    elementwise::total,
    gamma::{soft_limit, softplus},
    math::{exp, fma, log, sigmoid},
    vectorised,
};
use crate::ops::levels::{LEVELS, LOG_SCALE, NARROW, TOP};

/// The level of a pixel.
#[inline(always)]
fn level(x: f32) -> f32 {
    (x * TOP as f32).round_ties_even().clamp(0.0, TOP as f32)
}

/// The largest logit of each feature, and the sum of the exponentials of the differences to it.
#[inline(always)]
fn log_sums<const FMA: bool>(logits: &[f32], features: usize) -> [Vec<f32>; 2] {
    let mut largest = vec![f32::NEG_INFINITY; features];
    for logits in logits.chunks_exact(features) {
        for (largest, &logit) in largest.iter_mut().zip(logits) {
            *largest = if logit > *largest { logit } else { *largest };
        }
    }
    let mut sums = vec![0.0; features];
    for logits in logits.chunks_exact(features) {
        for ((sum, &logit), &largest) in sums.iter_mut().zip(logits).zip(&largest) {
            *sum += exp::<FMA>(logit - largest);
        }
    }
    [largest, sums]
}

vectorised! {
    /// `-log p(target)` of variables with a logit for each level, summed.
    pub(in crate::ops) fn categorical_nll<const FMA: bool>(logits: &[f32], target: &[f32]) -> f32 {
        let features = target.len();
        let [largest, sums] = log_sums::<FMA>(logits, features);
        let mut nll = 0.0;
        for (i, &x) in target.iter().enumerate() {
            let chosen = logits[level(x) as usize * features + i];
            nll += log::<FMA>(sums[i]) + (largest[i] - chosen);
        }
        nll
    }
}

vectorised! {
    /// The derivative of [`categorical_nll`] with respect to the logits, times `scale`.
    pub(in crate::ops) fn categorical_slope<const FMA: bool>(
        out: &mut [f32],
        logits: &[f32],
        target: &[f32],
        scale: f32,
    ) {
        let features = target.len();
        let [largest, sums] = log_sums::<FMA>(logits, features);
        let rows = out.chunks_exact_mut(features).zip(logits.chunks_exact(features));
        for (out, logits) in rows {
            let sums = largest.iter().zip(&sums);
            for ((out, &logit), (&largest, &sum)) in out.iter_mut().zip(logits).zip(sums) {
                *out = scale * exp::<FMA>(logit - largest) / sum;
            }
        }
        for (i, &x) in target.iter().enumerate() {
            out[level(x) as usize * features + i] -= scale;
        }
    }
}

/// `log(1 - exp(-h))`
#[inline(always)]
fn log_1m_exp<const FMA: bool>(h: f32) -> f32 {
    let square = h * h;
    let sinh = fma::<FMA>(square, 1.0 / 322_560.0, 1.0 / 1920.0);
    let sinh = fma::<FMA>(fma::<FMA>(sinh, square, 1.0 / 24.0), square, 1.0);
    let narrow = h < NARROW as f32;
    let inner = if narrow {
        sinh * h
    } else {
        1.0 - exp::<FMA>(-h)
    };
    log::<FMA>(inner) - if narrow { 0.5 * h } else { 0.0 }
}

/// `h / (exp(h) - 1)`, the slope of [`log_1m_exp`] by `log h`.
#[inline(always)]
fn log_1m_exp_slope<const FMA: bool>(h: f32) -> f32 {
    let square = h * h;
    let series = fma::<FMA>(square, 1.0 / 30_240.0, -1.0 / 720.0);
    let series = fma::<FMA>(
        fma::<FMA>(series, square, 1.0 / 12.0),
        square,
        1.0 - 0.5 * h,
    );
    let small = exp::<FMA>(-h);
    let exact = h * small / (1.0 - small);
    if h < NARROW as f32 { series } else { exact }
}

vectorised! {
    /// `-log p(target)` of rounded logistic variables, summed.
    pub(in crate::ops) fn logistic_nll<const FMA: bool>(parameters: &[f32], target: &[f32]) -> f32 {
        let (means, log_scales) = parameters.split_at(target.len());
        let mut nll = vec![0.0; target.len()];
        let variables = means.iter().zip(log_scales).zip(target);
        for (nll, ((&mean, &log_scale), &x)) in nll.iter_mut().zip(variables) {
            let (mean, k) = (mean * TOP as f32, level(x));
            let width = exp::<FMA>(-soft_limit(log_scale, LOG_SCALE)[0]) / TOP as f32;
            let below = softplus::<FMA>(((k - 0.5) - mean) * width);
            let above = softplus::<FMA>(-(((k + 0.5) - mean) * width));
            let inner = log_1m_exp::<FMA>(width);
            let (lowest, highest) = (k < 0.5, k > TOP as f32 - 0.5);
            let tails = if lowest { 0.0 } else { below } + if highest { 0.0 } else { above };
            *nll = tails - if lowest | highest { 0.0 } else { inner };
        }
        total(&nll)
    }
}

vectorised! {
    /// The derivative of [`logistic_nll`] with respect to the parameters, times `scale`.
    pub(in crate::ops) fn logistic_slope<const FMA: bool>(
        out: &mut [f32],
        parameters: &[f32],
        target: &[f32],
        scale: f32,
    ) {
        let (means, log_scales) = parameters.split_at(target.len());
        let (of_mean, of_scale) = out.split_at_mut(target.len());
        for (i, &x) in target.iter().enumerate() {
            let (mean, k) = (means[i] * TOP as f32, level(x));
            let [log_scale, slope] = soft_limit(log_scales[i], LOG_SCALE);
            let width = exp::<FMA>(-log_scale) / TOP as f32;
            let (below, above) = (((k - 0.5) - mean) * width, ((k + 0.5) - mean) * width);
            let (lowest, highest) = (k < 0.5, k > TOP as f32 - 0.5);
            let by_below = if lowest { 0.0 } else { sigmoid::<FMA>(below) };
            let by_above = if highest { 0.0 } else { sigmoid::<FMA>(-above) };
            let inner = if lowest | highest { 0.0 } else { log_1m_exp_slope::<FMA>(width) };
            of_mean[i] = scale * (by_above - by_below) * (width * TOP as f32);
            of_scale[i] = scale * slope * (inner + above * by_above - below * by_below);
        }
    }
}

vectorised! {
    /// The expectations of rounded logistic variables.
    pub(in crate::ops) fn logistic_mean<const FMA: bool>(out: &mut [f32], parameters: &[f32]) {
        let (means, log_scales) = parameters.split_at(out.len());
        for ((out, &mean), &log_scale) in out.iter_mut().zip(means).zip(log_scales) {
            let mean = mean * TOP as f32;
            let width = exp::<FMA>(-soft_limit(log_scale, LOG_SCALE)[0]) / TOP as f32;
            let mut sums = [0.0_f32; LANES];
            for first in (0..LEVELS).step_by(LANES) {
                for (lane, sum) in sums.iter_mut().enumerate() {
                    let level = first + lane;
                    let z = (mean - (level as f32 + 0.5)) * width;
                    *sum += if level < LEVELS - 1 { sigmoid::<FMA>(z) } else { 0.0 };
                }
            }
            *out = sums.iter().sum::<f32>() / TOP as f32;
        }
    }
}

vectorised! {
    /// The derivative of [`logistic_mean`] with respect to the parameters, times `gradient`.
    pub(in crate::ops) fn logistic_mean_slope<const FMA: bool>(
        out: &mut [f32],
        parameters: &[f32],
        gradient: &[f32],
    ) {
        let features = gradient.len();
        let (of_mean, of_scale) = out.split_at_mut(features);
        for (i, &gradient) in gradient.iter().enumerate() {
            let mean = parameters[i] * TOP as f32;
            let [log_scale, slope] = soft_limit(parameters[features + i], LOG_SCALE);
            let width = exp::<FMA>(-log_scale) / TOP as f32;
            let (mut by_z, mut by_scale) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for first in (0..LEVELS).step_by(LANES) {
                for lane in 0..LANES {
                    let level = first + lane;
                    let z = (mean - (level as f32 + 0.5)) * width;
                    let density = sigmoid::<FMA>(z) * sigmoid::<FMA>(-z);
                    let density = if level < LEVELS - 1 { density } else { 0.0 };
                    by_z[lane] += density;
                    by_scale[lane] += density * z;
                }
            }
            of_mean[i] = gradient * width * by_z.iter().sum::<f32>();
            of_scale[i] = -gradient * slope * by_scale.iter().sum::<f32>() / TOP as f32;
        }
    }
}

/// Levels that are summed beside each other.
const LANES: usize = 16;
