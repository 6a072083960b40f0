//! A step of Adam, in the memory of its state.

use burn::tensor::{Tensor, TensorPrimitive, backend::Backend, ops::FloatTensor};
use burn_flex::Flex;
use burn_ndarray::NdArray;

use super::{cast, host::Host};
use crate::ops::{
    adam::{AdamStep, Moved},
    kernels::{
        elementwise::{self, AdamScales},
        threads::{self, LINE, Shares, split},
    },
    primitive,
};

/// The state after a step, or the state again if the backend has no kernels.
pub(in crate::ops) fn adam<B: Backend, const D: usize>(
    state: Moved<B, D>,
    gradient: &Tensor<B, D>,
    step: &AdamStep,
) -> Result<Moved<B, D>, Moved<B, D>> {
    let state = state.map(|tensor| tensor.into_primitive().tensor());
    let wrap = |tensor| Tensor::from_primitive(TensorPrimitive::Float(tensor));
    in_place::<B, Flex>(state, primitive(gradient), step)
        .or_else(|state| in_place::<B, NdArray>(state, primitive(gradient), step))
        .map(|state| state.map(wrap))
        .map_err(|state| state.map(wrap))
}

fn in_place<B: Backend, H: Host>(
    state: [FloatTensor<B>; 3],
    gradient: FloatTensor<B>,
    step: &AdamStep,
) -> Result<[FloatTensor<B>; 3], [FloatTensor<B>; 3]> {
    let state: [FloatTensor<H>; 3] = cast(state)?;
    let back = |state| cast(state).unwrap_or_else(|_| unreachable!("cast here and back"));
    let gradient = match cast::<_, FloatTensor<H>>(gradient) {
        Ok(gradient) if H::is_f32(&gradient) && state.iter().all(H::is_f32) => gradient,
        _ => return Err(back(state)),
    };
    let gradient = H::contiguous(gradient);
    let [mut parameter, mut first, mut second] = state.map(H::contiguous);
    let scales = scales(step);
    let values = [
        H::values_mut(&mut parameter),
        H::values_mut(&mut first),
        H::values_mut(&mut second),
    ];
    let gradient = H::values(&gradient);
    let state = values.map(Shares::new);
    threads::each(&split(gradient.len(), LINE, gradient.len()), |_, range| {
        // SAFETY: the ranges do not overlap.
        let [p, m, v] = state.map(|values| unsafe { values.part(range.clone()) });
        elementwise::adam(p, m, v, &gradient[range], scales);
    });
    Ok(back([parameter, first, second]))
}

fn scales(step: &AdamStep) -> AdamScales {
    let [first, second] = step.corrections();
    AdamScales {
        beta1: step.beta1 as f32,
        new1: (1.0 - step.beta1) as f32,
        beta2: step.beta2 as f32,
        new2: (1.0 - step.beta2) as f32,
        epsilon: step.epsilon as f32,
        first: first as f32,
        second: second as f32,
        decay: step.decay as f32,
        shrink: (1.0 - step.lr * step.decoupled_decay) as f32,
    }
}
