//! The tensor operations in which a training step spends its time, written for the CPU.
//!
//! Each is an ordinary function, generic over the backend. On tensors that live in host memory
//! (Flex and NdArray, with or without automatic differentiation) it runs a fused kernel, which
//! reads its inputs once and has its own backward pass. On any other backend, and after
//! [`use_reference`], it runs the same formula as plain tensor operations: the slow reference that
//! the kernels are tested against.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `dense`, `conv`, `images`, `activate`, `nll`, `latent`, `adam` | the operations: reference, fused form, tests |
//! | `fused` | how a fused operation joins automatic differentiation |
//! | `host` | how the tensors of a backend lend their memory |
//! | `kernels` | loops over slices, which know no backend |

mod activate;
mod adam;
mod conv;
mod dense;
mod fused;
mod host;
mod images;
mod kernels;
mod latent;
mod nll;
#[cfg(test)]
mod testing;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::nets::Activation;
pub use activate::activate;
pub use adam::{AdamStep, adam};
pub use conv::{Window, conv_transpose2d, conv2d};
pub use dense::{dense, dense_transposed};
pub use images::{images, resize, rows};
pub use latent::{gaussian_kl, gaussian_kl_per_dimension, reparameterise};
pub use nll::{bernoulli_nll, continuous_bernoulli_nll, gaussian_nll, soft_floor, squared_error};

static REFERENCE: AtomicBool = AtomicBool::new(false);

/// From now on, computes with plain tensor operations instead of fused kernels, in the whole
/// process: to check or to time the kernels.
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

fn is_reference() -> bool {
    REFERENCE.load(Ordering::Relaxed)
}
