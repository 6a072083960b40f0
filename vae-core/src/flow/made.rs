//! A dense network whose outputs for dimension `i` see only the dimensions before it.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData, backend::Backend},
};

use crate::{
    nets::{Activation, Dense, Init},
    ops,
};

/// A masked autoencoder for distribution estimation (Germain 2015) with one hidden layer: two numbers
/// for each dimension, which depend on the dimensions before it and on a context. Hidden unit `k` sees
/// the first `k % width` dimensions.
#[derive(Module, Debug)]
pub struct Made<B: Backend> {
    /// From the dimensions to the hidden layer.
    pub input: Dense<B>,
    /// From the context to the hidden layer. `[context, hidden]`
    pub context: Param<Tensor<B, 2>>,
    /// To the two numbers for each dimension.
    pub output: Dense<B>,
    #[module(skip)]
    width: usize,
    #[module(skip)]
    hidden: usize,
}

impl<B: Backend> Made<B> {
    /// A network over `width` dimensions.
    pub fn init(width: usize, context: usize, hidden: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            input: Dense::init(width, hidden, init),
            context: init.uniform([context, hidden], context),
            output: Dense::init(hidden, 2 * width, init),
            width,
            hidden,
        }
    }

    /// # Shapes
    /// - `z`: `[batch, width]`
    /// - `context`: `[batch, context]`
    /// - output: `[batch, width]` twice
    pub fn forward(&self, z: Tensor<B, 2>, context: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
        let device = z.device();
        let (width, hidden) = (self.width, self.hidden);
        let sees = mask(hidden, width, |unit, dimension| dimension < unit % width);
        let gives = mask(2 * width, hidden, |output, unit| {
            unit % width <= output % width
        });
        let weight = self.input.weight.val() * Tensor::from_data(sees, &device);
        let units = ops::dense(z, weight, self.input.bias.val(), Activation::Identity)
            + context.matmul(self.context.val());
        let units = ops::activate(units, Activation::Tanh);
        let weight = self.output.weight.val() * Tensor::from_data(gives, &device);
        let both = ops::dense(units, weight, self.output.bias.val(), Activation::Identity);
        [
            both.clone().narrow(1, 0, width),
            both.narrow(1, width, width),
        ]
    }
}

/// 1 where output `o` may depend on input `i`. `[inputs, outputs]`
fn mask(outputs: usize, inputs: usize, open: impl Fn(usize, usize) -> bool) -> TensorData {
    let places = (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o)));
    let values: Vec<f32> = places
        .map(|(i, o)| f32::from(u8::from(open(o, i))))
        .collect();
    TensorData::new(values, [inputs, outputs])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepContext;
    use burn_flex::Flex;

    /// Changing dimension `j` changes the numbers of the dimensions after it alone.
    #[test]
    fn no_dimension_sees_itself_or_a_later_one() {
        let device = Default::default();
        for width in [1, 2, 5] {
            let made = Made::<Flex>::init(width, 3, 16, &mut Init::new(4, &device));
            let step = StepContext::train(1, 0, 1);
            let z: Tensor<Flex, 2> = step.normal([1, width], &device);
            let context: Tensor<Flex, 2> = step.normal([1, 3], &device);
            let run = |z: Tensor<Flex, 2>| {
                let both = made.forward(z, context.clone());
                both.map(|numbers| numbers.into_data().to_vec::<f32>().unwrap())
            };
            let before = run(z.clone());
            for moved in 0..width {
                let mut values: Vec<f32> = z.to_data().to_vec().unwrap();
                values[moved] += 1.0;
                let changed = Tensor::from_data(TensorData::new(values, [1, width]), &device);
                for (old, new) in before.iter().zip(run(changed)) {
                    for i in 0..width {
                        assert_eq!(old[i] != new[i], i > moved, "{i} of {width}, moved {moved}");
                    }
                }
            }
        }
    }
}
