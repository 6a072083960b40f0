//! `metrics.jsonl`: one line for each epoch.

use serde::{Deserialize, Serialize};

use crate::{LatentDiagnostics, Named};

/// What was measured in one epoch; losses in nats per example.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Optimizer steps done.
    pub step: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Training examples per second in this epoch.
    pub samples_per_second: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Whether the validation loss is the least so far.
    pub best: bool,
    /// Means over the training steps of the epoch.
    pub train: Named,
    /// Means over the validation split after it.
    pub validation: Option<Named>,
    /// Weights of the terms in force.
    #[serde(default)]
    pub weights: Named,
    /// The code of the validation split.
    #[serde(default)]
    pub latent: Option<LatentDiagnostics>,
    /// What is trained, where the main training is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Which values are Monte Carlo estimates of what has no closed form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<String>,
}
