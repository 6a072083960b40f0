//! A step of Adam.

use burn::tensor::{Tensor, backend::Backend};

use super::{is_reference, kernels};

/// The settings of a step of Adam (Kingma & Ba 2015, algorithm 1) or AdamW (Loshchilov & Hutter
/// 2019, algorithm 2).
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Weight decay that is added to the gradient.
    pub decay: f64,
    /// Weight decay that is taken off the parameter, times the learning rate.
    pub decoupled_decay: f64,
    /// Number of this step, from 1.
    pub time: usize,
}

impl AdamStep {
    /// What corrects the biases of the moments, the learning rate included.
    pub(super) fn corrections(&self) -> [f64; 2] {
        let time = i32::try_from(self.time).unwrap_or(i32::MAX);
        [
            self.lr / (1.0 - self.beta1.powi(time)),
            1.0 / (1.0 - self.beta2.powi(time)),
        ]
    }
}

/// A parameter and its two moments.
pub type Moved<B, const D: usize> = [Tensor<B, D>; 3];

/// The parameter and its two moments after a step along `gradient`. All four tensors have one
/// shape; where the three that change are not shared with another tensor, their memory is reused.
pub fn adam<B: Backend, const D: usize>(
    state: Moved<B, D>,
    gradient: Tensor<B, D>,
    step: &AdamStep,
) -> Moved<B, D> {
    if is_reference() {
        return reference(state, gradient, step);
    }
    kernels::adam(state, &gradient, step).unwrap_or_else(|state| reference(state, gradient, step))
}

fn reference<B: Backend, const D: usize>(
    [parameter, first, second]: Moved<B, D>,
    gradient: Tensor<B, D>,
    step: &AdamStep,
) -> Moved<B, D> {
    let gradient = match step.decay {
        0.0 => gradient,
        decay => gradient + parameter.clone().mul_scalar(decay),
    };
    let average = |last: Tensor<B, D>, new: Tensor<B, D>, decay: f64| {
        last.mul_scalar(decay) + new.mul_scalar(1.0 - decay)
    };
    let first = average(first, gradient.clone(), step.beta1);
    let second = average(second, gradient.square(), step.beta2);
    let [first, second] = match step.time % TIDY_EVERY {
        0 => [above(first, 1e-30), above(second, 1e-36)],
        _ => [first, second],
    };
    // a m / (sqrt(b v) + epsilon) = a / sqrt b * m / (sqrt v + epsilon / sqrt b), which is one pass
    // over the tensors less.
    let [first_scale, second_scale] = step.corrections();
    let second_root = second_scale.sqrt();
    let root = second.clone().sqrt().add_scalar(step.epsilon / second_root);
    let update = first.clone().mul_scalar(first_scale / second_root) / root;
    let parameter = match step.decoupled_decay {
        0.0 => parameter,
        decay => parameter.mul_scalar(1.0 - step.lr * decay),
    };
    [parameter - update, first, second]
}

/// Steps after which plain operations look for moments that are next to 0, as it takes passes of its
/// own. Till the next time these stay far above subnormal numbers.
const TIDY_EVERY: usize = 32;

/// `moment`, or 0 where it is smaller in size than `least`. Moments of weights that have no gradient
/// any more shrink step by step; once they are subnormal, a step takes half as long again.
fn above<B: Backend, const D: usize>(moment: Tensor<B, D>, least: f32) -> Tensor<B, D> {
    let none = moment.clone().abs().lower_elem(least);
    moment.mask_fill(none, 0.0)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use burn_ndarray::NdArray;
    use proptest::prelude::*;

    use super::*;

    const STEP: AdamStep = AdamStep {
        lr: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        decay: 0.0,
        decoupled_decay: 0.0,
        time: 1,
    };

    fn vectors<B: Backend>(values: &[Vec<f32>]) -> Vec<Tensor<B, 1>> {
        let device = B::Device::default();
        values
            .iter()
            .map(|values| Tensor::from_data(values.as_slice(), &device))
            .collect()
    }

    fn host<B: Backend>(state: Moved<B, 1>) -> Vec<Vec<f32>> {
        let vectors = state.map(|tensor| tensor.into_data().to_vec().unwrap());
        vectors.to_vec()
    }

    fn fused<B: Backend>(values: &[Vec<f32>], step: &AdamStep) -> Vec<Vec<f32>> {
        let mut state = vectors::<B>(values);
        let gradient = state.pop().unwrap();
        host(adam(state.try_into().unwrap(), gradient, step))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            rows in prop::collection::vec(
                [-2.0_f32..2.0, -1.0_f32..1.0, 0.0_f32..1.0, -5.0_f32..5.0],
                1..300,
            ),
            decay in 0.0..0.1,
            decoupled_decay in 0.0..0.1,
            time in 1_usize..2000,
        ) {
            let step = AdamStep {
                lr: 1e-2,
                decay,
                decoupled_decay,
                time,
                ..STEP
            };
            let values: Vec<Vec<f32>> =
                (0..4).map(|i| rows.iter().map(|row| row[i]).collect()).collect();
            let mut state = vectors::<Flex>(&values);
            let gradient = state.pop().unwrap();
            let expected = host(reference(state.try_into().unwrap(), gradient, &step));
            for found in [fused::<Flex>(&values, &step), fused::<NdArray>(&values, &step)] {
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    let close = (found - expected).abs() <= 1e-6 * expected.abs().max(0.1);
                    prop_assert!(close, "{found}, not {expected}");
                }
            }
        }
    }

    /// The moments of a weight without gradient end at 0, and not at numbers that slow a step down.
    #[test]
    fn moments_without_gradient_vanish() {
        for step_of in [adam::<Flex, 1>, reference::<Flex, 1>] {
            let mut values = vec![vec![1.0], vec![2e-30], vec![1.2e-38], vec![0.0]];
            for time in 5010..5050 {
                let mut state = vectors::<Flex>(&values);
                let gradient = state.pop().unwrap();
                let step = AdamStep { time, ..STEP };
                let state = step_of(state.try_into().unwrap(), gradient, &step);
                let [parameter, first, second]: [_; 3] = host(state).try_into().unwrap();
                for moment in [first[0], second[0]] {
                    assert!(!moment.is_subnormal(), "{moment:e}");
                }
                values = vec![parameter, first, second, vec![0.0]];
            }
            assert_eq!(values, [[1.0], [0.0], [0.0], [0.0]]);
        }
    }

    /// A step must not be seen by another tensor that shares the parameter.
    #[test]
    fn a_shared_parameter_is_copied() {
        let step = AdamStep { time: 1, ..STEP };
        let state = vectors::<Flex>(&vec![vec![1.0; 3]; 4]);
        let shared = state[0].clone();
        let [p, m, v, g]: [_; 4] = state.try_into().unwrap();
        let [moved, _, _] = adam([p, m, v], g, &step);
        assert_eq!(shared.into_data().to_vec::<f32>().unwrap(), [1.0; 3]);
        assert!(moved.into_data().to_vec::<f32>().unwrap()[0] < 1.0);
    }
}
