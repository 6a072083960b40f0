//! What every autoencoder of the family shares: the traits a variant implements, posteriors,
//! likelihoods, networks, the objective, schedules and the training loop.
//!
//! Every quantity is in nats per example: summed over features and latent dimensions, averaged
//! over the batch once.

mod batch;
pub mod error;
pub mod files;
mod importance;
mod kl;
mod likelihood;
mod objective;
mod posterior;
mod schedule;
mod step;
mod traits;
mod variant;

pub mod nets;
pub mod ops;
pub mod train;

pub use batch::Batch;
pub use error::{Error, Result};
pub use importance::importance_nll;
pub use kl::{ObjectiveConfig, negative_elbo};
pub use likelihood::{Likelihood, LikelihoodConfig, LikelihoodKind};
pub use objective::{Objective, Term};
pub use posterior::{DiagonalGaussian, Posterior};
pub use schedule::{Moving, Schedule};
pub use step::{Mode, StepContext};
pub use traits::{Autoencoder, Decoder, Encoder, Loss, Update};
pub use variant::{ModelSpec, OptionInfo, VariantConfig};
