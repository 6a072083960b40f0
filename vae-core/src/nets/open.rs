//! What a network must be to take part in a model, ours or any other.

use std::marker::PhantomData;

use burn::{
    module::{Module, ModuleDisplay, ParamId, list_param_ids},
    tensor::{Tensor, backend::Backend},
};

use super::Activation;
use crate::StepContext;

/// A network from rows to rows. Any Burn module with this one function is an encoder or a decoder.
pub trait Network<B: Backend>: Module<B> + ModuleDisplay {
    /// # Shapes
    /// - `x`: `[batch, inputs]`
    /// - output: `[batch, outputs]`
    fn forward(&self, x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2>;
}

/// An encoder and its decoder.
pub trait Networks<B: Backend>: Module<B> + ModuleDisplay + 'static {
    /// Runs the encoder.
    ///
    /// # Shapes
    /// - `input`: `[batch, input features]`
    /// - output: `[batch, code]`
    fn encode(&self, input: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2>;

    /// Runs the decoder.
    ///
    /// # Shapes
    /// - `z`: `[batch, latent]`
    /// - output: `[batch, output features * parameters per feature]`
    fn decode(&self, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2>;

    /// The parameters of the encoder.
    fn encoder_parameters(&self) -> Vec<ParamId>;

    /// The encoder's output after `code`, and the squared Frobenius norm of its Jacobian, exactly and
    /// differentiably, where that is known.
    ///
    /// # Shapes
    /// - `input`: `[batch, input features]`
    /// - output: `[batch, code]`, `[batch]`
    fn jacobian(
        &self,
        input: Tensor<B, 2>,
        code: Activation,
    ) -> Option<(Tensor<B, 2>, Tensor<B, 1>)> {
        let _ = (input, code);
        None
    }

    /// Whether [`Networks::jacobian`] gives something.
    fn has_exact_jacobian(&self) -> bool {
        false
    }
}

/// Any two networks as encoder and decoder.
#[derive(Module, Debug)]
pub struct Pair<B: Backend, E, D> {
    /// `[batch, input features]` to `[batch, code]`
    pub encoder: E,
    /// `[batch, latent]` to `[batch, output features * parameters per feature]`
    pub decoder: D,
    backend: PhantomData<B>,
}

impl<B: Backend, E, D> Pair<B, E, D> {
    /// Puts the two together.
    pub fn new(encoder: E, decoder: D) -> Self {
        Self {
            encoder,
            decoder,
            backend: PhantomData,
        }
    }
}

impl<B: Backend, E, D> Networks<B> for Pair<B, E, D>
where
    E: Network<B> + 'static,
    D: Network<B> + 'static,
{
    fn encode(&self, input: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        self.encoder.forward(input, step)
    }

    fn decode(&self, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        self.decoder.forward(z, step)
    }

    fn encoder_parameters(&self) -> Vec<ParamId> {
        list_param_ids(&self.encoder)
    }
}
