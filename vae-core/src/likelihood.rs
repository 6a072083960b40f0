//! Likelihoods `p(x|z)` of the data given the decoder's output: proper normalised negative
//! log-likelihoods in nats, summed over features.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation, backend::Backend},
};
use serde::{Deserialize, Serialize};
use vae_data::ValueRange;

use crate::{
    error::{Error, Result, check},
    nets::Activation,
    ops,
};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
/// Learned standard deviations stay above `exp(-6)`, as in Rybkin 2021 (section 4.2).
const MIN_LOG_SIGMA: f64 = -6.0;
/// Below this size of a logit the continuous Bernoulli's mean uses its Taylor series.
const SERIES: f64 = 0.1;

/// Which likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LikelihoodKind {
    /// Independent Bernoulli from logits. Normalised for binary data; on data inside (0, 1) it is
    /// the usual cross-entropy. Data in [0, 1].
    Bernoulli,
    /// Continuous Bernoulli from logits (Loaiza-Ganem & Cunningham 2019), a density on [0, 1].
    ContinuousBernoulli,
    /// Gaussian with the fixed standard deviation `sigma`.
    Gaussian,
    /// Gaussian with one learned standard deviation (sigma-VAE, Rybkin 2021).
    GaussianGlobal,
    /// Gaussian with a standard deviation per feature from the decoder.
    GaussianPixel,
}

/// The settings of a likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodConfig {
    /// Which one.
    pub kind: LikelihoodKind,
    /// Standard deviation of [`LikelihoodKind::Gaussian`]; ignored by the others.
    pub sigma: f64,
}

impl LikelihoodConfig {
    /// The given likelihood, `sigma` 1.
    pub fn new(kind: LikelihoodKind) -> Self {
        Self { kind, sigma: 1.0 }
    }

    /// How many numbers the decoder gives for one feature.
    pub fn parameters_per_feature(&self) -> usize {
        match self.kind {
            LikelihoodKind::GaussianPixel => 2,
            _ => 1,
        }
    }

    /// Checks that data of this range can be modelled.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the data leave the support of the likelihood.
    pub fn check_range(&self, range: ValueRange) -> Result<()> {
        let bounded = matches!(
            self.kind,
            LikelihoodKind::Bernoulli | LikelihoodKind::ContinuousBernoulli
        );
        if bounded && (range.min < 0.0 || range.max > 1.0) {
            return Err(Error::Unfit(format!(
                "the {} likelihood needs values from 0 to 1, but the training data range from {} \
                 to {}: pass --scale min-max, or --likelihood gaussian",
                kebab(&self.kind),
                range.min,
                range.max
            )));
        }
        Ok(())
    }

    /// Builds the likelihood on a device.
    ///
    /// # Errors
    /// [`Error::Setting`] if `sigma` is not above 0.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Result<Likelihood<B>> {
        let positive = self.sigma > 0.0 && self.sigma.is_finite();
        check("model.sigma", self.sigma, positive, "above 0")?;
        Ok(Likelihood {
            log_sigma: (self.kind == LikelihoodKind::GaussianGlobal)
                .then(|| Param::from_tensor(Tensor::zeros([1], device))),
            config: *self,
        })
    }
}

/// The name a value has in configuration files.
pub(crate) fn kebab(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

/// A likelihood with its learned parameters, if any.
#[derive(Module, Debug)]
pub struct Likelihood<B: Backend> {
    /// Logarithm of the learned standard deviation of [`LikelihoodKind::GaussianGlobal`], before
    /// the smooth lower bound `softplus(x + 6) - 6`. `[1]`
    pub log_sigma: Option<Param<Tensor<B, 1>>>,
    #[module(skip)]
    config: LikelihoodConfig,
}

impl<B: Backend> Likelihood<B> {
    /// The settings it was built from.
    pub fn config(&self) -> LikelihoodConfig {
        self.config
    }

    /// Negative log-likelihood in nats, summed over features.
    ///
    /// # Shapes
    /// - `parameters`: `[batch, features * parameters per feature]`
    /// - `target`: `[batch, features]`
    /// - output: `[batch]`
    pub fn nll(&self, parameters: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
        let features = target.dims()[1] as f64;
        match self.config.kind {
            LikelihoodKind::Bernoulli => ops::bernoulli_nll(parameters, target),
            LikelihoodKind::ContinuousBernoulli => {
                ops::continuous_bernoulli_nll(parameters, target)
            }
            LikelihoodKind::Gaussian => {
                let log_sigma = self.config.sigma.ln();
                ops::squared_error(parameters, target)
                    .mul_scalar(0.5 * (-2.0 * log_sigma).exp())
                    .add_scalar(features * (log_sigma + 0.5 * LOG_2_PI))
            }
            LikelihoodKind::GaussianGlobal => {
                let log_sigma = self.global_log_sigma(); // [1]
                ops::squared_error(parameters, target)
                    * log_sigma.clone().mul_scalar(-2.0).exp().mul_scalar(0.5)
                    + log_sigma.add_scalar(0.5 * LOG_2_PI).mul_scalar(features)
            }
            LikelihoodKind::GaussianPixel => ops::gaussian_nll(parameters, target, MIN_LOG_SIGMA)
                .add_scalar(features * 0.5 * LOG_2_PI),
        }
    }

    /// Mean of the likelihood, in the scale of the data.
    ///
    /// # Shapes
    /// - `parameters`: `[batch, features * parameters per feature]`
    /// - output: `[batch, features]`
    pub fn mean(&self, parameters: Tensor<B, 2>) -> Tensor<B, 2> {
        match self.config.kind {
            LikelihoodKind::Bernoulli => ops::activate(parameters, Activation::Sigmoid),
            LikelihoodKind::ContinuousBernoulli => continuous_bernoulli_mean(parameters),
            LikelihoodKind::Gaussian | LikelihoodKind::GaussianGlobal => parameters,
            LikelihoodKind::GaussianPixel => {
                let features = parameters.dims()[1] / 2;
                parameters.narrow(1, 0, features)
            }
        }
    }

    fn global_log_sigma(&self) -> Tensor<B, 1> {
        self.log_sigma
            .as_ref()
            .map(|parameter| ops::soft_floor(parameter.val(), MIN_LOG_SIGMA))
            .expect("init gives a global Gaussian its log_sigma")
    }
}

/// `sigmoid(l) / tanh(l / 2) - 1 / l`, near 0 the series `1/2 + l/12 - l^3/720`.
fn continuous_bernoulli_mean<B: Backend>(logits: Tensor<B, 2>) -> Tensor<B, 2> {
    let small = logits.clone().abs().lower_elem(SERIES);
    let series = logits.clone().mul_scalar(1.0 / 12.0)
        - logits.clone().powi_scalar(3).mul_scalar(1.0 / 720.0);
    let series = series.add_scalar(0.5);
    let safe = logits.mask_fill(small.clone(), 1.0);
    let exact =
        activation::sigmoid(safe.clone()) / safe.clone().mul_scalar(0.5).tanh() - safe.recip();
    exact.mask_where(small, series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;

    type Ad = Autodiff<Flex>;

    fn nll(kind: LikelihoodKind, sigma: f64, parameters: &[f32], target: &[f32]) -> f64 {
        let device = Default::default();
        let likelihood = LikelihoodConfig { kind, sigma }
            .init::<Flex>(&device)
            .unwrap();
        let row = |v: &[f32]| Tensor::<Flex, 1>::from_data(v, &device).unsqueeze::<2>();
        f64::from(likelihood.nll(row(parameters), row(target)).into_scalar())
    }

    /// By hand: logit ln 3 is probability 3/4, so x = 1 costs ln(4/3) and x = 0 costs ln 4.
    #[test]
    fn bernoulli_by_hand() {
        let logit = 3.0_f32.ln();
        let value = nll(LikelihoodKind::Bernoulli, 1.0, &[logit, logit], &[1.0, 0.0]);
        assert!((value - (16.0_f64 / 3.0).ln()).abs() < 1e-6);
    }

    #[test]
    fn bernoulli_is_finite_at_extreme_logits() {
        let value = nll(
            LikelihoodKind::Bernoulli,
            1.0,
            &[1e4, -1e4, 1e4],
            &[1.0, 0.0, 0.0],
        );
        assert_eq!(value, 1e4);
    }

    /// The density integrates to 1: midpoint rule with 4,000 cells, on both sides of the switch
    /// to the series and far out.
    #[test]
    fn densities_integrate_to_one() {
        let cells = 4000;
        for logit in [
            -6.0_f32, -0.1001, -0.0999, 0.0, 1e-4, 0.0999, 0.1001, 0.7, 6.0,
        ] {
            let mass: f64 = (0..cells)
                .map(|i| {
                    let x = (i as f32 + 0.5) / cells as f32;
                    (-nll(LikelihoodKind::ContinuousBernoulli, 1.0, &[logit], &[x])).exp()
                })
                .sum::<f64>()
                / f64::from(cells);
            assert!((mass - 1.0).abs() < 2e-5, "logit {logit}: mass {mass}");
        }
        for (kind, sigma, parameters) in [
            (LikelihoodKind::Gaussian, 0.3, vec![0.5_f32]),
            (LikelihoodKind::GaussianGlobal, 1.0, vec![0.5]),
            (LikelihoodKind::GaussianPixel, 1.0, vec![0.5, -1.0]),
        ] {
            let (low, width) = (-9.5, 20.0);
            let mass: f64 = (0..cells)
                .map(|i| {
                    let x = low + width * (i as f32 + 0.5) / cells as f32;
                    (-nll(kind, sigma, &parameters, &[x])).exp()
                })
                .sum::<f64>()
                * f64::from(width)
                / f64::from(cells);
            assert!((mass - 1.0).abs() < 1e-4, "{kind:?}: mass {mass}");
        }
    }

    /// Mean of the continuous Bernoulli against the midpoint rule.
    #[test]
    fn continuous_bernoulli_mean_matches_integration() {
        let device = Default::default();
        let likelihood = LikelihoodConfig::new(LikelihoodKind::ContinuousBernoulli)
            .init::<Flex>(&device)
            .unwrap();
        for logit in [-4.0_f32, -0.0999, 0.0, 0.0999, 0.1001, 2.5] {
            let cells = 2000;
            let integral: f64 = (0..cells)
                .map(|i| {
                    let x = (i as f32 + 0.5) / cells as f32;
                    let density =
                        (-nll(LikelihoodKind::ContinuousBernoulli, 1.0, &[logit], &[x])).exp();
                    f64::from(x) * density
                })
                .sum::<f64>()
                / f64::from(cells);
            let mean = likelihood
                .mean(Tensor::from_data([[logit]], &device))
                .into_scalar();
            assert!((f64::from(mean) - integral).abs() < 2e-5, "logit {logit}");
        }
    }

    /// By hand: (2 - 1)^2 / (2 * 0.25) + ln 0.5 + ln(2 pi) / 2.
    #[test]
    fn gaussian_by_hand() {
        let value = nll(LikelihoodKind::Gaussian, 0.5, &[2.0], &[1.0]);
        assert!((value - (2.0 + 0.5_f64.ln() + 0.5 * LOG_2_PI)).abs() < 1e-6);
    }

    /// Gradients of every likelihood against central differences, and finite at the awkward points.
    #[test]
    fn gradients_match_finite_differences() {
        let device = Default::default();
        for kind in [
            LikelihoodKind::Bernoulli,
            LikelihoodKind::ContinuousBernoulli,
            LikelihoodKind::Gaussian,
            LikelihoodKind::GaussianPixel,
        ] {
            let config = LikelihoodConfig { kind, sigma: 0.7 };
            let width = config.parameters_per_feature();
            for base in [-3.0_f32, -0.05, 0.0, 0.05, 0.5, 3.0] {
                let values = vec![base; width];
                let likelihood = config.init::<Ad>(&device).unwrap();
                let parameters = Tensor::<Ad, 1>::from_data(values.as_slice(), &device)
                    .unsqueeze::<2>()
                    .require_grad();
                let target = Tensor::<Ad, 2>::from_data([[0.3]], &device);
                let gradients = likelihood.nll(parameters.clone(), target).sum().backward();
                let gradient: Vec<f32> = parameters
                    .grad(&gradients)
                    .unwrap()
                    .into_data()
                    .to_vec()
                    .unwrap();
                for j in 0..width {
                    let step = 1e-2_f32;
                    let (mut up, mut down) = (values.clone(), values.clone());
                    up[j] += step;
                    down[j] -= step;
                    let difference = (nll(kind, 0.7, &up, &[0.3]) - nll(kind, 0.7, &down, &[0.3]))
                        / (2.0 * f64::from(step));
                    let error = (f64::from(gradient[j]) - difference).abs();
                    assert!(
                        error < 2e-3 * difference.abs().max(1.0),
                        "{kind:?} at {base}: {} against {difference}",
                        gradient[j]
                    );
                }
            }
        }
    }

    #[test]
    fn unscaled_data_are_refused() {
        let error = LikelihoodConfig::new(LikelihoodKind::Bernoulli)
            .check_range(ValueRange {
                min: 0.0,
                max: 255.0,
            })
            .unwrap_err();
        assert!(error.to_string().contains("range from 0 to 255"), "{error}");
    }
}
