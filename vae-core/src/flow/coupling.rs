//! A small coupling flow (Dinh 2017), for priors.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};

use crate::{
    Distribution, StepContext,
    distribution::StandardNormal,
    distribution::standard_log_prob,
    nets::{Activation, Dense, Init},
    settings::FlowSize,
};

/// One affine coupling (eq. 7 and 8): every other dimension stays, and gives shift and scale of the
/// others. The logarithm of a scale is within (-1, 1).
#[derive(Module, Debug)]
pub struct Coupling<B: Backend> {
    /// The hidden layer.
    pub input: Dense<B>,
    /// To a shift and a scale for each dimension.
    pub output: Dense<B>,
}

impl<B: Backend> Coupling<B> {
    /// Shift and logarithm of the scale, 0 for the dimensions that stay.
    fn affine(&self, x: &Tensor<B, 2>, stays: &Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
        let [_, width] = x.dims();
        let hidden = self
            .input
            .forward(x.clone() * stays.clone(), Activation::Relu);
        let both = self.output.forward(hidden, Activation::Identity);
        let moves = stays.clone().neg().add_scalar(1.0);
        [
            both.clone().narrow(1, 0, width) * moves.clone(),
            both.narrow(1, width, width).tanh() * moves,
        ]
    }
}

/// Couplings one after another.
#[derive(Module, Debug)]
pub struct CouplingFlow<B: Backend> {
    /// From the normal side to the codes.
    pub steps: Vec<Coupling<B>>,
    #[module(skip)]
    width: usize,
}

impl<B: Backend> CouplingFlow<B> {
    /// A flow of codes of the given width.
    pub fn init(width: usize, size: FlowSize, init: &mut Init<'_, B>) -> Self {
        let step = |_| Coupling {
            input: Dense::init(width, size.hidden, init),
            output: Dense::init(size.hidden, 2 * width, init),
        };
        Self {
            steps: (0..size.steps).map(step).collect(),
            width,
        }
    }

    /// The distribution that it makes of `N(0, I)`.
    pub fn distribution(&self, device: &B::Device) -> FlowDistribution<B> {
        FlowDistribution {
            normal: StandardNormal::new(self.width, device.clone()),
            flow: self.clone(),
        }
    }

    /// Which dimensions stay in a step. `[1, width]`
    fn stays(&self, step: usize, device: &B::Device) -> Tensor<B, 2> {
        let values = (0..self.width).map(|i| f32::from(u8::from(i % 2 == step % 2)));
        let values = TensorData::new(values.collect::<Vec<_>>(), [1, self.width]);
        Tensor::from_data(values, device)
    }

    fn to_codes(&self, mut x: Tensor<B, 2>) -> Tensor<B, 2> {
        for (number, step) in self.steps.iter().enumerate() {
            let [shift, log_scale] = step.affine(&x, &self.stays(number, &x.device()));
            x = x * log_scale.exp() + shift;
        }
        x
    }

    /// The normal side of codes, and the sum of the logarithms of the scales.
    fn to_normal(&self, mut z: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let mut log_scales = Tensor::zeros([z.dims()[0]], &z.device());
        for (number, step) in self.steps.iter().enumerate().rev() {
            let [shift, log_scale] = step.affine(&z, &self.stays(number, &z.device()));
            z = (z - shift) * log_scale.clone().neg().exp();
            log_scales = log_scales + log_scale.sum_dim(1).squeeze_dim(1);
        }
        (z, log_scales)
    }
}

/// What a coupling flow makes of `N(0, I)`: one row.
#[derive(Debug, Clone)]
pub struct FlowDistribution<B: Backend> {
    normal: StandardNormal<B>,
    flow: CouplingFlow<B>,
}

impl<B: Backend> Distribution<B> for FlowDistribution<B> {
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        self.flow.to_codes(self.normal.sample(count, step))
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let (normal, log_scales) = self.flow.to_normal(value);
        standard_log_prob(normal) - log_scales
    }

    /// Where the flow takes the mean of the normal distribution: its own has no closed form.
    fn mean(&self) -> Tensor<B, 2> {
        self.flow.to_codes(self.normal.mean())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    fn flow(width: usize) -> FlowDistribution<Flex> {
        let device = Default::default();
        let size = FlowSize {
            steps: 4,
            hidden: 16,
        };
        CouplingFlow::init(width, size, &mut Init::new(2, &device)).distribution(&device)
    }

    #[test]
    fn the_two_ways_undo_each_other() {
        for width in [1, 2, 5] {
            let flow = flow(width);
            let x: Tensor<Flex, 2> =
                StepContext::train(1, 0, 1).normal([9, width], &Default::default());
            let (back, _) = flow.flow.to_normal(flow.flow.to_codes(x.clone()));
            let apart: f32 = (back - x).abs().max().into_scalar();
            assert!(apart < 1e-5, "{width}: {apart}");
        }
    }

    /// Midpoint rule.
    #[test]
    fn the_density_integrates_to_one() {
        let cells = 400;
        let place = |i: usize| -9.0 + 18.0 * (i as f32 + 0.5) / cells as f32;
        let values: Vec<f32> = (0..cells * cells)
            .flat_map(|i| [place(i / cells), place(i % cells)])
            .collect();
        let z = Tensor::from_data(
            TensorData::new(values, [cells * cells, 2]),
            &Default::default(),
        );
        let mass = flow(2).log_prob(z).exp().sum().into_scalar() * (18.0 / cells as f32).powi(2);
        assert!((mass - 1.0).abs() < 1e-3, "{mass}");
    }
}
