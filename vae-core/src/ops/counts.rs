//! Negative log-likelihoods of counts, normalised, summed over the features of each example.

use burn::tensor::{Tensor, activation::log_softmax, backend::Backend};

use super::{
    apply,
    gamma::{LEAST, deviance, log_ratio, stirling_remainder},
    nll::stable_softplus as softplus,
    primitive,
};

/// Logarithms of rates, means and inverse dispersions are what the network gives up to this size, from
/// 1e-7 to 9e6: single precision tells whole numbers from each other up to `2^24`, which is 1.7e7.
pub(crate) const LOG_RATE: Limit = Limit {
    within: 16.0,
    reach: 8.0,
};

/// A smooth bound on the size of a number; see [`soft_limit`].
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Up to this size a number stays as it is.
    pub within: f64,
    /// However large, it gets no further than this beyond.
    pub reach: f64,
}

impl Limit {
    /// [`soft_limit`] of one number.
    pub(crate) fn of(self, x: f64) -> f64 {
        let beyond = (x.abs() - self.within).max(0.0);
        let bounded = x.clamp(-self.within, self.within);
        bounded + (beyond / (1.0 + beyond / self.reach)).copysign(x)
    }
}

/// `x` where its size is at most `within`; beyond, by `d`, it grows by `d / (1 + d / reach)` only. So the
/// exponential is finite for every finite number, and the slope, `1 / (1 + d / reach)^2`, shrinks slowly
/// enough to lead back.
pub fn soft_limit<B: Backend, const D: usize>(x: Tensor<B, D>, limit: Limit) -> Tensor<B, D> {
    let Limit { within, reach } = limit;
    let inside = x.clone().clamp(-within, within);
    let beyond = x - inside.clone();
    let growth = beyond.clone().abs().div_scalar(reach).add_scalar(1.0);
    inside + beyond / growth
}

/// `-log p(counts)` in nats of independent Poisson variables, whose log rates are the [`soft_limit`] of the
/// parameters within ±16, and at most ±24. No gradient reaches the counts, which are whole numbers.
///
/// # Shapes
/// - `log_rate`, `counts`: `[batch, features]`
/// - output: `[batch]`
pub fn poisson_nll<B: Backend>(log_rate: Tensor<B, 2>, counts: Tensor<B, 2>) -> Tensor<B, 1> {
    Counts::Poisson.of(log_rate, counts)
}

/// `-log p(counts)` in nats of independent negative binomial variables with mean `mu` and variance
/// `mu + mu^2 / theta`, their logarithms bounded as those of [`poisson_nll`]. No gradient reaches the counts.
///
/// # Shapes
/// - `parameters`: `[batch, 2 * features]`, first `log mu`, then `log theta`
/// - `counts`: `[batch, features]`
/// - output: `[batch]`
pub fn negative_binomial_nll<B: Backend>(
    parameters: Tensor<B, 2>,
    counts: Tensor<B, 2>,
) -> Tensor<B, 1> {
    Counts::NegativeBinomial.of(parameters, counts)
}

/// `-log p(counts)` in nats of independent variables that are 0 with the probability `sigmoid(logit)` and
/// else as in [`negative_binomial_nll`] (Lopez 2018). No gradient reaches the counts.
///
/// # Shapes
/// - `parameters`: `[batch, 3 * features]`, first `log mu`, then `log theta`, then the logits
/// - `counts`: `[batch, features]`
/// - output: `[batch]`
pub fn zero_inflated_nll<B: Backend>(
    parameters: Tensor<B, 2>,
    counts: Tensor<B, 2>,
) -> Tensor<B, 1> {
    Counts::ZeroInflated.of(parameters, counts)
}

/// `-log p(counts)` in nats of a multinomial variable given its total, the sum of the counts: with the
/// multinomial coefficient, which Liang 2018 (eq. 2) leaves out. No gradient reaches the counts.
///
/// # Shapes
/// - `logits`, `counts`: `[batch, features]`
/// - output: `[batch]`
pub fn multinomial_nll<B: Backend>(logits: Tensor<B, 2>, counts: Tensor<B, 2>) -> Tensor<B, 1> {
    Counts::Multinomial.of(logits, counts)
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Counts {
    Poisson,
    NegativeBinomial,
    ZeroInflated,
    Multinomial,
}

impl Counts {
    fn of<B: Backend>(self, parameters: Tensor<B, 2>, counts: Tensor<B, 2>) -> Tensor<B, 1> {
        let counts = counts.detach();
        apply(&self, [primitive(&parameters), primitive(&counts)])
            .unwrap_or_else(|| self.reference(parameters, counts))
    }

    fn reference<B: Backend>(self, parameters: Tensor<B, 2>, counts: Tensor<B, 2>) -> Tensor<B, 1> {
        let features = counts.dims()[1];
        let part = |i: usize| parameters.clone().narrow(1, i * features, features);
        match self {
            Self::Poisson => sum(poisson(parameters, counts)),
            Self::NegativeBinomial => sum(negative_binomial(part(0), part(1), counts)),
            Self::ZeroInflated => {
                let logit = part(2);
                let without = negative_binomial(part(0), part(1), counts.clone());
                let zero = zero_inflated_at_0(logit.clone(), without.clone());
                let zeros = counts.lower_elem(0.5);
                sum((without + softplus(logit)).mask_where(zeros, zero))
            }
            Self::Multinomial => {
                let log_p = log_softmax(parameters, 1);
                let total = counts.clone().sum_dim(1); // [batch, 1]
                let mean = total.clone() * log_p.clone().exp();
                let gap = counts.clone() - mean.clone();
                // Where the mean, or its square, is too small for single precision, its logarithm is not.
                let small = mean.clone().lower_elem(SMALL);
                let ratio = log_ratio(counts.clone(), mean.clone().clamp_min(SMALL));
                let ratio = ratio.mask_where(
                    small,
                    log_ratio(counts.clone(), total.clone().clamp_min(1.0)) - log_p,
                );
                let each = deviance(counts.clone(), mean, gap, ratio) + stirling_remainder(counts);
                sum(each) - stirling_remainder(total).squeeze_dim::<1>(1)
            }
        }
    }
}

/// Below this mean of a multinomial count its logarithm is computed without it.
pub(super) const SMALL: f64 = 1e-12;

fn sum<B: Backend>(nll: Tensor<B, 2>) -> Tensor<B, 1> {
    nll.sum_dim(1).squeeze_dim(1)
}

/// `deviance(k, rate) + remainder(k)`: of the same value as `rate - k log rate + log k!`.
fn poisson<B: Backend>(log_rate: Tensor<B, 2>, k: Tensor<B, 2>) -> Tensor<B, 2> {
    let rate = soft_limit(log_rate, LOG_RATE).exp();
    let (gap, ratio) = (k.clone() - rate.clone(), log_ratio(k.clone(), rate.clone()));
    deviance(k.clone(), rate, gap, ratio) + stirling_remainder(k)
}

/// As a binomial probability of `k` among `n = k + theta` (Loader 2000), with
/// `k - n mu / (theta + mu) = (k - mu) theta / (theta + mu)`.
fn negative_binomial<B: Backend>(
    log_mean: Tensor<B, 2>,
    log_theta: Tensor<B, 2>,
    k: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let mean = soft_limit(log_mean, LOG_RATE).exp();
    let theta = soft_limit(log_theta, LOG_RATE).exp();
    let both = mean.clone() + theta.clone();
    let n = k.clone() + theta.clone();
    let share = theta.clone() / both.clone();
    let gap = (k.clone() - mean.clone()) * share.clone();
    let of_k = n.clone() * (mean.clone() / both.clone());
    let of_theta = n.clone() * share;
    // Of the factors, whose squares do not vanish: those of the products do where automatic differentiation
    // divides by them.
    let off = both / n.clone();
    let ratio = (k.clone().clamp_min(LEAST) / mean * off.clone()).log();
    let counted = deviance(k.clone(), of_k, gap.clone(), ratio);
    let spread = deviance(theta.clone(), of_theta, gap.neg(), off.log());
    counted
        + spread
        + (n.clone() / theta.clone()).log()
        + stirling_remainder(k)
        + stirling_remainder(theta)
        - stirling_remainder(n)
}

/// `softplus(logit) - log(exp(logit) + exp(-without))`, where `without` is what a zero costs without the extra
/// ones: in the form of which nothing cancels.
fn zero_inflated_at_0<B: Backend>(logit: Tensor<B, 2>, without: Tensor<B, 2>) -> Tensor<B, 2> {
    let difference = logit.clone() + without.clone();
    let extra = difference.clone().greater_elem(0.0);
    let counted = softplus(logit.clone()) + without - softplus(difference.clone());
    let inflated = softplus(logit.neg()) - softplus(difference.neg());
    counted.mask_where(extra, inflated)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Examples {
        counts: Counts,
        shape: [usize; 2],
        viewed: bool,
        scale: f64,
    }

    impl Examples {
        fn wide(&self) -> [usize; 2] {
            let [rows, features] = self.shape;
            let each = match self.counts {
                Counts::Poisson | Counts::Multinomial => 1,
                Counts::NegativeBinomial => 2,
                Counts::ZeroInflated => 3,
            };
            [rows, each * features]
        }

        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let [parameters] = inputs.try_into().unwrap();
            let [rows, features] = self.shape;
            let counts: Vec<f32> = (0..rows * features)
                .map(|i| [0.0, 3.0, 1.0, 0.0, 17.0, 250.0, 0.0][(i * i + i / 5) % 7])
                .collect();
            let counts = Tensor::<B, 1>::from_data(counts.as_slice(), &parameters.device());
            [
                matrix(parameters.mul_scalar(self.scale), self.wide(), self.viewed),
                matrix(counts, self.shape, self.viewed),
            ]
        }
    }

    impl Probe for Examples {
        fn lengths(&self) -> Vec<usize> {
            let [rows, columns] = self.wide();
            vec![rows * columns]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, counts] = self.inputs(inputs);
            self.counts.of(parameters, counts)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, counts] = self.inputs(inputs);
            self.counts.reference(parameters, counts)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 2],
            viewed: bool,
            seed: u64,
        ) {
            let shape = sizes.map(|size| 1 + size.index(100));
            for counts in [
                Counts::Poisson,
                Counts::NegativeBinomial,
                Counts::ZeroInflated,
                Counts::Multinomial,
            ] {
                for scale in [1.0, 3.0] {
                    let examples = Examples { counts, shape, viewed, scale };
                    assert_same(&examples, seed, &[]);
                    // Where the mean is NaN, only the reference makes the logit's gradient NaN too.
                    let not_a_number = match counts {
                        Counts::ZeroInflated => 0.0,
                        _ => f32::NAN,
                    };
                    assert_same(&examples, seed, &[not_a_number, 4.0, -90.0, 0.0]);
                }
            }
        }
    }

    /// As in the fused form, which the tests of the distributions look at.
    #[test]
    fn extreme_outputs_have_finite_gradients_in_the_reference() {
        type Ad = burn_autodiff::Autodiff<burn_flex::Flex>;
        let device = Default::default();
        for counts in [
            Counts::Poisson,
            Counts::NegativeBinomial,
            Counts::ZeroInflated,
            Counts::Multinomial,
        ] {
            for size in [1e2_f32, 1e10, 1e30] {
                for (signs, counted) in [([1.0_f32, -1.0], 0.0_f32), ([-1.0, 1.0], 9.0)] {
                    let features = 4;
                    let examples = Examples {
                        counts,
                        shape: [1, features],
                        viewed: false,
                        scale: 1.0,
                    };
                    let given: Vec<f32> = (0..examples.wide()[1])
                        .map(|i| size * signs[i % 3 % 2])
                        .collect();
                    let given = Tensor::<Ad, 1>::from_data(given.as_slice(), &device);
                    let given = given.unsqueeze::<2>().require_grad();
                    let target = Tensor::full([1, features], counted, &device);
                    let nll = counts.reference(given.clone(), target).sum();
                    let slope = given.grad(&nll.backward()).unwrap().into_data();
                    assert!(
                        nll.clone().into_scalar().is_finite()
                            && slope.iter::<f32>().all(f32::is_finite),
                        "{counts:?} at ±{size:e}: {nll}, {slope}"
                    );
                }
            }
        }
    }

    /// By hand: 20 is 4 beyond 16, and 4 / (1 + 4 / 8) = 8/3; -1e9 is all of the reach beyond -16.
    #[test]
    fn a_soft_limit_by_hand() {
        for (x, expected) in [
            (3.5, 3.5),
            (-16.0, -16.0),
            (20.0, 16.0 + 8.0 / 3.0),
            (-1e9, -24.0),
        ] {
            let tensor = Tensor::<burn_flex::Flex, 1>::from_data([x as f32], &Default::default());
            let found = soft_limit(tensor, LOG_RATE).into_scalar();
            assert!((f64::from(found) - expected).abs() < 2e-6, "{x}: {found}");
            assert!(
                (LOG_RATE.of(x) - expected).abs() < 1e-6,
                "{x}: {}",
                LOG_RATE.of(x)
            );
        }
    }
}
