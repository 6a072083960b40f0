//! Elementary functions without branches or calls, so that loops over them vectorise. Each is good
//! to about two units in the last place, passes NaN on, and has the right limits.

/// `a * b + c`
#[inline(always)]
pub(super) fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `c[0] x^n + ... + c[n]` (Horner).
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    let mut i = 1;
    while i < N {
        sum = fma::<FMA>(sum, x, coefficients[i]);
        i += 1;
    }
    sum
}

/// `exp(x)`: `2^n exp(r)` with `|r| <= ln 2 / 2` and the minimax polynomial of Cephes' `expf`
/// (Moshier). Results below 1.7e-38 are 0.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    const HIGH: f32 = 88.722_83;
    const LOW: f32 = -87.336_54;
    /// Adding it leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;

    let mut within = if x > HIGH { HIGH } else { x };
    within = if within < LOW { LOW } else { within };
    let rounded = fma::<FMA>(within, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = fma::<FMA>(n, -LN_2_LOW, fma::<FMA>(n, -LN_2_HIGH, within));
    let p = polynomial::<FMA, 6>(
        r,
        [
            1.987_569_1e-4,
            1.398_2e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ],
    );
    let p = fma::<FMA>(p * r, r, r) + 1.0;
    // Half of 2^n, and twice that: 2^128 alone would overflow.
    let half = f32::from_bits((rounded.to_bits() << 23).wrapping_add(126 << 23));
    let result = p * half * 2.0;
    if x > HIGH { f32::INFINITY } else { result }
}

/// `log(1 + y)` for `y` in [0, 1]: `2 atanh(s)` with `s = y / (2 + y)`, at most 1/3, as a series.
#[inline(always)]
pub(super) fn log_1p_of_unit<const FMA: bool>(y: f32) -> f32 {
    let s = y / (2.0 + y);
    let series = polynomial::<FMA, 8>(
        s * s,
        [
            1.0 / 15.0,
            1.0 / 13.0,
            1.0 / 11.0,
            1.0 / 9.0,
            1.0 / 7.0,
            1.0 / 5.0,
            1.0 / 3.0,
            1.0,
        ],
    );
    2.0 * s * series
}

/// `log(x)` of a positive normal number `2^n m` with `m` from `sqrt 1/2` to `sqrt 2`: `2 atanh(s)`
/// with `s = (m - 1) / (m + 1)`, at most 0.172, as a series.
#[inline(always)]
pub(super) fn log<const FMA: bool>(x: f32) -> f32 {
    /// The bits of `sqrt 1/2`.
    const LEAST: u32 = 0x3f35_04f3;

    let above = x.to_bits().wrapping_sub(LEAST);
    let n = (above.cast_signed() >> 23) as f32;
    let m = f32::from_bits((above & 0x007f_ffff) + LEAST);
    let s = (m - 1.0) / (m + 1.0);
    let series = polynomial::<FMA, 5>(s * s, [1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0, 1.0]);
    let result = fma::<FMA>(n, std::f32::consts::LN_2, 2.0 * s * series);
    if x.is_nan() { x } else { result }
}

/// `Phi(x)`, the standard normal distribution function, and its density: `exp(-x^2 / 2)` times a
/// polynomial in `1 / (1 + 0.325 |x| / sqrt 2)`, whose coefficients `normal_distribution.py` found.
#[inline(always)]
pub(super) fn normal<const FMA: bool>(x: f32) -> [f32; 2] {
    const STEP: f32 = 0.325 * std::f32::consts::FRAC_1_SQRT_2;
    const DENSITY: f32 = 0.398_942_3;

    let bell = exp::<FMA>(-0.5 * x * x);
    let t = 1.0 / fma::<FMA>(STEP, x.abs(), 1.0);
    let p = polynomial::<FMA, 9>(
        t,
        [
            -0.159_215_67,
            0.593_021_5,
            -0.579_098_46,
            0.626_832_6,
            -0.081_142_29,
            0.244_962_99,
            0.169_902_58,
            0.184_803_58,
            -6.689_927e-5,
        ],
    );
    let tail = 0.5 * bell * p;
    [if x < 0.0 { tail } else { 1.0 - tail }, DENSITY * bell]
}

/// `1 / (1 + exp(-x))`
#[inline(always)]
pub(super) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let small = exp::<FMA>(-x.abs());
    let above = 1.0 / (1.0 + small);
    if x < 0.0 { small * above } else { above }
}

/// `tanh(x)`: near 0 the polynomial of Cephes' `tanhf`, else from the exponential.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let p = polynomial::<FMA, 5>(
        square,
        [
            -5.704_989e-3,
            2.063_909e-2,
            -5.373_971_6e-2,
            1.333_144_2e-1,
            -3.333_328e-1,
        ],
    );
    let near = fma::<FMA>(p * square, x, x);
    let far = (1.0 - 2.0 / (exp::<FMA>(2.0 * size) + 1.0)).copysign(x);
    if size < 0.625 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative to the same function in `f64`, on a fine grid and at the ends.
    fn assert_close(name: &str, range: [f32; 2], f: fn(f32) -> f32, exact: fn(f64) -> f64) {
        let steps = 200_000;
        for i in 0..=steps {
            let x = range[0] + (range[1] - range[0]) * i as f32 / steps as f32;
            let (found, expected) = (f64::from(f(x)), exact(f64::from(x)));
            let error = (found - expected).abs() / expected.abs().max(f64::from(f32::MIN_POSITIVE));
            assert!(error < 3e-7, "{name}({x}) is {found}, not {expected}");
        }
    }

    #[test]
    fn functions_match_the_standard_library() {
        let sigmoid_of = |x: f64| 1.0 / (1.0 + (-x).exp());
        assert_close("exp", [-86.9, 88.7], exp::<true>, f64::exp);
        assert_close("exp", [-86.9, 88.7], exp::<false>, f64::exp);
        assert_close("log_1p", [0.0, 1.0], log_1p_of_unit::<true>, f64::ln_1p);
        assert_close("log_1p", [0.0, 1e-6], log_1p_of_unit::<false>, f64::ln_1p);
        assert_close("sigmoid", [-80.0, 80.0], sigmoid::<true>, sigmoid_of);
        assert_close("sigmoid", [-1.0, 1.0], sigmoid::<false>, sigmoid_of);
        assert_close("tanh", [-12.0, 12.0], tanh::<true>, f64::tanh);
        assert_close("tanh", [-0.7, 0.7], tanh::<false>, f64::tanh);
        assert_close("log", [1e-6, 0.9], log::<true>, f64::ln);
        assert_close("log", [1.1, 1e9], log::<false>, f64::ln);
    }

    /// Against the Taylor series of the distribution function around 0.
    #[test]
    fn normal_distribution_matches_its_series() {
        for i in -5000..=5000 {
            let x = f64::from(i) / 1000.0;
            let (mut term, mut sum, mut n) = (x, x, 0.0);
            while f64::abs(term) > 1e-17 {
                n += 1.0;
                term *= -x * x / (2.0 * n) * (2.0 * n - 1.0) / (2.0 * n + 1.0);
                sum += term;
            }
            let scale = (2.0 * std::f64::consts::PI).sqrt();
            let expected = [0.5 + sum / scale, (-0.5 * x * x).exp() / scale];
            for found in [normal::<true>(x as f32), normal::<false>(x as f32)] {
                for (found, expected) in found.into_iter().zip(expected) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 3e-7, "at {x}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn limits() {
        const INFINITY: f32 = f32::INFINITY;
        assert_eq!(exp::<true>(INFINITY), INFINITY);
        assert_eq!(exp::<true>(89.0), INFINITY);
        assert_eq!(exp::<true>(-INFINITY), 0.0);
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(sigmoid::<true>(INFINITY), 1.0);
        assert_eq!(sigmoid::<true>(-INFINITY), 0.0);
        assert_eq!(tanh::<true>(INFINITY), 1.0);
        assert_eq!(tanh::<true>(-INFINITY), -1.0);
        assert_eq!(log::<true>(1.0), 0.0);
        assert_eq!(normal::<true>(INFINITY), [1.0, 0.0]);
        assert_eq!(normal::<true>(-INFINITY), [0.0, 0.0]);
        for f in [
            exp::<true>,
            exp::<false>,
            log_1p_of_unit::<true>,
            sigmoid::<true>,
            tanh::<true>,
            log::<true>,
            |x| normal::<true>(x)[0],
        ] {
            assert!(f(f32::NAN).is_nan());
        }
    }
}
