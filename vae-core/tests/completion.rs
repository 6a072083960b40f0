//! Completion against a linear Gaussian model, of which everything is known.

use burn::{
    module::{Module, ParamId},
    tensor::{Tensor, backend::Backend},
};
use burn_flex::Flex;

use vae_core::{
    Assembly, Batch, BuiltinPrior, Chain, Chains, Code, ColumnWidth, Completed, Error,
    LikelihoodConfig, Method, Model, Objective, Parts, Shared, Start, StepContext, complete,
    complete_by_importance, nets::Networks, prior::NormalPrior,
};

/// Two features with `p(x_i|z) = N(z, 1)`, so that `p(z|x) = N((x_1 + x_2) / 3, 1 / 3)`, `p(z|x_1) = N(x_1 / 2,
/// 1 / 2)` and `p(x_2|x_1) = N(x_1 / 2, 3 / 2)`. The posterior has a mean of `factor` times the sum of the features; one that
/// is missing is 0. (The standard deviation of a per-column likelihood begins at 1.0025.)
#[derive(Module, Debug, Clone)]
struct Pair {
    factor: f64,
    variance: f64,
}

impl<B: Backend> Networks<B> for Pair {
    fn encode(&self, input: Tensor<B, 2>, _step: &StepContext) -> Tensor<B, 2> {
        let mean = input.sum_dim(1).mul_scalar(self.factor);
        let log_variance = mean.zeros_like().add_scalar(self.variance.ln());
        Tensor::cat(vec![mean, log_variance], 1)
    }

    fn decode(&self, z: Tensor<B, 2>, _step: &StepContext) -> Tensor<B, 2> {
        Tensor::cat(vec![z.clone(), z], 1)
    }

    fn encoder_parameters(&self) -> Vec<ParamId> {
        Vec::new()
    }
}

#[derive(Module, Debug, Clone)]
struct Untrained;

impl<B: Backend> Method<B> for Untrained {
    fn loss(&self, _: &impl Parts<B>, batch: &Batch<B>, _: &StepContext) -> Objective<B> {
        Objective::new(batch.input.clone().squeeze_dim(1))
    }
}

/// Its code is a point.
#[derive(Module, Debug, Clone)]
struct Point;

impl<B: Backend> Method<B> for Point {
    fn loss(&self, _: &impl Parts<B>, batch: &Batch<B>, _: &StepContext) -> Objective<B> {
        Objective::new(batch.input.clone().squeeze_dim(1))
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        parts.posterior(batch, step).mean_code().into()
    }

    fn is_generative(&self) -> bool {
        false
    }
}

/// The exact posterior, and one that is too near to 0 and too wide.
const EXACT: Pair = Pair {
    factor: 1.0 / 3.0,
    variance: 1.0 / 3.0,
};
const WRONG: Pair = Pair {
    factor: 0.2,
    variance: 0.8,
};

fn model<M: Method<Flex>>(networks: Pair, method: M) -> Model<Flex, M, Assembly<Flex, Pair>> {
    let device = Default::default();
    let columns = vec![ColumnWidth::Number; 2];
    let likelihood = LikelihoodConfig::per_column(columns)
        .init(2, &device)
        .unwrap();
    let parts = Assembly::<Flex, _> {
        networks,
        likelihood,
        prior: BuiltinPrior::Normal(NormalPrior { latent: 1 }),
        flow: None,
        shared: Shared {
            objective: Default::default(),
            latent: 1,
            condition: 0,
            planes: 1,
        },
    };
    Model::new(parts, method).unwrap()
}

/// The first feature of each of some examples, the second of which is missing.
fn gaps(x: &[f32]) -> Batch<Flex> {
    let device = Default::default();
    let x = Tensor::<Flex, 1>::from_floats(x, &device).unsqueeze_dim::<2>(1);
    let missing = x.zeros_like().add_scalar(f32::NAN);
    Batch {
        has_gaps: true,
        ..Batch::unlabelled(Tensor::cat(vec![x, missing], 1))
    }
}

fn step() -> StepContext {
    StepContext::evaluate(1, 0, 0, 1)
}

const CHAINS: usize = 40_000;

/// Mean and variance of what takes the place of the second feature, for each example, and the mean that the completion
/// itself gives.
fn moments(completed: &Completed<Flex>, examples: usize) -> Vec<[f64; 3]> {
    let second = |of: &Tensor<Flex, 2>| {
        of.clone()
            .narrow(1, 1, 1)
            .into_data()
            .iter::<f64>()
            .collect::<Vec<_>>()
    };
    let (drawn, mean) = (
        second(completed.drawn.as_ref().unwrap()),
        second(&completed.mean),
    );
    let of = |example: usize| {
        let values: Vec<f64> = drawn
            .iter()
            .copied()
            .skip(example)
            .step_by(examples)
            .collect();
        assert_eq!(values.len(), CHAINS);
        let average = values.iter().sum::<f64>() / CHAINS as f64;
        let squares = values.iter().map(|value| (value - average).powi(2));
        [average, squares.sum::<f64>() / CHAINS as f64, mean[example]]
    };
    (0..examples).map(of).collect()
}

fn chains(networks: Pair, chain: Chain, start: Start, x: &[f32]) -> (Vec<[f64; 3]>, Option<f64>) {
    let model = model(networks, Untrained);
    let how = chains_of(chain, start, CHAINS);
    let completed = complete(&model, &gaps(x), &how, &step(), &|| true).unwrap();
    (moments(&completed, x.len()), completed.accepted)
}

fn chains_of(chain: Chain, start: Start, count: usize) -> Chains {
    Chains {
        chain,
        start,
        count,
        steps: 40,
        bounds: (-100.0, 100.0),
    }
}

/// The standard error of the mean is 0.006, that of the variance 0.011.
#[track_caller]
fn assert_near(found: &[[f64; 3]], expected: &[(f64, f64)]) {
    for ([mean, variance, of_likelihoods], (expected, spread)) in found.iter().zip(expected) {
        assert!((mean - expected).abs() < 0.025, "{mean}, not {expected}");
        assert!(
            (variance - spread).abs() < 0.045,
            "{variance}, not {spread}"
        );
        assert!(
            (of_likelihoods - expected).abs() < 0.025,
            "{of_likelihoods}, not {expected}"
        );
    }
}

/// `N(x_1 / 2, 3 / 2)` from every start.
#[test]
fn gibbs_is_exact_under_the_exact_posterior() {
    for start in [Start::Zero, Start::Expected] {
        let (found, accepted) = chains(EXACT, Chain::Gibbs, start, &[-1.0, 3.0]);
        assert_near(&found, &[(-0.5, 1.5), (1.5, 1.5)]);
        assert_eq!(accepted, None);
    }
}

/// Uncorrected under `N(a (x_1 + x_2), s)` the missing feature is an autoregression, `x_2' = a x_1 + a x_2 + noise` of
/// variance `s + 1`: its mean is `a x_1 / (1 - a) = x_1 / 4` and its variance `(s + 1) / (1 - a^2) = 1.875`, for `a = 0.2`
/// and `s = 0.8`. Corrected it is what it must be.
#[test]
fn metropolis_is_exact_under_a_wrong_posterior() {
    let x = [-1.0, 3.0];
    let (found, _) = chains(WRONG, Chain::Gibbs, Start::Zero, &x);
    assert_near(&found, &[(-0.25, 1.875), (0.75, 1.875)]);
    for (after, start) in [(0, Start::Missing), (5, Start::Zero)] {
        let (found, accepted) = chains(WRONG, Chain::Metropolis { after }, start, &x);
        assert_near(&found, &[(-0.5, 1.5), (1.5, 1.5)]);
        let accepted = accepted.unwrap();
        assert!((0.3..0.95).contains(&accepted), "{accepted}");
    }
}

/// A chain that leaves the data comes back, as it may not leave the bounds.
#[test]
fn what_is_drawn_stays_within_the_bounds() {
    let far = Pair {
        factor: 3.0,
        variance: 0.5,
    };
    let how = Chains {
        bounds: (-2.0, 2.0),
        steps: 300,
        ..chains_of(Chain::Gibbs, Start::Zero, 4)
    };
    let completed = complete(
        &model(far, Untrained),
        &gaps(&[1.0]),
        &how,
        &step(),
        &|| true,
    );
    let mean: Vec<f32> = completed.unwrap().mean.into_data().to_vec().unwrap();
    // At most 3 (1 + 2).
    assert!(mean[1].abs() < 10.0, "{mean:?}");
}

/// Every proposal of the exact posterior is accepted, but for the 0.25 % that the standard deviation is not 1.
#[test]
fn nothing_is_refused_under_the_exact_posterior() {
    let chain = Chain::Metropolis { after: 3 };
    let (found, accepted) = chains(EXACT, chain, Start::Zero, &[2.0]);
    assert_near(&found, &[(1.0, 1.5)]);
    assert!(accepted.unwrap() > 0.99, "{accepted:?}");
}

/// Weights of codes from `N(0.2 x_1, 0.8)`.
#[test]
fn importance_is_exact_under_a_wrong_posterior() {
    let model = model(WRONG, Untrained);
    let x = vec![1.0; CHAINS];
    let completed = complete_by_importance(&model, &gaps(&x), (1, 100), &step(), &|| true).unwrap();
    let second = |of: Tensor<Flex, 2>| {
        of.narrow(1, 1, 1)
            .into_data()
            .iter::<f64>()
            .collect::<Vec<_>>()
    };
    let (drawn, mean) = (second(completed.drawn.unwrap()), second(completed.mean));
    let average = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let of_drawn = average(&drawn);
    let squares: Vec<f64> = drawn
        .iter()
        .map(|value| (value - of_drawn).powi(2))
        .collect();
    assert!((of_drawn - 0.5).abs() < 0.025, "{of_drawn}");
    assert!(
        (average(&squares) - 1.5).abs() < 0.045,
        "{}",
        average(&squares)
    );
    assert!((average(&mean) - 0.5).abs() < 0.01, "{}", average(&mean));
    // In many portions, without overflow.
    let completed =
        complete_by_importance(&model, &gaps(&[1.0, 60.0]), (0, 100_000), &step(), &|| true);
    let found = second(completed.unwrap().mean);
    assert!((found[0] - 0.5).abs() < 0.02, "{found:?}");
    assert!(found[1].is_finite(), "{found:?}");
}

/// `x_2 = (1 + x_2) / 3` is 1 / 2.
#[test]
fn a_point_is_decoded_again_and_again() {
    let model = model(EXACT, Point);
    let batch = gaps(&[1.0]);
    let steps = |chain| {
        let how = chains_of(chain, Start::Expected, 1);
        complete(&model, &batch, &how, &step(), &|| true)
    };
    let completed = steps(Chain::Gibbs).unwrap();
    let found: Vec<f32> = completed.mean.into_data().to_vec().unwrap();
    assert!((found[1] - 0.5).abs() < 1e-5, "{found:?}");
    let error = steps(Chain::Metropolis { after: 0 })
        .unwrap_err()
        .to_string();
    assert!(error.contains("one distribution"), "{error}");
}

#[test]
fn it_stops_when_told() {
    let model = model(EXACT, Untrained);
    let how = chains_of(Chain::Gibbs, Start::Zero, 1);
    let stopped = complete(&model, &gaps(&[1.0]), &how, &step(), &|| false);
    assert!(matches!(stopped, Err(Error::Stopped)));
    let stopped = complete_by_importance(&model, &gaps(&[1.0]), (1, 5), &step(), &|| false);
    assert!(matches!(stopped, Err(Error::Stopped)));
}
