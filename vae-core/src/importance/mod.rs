//! The log-likelihood of data under a generative model, by importance sampling: as an estimate, and as
//! a bound to train on.

mod bound;

use burn::tensor::{Tensor, backend::Backend};

use crate::{Autoencoder, Batch, DiagonalGaussian, Posterior, StepContext, posterior::repeat_rows};

pub use bound::{BoundGradient, importance_weighted};

/// Codes decoded at a time: enough for whole matrix products, few enough for the caches.
const ROWS: usize = 2048;

/// Below this a share of a sum of weights counts as 0. It is far below the rounding error of the sum,
/// and gradients weighted with less would be subnormal numbers, with which a step takes three times as
/// long.
const NO_SHARE: f32 = 1e-12;

/// How many codes of each example to decode at a time, so that memory does not grow with `samples`.
fn portions(samples: usize, rows: usize) -> Vec<usize> {
    let at_once = (ROWS / rows.max(1)).clamp(1, samples);
    (0..samples)
        .step_by(at_once)
        .map(|done| at_once.min(samples - done))
        .collect()
}

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
    let batch = Batch {
        condition: model.condition(batch, step),
        ..batch.clone()
    };
    let portions = portions(samples, posterior.dims()[0]).into_iter();
    let sums = portions.map(|count| {
        let codes = Codes::draw(&posterior, count, step);
        LogSum::of(codes.weigh(model, &batch, 1.0, step).log_weights)
    });
    let sum = sums.reduce(LogSum::add)?;
    Some(sum.log_mean(samples).neg())
}

/// Codes drawn from posteriors, `count` for each example.
struct Codes<B: Backend> {
    count: usize,
    /// `[count * batch, 2 * latent]`
    posterior: DiagonalGaussian<B>,
    noise: Tensor<B, 2>,
    /// `[count * batch, latent]`
    z: Tensor<B, 2>,
}

impl<B: Backend> Codes<B> {
    fn draw(posterior: &DiagonalGaussian<B>, count: usize, step: &StepContext) -> Self {
        let posterior = posterior.repeat(count);
        let noise = step.normal(posterior.dims(), &posterior.device());
        Self {
            count,
            z: posterior.sample(noise.clone()),
            posterior,
            noise,
        }
    }

    /// `-log p(x|z)`. `[count, batch]`
    fn nll(
        &self,
        model: &impl Autoencoder<B>,
        batch: &Batch<B>,
        z: Tensor<B, 2>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let repeated = |rows: &Tensor<B, 2>| repeat_rows(rows.clone(), self.count);
        let condition = batch.condition.as_ref().map(repeated);
        let parameters = model.decode(z, condition.as_ref(), step);
        self.by_code(model.likelihood().nll(parameters, repeated(&batch.target)))
    }

    /// `log p(z) - log q(z|x)`. `[count, batch]`
    fn log_ratio(&self) -> Tensor<B, 2> {
        self.half_sum(self.noise.clone().square() + self.posterior.log_variance())
    }

    /// The weights `p(x|z) (p(z) / q(z|x))^kl_weight`.
    fn weigh(
        &self,
        model: &impl Autoencoder<B>,
        batch: &Batch<B>,
        kl_weight: f64,
        step: &StepContext,
    ) -> Weighed<B> {
        let nll = self.nll(model, batch, self.z.clone(), step);
        let ratio = match kl_weight {
            1.0 => self.log_ratio(),
            weight => self.log_ratio().mul_scalar(weight),
        };
        Weighed {
            log_weights: ratio - nll.clone(),
            nll,
        }
    }

    /// [`Codes::log_ratio`] as a function of the code alone: no gradient reaches the posterior but
    /// through the code.
    fn log_ratio_along_the_path(&self) -> Tensor<B, 2> {
        let posterior = self.posterior.detach();
        let log_variance = posterior.log_variance();
        let distance = (self.z.clone() - posterior.mean()).square();
        self.half_sum(distance * log_variance.clone().neg().exp() + log_variance)
    }

    /// Where both densities lack the same constant.
    fn half_sum(&self, of_posterior: Tensor<B, 2>) -> Tensor<B, 2> {
        let terms = of_posterior - self.z.clone().square();
        self.by_code(terms.sum_dim(1).squeeze_dim::<1>(1).mul_scalar(0.5))
    }

    fn by_code(&self, values: Tensor<B, 1>) -> Tensor<B, 2> {
        let rows = values.dims()[0] / self.count;
        values.reshape([self.count, rows])
    }
}

/// Codes with what they are worth. `[count, batch]` each
struct Weighed<B: Backend> {
    log_weights: Tensor<B, 2>,
    /// `-log p(x|z)`
    nll: Tensor<B, 2>,
}

/// `log(scaled) + largest`, without overflow. `[1, batch]` each
pub(crate) struct LogSum<B: Backend> {
    largest: Tensor<B, 2>,
    scaled: Tensor<B, 2>,
}

impl<B: Backend> LogSum<B> {
    /// Of the columns of `logs`.
    pub(crate) fn of(logs: Tensor<B, 2>) -> Self {
        let largest = logs.clone().max_dim(0);
        let scaled = (logs - largest.clone()).exp().sum_dim(0);
        Self { largest, scaled }
    }

    /// What share each of the numbers with these logarithms has in the sum. `[count, batch]`
    fn shares(&self, logs: Tensor<B, 2>) -> Tensor<B, 2> {
        let shares = (logs - self.largest.clone()).exp() / self.scaled.clone();
        let none = shares.clone().lower_elem(NO_SHARE);
        shares.mask_fill(none, 0.0)
    }

    /// The logarithm of the sum divided by `count`. `[batch]`
    pub(crate) fn log_mean(self, count: usize) -> Tensor<B, 1> {
        let log_mean = self.largest + self.scaled.log().sub_scalar((count as f64).ln());
        log_mean.squeeze_dim(0)
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
