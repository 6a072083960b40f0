//! Priors over the latent code, as parts of a model.

mod mixture;
mod vamp;

use burn::{
    module::{Module, ModuleDisplay},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    Result, StepContext,
    distribution::{DiagonalGaussian, Distribution, GaussianMixture, StandardNormal},
    flow::{CouplingFlow, FlowDistribution},
    nets::Init,
    settings::{ModelConfig, PriorKind},
};

pub use mixture::MixturePrior;
pub use vamp::VampPrior;

/// What gives the distribution of codes before any data are seen.
pub trait Prior<B: Backend>: Module<B> + ModuleDisplay + 'static {
    /// Its distribution: one row, see [`Distribution`].
    type Distribution: Distribution<B>;

    /// The distribution as the parameters stand. `encode` gives the posteriors of inputs of the
    /// encoder, `[inputs, input features]`, for a prior that is made of some.
    fn distribution(
        &self,
        encode: impl Fn(Tensor<B, 2>) -> DiagonalGaussian<B>,
        device: &B::Device,
    ) -> Self::Distribution;

    /// Parameters that are to begin at examples, from the first batch of a training.
    ///
    /// # Shapes
    /// - `inputs`: `[batch, input features]`
    #[must_use]
    fn prepare(self, inputs: Tensor<B, 2>, step: &StepContext) -> Self {
        let _ = (inputs, step);
        self
    }
}

/// `N(0, I)` over codes.
#[derive(Module, Debug, Clone)]
pub struct NormalPrior {
    /// Width of a code.
    pub latent: usize,
}

/// The priors that settings can choose.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a model has one")]
pub enum BuiltinPrior<B: Backend> {
    /// `N(0, I)`.
    Normal(NormalPrior),
    /// Gaussians with learned weights, means and variances.
    Mixture(MixturePrior<B>),
    /// The posteriors of learned inputs.
    Vamp(VampPrior<B>),
    /// What a coupling flow makes of `N(0, I)`.
    Flow(CouplingFlow<B>),
}

impl<B: Backend> BuiltinPrior<B> {
    /// Builds the prior of codes of the width `latent` whose encoder sees `inputs` numbers.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the settings are out of bounds.
    pub fn init(
        config: &ModelConfig,
        latent: usize,
        inputs: usize,
        init: &mut Init<'_, B>,
    ) -> Result<Self> {
        config.check()?;
        let components = config.prior_components();
        Ok(match config.prior() {
            PriorKind::Normal => Self::Normal(NormalPrior { latent }),
            PriorKind::Mixture => Self::Mixture(MixturePrior::init(components, latent, init)),
            PriorKind::Vamp => Self::Vamp(VampPrior::init(components, inputs, init)),
            PriorKind::Flow => Self::Flow(CouplingFlow::init(latent, config.flow(), init)),
        })
    }
}

impl<B: Backend> Prior<B> for BuiltinPrior<B> {
    type Distribution = BuiltinPriorDistribution<B>;

    fn distribution(
        &self,
        encode: impl Fn(Tensor<B, 2>) -> DiagonalGaussian<B>,
        device: &B::Device,
    ) -> Self::Distribution {
        use BuiltinPriorDistribution as Of;
        match self {
            Self::Normal(prior) => Of::Normal(StandardNormal::new(prior.latent, device.clone())),
            Self::Mixture(prior) => Of::Mixture(prior.mixture()),
            Self::Vamp(prior) => Of::Mixture(prior.mixture(encode)),
            Self::Flow(flow) => Of::Flow(flow.distribution(device)),
        }
    }

    fn prepare(self, inputs: Tensor<B, 2>, step: &StepContext) -> Self {
        match self {
            Self::Vamp(prior) => Self::Vamp(prior.prepare(inputs, step)),
            other => other,
        }
    }
}

/// The distribution of a [`BuiltinPrior`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are those of the distributions")]
pub enum BuiltinPriorDistribution<B: Backend> {
    Normal(StandardNormal<B>),
    Mixture(GaussianMixture<B>),
    Flow(FlowDistribution<B>),
}

any_distribution!(BuiltinPriorDistribution: Normal, Mixture, Flow);
