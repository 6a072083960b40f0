//! The variants: one file each, and one line each in the `registry!` at the end of this file.

// One model exists at a time. Burn's derive makes a second enum, which an attribute of the first misses.
#![allow(clippy::large_enum_variant)]

mod ae;
mod beta;
mod contractive;
mod cvae;
mod dae;
mod deterministic;
mod iwae;
mod registry;
mod saved;
mod semi;
mod sparse;
mod vae;
mod vaegan;

pub use ae::{Ae, AeConfig};
pub use beta::{Beta, BetaConfig};
pub use contractive::{Contractive, ContractiveConfig, Estimator};
pub use cvae::{Cvae, CvaeConfig};
pub use dae::{Dae, DaeConfig};
pub use iwae::{Iwae, IwaeConfig};
pub use registry::VariantInfo;
pub use saved::{Description, load, save};
pub use semi::{Semi, SemiConfig};
pub use sparse::{Sparse, SparseConfig, Sparsity};
pub use vae::{Vae, VaeConfig};
pub use vaegan::{Game, Vaegan, VaeganConfig};

registry::registry! {
    Ae: AeConfig,
    Vae: VaeConfig,
    Beta: BetaConfig,
    Cvae: CvaeConfig,
    Dae: DaeConfig,
    Sparse: SparseConfig,
    Contractive: ContractiveConfig,
    Iwae: IwaeConfig,
    Vaegan: VaeganConfig,
    Semi: SemiConfig,
}

/// The examples of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
