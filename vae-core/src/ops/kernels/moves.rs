//! Loops over parameters: a step of each optimizer.

use super::{math::fma, vectorised};

/// Below this size what is remembered of a gradient counts as 0. What is remembered of a weight that gets no gradient
/// any more, such as those of a dead unit, shrinks step by step; once it is subnormal, a step takes twice as long.
const NO_MOMENT: f32 = 1e-30;

/// `x`, or 0 if it is smaller in size than `least`.
#[inline(always)]
fn above(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

/// The numbers of an Adam step that are the same for every parameter.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct AdamScales {
    pub beta1: f32,
    /// `1 - beta1`, and so with `beta2`.
    pub new1: f32,
    pub beta2: f32,
    pub new2: f32,
    pub epsilon: f32,
    /// Learning rate over the first moment's bias.
    pub first: f32,
    /// One over the second moment's bias.
    pub second: f32,
    /// Added to the gradient, times the parameter.
    pub decay: f32,
    /// Multiplies the parameter before the step.
    pub shrink: f32,
}

vectorised! {
    /// One step of Adam on each parameter, in place.
    pub(in crate::ops) fn adam<const FMA: bool>(
        parameter: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
        scales: AdamScales,
    ) {
        let moments = first.iter_mut().zip(second);
        for ((p, (m, v)), &g) in parameter.iter_mut().zip(moments).zip(gradient) {
            let g = fma::<FMA>(scales.decay, *p, g);
            *m = above(fma::<FMA>(scales.beta1, *m, scales.new1 * g), NO_MOMENT);
            *v = above(fma::<FMA>(scales.beta2, *v, scales.new2 * g * g), f32::MIN_POSITIVE);
            let step = scales.first * *m / ((scales.second * *v).sqrt() + scales.epsilon);
            *p = fma::<FMA>(scales.shrink, *p, -step);
        }
    }
}

vectorised! {
    /// One step of gradient descent with momentum on each parameter, in place.
    pub(in crate::ops) fn momentum<const FMA: bool>(
        parameter: &mut [f32],
        update: &mut [f32],
        gradient: &[f32],
        lr: f32,
        momentum: f32,
        decay: f32,
    ) {
        for ((p, u), &g) in parameter.iter_mut().zip(update).zip(gradient) {
            let g = fma::<FMA>(decay, *p, g);
            *u = above(fma::<FMA>(momentum, *u, g), NO_MOMENT);
            *p = fma::<FMA>(-lr, *u, *p);
        }
    }
}

vectorised! {
    /// One step of RMSProp on each parameter, in place; `decays` are `rho` and `1 - rho`.
    pub(in crate::ops) fn rms_prop<const FMA: bool>(
        parameter: &mut [f32],
        square: &mut [f32],
        gradient: &[f32],
        lr: f32,
        decays: [f32; 2],
        epsilon: f32,
    ) {
        let [rho, new] = decays;
        for ((p, v), &g) in parameter.iter_mut().zip(square).zip(gradient) {
            *v = above(fma::<FMA>(rho, *v, new * g * g), f32::MIN_POSITIVE);
            *p -= lr * g / (v.sqrt() + epsilon);
        }
    }
}
