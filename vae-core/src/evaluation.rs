//! What an evaluation finds: the means of an objective, and the state of the latent code.

use serde::{Deserialize, Serialize};

use crate::readings::Readings;

pub use vae_results::LatentDiagnostics;

/// A unit is active if the variance of its posterior mean over the data exceeds this
/// (Burda 2016, section 5.2).
pub const ACTIVE_VARIANCE: f64 = 0.01;

/// The means of an objective over a split, and what its codes look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Examples evaluated.
    pub examples: u64,
    /// Means in nats per example.
    pub readings: Readings,
    /// State of the latent code, if the objective gives its codes.
    pub latent: Option<LatentDiagnostics>,
}
