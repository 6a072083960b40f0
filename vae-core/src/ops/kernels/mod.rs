//! Loops over slices of `f32`: vectorised, in several threads where it pays, and the same in every
//! run with the same number of threads. Only `fused`, which lends them the memory of tensors, knows
//! Burn.

mod columns;
mod conv;
mod counts;
mod elementwise;
mod fused;
mod gamma;
mod isa;
mod levels;
mod math;
mod matrix;
mod moves;
mod norm;
mod sync;
mod team;
mod threads;
mod transpose;

pub(super) use fused::{Fused, InPlace, apply, step};
use isa::vectorised;
