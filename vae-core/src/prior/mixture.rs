//! A mixture of Gaussians with learned weights, means and variances.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    distribution::{DiagonalGaussian, GaussianMixture},
    nets::Init,
};

/// A mixture of diagonal Gaussians whose weights, means and variances are learned.
#[derive(Module, Debug)]
pub struct MixturePrior<B: Backend> {
    /// Logits of the weights. `[components]`
    pub logits: Param<Tensor<B, 1>>,
    /// Mean of each component. `[components, latent]`
    pub mean: Param<Tensor<B, 2>>,
    /// Logarithm of the variances. `[components, latent]`
    pub log_variance: Param<Tensor<B, 2>>,
}

impl<B: Backend> MixturePrior<B> {
    /// Components of the same weight around 0, with means spread over (-1, 1).
    pub fn init(components: usize, latent: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            logits: init.constant([components], 0.0),
            mean: init.uniform([components, latent], 1),
            log_variance: init.constant([components, latent], 0.0),
        }
    }

    /// The mixture as the parameters stand.
    pub fn mixture(&self) -> GaussianMixture<B> {
        GaussianMixture {
            components: DiagonalGaussian::new(self.mean.val(), self.log_variance.val()),
            logits: self.logits.val(),
        }
    }
}
