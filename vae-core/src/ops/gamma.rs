//! The logarithm of the gamma function, and what log-probabilities of counts are made of: Stirling's formula
//! with its remainder, and deviances, which stay exact where terms of a million would cancel (Loader 2000,
//! "Fast and accurate computation of binomial probabilities").

use burn::tensor::{Tensor, backend::Backend};

use super::{apply, primitive};

/// Stands for 0 where a logarithm or a quotient is taken of what is then multiplied by 0.
pub(super) const LEAST: f64 = 1e-18;
/// Stirling's series is used from this argument on; smaller ones are shifted here by the recurrence.
pub(super) const SHIFT: f64 = 4.0;
/// Deviances of values closer to each other than this share of their sum use a series.
pub(super) const NEAR: f64 = 0.1;

/// `log Gamma(x)` for `x > 0`, good to `1e-6` of the larger of its size and 1, from 1e-3 to 1e7. Its gradient
/// is [`digamma`].
pub fn ln_gamma<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    apply(&LnGamma, [primitive(&x)]).unwrap_or_else(|| LnGamma::reference(x))
}

/// `psi(x)`, the derivative of [`ln_gamma`], for `x > 0`.
pub fn digamma<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    digamma_remainder(x.clone()) + x.log()
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LnGamma;

impl LnGamma {
    /// `(x - 1) log x - x` and the remainder.
    fn reference<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
        let main = x.clone().sub_scalar(1.0) * x.clone().log() - x.clone();
        main + stirling_remainder(x)
    }
}

/// What is missing in `log x! = x log x - x`, for `x >= 0`: 0 at 0, and `log(2 pi x) / 2 + 1 / (12 x) - ...`
/// from 4 on. Below, by `Gamma(x + 5) = (x + 1) (x + 2) (x + 3) (x + 4) Gamma(x + 1)`; one formula is both.
pub(super) fn stirling_remainder<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let shifted = x.clone().add_scalar(SHIFT);
    let ratio = |step: f64| shifted.clone() / x.clone().add_scalar(step);
    let product = ratio(1.0) * ratio(2.0) * ratio(3.0);
    let logarithm = (shifted.clone() * product.square())
        .mul_scalar(2.0 * std::f64::consts::PI)
        .log()
        .mul_scalar(0.5);
    let inverse = shifted.recip();
    let square = inverse.clone().square();
    let series = horner(
        &square,
        &[-1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0],
    );
    let x = x.clamp_min(LEAST);
    let start = x.clone() * x.recip().mul_scalar(SHIFT).log1p();
    start.sub_scalar(SHIFT) + logarithm + series * inverse
}

/// `psi(x) - log x`, which goes as `-1 / (2 x)`, without their cancellation.
fn digamma_remainder<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let inverse = x.clone().add_scalar(SHIFT).recip();
    let square = inverse.clone().square();
    let series = horner(
        &square,
        &[1.0 / 240.0, -1.0 / 252.0, 1.0 / 120.0, -1.0 / 12.0, 0.0],
    );
    let steps = (0..SHIFT as usize).map(|step| x.clone().add_scalar(step as f64).recip());
    let sum = steps.reduce(|sum, term| sum + term).expect("four steps");
    series - inverse.mul_scalar(0.5) + x.recip().mul_scalar(SHIFT).log1p() - sum
}

/// `x log(x / m) + m - x`, which is 0 at `x = m` and grows with their distance: what a value loses in
/// log-probability by not being where its mean is. `gap` is `x - m`, known better than by subtraction, and
/// `log_ratio` is `log(x / m)`, finite also where `x` is 0.
pub(super) fn deviance<B: Backend>(
    x: Tensor<B, 2>,
    m: Tensor<B, 2>,
    gap: Tensor<B, 2>,
    log_ratio: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let v = gap.clone() / (x.clone() + m).clamp_min(LEAST);
    let near = v.clone().abs().lower_elem(NEAR);
    let square = v.clone().square();
    let terms = horner(&square, &[1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0]);
    let series = gap.clone() * v.clone() + x.clone().mul_scalar(2.0) * v * square * terms;
    let far = x * log_ratio - gap;
    far.mask_where(near, series)
}

/// `log(x / m)`, finite where `x` is 0.
pub(super) fn log_ratio<B: Backend>(x: Tensor<B, 2>, m: Tensor<B, 2>) -> Tensor<B, 2> {
    (x.clamp_min(LEAST) / m).log()
}

/// `c[0] x^n + ... + c[n]`
fn horner<B: Backend, const D: usize>(x: &Tensor<B, D>, coefficients: &[f64]) -> Tensor<B, D> {
    let (first, rest) = coefficients.split_first().expect("a coefficient");
    let start = x.zeros_like().add_scalar(*first);
    rest.iter()
        .fold(start, |sum, c| (sum * x.clone()).add_scalar(*c))
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same};

    struct Values {
        length: usize,
    }

    impl Values {
        /// From 1e-3 to 1e7 and around.
        fn input<B: Backend>(inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [x] = inputs.try_into().unwrap();
            x.mul_scalar(4.0).exp()
        }
    }

    impl Probe for Values {
        fn lengths(&self) -> Vec<usize> {
            vec![self.length]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            ln_gamma(Self::input(inputs))
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            LnGamma::reference(Self::input(inputs))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..Default::default() })]

        #[test]
        fn matches_the_reference(length in 1usize..3000, seed: u64) {
            assert_same(&Values { length }, seed, &[]);
            assert_same(&Values { length }, seed, &[f32::NAN, 4.0, -2.0]);
        }
    }

    /// Against factorials, and `psi(n) = 1 + 1/2 + ... + 1/(n - 1) - gamma`.
    #[test]
    fn whole_numbers_by_hand() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let device = Default::default();
        let (mut factorial, mut harmonic) = (0.0_f64, 0.0_f64);
        for n in 1..40 {
            let x = Tensor::<Autodiff<Flex>, 1>::from_data([n as f32], &device).require_grad();
            let value = ln_gamma(x.clone());
            let slope = x.grad(&value.backward()).unwrap().into_scalar();
            let close = |found: f32, expected: f64, what: &str| {
                let error = (f64::from(found) - expected).abs();
                let limit = 1e-6 * expected.abs().max(1.0);
                assert!(error < limit, "{what} at {n}: {found}, not {expected}");
            };
            close(value.into_scalar(), factorial, "log gamma");
            close(slope, harmonic - EULER, "its gradient");
            close(digamma(x).into_scalar(), harmonic - EULER, "digamma");
            factorial += f64::from(n).ln();
            harmonic += 1.0 / f64::from(n);
        }
    }
}
