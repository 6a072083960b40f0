//! Posteriors over the latent code.

use burn::tensor::{Tensor, backend::Backend};

use super::{DiagonalGaussian, Distribution};
use crate::{StepContext, flow::FlowPosterior};

/// `q(z|x)`, one row per example.
#[derive(Debug, Clone)]
pub enum Posterior<B: Backend> {
    /// A diagonal Gaussian.
    Gaussian(DiagonalGaussian<B>),
    /// One that an inverse autoregressive flow reshapes.
    Flow(FlowPosterior<B>),
}

impl<B: Backend> Posterior<B> {
    /// The Gaussian that noise is brought to first.
    pub fn base(&self) -> &DiagonalGaussian<B> {
        match self {
            Self::Gaussian(gaussian) => gaussian,
            Self::Flow(flow) => &flow.base,
        }
    }

    /// The Gaussian, if it is one.
    pub fn gaussian(&self) -> Option<&DiagonalGaussian<B>> {
        match self {
            Self::Gaussian(gaussian) => Some(gaussian),
            Self::Flow(_) => None,
        }
    }

    /// `[batch, latent]`
    pub fn dims(&self) -> [usize; 2] {
        self.base().dims()
    }

    /// Standard normal noise for `count` codes of each example. `[count * batch, latent]`
    pub fn noise(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        self.base().noise(count, step)
    }

    /// The code that `noise` stands for.
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal
    /// - output: `[batch, latent]`
    pub fn at(&self, noise: Tensor<B, 2>) -> Tensor<B, 2> {
        match self {
            Self::Gaussian(gaussian) => gaussian.at(noise),
            Self::Flow(flow) => flow.at(noise).0,
        }
    }

    /// The code that `noise` stands for, and its log-density in nats.
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal
    /// - output: `[batch, latent]`, `[batch]`
    pub fn at_with_log_prob(&self, noise: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        match self {
            Self::Gaussian(gaussian) => (gaussian.at(noise.clone()), gaussian.log_prob_at(noise)),
            Self::Flow(flow) => flow.at(noise),
        }
    }

    /// The code to show where no sampling is wanted: the mean of a Gaussian, and where a flow takes the
    /// mean of its base. `[batch, latent]`
    pub fn mean_code(&self) -> Tensor<B, 2> {
        match self {
            Self::Gaussian(gaussian) => gaussian.mean(),
            Self::Flow(flow) => flow.at(flow.base.mean().zeros_like()).0,
        }
    }

    /// The same posteriors `count` times over. `[count * batch, latent]`
    #[must_use]
    pub fn repeat(&self, count: usize) -> Self {
        match self {
            Self::Gaussian(gaussian) => Self::Gaussian(gaussian.repeat(count)),
            Self::Flow(flow) => Self::Flow(flow.repeat(count)),
        }
    }

    /// The posteriors at `positions`, in that order.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        match self {
            Self::Gaussian(gaussian) => Self::Gaussian(gaussian.select(positions)),
            Self::Flow(flow) => Self::Flow(flow.select(positions)),
        }
    }

    /// The same posteriors as constants: no gradient reaches what they were made of.
    #[must_use]
    pub fn detach(&self) -> Self {
        match self {
            Self::Gaussian(gaussian) => Self::Gaussian(gaussian.detach()),
            Self::Flow(flow) => Self::Flow(flow.detach()),
        }
    }
}

impl<B: Backend> Distribution<B> for Posterior<B> {
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        self.repeat(count).at(self.noise(count, step))
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        match self {
            Self::Gaussian(gaussian) => gaussian.log_prob(value),
            Self::Flow(flow) => flow.log_prob(value),
        }
    }

    /// Of a flow, which has no closed form for it, [`Posterior::mean_code`].
    fn mean(&self) -> Tensor<B, 2> {
        self.mean_code()
    }

    fn sample_with_log_prob(
        &self,
        count: usize,
        step: &StepContext,
    ) -> (Tensor<B, 2>, Tensor<B, 1>) {
        self.repeat(count).at_with_log_prob(self.noise(count, step))
    }
}

/// A KL divergence of each example's posterior from the prior, in nats.
#[derive(Debug, Clone)]
pub struct Kl<B: Backend> {
    /// `[batch]`
    pub value: Tensor<B, 1>,
    /// Whether it is a Monte Carlo estimate, as it has no closed form.
    pub is_estimate: bool,
}

impl<B: Backend> Kl<B> {
    /// In closed form.
    pub fn exact(value: Tensor<B, 1>) -> Self {
        Self {
            value,
            is_estimate: false,
        }
    }

    /// Estimated from codes that were drawn.
    pub fn estimate(value: Tensor<B, 1>) -> Self {
        Self {
            value,
            is_estimate: true,
        }
    }
}

/// The codes that `noise` stands for, and `KL(posterior || prior)`: in closed form if there is one, else
/// estimated from these codes, `log q(z|x) - log p(z)`.
///
/// # Shapes
/// - `noise`: `[batch, latent]`, standard normal
/// - output: `[batch, latent]`, `[batch]`
pub fn draw_with_kl<B: Backend>(
    posterior: &Posterior<B>,
    prior: &impl Distribution<B>,
    noise: Tensor<B, 2>,
) -> (Tensor<B, 2>, Kl<B>) {
    if let Posterior::Gaussian(gaussian) = posterior
        && let Some(kl) = prior.kl(gaussian)
    {
        return (gaussian.at(noise), Kl::exact(kl));
    }
    let (z, log_prob) = posterior.at_with_log_prob(noise);
    let kl = log_prob - prior.log_prob(z.clone());
    (z, Kl::estimate(kl))
}

/// `count` codes of each example, and `log p(z) - log q(z|x)` in nats.
///
/// # Shapes
/// - output: `[count * batch, latent]`, `[count * batch]`
pub fn draw_with_log_ratio<B: Backend>(
    posterior: &Posterior<B>,
    prior: &impl Distribution<B>,
    count: usize,
    step: &StepContext,
) -> (Tensor<B, 2>, Tensor<B, 1>) {
    let (z, log_prob) = posterior.sample_with_log_prob(count, step);
    (z.clone(), prior.log_prob(z) - log_prob)
}
