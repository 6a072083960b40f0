//! Dense networks, and the exact Jacobian norm of an encoder made of them.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};

use super::{Activation, Init, ModelConfig, Norm, dropout};
use crate::{StepContext, ops};

/// `x W + b`.
#[derive(Module, Debug)]
pub struct Dense<B: Backend> {
    /// `[inputs, outputs]`
    pub weight: Param<Tensor<B, 2>>,
    /// `[outputs]`
    pub bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> Dense<B> {
    /// A layer with random weights.
    pub fn init(inputs: usize, outputs: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            weight: init.uniform([inputs, outputs], inputs),
            bias: init.uniform([outputs], inputs),
        }
    }

    /// # Shapes
    /// - `x`: `[batch, inputs]`
    /// - output: `[batch, outputs]`
    pub fn forward(&self, x: Tensor<B, 2>, activation: Activation) -> Tensor<B, 2> {
        ops::dense(x, self.weight.val(), self.bias.val(), activation)
    }
}

/// A hidden layer: dense, normalisation, activation, dropout.
#[derive(Module, Debug)]
pub struct Block<B: Backend> {
    /// The dense part.
    pub dense: Dense<B>,
    /// The normalisation, if any.
    pub norm: Option<Norm<B>>,
}

/// Hidden layers and a linear head.
#[derive(Module, Debug)]
pub struct Mlp<B: Backend> {
    /// Hidden layers in order.
    pub blocks: Vec<Block<B>>,
    /// The last layer, without activation.
    pub head: Dense<B>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: f64,
}

impl<B: Backend> Mlp<B> {
    /// A network `inputs - hidden... - outputs`.
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        init: &mut Init<'_, B>,
    ) -> Self {
        let mut width = inputs;
        let mut blocks = Vec::with_capacity(hidden.len());
        for &next in hidden {
            blocks.push(Block {
                dense: Dense::init(width, next, init),
                norm: Norm::init(config.norm, next, init.device()),
            });
            width = next;
        }
        Self {
            blocks,
            head: Dense::init(width, outputs, init),
            activation: config.activation,
            dropout: config.dropout,
        }
    }

    /// # Shapes
    /// - `x`: `[batch, inputs]`
    /// - output: `[batch, outputs]`
    pub fn forward(&self, x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        self.head
            .forward(self.features(x, step), Activation::Identity)
    }

    /// The last hidden layer; the input itself if there is none.
    ///
    /// # Shapes
    /// - `x`: `[batch, inputs]`
    /// - output: `[batch, last hidden width]`
    pub fn features(&self, mut x: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
        for block in &self.blocks {
            let affine = |activation| block.dense.forward(x, activation);
            x = self.hidden(affine, block.norm.as_ref(), step);
        }
        x
    }

    /// A hidden layer: its affine part, normalisation, activation and dropout.
    fn hidden(
        &self,
        affine: impl FnOnce(Activation) -> Tensor<B, 2>,
        norm: Option<&Norm<B>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let hidden = match norm {
            Some(norm) => {
                let x = affine(Activation::Identity);
                let examples = x.dims()[0];
                norm.forward(x, examples, self.activation, step)
            }
            None => affine(self.activation),
        };
        dropout(hidden, self.dropout, step)
    }

    /// Changes the probability with which a hidden unit is dropped in training.
    pub fn set_dropout(&mut self, rate: f64) {
        self.dropout = rate;
    }

    /// Whether [`Mlp::jacobian`] covers this network: no normalisation, no dropout.
    pub fn has_exact_jacobian(&self) -> bool {
        self.dropout == 0.0 && self.blocks.iter().all(|block| block.norm.is_none())
    }

    /// The output after `code`, and the squared Frobenius norm of its Jacobian with respect to
    /// the input, exactly and differentiably.
    ///
    /// The rows of the Jacobian are propagated from the code back to the first hidden layer; the
    /// product with the first weight matrix, the widest, is never formed:
    /// `|R W|^2 = sum(R * (R (W W^T)))`. Behind one hidden layer with slopes `s`, a linear code with
    /// weights `V` needs no row for each of its units: `|V diag(s) W|^2 = s^T (V^T V * W W^T) s`.
    ///
    /// # Shapes
    /// - `x`: `[batch, inputs]`
    /// - output: `[batch, outputs]` and `[batch]`
    pub fn jacobian(&self, x: Tensor<B, 2>, code: Activation) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let batch = x.dims()[0];
        let mut slopes = Vec::with_capacity(self.blocks.len());
        let mut hidden = x;
        for block in &self.blocks {
            let before = block.dense.forward(hidden, Activation::Identity);
            slopes.push(self.activation.derivative(before.clone())); // [batch, width]
            hidden = ops::activate(before, self.activation);
        }
        let before = self.head.forward(hidden, Activation::Identity);
        let outputs = before.dims()[1];
        let slope = code.derivative(before.clone()); // [batch, outputs]
        let head = self.head.weight.val();

        let norm = match self.blocks.first() {
            // d code_j / d x_i = slope_j W_ij
            None => {
                let columns = head.square().sum_dim(0); // [1, outputs]
                (slope.square() * columns).sum_dim(1).squeeze_dim(1)
            }
            Some(first) if self.blocks.len() == 1 && code == Activation::Identity => {
                let form = ops::gram(first.dense.weight.val()) * ops::gram(head.transpose());
                ops::row_forms(last(&mut slopes), form) // [width, width]
            }
            Some(first) => {
                let mut rows = ops::jacobian_rows(slope, head, last(&mut slopes));
                for block in self.blocks[1..].iter().rev() {
                    let weight = block.dense.weight.val(); // [previous, width]
                    let none = Tensor::zeros([weight.dims()[0]], &weight.device());
                    rows = ops::dense_transposed(rows, weight, none, Activation::Identity);
                    rows = ops::scale_rows(rows, last(&mut slopes));
                }
                let form = ops::gram(first.dense.weight.val()); // [width, width]
                let norms = ops::row_forms(rows, form).reshape([batch, outputs]);
                norms.sum_dim(1).squeeze_dim(1)
            }
        };
        (ops::activate(before, code), norm)
    }
}

fn last<B: Backend>(slopes: &mut Vec<Tensor<B, 2>>) -> Tensor<B, 2> {
    slopes.pop().expect("one slope per hidden layer")
}

/// A decoder with its own biases and the encoder's weights transposed.
#[derive(Module, Debug)]
pub struct TiedMlp<B: Backend> {
    /// Biases of the layers from the code outwards.
    pub biases: Vec<Param<Tensor<B, 1>>>,
    /// Normalisations of the hidden layers from the code outwards.
    pub norms: Vec<Option<Norm<B>>>,
}

impl<B: Backend> TiedMlp<B> {
    fn init_norms(
        config: &ModelConfig,
        hidden: &[usize],
        device: &B::Device,
    ) -> Vec<Option<Norm<B>>> {
        hidden
            .iter()
            .rev()
            .map(|&width| Norm::init(config.norm, width, device))
            .collect()
    }

    /// The decoder of an encoder `outputs - hidden... - code`.
    pub fn init(
        config: &ModelConfig,
        outputs: usize,
        hidden: &[usize],
        init: &mut Init<'_, B>,
    ) -> Self {
        let mut biases: Vec<_> = hidden
            .iter()
            .rev()
            .map(|&w| init.constant([w], 0.0))
            .collect();
        biases.push(init.constant([outputs], 0.0));
        Self {
            biases,
            norms: Self::init_norms(config, hidden, init.device()),
        }
    }

    /// # Shapes
    /// - `z`: `[batch, latent]`; the first `latent` outputs of the encoder's head are used
    /// - output: `[batch, encoder inputs]`
    pub fn forward(&self, z: Tensor<B, 2>, encoder: &Mlp<B>, step: &StepContext) -> Tensor<B, 2> {
        let latent = z.dims()[1];
        let head = encoder.head.weight.val().narrow(1, 0, latent);
        let weights =
            std::iter::once(head).chain(encoder.blocks.iter().rev().map(|b| b.dense.weight.val()));
        let mut x = z;
        for (layer, (weight, bias)) in weights.zip(&self.biases).enumerate() {
            let affine = |activation| ops::dense_transposed(x, weight, bias.val(), activation);
            x = match self.norms.get(layer) {
                Some(norm) => encoder.hidden(affine, norm.as_ref(), step),
                None => affine(Activation::Identity),
            };
        }
        x
    }
}
