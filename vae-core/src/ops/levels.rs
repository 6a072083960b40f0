//! Negative log-likelihoods of eight-bit pixels, `k / 255` for `k` from 0 to 255, summed over the features of
//! each example.

use burn::tensor::{
    Int, Tensor,
    activation::{log_softmax, sigmoid},
    backend::Backend,
};

use super::{
    apply,
    counts::{Limit, soft_limit},
    nll::stable_softplus as softplus,
    primitive,
};

/// Levels of a pixel.
pub const LEVELS: usize = 256;
/// The highest level.
pub(super) const TOP: f64 = 255.0;
/// The logarithm of a logistic's scale is what the network gives between these. Salimans 2017 stops at -7
/// for data that are twice as wide.
pub(crate) const LOG_SCALE: Limit = Limit {
    within: 10.0,
    reach: 4.0,
};
/// Below this ratio of a level's width to the scale, the series of its probability are used.
pub(super) const NARROW: f64 = 1.0;

/// `-log p(target)` in nats of independent variables with 256 levels each (as PixelRNN's, van den Oord 2016).
/// No gradient reaches the target.
///
/// # Shapes
/// - `logits`: `[batch, 256 * features]`, first those of level 0 for all features, then of level 1
/// - `target`: `[batch, features]`, the levels divided by 255
/// - output: `[batch]`
pub fn categorical_nll<B: Backend>(logits: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    Levels::Categorical.of(logits, target)
}

/// `-log p(target)` in nats of independent logistic variables that are rounded to the 256 levels, of which the
/// lowest and the highest take the tails (Salimans 2017, section 2.1). With `a` and `b` the edges of a level
/// of width `h`, all in units of the scale, its probability is `sigmoid(b) - sigmoid(a)`, which is
/// `(1 - exp(-h)) sigmoid(b) sigmoid(-a)`: nothing cancels, however far out. No gradient reaches the target.
///
/// # Shapes
/// - `parameters`: `[batch, 2 * features]`, first the means, then the logarithms of the scales, both in units
///   of the target; the latter are the [`soft_limit`] within ±10, at most ±14
/// - `target`: `[batch, features]`, the levels divided by 255
/// - output: `[batch]`
pub fn discretized_logistic_nll<B: Backend>(
    parameters: Tensor<B, 2>,
    target: Tensor<B, 2>,
) -> Tensor<B, 1> {
    Levels::DiscretizedLogistic.of(parameters, target)
}

/// The expectation of the variables of [`discretized_logistic_nll`]: the sum of the probabilities to be above
/// each level, divided by 255.
///
/// # Shapes
/// - `parameters`: `[batch, 2 * features]`
/// - output: `[batch, features]`
pub fn discretized_logistic_mean<B: Backend>(parameters: Tensor<B, 2>) -> Tensor<B, 2> {
    apply(&LogisticMean, [primitive(&parameters)])
        .unwrap_or_else(|| LogisticMean::reference(parameters))
}

/// The level of each value.
pub(crate) fn level<B: Backend>(value: Tensor<B, 2>) -> Tensor<B, 2> {
    value.mul_scalar(TOP).round().clamp(0.0, TOP)
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Levels {
    Categorical,
    DiscretizedLogistic,
}

impl Levels {
    fn of<B: Backend>(self, parameters: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
        let target = target.detach();
        apply(&self, [primitive(&parameters), primitive(&target)])
            .unwrap_or_else(|| self.reference(parameters, target))
    }

    fn reference<B: Backend>(self, parameters: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
        let [rows, features] = target.dims();
        let level = level(target);
        let log_prob = match self {
            Self::Categorical => {
                let log_p = log_softmax(parameters.reshape([rows, LEVELS, features]), 1);
                let level: Tensor<B, 2, Int> = level.int();
                let chosen = log_p.gather(1, level.unsqueeze_dim::<3>(1)); // [rows, 1, features]
                chosen.reshape([rows, features])
            }
            Self::DiscretizedLogistic => discretized_logistic(parameters, level),
        };
        log_prob.sum_dim(1).squeeze_dim::<1>(1).neg()
    }
}

/// The mean in levels, and one over the scale in levels.
///
/// # Shapes
/// - outputs: `[rows, features]`
pub(crate) fn logistic<B: Backend>(parameters: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
    let features = parameters.dims()[1] / 2;
    let mean = parameters.clone().narrow(1, 0, features).mul_scalar(TOP);
    let log_scale = soft_limit(parameters.narrow(1, features, features), LOG_SCALE);
    [mean, log_scale.neg().exp().div_scalar(TOP)]
}

/// The edges of a level are exact, and the upper one of a level is the lower one of the next, so that the
/// probabilities add up to 1.
fn discretized_logistic<B: Backend>(parameters: Tensor<B, 2>, level: Tensor<B, 2>) -> Tensor<B, 2> {
    let [mean, width] = logistic(parameters);
    let (lowest, highest) = (
        level.clone().lower_elem(0.5),
        level.clone().greater_elem(TOP - 0.5),
    );
    let below = (level.clone().sub_scalar(0.5) - mean.clone()) * width.clone();
    let above = (level.add_scalar(0.5) - mean) * width.clone();
    let below = softplus(below).mask_fill(lowest.clone(), 0.0);
    let above = softplus(above.neg()).mask_fill(highest.clone(), 0.0);
    let inner = log_1m_exp(width).mask_fill(lowest.bool_or(highest), 0.0);
    inner - below - above
}

/// `log(1 - exp(-h))`; for small `h` as `log(2 sinh(h / 2)) - h / 2`.
fn log_1m_exp<B: Backend>(h: Tensor<B, 2>) -> Tensor<B, 2> {
    let narrow = h.clone().lower_elem(NARROW);
    let square = h.clone().square().mask_fill(narrow.clone().bool_not(), 0.0);
    let sinh = square
        .clone()
        .mul_scalar(1.0 / 322_560.0)
        .add_scalar(1.0 / 1920.0);
    let sinh = (sinh * square.clone()).add_scalar(1.0 / 24.0) * square;
    let series = (sinh.add_scalar(1.0) * h.clone()).log() - h.clone().mul_scalar(0.5);
    let exact = h
        .mask_fill(narrow.clone(), NARROW)
        .neg()
        .exp()
        .neg()
        .log1p();
    exact.mask_where(narrow, series)
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LogisticMean;

impl LogisticMean {
    fn reference<B: Backend>(parameters: Tensor<B, 2>) -> Tensor<B, 2> {
        let [mean, width] = logistic(parameters);
        let above = |level: usize| {
            let edge = level as f64 + 0.5;
            sigmoid((mean.clone() - edge) * width.clone())
        };
        let sum = (0..LEVELS - 1).map(above).reduce(|sum, next| sum + next);
        sum.expect("256 levels").div_scalar(TOP)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Examples {
        levels: Option<Levels>,
        shape: [usize; 2],
        viewed: bool,
    }

    impl Examples {
        fn wide(&self) -> [usize; 2] {
            let each = match self.levels {
                Some(Levels::Categorical) => LEVELS,
                _ => 2,
            };
            [self.shape[0], each * self.shape[1]]
        }

        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let [parameters] = inputs.try_into().unwrap();
            let [rows, features] = self.shape;
            let target: Vec<f32> = (0..rows * features)
                .map(|i| [0.0, 255.0, 3.0, 140.0, 254.0, 1.0, 77.0][(i * i + i / 5) % 7] / 255.0)
                .collect();
            let target = Tensor::<B, 1>::from_data(target.as_slice(), &parameters.device());
            [
                matrix(parameters, self.wide(), self.viewed),
                matrix(target, self.shape, self.viewed),
            ]
        }
    }

    impl Probe for Examples {
        fn lengths(&self) -> Vec<usize> {
            let [rows, columns] = self.wide();
            vec![rows * columns]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, target] = self.inputs(inputs);
            match self.levels {
                Some(levels) => levels.of(parameters, target),
                None => discretized_logistic_mean(parameters).flatten(0, 1),
            }
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, target] = self.inputs(inputs);
            match self.levels {
                Some(levels) => levels.reference(parameters, target),
                None => LogisticMean::reference(parameters).flatten(0, 1),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 2],
            viewed: bool,
            seed: u64,
        ) {
            let shape = [1 + sizes[0].index(20), 1 + sizes[1].index(50)];
            for (levels, extremes) in [
                (Some(Levels::Categorical), [f32::NAN, 90.0, -90.0, 0.0]),
                (Some(Levels::DiscretizedLogistic), [f32::NAN, 3.0, -3.0, 0.0]),
                (None, [f32::NAN, 3.0, -3.0, 0.0]),
            ] {
                let examples = Examples { levels, shape, viewed };
                assert_same(&examples, seed, &[]);
                assert_same(&examples, seed, &extremes);
            }
        }
    }
}
