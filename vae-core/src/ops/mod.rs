//! The tensor operations in which a training step spends its time, written for the CPU.
//!
//! Each is an ordinary function, generic over the backend. On tensors that live in host memory
//! (Flex and NdArray, with or without automatic differentiation) it runs a fused kernel, which
//! reads its inputs once and has its own backward pass. On any other backend, and after
//! [`use_reference`], it runs the same formula as plain tensor operations: the slow reference that
//! the kernels are tested against.
//!
//! The kernels are left out of a build without the feature `kernels`, for a target where Flex or
//! NdArray do not compile, or where tensors never live in host memory: then every operation runs
//! its reference on every backend.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `activation`, `dense`, `norm`, `dropout`, `conv`, `images`, `nll`, `counts`, `levels`, `columns`, `gamma`, `latent`, `jacobian`, `largest`, `optimizer` | the operations, their references, tests of one against the other |
//! | `kernels` | loops over slices, which know no backend, and how threads share them |
//! | `kernels/fused` | the operations as kernels; how tensors lend their memory; automatic differentiation |
//! | `no_kernels` | the same as seen from here, empty |

mod activation;
mod columns;
mod conv;
mod counts;
mod dense;
mod dropout;
mod gamma;
mod images;
mod jacobian;
#[cfg(feature = "kernels")]
mod kernels;
#[cfg(not(feature = "kernels"))]
#[path = "no_kernels.rs"]
mod kernels;
mod largest;
mod latent;
mod levels;
mod nll;
mod norm;
mod optimizer;
#[cfg(test)]
mod testing;

use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Tensor, backend::Backend, ops::FloatTensor};

pub use activation::{Activation, activate, activate_sum};
pub use columns::{ColumnWidth, columns_nll};
pub(crate) use columns::{numbers, with_places};
pub use conv::{Window, conv_transpose2d, conv2d};
pub(crate) use counts::LOG_RATE;
pub use counts::{
    Limit, multinomial_nll, negative_binomial_nll, poisson_nll, soft_limit, zero_inflated_nll,
};
pub use dense::{dense, dense_transposed};
pub use dropout::{drop_below, dropout};
pub use gamma::{digamma, ln_gamma};
pub use images::{images, resize, rows};
pub use jacobian::{gram, jacobian_rows, row_forms, scale_rows};
pub use largest::keep_largest;
pub use latent::{gaussian_kl, gaussian_kl_per_dimension, reparameterise};
pub use levels::{LEVELS, categorical_nll, discretized_logistic_mean, discretized_logistic_nll};
pub(crate) use levels::{level, logistic};
pub use nll::{bernoulli_nll, continuous_bernoulli_nll, gaussian_nll, soft_floor, squared_error};
pub use norm::{Normalise, Over, Statistics, moments};
pub use optimizer::{AdamStep, MomentumStep, RmsPropStep, adam, momentum, rms_prop};

static REFERENCE: AtomicBool = AtomicBool::new(false);

/// From now on, computes with plain tensor operations instead of fused kernels, and draws all noise on the host, in
/// the whole process: to check or to time the kernels, and to compare a graphics card with the CPU.
pub fn use_reference() {
    REFERENCE.store(true, Ordering::Relaxed);
}

/// From now on, computes with fused kernels again.
pub fn use_kernels() {
    REFERENCE.store(false, Ordering::Relaxed);
}

/// What a kernel applies of an activation, and what is applied to its output.
fn in_kernel(activation: Activation) -> [Activation; 2] {
    match activation {
        // Their slopes cannot be told from their outputs.
        Activation::Gelu | Activation::Silu => [Activation::Identity, activation],
        _ => [activation, Activation::Identity],
    }
}

pub(crate) fn is_reference() -> bool {
    REFERENCE.load(Ordering::Relaxed)
}

/// Runs `op` as a kernel, or does nothing if there is none for the backend.
fn apply<B: Backend, const D: usize, const N: usize>(
    op: &(impl kernels::Fused<N> + Clone),
    inputs: [FloatTensor<B>; N],
) -> Option<Tensor<B, D>> {
    if is_reference() {
        return None;
    }
    kernels::apply(op, inputs)
}

/// The tensor as its backend holds it.
fn primitive<B: Backend, const D: usize>(tensor: &Tensor<B, D>) -> FloatTensor<B> {
    tensor.clone().into_primitive().tensor()
}
