//! The state of the latent code.

use serde::{Deserialize, Serialize};

/// The state of the latent code over a split: is it used, or has it collapsed?
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LatentDiagnostics {
    /// Dimensions whose mean varies over the data by more than 0.01 (Burda 2016, section 5.2).
    pub active_units: usize,
    /// Variance over the data of each dimension's mean.
    pub mean_variance: Vec<f64>,
    /// Mean KL of each dimension in nats, where the KL is a sum of such.
    pub kl_per_dimension: Option<Vec<f64>>,
    /// Mutual information between example and code within the batches, in nats, for Gaussian
    /// posteriors.
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
