//! Normalisation layers.

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig},
    tensor::{Tensor, backend::Backend},
};

use crate::{StepContext, settings::NormKind};

/// A normalisation layer with learned scale and shift per unit or channel.
#[derive(Module, Debug)]
pub enum Norm<B: Backend> {
    /// Layer normalisation: one group over all channels.
    Layer(GroupNorm<B>),
    /// Batch normalisation.
    Batch(BatchNorm<B>),
}

impl<B: Backend> Norm<B> {
    /// The layer for `units` units or channels, or nothing.
    pub fn init(kind: NormKind, units: usize, device: &B::Device) -> Option<Self> {
        match kind {
            NormKind::None => None,
            NormKind::Layer => Some(Self::Layer(GroupNormConfig::new(1, units).init(device))),
            NormKind::Batch => Some(Self::Batch(BatchNormConfig::new(units).init(device))),
        }
    }

    /// Normalises; in passes of networks that stand still by the statistics that are there.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, units, ...]`
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>, step: &StepContext) -> Tensor<B, D> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Batch(norm) if step.is_still() => with_kept_statistics(norm, x),
            Self::Batch(norm) => norm.forward(x),
        }
    }
}

/// What Burn's layer does on a backend without automatic differentiation.
fn with_kept_statistics<B: Backend, const D: usize>(
    norm: &BatchNorm<B>,
    x: Tensor<B, D>,
) -> Tensor<B, D> {
    let units = x.dims()[1];
    let mut shape = [1; D];
    shape[1] = units;
    let per_unit = |values: Tensor<B, 1>| values.reshape(shape);
    let deviation = norm.running_var.value().add_scalar(norm.epsilon).sqrt();
    (x - per_unit(norm.running_mean.value())) / per_unit(deviation) * per_unit(norm.gamma.val())
        + per_unit(norm.beta.val())
}

#[cfg(test)]
mod tests {
    use burn::{module::AutodiffModule, tensor::TensorData};
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;

    use super::*;

    /// A pass of a network that stands still gives what an evaluation gives, and moves nothing.
    #[test]
    fn statistics_stand_still_where_they_should() {
        type Ad = Autodiff<Flex>;
        let device = Default::default();
        let norm = Norm::<Ad>::init(NormKind::Batch, 2, &device).unwrap();
        let values = |scale: f32| {
            let values = (0..6).map(|i| scale * (i as f32).sin()).collect();
            Tensor::<Ad, 2>::from_data(TensorData::new(values, [3, 2]), &device)
        };
        let step = StepContext::train(0, 0, 1);
        norm.forward(values(2.0), &step);
        let expected = || {
            let x = values(1.0).inner();
            let y = norm.valid().forward(x, &StepContext::evaluate(0, 0, 0, 1));
            y.into_data().to_vec::<f32>().unwrap()
        };
        let before = expected();
        let still = norm.forward(values(1.0), &step.still());
        for (found, expected) in still.into_data().iter::<f32>().zip(&before) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        assert_eq!(before, expected());
        norm.forward(values(1.0), &step);
        assert_ne!(before, expected());
    }
}
