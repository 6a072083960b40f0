//! What an evaluation finds: the means of an objective, and the state of the latent code.

use serde::{Deserialize, Serialize};

use crate::readings::Readings;

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

/// The state of the latent code over a split: is it used, or has it collapsed?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LatentDiagnostics {
    /// Dimensions whose mean varies by more than [`ACTIVE_VARIANCE`] over the data.
    pub active_units: usize,
    /// Variance over the data of each dimension's mean.
    pub mean_variance: Vec<f64>,
    /// Mean KL of each dimension in nats, where the KL is a sum of such.
    pub kl_per_dimension: Option<Vec<f64>>,
    /// Mutual information between example and code within the batches, in nats, for Gaussian
    /// posteriors; see [`DiagonalGaussian::mutual_information`](crate::DiagonalGaussian).
    #[serde(default)]
    pub mutual_information: Option<f64>,
    /// Mean share of units that are on for an example, for sparse codes.
    pub active_fraction: Option<f64>,
    /// Units that are on for no example, for sparse codes.
    pub dead_units: Option<usize>,
    /// Units of each level of the code from the data's side up, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units_per_level: Option<Vec<usize>>,
    /// `exp` of the entropy with which the entries of a codebook are used: so many would be in use, were
    /// all used alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// Share of the entries of a codebook that no example uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_codes: Option<f64>,
}
