//! Negative log-likelihoods, or what varies of them, summed over the features of each example.

use burn::tensor::{Tensor, activation::softplus, backend::Backend};

use super::{apply, primitive};

/// Below this size of a logit the continuous Bernoulli's formula is its Taylor series.
const SERIES: f64 = 0.5;

/// `-log p(target)` in nats of independent Bernoulli variables: `softplus(l) - x l` for logit `l`.
/// For targets inside (0, 1) it is the cross-entropy.
///
/// # Shapes
/// - `logits`, `target`: `[batch, features]`
/// - output: `[batch]`
pub fn bernoulli_nll<B: Backend>(logits: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    Nll::Bernoulli.of(logits, target)
}

/// `-log p(target)` in nats of independent continuous Bernoulli variables (Loaiza-Ganem &
/// Cunningham 2019, eq. 7): [`bernoulli_nll`] less the logarithm of `l / tanh(l / 2)`.
///
/// # Shapes
/// - `logits`, `target`: `[batch, features]`
/// - output: `[batch]`
pub fn continuous_bernoulli_nll<B: Backend>(
    logits: Tensor<B, 2>,
    target: Tensor<B, 2>,
) -> Tensor<B, 1> {
    Nll::ContinuousBernoulli.of(logits, target)
}

/// `|mean - target|^2`
///
/// # Shapes
/// - `mean`, `target`: `[batch, features]`
/// - output: `[batch]`
pub fn squared_error<B: Backend>(mean: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    Nll::SquaredError.of(mean, target)
}

/// `-log p(target)` in nats of independent Gaussian variables, less `log(2 pi) / 2` for each:
/// `(mean - x)^2 / (2 sigma^2) + log sigma`, where `log sigma` is the [`soft_floor`] of the
/// parameters' second half.
///
/// # Shapes
/// - `parameters`: `[batch, 2 * features]`, first the means
/// - `target`: `[batch, features]`
/// - output: `[batch]`
pub fn gaussian_nll<B: Backend>(
    parameters: Tensor<B, 2>,
    target: Tensor<B, 2>,
    floor: f64,
) -> Tensor<B, 1> {
    Nll::Gaussian { floor }.of(parameters, target)
}

/// A smooth lower bound: `floor + softplus(x - floor)`.
pub fn soft_floor<B: Backend, const D: usize>(x: Tensor<B, D>, floor: f64) -> Tensor<B, D> {
    softplus(x.sub_scalar(floor), 1.0).add_scalar(floor)
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Nll {
    Bernoulli,
    ContinuousBernoulli,
    SquaredError,
    Gaussian { floor: f64 },
}

impl Nll {
    fn of<B: Backend>(self, parameters: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
        apply(&self, [primitive(&parameters), primitive(&target)])
            .unwrap_or_else(|| self.reference(parameters, target))
    }

    fn reference<B: Backend>(self, parameters: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
        let nll = match self {
            Self::Bernoulli => bernoulli(parameters, target),
            Self::ContinuousBernoulli => {
                continuous_bernoulli(parameters.clone()) - parameters * target
            }
            Self::SquaredError => (parameters - target).square(),
            Self::Gaussian { floor } => {
                let features = target.dims()[1];
                let mean = parameters.clone().narrow(1, 0, features);
                let log_sigma = soft_floor(parameters.narrow(1, features, features), floor);
                let precision = log_sigma.clone().mul_scalar(-2.0).exp();
                (mean - target).square() * precision.mul_scalar(0.5) + log_sigma
            }
        };
        nll.sum_dim(1).squeeze_dim(1)
    }
}

/// `log(1 + exp(x))` as `(x + |x|) / 2 + log(1 + exp(-|x|))`, which never overflows, and whose slope at 0 is
/// 1/2 also as automatic differentiation sees it.
pub(super) fn stable_softplus<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    let size = x.clone().abs();
    (x + size.clone()).mul_scalar(0.5) + size.neg().exp().log1p()
}

fn bernoulli<B: Backend>(logits: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 2> {
    stable_softplus(logits.clone()) - logits * target
}

/// `log((exp(l) - 1) / l)`, which is `softplus(l) - log(l / tanh(l / 2))`; near 0, where these nearly cancel, the series
/// `l/2 + l^2/24 - l^4/2880 + l^6/181440`.
fn continuous_bernoulli<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 2> {
    let small = logits.clone().abs().lower_elem(SERIES);
    let square = logits.clone().square();
    let series = square
        .clone()
        .mul_scalar(1.0 / 181_440.0)
        .add_scalar(-1.0 / 2880.0);
    let series = (series * square.clone()).add_scalar(1.0 / 24.0) * square;
    let series = series + logits.clone().mul_scalar(0.5);
    // A harmless stand-in where the series is used keeps the other branch's gradient finite.
    let safe = logits.mask_fill(small.clone(), 1.0);
    let size = safe.clone().abs();
    let normaliser = size.clone().log() - size.mul_scalar(0.5).tanh().log();
    (stable_softplus(safe) - normaliser).mask_where(small, series)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Examples {
        nll: Nll,
        shape: [usize; 2],
        viewed: bool,
    }

    impl Examples {
        fn parameters(&self) -> usize {
            match self.nll {
                Nll::Gaussian { .. } => 2 * self.shape[1],
                _ => self.shape[1],
            }
        }

        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let [parameters, target] = inputs.try_into().unwrap();
            let wide = [self.shape[0], self.parameters()];
            [
                matrix(parameters, wide, self.viewed),
                matrix(target, self.shape, self.viewed),
            ]
        }
    }

    impl Probe for Examples {
        fn lengths(&self) -> Vec<usize> {
            vec![
                self.shape[0] * self.parameters(),
                self.shape[0] * self.shape[1],
            ]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, target] = self.inputs(inputs);
            self.nll.of(parameters, target)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, target] = self.inputs(inputs);
            self.nll.reference(parameters, target)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 2],
            viewed: bool,
            seed: u64,
        ) {
            let shape = sizes.map(|size| 1 + size.index(200));
            for (nll, extremes) in [
                (Nll::Bernoulli, [f32::NAN, 90.0, -90.0, 0.0]),
                (Nll::ContinuousBernoulli, [f32::NAN, 90.0, -90.0, 1e-3]),
                (Nll::SquaredError, [f32::NAN, f32::INFINITY, -300.0, 0.0]),
                (Nll::Gaussian { floor: -1.5 }, [f32::NAN, 3.0, -60.0, 0.0]),
            ] {
                let examples = Examples { nll, shape, viewed };
                assert_same(&examples, seed, &[]);
                assert_same(&examples, seed, &extremes);
            }
        }
    }
}
