//! A step of an optimizer, in the memory of its state.

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};
use burn_flex::Flex;
use burn_ndarray::NdArray;

use super::{cast, host::Host};
use crate::ops::{
    kernels::{
        moves::{self, AdamScales},
        threads::{self, LINE, Shares, split},
    },
    optimizer::{AdamStep, MomentumStep, RmsPropStep},
    primitive,
};

/// A rule that moves parts of a state, each by itself.
pub(in crate::ops) trait InPlace<const N: usize>: Sync {
    /// Moves the same part of the parameter and of what is remembered of it.
    fn part(&self, state: [&mut [f32]; N], gradient: &[f32]);
}

/// The state after a step, or the state again if the backend has no kernels.
pub(in crate::ops) fn step<B: Backend, const D: usize, const N: usize>(
    state: [Tensor<B, D>; N],
    gradient: &Tensor<B, D>,
    rule: &impl InPlace<N>,
) -> Result<[Tensor<B, D>; N], [Tensor<B, D>; N]> {
    let state = state.map(|tensor| tensor.into_primitive().tensor());
    let wrap = |tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor));
    in_place::<B, Flex, N>(state, primitive(gradient), rule)
        .or_else(|state| in_place::<B, NdArray, N>(state, primitive(gradient), rule))
        .map(|state| state.map(wrap))
        .map_err(|state| state.map(wrap))
}

fn in_place<B: Backend, H: Host, const N: usize>(
    state: [FloatTensor<B>; N],
    gradient: FloatTensor<B>,
    rule: &dyn InPlace<N>,
) -> Result<[FloatTensor<B>; N], [FloatTensor<B>; N]> {
    let state: [FloatTensor<H>; N] = cast(state)?;
    let back = |state| cast(state).unwrap_or_else(|_| unreachable!("cast here and back"));
    let gradient = match cast::<_, FloatTensor<H>>(gradient) {
        Ok(gradient) if H::is_f32(&gradient) && state.iter().all(H::is_f32) => gradient,
        _ => return Err(back(state)),
    };
    let gradient = H::contiguous(gradient);
    let mut state = state.map(H::contiguous);
    let values = state.each_mut().map(H::values_mut).map(Shares::new);
    let gradient = H::values(&gradient);
    threads::each(&split(gradient.len(), LINE, gradient.len()), |_, range| {
        // SAFETY: the ranges do not overlap.
        let part = values.map(|values| unsafe { values.part(range.clone()) });
        rule.part(part, &gradient[range]);
    });
    Ok(back(state))
}

impl InPlace<3> for AdamStep {
    fn part(&self, [parameter, first, second]: [&mut [f32]; 3], gradient: &[f32]) {
        let [first_scale, second_scale] = self.corrections();
        let scales = AdamScales {
            beta1: self.beta1 as f32,
            new1: (1.0 - self.beta1) as f32,
            beta2: self.beta2 as f32,
            new2: (1.0 - self.beta2) as f32,
            epsilon: self.epsilon as f32,
            first: first_scale as f32,
            second: second_scale as f32,
            decay: self.decay as f32,
            shrink: (1.0 - self.lr * self.decoupled_decay) as f32,
        };
        moves::adam(parameter, first, second, gradient, scales);
    }
}

impl InPlace<2> for MomentumStep {
    fn part(&self, [parameter, update]: [&mut [f32]; 2], gradient: &[f32]) {
        let [lr, momentum, decay] = [self.lr, self.momentum, self.decay].map(|x| x as f32);
        moves::momentum(parameter, update, gradient, lr, momentum, decay);
    }
}

impl InPlace<2> for RmsPropStep {
    fn part(&self, [parameter, square]: [&mut [f32]; 2], gradient: &[f32]) {
        let [lr, epsilon] = [self.lr, self.epsilon].map(|x| x as f32);
        let decays = [self.rho, 1.0 - self.rho].map(|x| x as f32);
        moves::rms_prop(parameter, square, gradient, lr, decays, epsilon);
    }
}
