//! The inverse autoregressive flow (Kingma 2016), for posteriors.

use burn::{
    module::Module,
    tensor::{Tensor, activation::log_sigmoid, backend::Backend},
};

use super::Made;
use crate::{
    DiagonalGaussian,
    distribution::{repeat_rows, select_rows},
    nets::Init,
    settings::FlowSize,
};

/// Added to the gates' logits, so that a fresh flow changes little ("forget gate bias", section 4).
const OPEN: f64 = 2.0;

/// Steps `z <- sigma * z + (1 - sigma) * m`, where `m` and the gate `sigma` of a dimension come from
/// the dimensions before it and from a context that the encoder gives (algorithm 1). The order of the
/// dimensions is turned around from step to step.
#[derive(Module, Debug)]
pub struct Iaf<B: Backend> {
    /// The networks of the steps.
    pub steps: Vec<Made<B>>,
}

impl<B: Backend> Iaf<B> {
    /// A flow of codes of the given width, with as wide a context.
    pub fn init(width: usize, size: FlowSize, init: &mut Init<'_, B>) -> Self {
        let step = |_| Made::init(width, width, size.hidden, init);
        Self {
            steps: (0..size.steps).map(step).collect(),
        }
    }

    /// The code after all steps, and the sum of the logarithms of its gates.
    ///
    /// # Shapes
    /// - `z`, `context`: `[batch, width]`
    /// - output: `[batch, width]`, `[batch]`
    fn forward(&self, mut z: Tensor<B, 2>, context: &Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let [batch, _] = z.dims();
        let mut log_gates = Tensor::zeros([batch], &z.device());
        for made in &self.steps {
            let [shift, gate] = made.forward(z.clone(), context.clone());
            let log_gate = log_sigmoid(gate.add_scalar(OPEN));
            let gate = log_gate.clone().exp();
            z = gate.clone() * (z - shift.clone()) + shift;
            z = z.flip([1]);
            log_gates = log_gates + log_gate.sum_dim(1).squeeze_dim(1);
        }
        (z, log_gates)
    }

    /// Undoes [`Iaf::forward`], dimension after dimension: as many passes as a code is wide.
    fn inverse(&self, mut z: Tensor<B, 2>, context: &Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let [batch, width] = z.dims();
        let mut log_gates = Tensor::zeros([batch], &z.device());
        for made in self.steps.iter().rev() {
            let after = z.flip([1]);
            let mut before = after.clone();
            // In pass `i` the first `i` dimensions are right, and so the numbers of the next one.
            for _ in 0..width {
                let [shift, gate] = made.forward(before, context.clone());
                let gate = log_sigmoid(gate.add_scalar(OPEN)).exp();
                before = (after.clone() - shift.clone()) / gate + shift;
            }
            let [_, gate] = made.forward(before.clone(), context.clone());
            let log_gate = log_sigmoid(gate.add_scalar(OPEN));
            log_gates = log_gates + log_gate.sum_dim(1).squeeze_dim(1);
            z = before;
        }
        (z, log_gates)
    }
}

/// `q(z|x)`: a diagonal Gaussian, reshaped by an inverse autoregressive flow.
#[derive(Debug, Clone)]
pub struct FlowPosterior<B: Backend> {
    /// The Gaussian before the first step.
    pub base: DiagonalGaussian<B>,
    /// What the steps see of each example. `[batch, latent]`
    pub context: Tensor<B, 2>,
    /// The steps.
    pub flow: Iaf<B>,
}

impl<B: Backend> FlowPosterior<B> {
    /// The code that `noise` stands for, and its log-density in nats (eq. 10).
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal
    /// - output: `[batch, latent]`, `[batch]`
    pub fn at(&self, noise: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let log_base = self.base.log_prob_at(noise.clone());
        let (z, log_gates) = self.flow.forward(self.base.at(noise), &self.context);
        (z, log_base - log_gates)
    }

    /// The log-density of any code in nats; see [`Distribution`](crate::Distribution).
    pub fn log_prob(&self, z: Tensor<B, 2>) -> Tensor<B, 1> {
        use crate::Distribution;
        let own = self.repeat(z.dims()[0] / self.base.dims()[0].max(1));
        let (base, log_gates) = own.flow.inverse(z, &own.context);
        own.base.log_prob(base) - log_gates
    }

    /// The same posteriors `count` times over.
    #[must_use]
    pub fn repeat(&self, count: usize) -> Self {
        Self {
            base: self.base.repeat(count),
            context: repeat_rows(self.context.clone(), count),
            flow: self.flow.clone(),
        }
    }

    /// The posteriors at `positions`, in that order.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        Self {
            base: self.base.select(positions),
            context: select_rows(&self.context, positions),
            flow: self.flow.clone(),
        }
    }

    /// The same posteriors as constants.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self {
            base: self.base.detach(),
            context: self.context.clone().detach(),
            flow: self.flow.clone().no_grad(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Distribution, Posterior, StepContext};
    use burn_flex::Flex;

    fn posterior(width: usize, batch: usize) -> FlowPosterior<Flex> {
        let device = Default::default();
        let step = StepContext::train(8, 0, 1);
        let size = FlowSize {
            steps: 3,
            hidden: 24,
        };
        FlowPosterior {
            base: DiagonalGaussian::from_parameters(
                step.normal::<Flex, 2>([batch, 2 * width], &device)
                    .mul_scalar(0.5),
            ),
            context: step.normal([batch, width], &device),
            flow: Iaf::init(width, size, &mut Init::new(3, &device)),
        }
    }

    /// The density of a drawn code is the same whether it is known from the draw or from the inverse.
    #[test]
    fn the_inverse_undoes_the_flow() {
        for width in [1, 2, 7] {
            let posterior = Posterior::Flow(posterior(width, 5));
            let (z, drawn) = posterior.sample_with_log_prob(4, &StepContext::train(2, 0, 1));
            let inverted: Vec<f32> = posterior.log_prob(z).into_data().to_vec().unwrap();
            let drawn: Vec<f32> = drawn.into_data().to_vec().unwrap();
            for (a, b) in drawn.iter().zip(&inverted) {
                assert!((a - b).abs() < 1e-4, "{width}: {a} and {b}");
            }
        }
    }

    /// The density integrates to 1: midpoint rule.
    #[test]
    fn the_density_integrates_to_one() {
        let cells = 400;
        let place = |i: usize| -8.0 + 16.0 * (i as f32 + 0.5) / cells as f32;
        let values: Vec<f32> = (0..cells * cells)
            .flat_map(|i| [place(i / cells), place(i % cells)])
            .collect();
        let values = burn::tensor::TensorData::new(values, [cells * cells, 2]);
        let z = Tensor::from_data(values, &Default::default());
        let density = Posterior::Flow(posterior(2, 1)).log_prob(z).exp();
        let mass = density.sum().into_scalar() * (16.0 / cells as f32).powi(2);
        assert!((mass - 1.0).abs() < 1e-3, "{mass}");
    }
}
