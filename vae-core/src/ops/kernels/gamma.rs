//! The gamma function in single precision, without branches: see [`crate::ops::gamma`] for the formulas.

use super::{
    math::{exp, fma, log, log_1p_of_unit},
    vectorised,
};
use crate::ops::{
    counts::Limit,
    gamma::{LEAST, NEAR, SHIFT},
};

/// `log(1 + y)` for `y >= 0`.
#[inline(always)]
pub(super) fn log_1p<const FMA: bool>(y: f32) -> f32 {
    let (near, far) = (log_1p_of_unit::<FMA>(y), log::<FMA>(1.0 + y));
    if y < 1.0 { near } else { far }
}

/// `log(1 + exp(x))`
#[inline(always)]
pub(super) fn softplus<const FMA: bool>(x: f32) -> f32 {
    let above = if x < 0.0 { 0.0 } else { x };
    above + log_1p_of_unit::<FMA>(exp::<FMA>(-x.abs()))
}

/// The larger of `x` and `least`.
#[inline(always)]
pub(super) fn at_least(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}

/// What is missing in `log x! = x log x - x`, for `x >= 0`.
#[inline(always)]
pub(super) fn stirling_remainder<const FMA: bool>(x: f32) -> f32 {
    const SHIFTED: f32 = SHIFT as f32;
    let shifted = x + SHIFTED;
    let product = shifted / (x + 1.0) * (shifted / (x + 2.0)) * (shifted / (x + 3.0));
    let logarithm = log::<FMA>(2.0 * std::f32::consts::PI * shifted * (product * product));
    let inverse = 1.0 / shifted;
    let square = inverse * inverse;
    let series = fma::<FMA>(-1.0 / 1680.0, square, 1.0 / 1260.0);
    let series = fma::<FMA>(series, square, -1.0 / 360.0);
    let series = fma::<FMA>(series, square, 1.0 / 12.0);
    let x = at_least(x, LEAST as f32);
    let start = fma::<FMA>(x, log_1p::<FMA>(SHIFTED / x), -SHIFTED);
    start + fma::<FMA>(0.5, logarithm, series * inverse)
}

/// `psi(x) - log x`, for `x > 0`.
#[inline(always)]
pub(super) fn digamma_remainder<const FMA: bool>(x: f32) -> f32 {
    const SHIFTED: f32 = SHIFT as f32;
    let inverse = 1.0 / (x + SHIFTED);
    let square = inverse * inverse;
    let series = fma::<FMA>(1.0 / 240.0, square, -1.0 / 252.0);
    let series = fma::<FMA>(series, square, 1.0 / 120.0);
    let series = fma::<FMA>(series, square, -1.0 / 12.0);
    let series = fma::<FMA>(series, square, -0.5 * inverse);
    let sum = 1.0 / x + 1.0 / (x + 1.0) + 1.0 / (x + 2.0) + 1.0 / (x + 3.0);
    series + log_1p::<FMA>(SHIFTED / x) - sum
}

/// `x log(x / m) + m - x`, where `gap` is `x - m` and `log_ratio` the logarithm.
#[inline(always)]
pub(super) fn deviance<const FMA: bool>(x: f32, m: f32, gap: f32, log_ratio: f32) -> f32 {
    let v = gap / at_least(x + m, LEAST as f32);
    let square = v * v;
    let terms = fma::<FMA>(1.0 / 9.0, square, 1.0 / 7.0);
    let terms = fma::<FMA>(terms, square, 1.0 / 5.0);
    let terms = fma::<FMA>(terms, square, 1.0 / 3.0);
    let series = fma::<FMA>(gap, v, 2.0 * x * v * square * terms);
    let far = fma::<FMA>(x, log_ratio, -gap);
    if v.abs() < NEAR as f32 { series } else { far }
}

/// `log(x / m)`, finite where `x` is 0.
#[inline(always)]
pub(super) fn log_ratio<const FMA: bool>(x: f32, m: f32) -> f32 {
    log::<FMA>(at_least(x, LEAST as f32) / m)
}

/// A number that is bounded smoothly, and the slope.
#[inline(always)]
pub(super) fn soft_limit(x: f32, limit: Limit) -> [f32; 2] {
    let (within, reach) = (limit.within as f32, limit.reach as f32);
    let inside = if x > within { within } else { x };
    let inside = at_least(inside, -within);
    let beyond = x - inside;
    let growth = 1.0 + beyond.abs() / reach;
    [inside + beyond / growth, 1.0 / (growth * growth)]
}

vectorised! {
    /// `log Gamma(x)`
    pub(in crate::ops) fn ln_gamma<const FMA: bool>(out: &mut [f32], x: &[f32]) {
        for (out, &x) in out.iter_mut().zip(x) {
            *out = fma::<FMA>(x - 1.0, log::<FMA>(x), -x) + stirling_remainder::<FMA>(x);
        }
    }
}

vectorised! {
    /// `gradient psi(x)`
    pub(in crate::ops) fn ln_gamma_slope<const FMA: bool>(
        out: &mut [f32],
        gradient: &[f32],
        x: &[f32],
    ) {
        for ((out, &gradient), &x) in out.iter_mut().zip(gradient).zip(x) {
            *out = gradient * (log::<FMA>(x) + digamma_remainder::<FMA>(x));
        }
    }
}
