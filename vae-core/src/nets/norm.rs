//! Normalisation layers.

use burn::{
    module::{Module, Param},
    nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    StepContext,
    ops::{Activation, Normalise, Over, Statistics, moments},
    settings::NormKind,
};

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

    /// Normalises rows, and applies the activation; batch normalisation moves its statistics in training, and uses
    /// them in an evaluation and where networks stand still.
    ///
    /// # Shapes
    /// - `x` and output: `[examples, .., units]` or `[examples * pixels, units]`, the pixels of an example in a row
    pub fn forward<const D: usize>(
        &self,
        x: Tensor<B, D>,
        examples: usize,
        activation: Activation,
        step: &StepContext,
    ) -> Tensor<B, D> {
        match self {
            Self::Layer(norm) => {
                let over = Over {
                    sets: examples,
                    groups: norm.num_groups,
                };
                let affine = [&norm.gamma, &norm.beta].map(|of| of.as_ref().map(Param::val));
                let [Some(scale), Some(shift)] = affine else {
                    unreachable!("init asks for scale and shift");
                };
                let op = Normalise {
                    over,
                    statistics: Statistics::OfInput,
                    epsilon: norm.epsilon,
                    activation,
                };
                op.forward(x.clone(), moments(x, over), scale, shift)
            }
            Self::Batch(norm) => {
                let units = x.dims()[D - 1];
                let over = Over {
                    sets: 1,
                    groups: units,
                };
                let is_training = B::ad_enabled(&x.device()) && !step.is_still();
                let (statistics, moments) = match is_training {
                    true => {
                        let moments = moments(x.clone(), over);
                        keep(norm, &moments);
                        (Statistics::OfInput, moments)
                    }
                    false => {
                        let kept = [&norm.running_mean, &norm.running_var];
                        let kept = kept.map(|of| of.value().reshape([1, units]));
                        (Statistics::Given, Tensor::cat(kept.to_vec(), 0))
                    }
                };
                let op = Normalise {
                    over,
                    statistics,
                    epsilon: norm.epsilon,
                    activation,
                };
                op.forward(x, moments, norm.gamma.val(), norm.beta.val())
            }
        }
    }
}

/// Moves the statistics of batch normalisation towards those of a batch.
fn keep<B: Backend>(norm: &BatchNorm<B>, moments: &Tensor<B, 2>) {
    let units = moments.dims()[1];
    let running = [&norm.running_mean, &norm.running_var];
    for (row, running) in running.into_iter().enumerate() {
        let new = moments.clone().narrow(0, row, 1).reshape([units]);
        let kept = running.value_sync().mul_scalar(1.0 - norm.momentum);
        running.update(kept + new.mul_scalar(norm.momentum));
    }
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
        let forward = |x, step: &StepContext| norm.forward(x, 3, Activation::Identity, step);
        forward(values(2.0), &step);
        let expected = || {
            let x = values(1.0).inner();
            let step = StepContext::evaluate(0, 0, 0, 1);
            let y = norm.valid().forward(x, 3, Activation::Identity, &step);
            y.into_data().to_vec::<f32>().unwrap()
        };
        let before = expected();
        let still = forward(values(1.0), &step.still());
        for (found, expected) in still.into_data().iter::<f32>().zip(&before) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        assert_eq!(before, expected());
        forward(values(1.0), &step);
        assert_ne!(before, expected());
    }
}
