//! The variants: one file each, and one line each in the `registry!` at the end of this file; and what one
//! does with a model of any of them.
//!
//! * [`Description`] says how a model is built, [`Recipe`] how it is trained, and [`Trained`] uses it:
//!   rows in and out in the units of the data, whatever the variant and the [`Backend`].
//! * [`load`], [`load_with`] and [`Recipe::run`] give the model itself, on a backend of Burn that the program
//!   names, and with parts that are its own.
//! * This crate is the only one that a program needs: it gives [`vae_core`], [`vae_data`] and [`burn`] on.
//!
//! From numbers to codes:
//!
//! ```
//! use vae_variants::prelude::*;
//!
//! let numbers: Vec<f32> = (0..1200).map(|i| (i as f32 * 0.1).sin()).collect();
//! let rows = MemoryDataset::new(DataShape::flat(6), numbers)?; // or MemoryDataset::try_from(ndarray)
//! let data = Data::from_source(Source::new("waves", Arc::new(rows)), &DataConfig::default(), 42)?;
//! let recipe = Recipe::of(Vae::default(), &data, 42)?;
//! let model = recipe.train(Backend::Flex, &mut ())?.model;
//!
//! let others = MemoryDataset::new(DataShape::flat(6), vec![0.5; 12])?;
//! for codes in model.encode(&model.examples(Arc::new(others))?) {
//!     assert_eq!(codes?.mean.len(), 2 * model.latent());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// One model exists at a time. Burn's derive makes a second enum, which an attribute of the first misses.
#![allow(clippy::large_enum_variant)]

mod ae;
mod backend;
mod beta;
mod contractive;
mod cvae;
mod dae;
mod defaults;
mod deterministic;
mod hvae;
mod iwae;
mod marginals;
mod memory;
mod recipe;
mod registry;
mod saved;
mod semi;
mod session;
mod sparse;
mod trained;
mod vae;
mod vaegan;
mod vq;

pub use ae::Ae;
pub use backend::{Backend, Caller, Ops, prepare};
pub use beta::Beta;
pub use contractive::{Contractive, Estimator};
pub use cvae::Cvae;
pub use dae::Dae;
pub use defaults::{Defaults, Purpose, settings_of};
pub use hvae::{Hvae, Ladder};
pub use iwae::Iwae;
pub use marginals::Marginal;
pub use recipe::Recipe;
pub use registry::VariantInfo;
pub use saved::{Description, ModelBytes, RENAMED, is_model, load, load_with, save};
pub use semi::{Classifiers, Semi};
pub use session::Session;
pub use sparse::{Sparse, Sparsity};
pub use trained::{
    Codes, Completing, Completion, Completions, Condition, Course, Detector, DetectorParts, Draw,
    Examples, Features, Hit, Indexed, Labelled, Latents, Level, Map, MapMethod, Measure, Probed,
    Reconstructions, Sampling, Scores, SearchIndex, Speed, Spot, Term, Threshold, Trained,
    mean_error,
};
pub use vae::Vae;
pub use vaegan::{Adversary, Game, Vaegan};
pub use vq::{Quantizer, Vq};

pub use burn;
pub use vae_analysis;
pub use vae_core;
pub use vae_data;

/// What most programs need.
pub mod prelude {
    pub use std::sync::Arc;

    pub use vae_core::{
        ObjectiveConfig,
        nets::{Arch, ModelConfig},
        train::{Outcome, TrainConfig},
    };
    pub use vae_data::{
        Binarize, Data, DataConfig, DataShape, Dataset, MemoryDataset, NoProgress, Progress,
        Source, load,
    };

    pub use crate::{
        Ae, Backend, Beta, Codes, Contractive, Cvae, Dae, Defaults, Description, Hvae, Iwae,
        ModelBytes, Recipe, Reconstructions, Semi, Sparse, Trained, Vae, Vaegan, Variant, Vq,
    };
}

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
