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
mod updates;
mod variant;

pub mod nets;
pub mod ops;
pub mod train;

pub use batch::Batch;
pub use error::{Error, Result};
pub use importance::{BoundGradient, importance_nll, importance_weighted};
pub use kl::{ObjectiveConfig, negative_elbo};
pub use likelihood::{Likelihood, LikelihoodConfig, LikelihoodKind};
pub use objective::{Objective, Player, Portion, Term};
pub use posterior::{DiagonalGaussian, Posterior, select_rows};
pub use schedule::{Moving, Schedule};
pub use step::{Mode, StepContext};
pub use traits::{Autoencoder, Decoder, Encoder, Loss};
pub use updates::{Pace, Pacing, Update, Updates};
pub use variant::{ModelSpec, OptionInfo, VariantConfig};
