//! Loops over slices of `f32`: vectorised, in several threads where it pays, and the same in every
//! run with the same number of threads.

pub(super) mod conv;
pub(super) mod elementwise;
mod isa;
mod math;
pub(super) mod matrix;
pub(super) mod threads;

use isa::vectorised;
