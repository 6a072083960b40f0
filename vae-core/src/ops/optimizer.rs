//! The steps of the optimizers.

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

/// The settings of a step of gradient descent with momentum.
#[derive(Debug, Clone, Copy)]
pub struct MomentumStep {
    /// Learning rate.
    pub lr: f64,
    /// Share of the last update that is kept.
    pub momentum: f64,
    /// Weight decay that is added to the gradient.
    pub decay: f64,
    /// Number of this step, from 1.
    pub time: usize,
}

/// The settings of a step of RMSProp (Tieleman & Hinton 2012), not centred.
#[derive(Debug, Clone, Copy)]
pub struct RmsPropStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay rate of the mean square.
    pub rho: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Number of this step, from 1.
    pub time: usize,
}

/// The parameter and its two moments after a step along `gradient`. All four tensors have one
/// shape; where the three that change are not shared with another tensor, their memory is reused.
pub fn adam<B: Backend, const D: usize>(
    state: [Tensor<B, D>; 3],
    gradient: Tensor<B, D>,
    step: &AdamStep,
) -> [Tensor<B, D>; 3] {
    moved(state, gradient, step)
}

/// The parameter and its last update after a step along `gradient`, as [`adam`].
pub fn momentum<B: Backend, const D: usize>(
    state: [Tensor<B, D>; 2],
    gradient: Tensor<B, D>,
    step: &MomentumStep,
) -> [Tensor<B, D>; 2] {
    moved(state, gradient, step)
}

/// The parameter and its mean square after a step along `gradient`, as [`adam`].
pub fn rms_prop<B: Backend, const D: usize>(
    state: [Tensor<B, D>; 2],
    gradient: Tensor<B, D>,
    step: &RmsPropStep,
) -> [Tensor<B, D>; 2] {
    moved(state, gradient, step)
}

/// How a parameter and what is remembered of it move in a step.
trait Rule<const N: usize>: kernels::InPlace<N> + std::fmt::Debug {
    fn reference<B: Backend, const D: usize>(
        &self,
        state: [Tensor<B, D>; N],
        gradient: Tensor<B, D>,
    ) -> [Tensor<B, D>; N];
}

fn moved<B: Backend, const D: usize, const N: usize>(
    state: [Tensor<B, D>; N],
    gradient: Tensor<B, D>,
    rule: &impl Rule<N>,
) -> [Tensor<B, D>; N] {
    if is_reference() {
        return rule.reference(state, gradient);
    }
    kernels::step(state, &gradient, rule).unwrap_or_else(|state| rule.reference(state, gradient))
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

impl Rule<3> for AdamStep {
    fn reference<B: Backend, const D: usize>(
        &self,
        [parameter, first, second]: [Tensor<B, D>; 3],
        gradient: Tensor<B, D>,
    ) -> [Tensor<B, D>; 3] {
        let gradient = with_decay(gradient, &parameter, self.decay);
        let first = average(first, gradient.clone(), self.beta1);
        let second = average(second, gradient.square(), self.beta2);
        let first = tidied(first, self.time, NO_MOMENT);
        let second = tidied(second, self.time, NO_SQUARE);
        // a m / (sqrt(b v) + epsilon) = a / sqrt b * m / (sqrt v + epsilon / sqrt b), which is one pass
        // over the tensors less.
        let [first_scale, second_scale] = self.corrections();
        let second_root = second_scale.sqrt();
        let root = (second.clone().sqrt()).add_scalar(self.epsilon / second_root);
        let update = first.clone().mul_scalar(first_scale / second_root) / root;
        let parameter = match self.decoupled_decay {
            0.0 => parameter,
            decay => parameter.mul_scalar(1.0 - self.lr * decay),
        };
        [parameter - update, first, second]
    }
}

impl Rule<2> for MomentumStep {
    fn reference<B: Backend, const D: usize>(
        &self,
        [parameter, update]: [Tensor<B, D>; 2],
        gradient: Tensor<B, D>,
    ) -> [Tensor<B, D>; 2] {
        let gradient = with_decay(gradient, &parameter, self.decay);
        let update = update.mul_scalar(self.momentum) + gradient;
        let update = tidied(update, self.time, NO_MOMENT);
        [parameter - update.clone().mul_scalar(self.lr), update]
    }
}

impl Rule<2> for RmsPropStep {
    fn reference<B: Backend, const D: usize>(
        &self,
        [parameter, square]: [Tensor<B, D>; 2],
        gradient: Tensor<B, D>,
    ) -> [Tensor<B, D>; 2] {
        let square = average(square, gradient.clone().square(), self.rho);
        let square = tidied(square, self.time, NO_SQUARE);
        let scale = square.clone().sqrt().add_scalar(self.epsilon);
        let update = (gradient / scale).mul_scalar(self.lr);
        [parameter - update, square]
    }
}

fn with_decay<B: Backend, const D: usize>(
    gradient: Tensor<B, D>,
    parameter: &Tensor<B, D>,
    decay: f64,
) -> Tensor<B, D> {
    match decay {
        0.0 => gradient,
        decay => gradient + parameter.clone().mul_scalar(decay),
    }
}

fn average<B: Backend, const D: usize>(
    last: Tensor<B, D>,
    new: Tensor<B, D>,
    decay: f64,
) -> Tensor<B, D> {
    last.mul_scalar(decay) + new.mul_scalar(1.0 - decay)
}

/// Steps after which plain operations look for moments that are next to 0, as it takes passes of its
/// own. Till the next time these stay far above subnormal numbers.
const TIDY_EVERY: usize = 32;
/// Below this size moments and updates count as 0, and below the second mean squares.
const NO_MOMENT: f32 = 1e-30;
const NO_SQUARE: f32 = 1e-36;

/// `moment`, or from time to time 0 where it is smaller in size than `least`. Moments of weights that have no
/// gradient any more shrink step by step; once they are subnormal, a step takes half as long again.
fn tidied<B: Backend, const D: usize>(
    moment: Tensor<B, D>,
    time: usize,
    least: f32,
) -> Tensor<B, D> {
    if !time.is_multiple_of(TIDY_EVERY) {
        return moment;
    }
    let none = moment.clone().abs().lower_elem(least);
    moment.mask_fill(none, 0.0)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use burn_ndarray::NdArray;
    use proptest::prelude::*;

    use super::*;

    const ADAM: AdamStep = AdamStep {
        lr: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        decay: 0.0,
        decoupled_decay: 0.0,
        time: 1,
    };
    const MOMENTUM: MomentumStep = MomentumStep {
        lr: 0.1,
        momentum: 0.9,
        decay: 0.0,
        time: 1,
    };
    const RMS_PROP: RmsPropStep = RmsPropStep {
        lr: 0.1,
        rho: 0.9,
        epsilon: 1e-8,
        time: 1,
    };

    /// The state after a step from the state and the gradient in `values`.
    fn run<B: Backend, const N: usize>(
        values: &[Vec<f32>],
        step: impl Fn([Tensor<B, 1>; N], Tensor<B, 1>) -> [Tensor<B, 1>; N],
    ) -> Vec<Vec<f32>> {
        let device = B::Device::default();
        let vector = |values: &Vec<f32>| Tensor::from_data(values.as_slice(), &device);
        let state = std::array::from_fn(|i| vector(&values[i]));
        let moved = step(state, vector(values.last().unwrap()));
        let host = |tensor: Tensor<B, 1>| tensor.into_data().to_vec().unwrap();
        moved.map(host).to_vec()
    }

    /// The kernels, on each backend that has them, against plain operations; `all` are parameters, moments that may
    /// have any sign, moments above 0, and gradients.
    fn assert_same<const N: usize>(all: &[Vec<f32>], of: [usize; N], rule: &impl Rule<N>) {
        let mut values: Vec<_> = of.iter().map(|&i| all[i].clone()).collect();
        values.push(all[3].clone());
        let expected = run::<Flex, N>(&values, |state, g| rule.reference(state, g));
        let flex = run::<Flex, N>(&values, |state, g| moved(state, g, rule));
        let ndarray = run::<NdArray, N>(&values, |state, g| moved(state, g, rule));
        for found in [flex, ndarray] {
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                let close = (found - expected).abs() <= 1e-6 * expected.abs().max(0.1);
                assert!(close, "{rule:?}: {found}, not {expected}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn every_rule_matches_its_reference(
            rows in prop::collection::vec(
                [-2.0_f32..2.0, -1.0_f32..1.0, 0.0_f32..1.0, -5.0_f32..5.0],
                1..300,
            ),
            decay in 0.0..0.1,
            decoupled_decay in 0.0..0.1,
            rate in 0.0..0.99,
            time in 1_usize..2000,
        ) {
            let all: Vec<Vec<f32>> =
                (0..4).map(|i| rows.iter().map(|row| row[i]).collect()).collect();
            let adam = AdamStep { lr: 1e-2, decay, decoupled_decay, time, ..ADAM };
            assert_same(&all, [0, 1, 2], &adam);
            let momentum = MomentumStep { lr: 1e-2, momentum: rate, decay, time };
            assert_same(&all, [0, 1], &momentum);
            let rms_prop = RmsPropStep { lr: 1e-2, rho: rate, time, ..RMS_PROP };
            assert_same(&all, [0, 2], &rms_prop);
        }
    }

    /// Steps without gradient from a parameter of 1 and from small moments, which end at 0, and not at numbers that
    /// slow a step down.
    fn assert_vanish<const N: usize, R: Rule<N>>(moments: &[f32], rule: impl Fn(usize) -> R) {
        let kernel = |state, gradient, rule: &R| moved::<Flex, 1, N>(state, gradient, rule);
        let plain = |state, gradient, rule: &R| rule.reference::<Flex, 1>(state, gradient);
        for is_plain in [false, true] {
            let start = std::iter::once(&1.0).chain(moments);
            let mut values: Vec<Vec<f32>> = start.map(|value| vec![*value]).collect();
            for time in 5010..5050 {
                values.push(vec![0.0]);
                let rule = rule(time);
                values = run(&values, |state, gradient| match is_plain {
                    true => plain(state, gradient, &rule),
                    false => kernel(state, gradient, &rule),
                });
                for moment in &values[1..] {
                    assert!(!moment[0].is_subnormal(), "{rule:?}: {:e}", moment[0]);
                }
            }
            assert_eq!(values[0], [1.0]);
            assert!(
                values[1..].iter().all(|moment| *moment == [0.0]),
                "{values:?}"
            );
        }
    }

    #[test]
    fn moments_without_gradient_vanish() {
        assert_vanish(&[2e-30, 1.2e-38], |time| AdamStep { time, ..ADAM });
        assert_vanish(&[2e-30], |time| MomentumStep { time, ..MOMENTUM });
        assert_vanish(&[2e-37], |time| RmsPropStep { time, ..RMS_PROP });
    }

    /// A step must not be seen by another tensor that shares the parameter.
    #[test]
    fn a_shared_parameter_is_copied() {
        let ones = || Tensor::<Flex, 1>::ones([3], &Default::default());
        let parameter = ones();
        let shared = parameter.clone();
        let [moved, _, _] = adam([parameter, ones(), ones()], ones(), &ADAM);
        assert_eq!(shared.into_data().to_vec::<f32>().unwrap(), [1.0; 3]);
        assert!(moved.into_data().to_vec::<f32>().unwrap()[0] < 1.0);
    }
}
