//! Posteriors over the latent code: diagonal Gaussian or deterministic.

use burn::tensor::{Tensor, backend::Backend};

/// `q(z|x) = N(mean, diag(exp(log_variance)))`, one row per example.
#[derive(Debug, Clone)]
pub struct DiagonalGaussian<B: Backend> {
    /// `[batch, latent]`
    pub mean: Tensor<B, 2>,
    /// Natural logarithm of the variance. `[batch, latent]`
    pub log_variance: Tensor<B, 2>,
}

impl<B: Backend> DiagonalGaussian<B> {
    /// Splits a network's output into mean (first half) and log-variance (second half).
    ///
    /// # Shapes
    /// - `parameters`: `[batch, 2 * latent]`
    pub fn from_parameters(parameters: Tensor<B, 2>) -> Self {
        let [_, width] = parameters.dims();
        let latent = width / 2;
        Self {
            mean: parameters.clone().narrow(1, 0, latent),
            log_variance: parameters.narrow(1, latent, latent),
        }
    }

    /// Reparameterised sample `mean + exp(log_variance / 2) * noise` (Kingma & Welling 2014,
    /// section 2.4).
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal
    /// - output: `[batch, latent]`
    pub fn sample(&self, noise: Tensor<B, 2>) -> Tensor<B, 2> {
        self.mean.clone() + self.log_variance.clone().mul_scalar(0.5).exp() * noise
    }

    /// `KL(q || N(0, 1))` of each latent dimension in nats:
    /// `(mean^2 + variance - 1 - log variance) / 2` (Kingma & Welling 2014, appendix B).
    ///
    /// # Shapes
    /// - output: `[batch, latent]`
    pub fn kl_per_dimension(&self) -> Tensor<B, 2> {
        let log_variance = self.log_variance.clone();
        (self.mean.clone().square() + log_variance.clone().exp() - log_variance)
            .sub_scalar(1.0)
            .mul_scalar(0.5)
    }

    /// `KL(q || N(0, I))` in nats, summed over the latent dimensions.
    ///
    /// # Shapes
    /// - output: `[batch]`
    pub fn kl(&self) -> Tensor<B, 1> {
        self.kl_per_dimension().sum_dim(1).squeeze_dim(1)
    }
}

/// What an encoder says about the code of each example.
#[derive(Debug, Clone)]
pub enum Posterior<B: Backend> {
    /// A distribution with the given mean and log-variance.
    Gaussian(DiagonalGaussian<B>),
    /// A point. `[batch, latent]`
    Deterministic(Tensor<B, 2>),
}

impl<B: Backend> Posterior<B> {
    /// The code to use where no sampling is wanted. `[batch, latent]`
    pub fn mean(&self) -> Tensor<B, 2> {
        match self {
            Self::Gaussian(gaussian) => gaussian.mean.clone(),
            Self::Deterministic(code) => code.clone(),
        }
    }
}

impl<B: Backend> From<DiagonalGaussian<B>> for Posterior<B> {
    fn from(gaussian: DiagonalGaussian<B>) -> Self {
        Self::Gaussian(gaussian)
    }
}

impl<B: Backend> From<Tensor<B, 2>> for Posterior<B> {
    fn from(code: Tensor<B, 2>) -> Self {
        Self::Deterministic(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::StepContext;
    use burn_flex::Flex;

    fn gaussian(mean: [f32; 2], log_variance: [f32; 2]) -> DiagonalGaussian<Flex> {
        let device = Default::default();
        DiagonalGaussian {
            mean: Tensor::from_data([mean], &device),
            log_variance: Tensor::from_data([log_variance], &device),
        }
    }

    /// By hand: mean 1, variance 1 gives 1/2; mean 0, variance e gives (e - 1 - 1) / 2.
    #[test]
    fn kl_matches_hand_computation() {
        let q = gaussian([1.0, 0.0], [0.0, 1.0]);
        let kl: Vec<f32> = q.kl_per_dimension().into_data().to_vec().unwrap();
        assert!((kl[0] - 0.5).abs() < 1e-6);
        assert!((kl[1] - (std::f32::consts::E - 2.0) / 2.0).abs() < 1e-6);
        let total: f32 = q.kl().into_scalar();
        assert!((total - kl[0] - kl[1]).abs() < 1e-6);
    }

    /// Monte-Carlo: `KL = E_q[log q(z) - log p(z)]`, estimated from 200,000 samples.
    #[test]
    fn kl_matches_monte_carlo() {
        let (mean, log_variance) = ([0.7_f32, -1.2], [-0.9_f32, 0.4]);
        let q = gaussian(mean, log_variance);
        let samples = 200_000;
        let noise: Tensor<Flex, 2> =
            StepContext::train(3, 0, 1).normal([samples, 2], &Default::default());
        let wide = DiagonalGaussian {
            mean: q.mean.clone().repeat_dim(0, samples),
            log_variance: q.log_variance.clone().repeat_dim(0, samples),
        };
        let z: Vec<f32> = wide.sample(noise).into_data().to_vec().unwrap();
        let log_normal = |z: f64, mean: f64, log_variance: f64| {
            -0.5 * (log_variance
                + (z - mean).powi(2) / log_variance.exp()
                + (2.0 * std::f64::consts::PI).ln())
        };
        let mut sum = 0.0;
        for row in z.chunks(2) {
            for j in 0..2 {
                let z = f64::from(row[j]);
                sum += log_normal(z, f64::from(mean[j]), f64::from(log_variance[j]))
                    - log_normal(z, 0.0, 0.0);
            }
        }
        let estimate = sum / samples as f64;
        let exact = f64::from(q.kl().into_scalar());
        assert!(
            (estimate - exact).abs() < 0.01,
            "Monte Carlo {estimate}, analytic {exact}"
        );
    }
}
