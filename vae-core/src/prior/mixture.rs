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
    /// Mean and log-variance of each component. `[components, 2 * latent]`
    pub parameters: Param<Tensor<B, 2>>,
}

impl<B: Backend> MixturePrior<B> {
    /// Components of the same weight around 0, with means spread over (-1, 1).
    pub fn init(components: usize, latent: usize, init: &mut Init<'_, B>) -> Self {
        let means = init.uniform([components, latent], 1);
        let variances = Tensor::zeros([components, latent], init.device());
        Self {
            logits: init.constant(components, 0.0),
            parameters: Param::from_tensor(Tensor::cat(vec![means.val().detach(), variances], 1)),
        }
    }

    /// The mixture as the parameters stand.
    pub fn mixture(&self) -> GaussianMixture<B> {
        GaussianMixture {
            components: DiagonalGaussian::from_parameters(self.parameters.val()),
            logits: self.logits.val(),
        }
    }
}
