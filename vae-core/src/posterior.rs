//! Posteriors over the latent code: diagonal Gaussian or deterministic.

use burn::tensor::{Tensor, backend::Backend};

use crate::ops;

/// `q(z|x) = N(mean, diag(exp(log_variance)))`, one row per example.
#[derive(Debug, Clone)]
pub struct DiagonalGaussian<B: Backend> {
    /// The mean and then the log-variance. `[batch, 2 * latent]`
    parameters: Tensor<B, 2>,
}

impl<B: Backend> DiagonalGaussian<B> {
    /// The Gaussian that a network's output describes: the mean in its first half, the natural
    /// logarithm of the variance in its second.
    ///
    /// # Shapes
    /// - `parameters`: `[batch, 2 * latent]`
    pub fn from_parameters(parameters: Tensor<B, 2>) -> Self {
        Self { parameters }
    }

    /// # Shapes
    /// - `mean`, `log_variance`: `[batch, latent]`
    pub fn new(mean: Tensor<B, 2>, log_variance: Tensor<B, 2>) -> Self {
        Self::from_parameters(Tensor::cat(vec![mean, log_variance], 1))
    }

    /// `[batch, latent]`
    pub fn dims(&self) -> [usize; 2] {
        let [batch, width] = self.parameters.dims();
        [batch, width / 2]
    }

    /// Where the tensors are.
    pub fn device(&self) -> B::Device {
        self.parameters.device()
    }

    /// `[batch, latent]`
    pub fn mean(&self) -> Tensor<B, 2> {
        let [_, latent] = self.dims();
        self.parameters.clone().narrow(1, 0, latent)
    }

    /// Natural logarithm of the variance. `[batch, latent]`
    pub fn log_variance(&self) -> Tensor<B, 2> {
        let [_, latent] = self.dims();
        self.parameters.clone().narrow(1, latent, latent)
    }

    /// Reparameterised sample `mean + exp(log_variance / 2) * noise` (Kingma & Welling 2014,
    /// section 2.4).
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal
    /// - output: `[batch, latent]`
    pub fn sample(&self, noise: Tensor<B, 2>) -> Tensor<B, 2> {
        ops::reparameterise(self.parameters.clone(), noise)
    }

    /// The same Gaussians `count` times over. `[count * batch, latent]`
    #[must_use]
    pub fn repeat(&self, count: usize) -> Self {
        Self::from_parameters(self.parameters.clone().repeat_dim(0, count))
    }

    /// `KL(q || N(0, 1))` of each latent dimension in nats:
    /// `(mean^2 + variance - 1 - log variance) / 2` (Kingma & Welling 2014, appendix B).
    ///
    /// # Shapes
    /// - output: `[batch, latent]`
    pub fn kl_per_dimension(&self) -> Tensor<B, 2> {
        ops::gaussian_kl_per_dimension(self.parameters.clone())
    }

    /// `KL(q || N(0, I))` in nats, summed over the latent dimensions.
    ///
    /// # Shapes
    /// - output: `[batch]`
    pub fn kl(&self) -> Tensor<B, 1> {
        ops::gaussian_kl(self.parameters.clone())
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
            Self::Gaussian(gaussian) => gaussian.mean(),
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
        DiagonalGaussian::new(
            Tensor::from_data([mean], &device),
            Tensor::from_data([log_variance], &device),
        )
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
        let wide = DiagonalGaussian::new(
            q.mean().repeat_dim(0, samples),
            q.log_variance().repeat_dim(0, samples),
        );
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
