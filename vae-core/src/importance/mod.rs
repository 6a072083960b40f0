//! The log-likelihood of data under a generative model, by importance sampling: as an estimate, and as
//! a bound to train on.

mod bound;

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    Autoencoder, Batch, Distribution, Draws, StepContext, distribution::repeat_rows,
    log_sum::LogSum,
};

pub use bound::{BoundGradient, importance_weighted};

/// Codes decoded at a time: enough for whole matrix products, few enough for the caches.
const ROWS: usize = 2048;

/// How many codes of each example to decode at a time, so that memory does not grow with `samples`.
pub(crate) fn portions(samples: usize, rows: usize) -> Vec<usize> {
    let at_once = (ROWS / rows.max(1)).clamp(1, samples);
    (0..samples)
        .step_by(at_once)
        .map(|done| at_once.min(samples - done))
        .collect()
}

/// An estimate of `-log p(x)` in nats for each example: `-log(1/K sum_k p(x|z_k) p(z_k) / q(z_k|x))`
/// with `K = samples` codes from the posterior (Burda 2016, eq. 8). Its expectation falls with `K`
/// towards `-log p(x)`; for `K = 1` it is that of the negative ELBO. Memory does not grow with `K`, but where
/// examples share their noise ([`StepContext::alike`]).
///
/// Nothing for a model that gives no likelihood.
///
/// # Shapes
/// - output: `[batch]`
///
/// # Panics
/// If `samples` is 0.
pub fn importance_nll<B: Backend>(
    model: &impl Autoencoder<B>,
    batch: &Batch<B>,
    samples: usize,
    step: &StepContext,
) -> Option<Tensor<B, 1>> {
    assert!(samples > 0, "at least one sample");
    let mut portions = portions(samples, batch.len());
    if step.is_alike() {
        // All codes of an example at once, however many examples there are: their noise must not depend on that.
        let at_once = (ROWS / samples).max(1);
        if batch.len() > at_once {
            let all: Vec<usize> = (0..batch.len()).collect();
            let parts = all.chunks(at_once).map(|some| {
                let step = step.clone().alike(some.len());
                importance_nll(model, &batch.select(some), samples, &step)
            });
            return parts
                .collect::<Option<Vec<_>>>()
                .map(|parts| Tensor::cat(parts, 0));
        }
        portions = vec![samples];
    }
    let portions = portions.into_iter();
    let draws = model.draws(batch, step)?;
    let condition = model.condition(batch, step);
    let sums = portions.map(|count| {
        let Draws { z, log_ratio } = draws(count, step);
        let repeated = |rows: &Tensor<B, 2>| repeat_rows(rows.clone(), count);
        let parameters = model.decode(z, condition.as_ref().map(repeated).as_ref(), step);
        let nll = model.likelihood(parameters).nll(repeated(&batch.target));
        LogSum::of((log_ratio - nll).reshape([count, batch.len()]))
    });
    let sum = sums.reduce(LogSum::add)?;
    Some(sum.log_mean(samples).neg())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Assembly, BuiltinPrior, LikelihoodConfig, LikelihoodKind, Method, Model, Objective, Parts,
        nets::Networks, parts::Shared, prior::NormalPrior,
    };
    use burn::module::{Module, ParamId};
    use burn_flex::Flex;

    /// `p(x|z) = N(z, 1)`, so that `p(x) = N(0, 2)` and `p(z|x) = N(x/2, 1/2)`.
    #[derive(Module, Debug, Clone)]
    struct Line {
        /// Of the posterior.
        variance: f64,
    }

    impl<B: Backend> Networks<B> for Line {
        fn encode(&self, input: Tensor<B, 2>, _step: &StepContext) -> Tensor<B, 2> {
            let mean = input.mul_scalar(0.5);
            let log_variance = mean.zeros_like().add_scalar(self.variance.ln());
            Tensor::cat(vec![mean, log_variance], 1)
        }

        fn decode(&self, z: Tensor<B, 2>, _step: &StepContext) -> Tensor<B, 2> {
            z
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

    fn estimate(variance: f64, samples: usize, x: &[f32]) -> Vec<f32> {
        let device = Default::default();
        let likelihood = LikelihoodConfig::new(LikelihoodKind::Gaussian);
        let parts = Assembly::<Flex, _> {
            networks: Line { variance },
            likelihood: likelihood.init(1, &device).unwrap(),
            prior: BuiltinPrior::Normal(NormalPrior { latent: 1 }),
            flow: None,
            shared: Shared {
                objective: Default::default(),
                latent: 1,
                condition: 0,
                planes: 1,
            },
        };
        let line = Model::new(parts, Untrained).unwrap();
        let x = Tensor::<Flex, 1>::from_floats(x, &device).unsqueeze_dim(1);
        let step = StepContext::evaluate(1, 0, 0, 1);
        let nll = importance_nll(&line, &Batch::unlabelled(x), samples, &step).unwrap();
        nll.into_data().to_vec().unwrap()
    }

    fn exact(x: f32) -> f64 {
        0.5 * (4.0 * std::f64::consts::PI).ln() + f64::from(x * x) / 4.0
    }

    /// Under the exact posterior every weight is `p(x)`, however few or many there are.
    #[test]
    fn exact_posterior_gives_the_exact_likelihood() {
        let x = [-3.0, 0.0, 0.5, 8.0];
        for samples in [1, 2, 3000] {
            for (found, x) in estimate(0.5, samples, &x).into_iter().zip(x) {
                let expected = exact(x);
                assert!(
                    (f64::from(found) - expected).abs() < 1e-4,
                    "{found}, not {expected}"
                );
            }
        }
    }

    /// Under another posterior the estimate comes close with many samples, in several portions.
    #[test]
    fn many_samples_come_close() {
        let x = [-1.0, 0.0, 0.5, 2.0];
        let far = |samples| -> f64 {
            let found = estimate(1.5, samples, &x).into_iter().zip(x);
            found
                .map(|(found, x)| (f64::from(found) - exact(x)).abs())
                .sum()
        };
        assert!(far(20_000) < 0.05, "{}", far(20_000));
        assert!(far(1) > 0.2, "{}", far(1));
    }

    #[test]
    fn huge_errors_do_not_overflow() {
        let found = estimate(0.4, 5, &[1e4])[0];
        assert!(found.is_finite() && found > 2.4e7, "{found}");
    }
}
