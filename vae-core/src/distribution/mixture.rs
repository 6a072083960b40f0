//! Mixtures of diagonal Gaussians.

use burn::tensor::{Tensor, activation::log_softmax, backend::Backend};

use super::{DiagonalGaussian, Distribution};
use crate::{StepContext, log_sum::LogSum};

/// `sum_k w_k N(mean_k, diag(variance_k))` over codes: one row.
#[derive(Debug, Clone)]
pub struct GaussianMixture<B: Backend> {
    /// A row for each component. `[components, width]`
    pub components: DiagonalGaussian<B>,
    /// Logits of the weights. `[components]`
    pub logits: Tensor<B, 1>,
}

impl<B: Backend> GaussianMixture<B> {
    /// Components that weigh the same.
    pub fn uniform(components: DiagonalGaussian<B>) -> Self {
        let [count, _] = components.dims();
        Self {
            logits: Tensor::zeros([count], &components.device()),
            components,
        }
    }

    fn log_weights(&self) -> Tensor<B, 1> {
        log_softmax(self.logits.clone(), 0)
    }
}

impl<B: Backend> Distribution<B> for GaussianMixture<B> {
    /// The component by inversion of the weights' sum, then a code of it. Differentiable with respect
    /// to the components, not to their weights.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let device = self.components.device();
        let weights = self.log_weights().exp().into_data();
        let weights: Vec<f32> = weights.iter::<f32>().collect();
        let uniform: Tensor<B, 1> = step.uniform([count], &device);
        let chosen: Vec<usize> = uniform
            .into_data()
            .iter::<f32>()
            .map(|u| {
                let mut sum = 0.0;
                let below = |weight: &&f32| {
                    sum += **weight;
                    sum <= u
                };
                weights
                    .iter()
                    .take_while(below)
                    .count()
                    .min(weights.len() - 1)
            })
            .collect();
        self.components.select(&chosen).sample(1, step)
    }

    /// `log N` of every value under every component is one matrix product each for the squares and
    /// for the values themselves.
    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let log_weights = self.log_weights().unsqueeze_dim::<2>(1); // [components, 1]
        let densities = self.components.log_prob_of_all(value); // [components, values]
        LogSum::of(densities + log_weights).log_sum()
    }

    fn mean(&self) -> Tensor<B, 2> {
        let weights = self.log_weights().exp().unsqueeze::<2>(); // [1, components]
        weights.matmul(self.components.mean())
    }
}
