//! Normalisation layers.

use burn::{
    module::Module,
    nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig},
    tensor::{Tensor, backend::Backend},
};

use crate::settings::NormKind;

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

    /// Normalises.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, units, ...]`
    pub fn forward<const D: usize>(&self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Batch(norm) => norm.forward(x),
        }
    }
}
