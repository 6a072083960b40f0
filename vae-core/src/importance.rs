//! The log-likelihood of data under a generative model, by importance sampling.

use burn::tensor::{Tensor, backend::Backend};

use crate::{Autoencoder, Batch, Posterior, StepContext};

/// Codes decoded at a time: enough for whole matrix products, few enough for the caches.
const ROWS: usize = 2048;

/// An estimate of `-log p(x)` in nats for each example: `-log(1/K sum_k p(x|z_k) p(z_k) / q(z_k|x))`
/// with `K = samples` codes from the posterior (Burda 2016, eq. 8). Its expectation falls with `K`
/// towards `-log p(x)`; for `K = 1` it is that of the negative ELBO. Memory does not grow with `K`.
///
/// Nothing for a model without a Gaussian posterior.
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
    let Posterior::Gaussian(posterior) = model.encode(batch, step).into() else {
        return None;
    };
    let [rows, latent] = posterior.dims();
    let at_once = (ROWS / rows.max(1)).clamp(1, samples);
    let mut sum: Option<LogSum<B>> = None;
    let mut left = samples;
    while left > 0 {
        let count = left.min(at_once);
        left -= count;
        let posterior = posterior.repeat(count);
        let noise = step.normal([count * rows, latent], &posterior.device());
        let z = posterior.sample(noise.clone()); // [count * batch, latent]
        let condition = batch
            .condition
            .as_ref()
            .map(|c| c.clone().repeat_dim(0, count));
        let parameters = model.decode(z.clone(), condition.as_ref(), step);
        let target = batch.target.clone().repeat_dim(0, count);
        let nll = model.likelihood().nll(parameters, target);
        // log p(z) - log q(z|x), where both lack the same constant
        let prior = (noise.square() + posterior.log_variance() - z.square())
            .sum_dim(1)
            .squeeze_dim::<1>(1)
            .mul_scalar(0.5);
        let log_weights = (prior - nll).reshape([count, rows]);
        sum = Some(match sum {
            None => LogSum::of(log_weights),
            Some(sum) => sum.add(LogSum::of(log_weights)),
        });
    }
    let LogSum { largest, scaled } = sum?;
    let log_mean = largest + scaled.log().sub_scalar((samples as f64).ln());
    Some(log_mean.neg().squeeze_dim(0))
}

/// `log(scaled) + largest`, without overflow. `[1, batch]` each
struct LogSum<B: Backend> {
    largest: Tensor<B, 2>,
    scaled: Tensor<B, 2>,
}

impl<B: Backend> LogSum<B> {
    /// Of the columns of `logs`.
    fn of(logs: Tensor<B, 2>) -> Self {
        let largest = logs.clone().max_dim(0);
        let scaled = (logs - largest.clone()).exp().sum_dim(0);
        Self { largest, scaled }
    }

    fn add(self, other: Self) -> Self {
        let largest = self.largest.clone().max_pair(other.largest.clone());
        let scaled = |part: Self| part.scaled * (part.largest - largest.clone()).exp();
        Self {
            scaled: scaled(self) + scaled(other),
            largest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Decoder, DiagonalGaussian, Encoder, Likelihood, LikelihoodConfig, LikelihoodKind, Loss,
        Objective,
    };
    use burn::module::Module;
    use burn_flex::Flex;

    /// `p(x|z) = N(z, 1)`, so that `p(x) = N(0, 2)` and `p(z|x) = N(x/2, 1/2)`.
    #[derive(Module, Debug)]
    struct Line<B: Backend> {
        likelihood: Likelihood<B>,
        /// Of the posterior.
        #[module(skip)]
        variance: f64,
    }

    impl<B: Backend> Encoder<B> for Line<B> {
        type Code = DiagonalGaussian<B>;

        fn encode(&self, batch: &Batch<B>, _step: &StepContext) -> DiagonalGaussian<B> {
            let mean = batch.input.clone().mul_scalar(0.5);
            let log_variance = mean.zeros_like().add_scalar(self.variance.ln());
            DiagonalGaussian::new(mean, log_variance)
        }
    }

    impl<B: Backend> Decoder<B> for Line<B> {
        fn decode(
            &self,
            z: Tensor<B, 2>,
            _condition: Option<&Tensor<B, 2>>,
            _step: &StepContext,
        ) -> Tensor<B, 2> {
            z
        }
    }

    impl<B: Backend> Loss<B> for Line<B> {
        fn loss(&self, batch: &Batch<B>, _step: &StepContext) -> Objective<B> {
            Objective::new(
                self.likelihood
                    .nll(batch.input.clone(), batch.target.clone()),
            )
        }
    }

    impl<B: Backend> Autoencoder<B> for Line<B> {
        fn likelihood(&self) -> &Likelihood<B> {
            &self.likelihood
        }

        fn latent(&self) -> usize {
            1
        }

        fn is_generative(&self) -> bool {
            true
        }
    }

    fn estimate(variance: f64, samples: usize, x: &[f32]) -> Vec<f32> {
        let device = Default::default();
        let likelihood = LikelihoodConfig::new(LikelihoodKind::Gaussian);
        let line = Line::<Flex> {
            likelihood: likelihood.init(&device).unwrap(),
            variance,
        };
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
