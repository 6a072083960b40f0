//! What every autoencoder of the family shares: the traits a variant implements, posteriors,
//! likelihoods, networks, the objective, schedules and the training loop.
//!
//! Every quantity is in nats per example: summed over features and latent dimensions, averaged
//! over the batch once.

#[macro_use]
mod distribution;

mod batch;
mod completion;
mod encoder_leads;
pub mod error;
mod evaluation;
pub mod files;
pub mod flow;
mod importance;
mod kl;
mod likelihood;
mod log_sum;
mod model;
mod noise;
mod objective;
mod optimizer;
mod parts;
pub mod prior;
mod readings;
mod schedule;
mod settings;
mod step;
mod traits;
mod updates;
mod variant;

pub mod nets;
pub mod ops;
pub mod train;

pub use batch::Batch;
pub use completion::{Chain, Chains, Completed, Start, complete, complete_by_importance};
pub use distribution::{
    Bernoulli, Categorical, Code, ContinuousBernoulli, DiagonalGaussian, DiscretizedLogistic,
    Distribution, Gaussian, GaussianMixture, Grid, Kl, Multinomial, NegativeBinomial, PerColumn,
    Poisson, Posterior, Spread, StandardNormal, ZeroInflatedNegativeBinomial, draw_with_kl,
    draw_with_log_ratio, repeat_rows, select_rows,
};
pub use encoder_leads::EncoderLeads;
pub use error::{Error, Result};
pub use importance::{BoundGradient, importance_nll, importance_weighted};
pub use kl::{ObjectiveConfig, kl_per_unit, negative_elbo};
pub use likelihood::{BuiltinDistribution, BuiltinLikelihood, Likelihood};
pub use model::{Method, Model};
pub use noise::is_card;
pub use objective::{Objective, Player, Portion, Term};
pub use ops::ColumnWidth;
pub use parts::{Assembly, Parts, Shared};
pub use prior::{BuiltinPrior, Prior};
pub use schedule::{Moving, Schedule};
pub use settings::{LikelihoodConfig, LikelihoodKind, PosteriorKind, PriorKind};
pub use step::{Mode, Position, StepContext};
pub use traits::{Autoencoder, Decoder, Draws, Encoder, Loss, Sampler, Stage};
pub use updates::{Moved, Pace, Together, Update, Updates};
pub use variant::{CodeKind, CodeShape, ModelSpec, VariantConfig};
