//! The variants: one file each, and one line each in the `registry!` at the end of this file.

// One model exists at a time. Burn's derive makes a second enum, which an attribute of the first misses.
#![allow(clippy::large_enum_variant)]

mod ae;
mod beta;
mod contractive;
mod cvae;
mod dae;
mod deterministic;
mod hvae;
mod iwae;
mod memory;
mod recipe;
mod registry;
mod saved;
mod semi;
mod sparse;
mod upgrade;
mod vae;
mod vaegan;
mod vq;

pub use ae::Ae;
pub use beta::Beta;
pub use contractive::{Contractive, Estimator};
pub use cvae::Cvae;
pub use dae::Dae;
pub use hvae::{Hvae, Ladder};
pub use iwae::Iwae;
pub use recipe::Recipe;
pub use registry::VariantInfo;
pub use saved::{Description, ModelBytes, load, load_with, save};
pub use semi::{Classifiers, Semi};
pub use sparse::{Sparse, Sparsity};
pub use upgrade::upgrade_checkpoint;
pub use vae::Vae;
pub use vaegan::{Adversary, Game, Vaegan};
pub use vq::{Quantizer, Vq};

use vae_core::Assembly;

registry::registry! {
    $ Ae, Vae, Beta, Cvae, Dae, Sparse, Contractive, Iwae, Vaegan, Semi, Hvae, Vq
}

mod any;

/// A model of any variant; with our networks, likelihood and prior, unless others are named.
pub type Model<B, A = Assembly<B>> = vae_core::Model<B, Methods<B>, A>;

/// The examples of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
