//! The VampPrior: the variational mixture of posteriors.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    StepContext,
    distribution::{DiagonalGaussian, GaussianMixture, select_rows},
    nets::Init,
};

/// Standard deviation of the noise that sets pseudo-inputs apart which begin at one example.
const NOISE: f64 = 0.01;

/// `p(z) = 1/K sum_k q(z|u_k)` with learned pseudo-inputs `u_k` (Tomczak & Welling 2018, eq. 9). They
/// begin at examples.
#[derive(Module, Debug)]
pub struct VampPrior<B: Backend> {
    /// `[pseudo-inputs, input features]`
    pub inputs: Param<Tensor<B, 2>>,
}

impl<B: Backend> VampPrior<B> {
    /// `count` random pseudo-inputs of the width `features`.
    pub fn init(count: usize, features: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            inputs: init.uniform([count, features], features),
        }
    }

    /// The mixture as the encoder and the pseudo-inputs stand.
    pub fn mixture(
        &self,
        encode: impl Fn(Tensor<B, 2>) -> DiagonalGaussian<B>,
    ) -> GaussianMixture<B> {
        GaussianMixture::uniform(encode(self.inputs.val()))
    }

    /// Moves the pseudo-inputs to `examples`, over again with a little noise if there are fewer.
    ///
    /// # Shapes
    /// - `examples`: `[batch, input features]`
    #[must_use]
    pub fn prepare(self, examples: Tensor<B, 2>, step: &StepContext) -> Self {
        let [count, width] = self.inputs.dims();
        let [batch, _] = examples.dims();
        let places: Vec<usize> = (0..count).map(|i| i % batch).collect();
        let noise: Tensor<B, 2> = step.normal([count, width], &examples.device());
        let values = select_rows(&examples, &places) + noise.mul_scalar(NOISE);
        Self {
            inputs: self.inputs.map(|_| values.detach().require_grad()),
        }
    }
}
