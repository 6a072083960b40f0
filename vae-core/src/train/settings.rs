//! The `[train]` settings.

use serde::{Deserialize, Serialize};

use super::OptimizerConfig;
use crate::{
    Schedule,
    error::{Result, check},
};

/// How long and how to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training split.
    pub epochs: usize,
    /// Stop after this many steps even if epochs are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Examples per step.
    pub batch_size: usize,
    /// Learning rate, constant or scheduled over the whole training.
    pub lr: Schedule,
    /// Optimizer and its parameters.
    pub optimizer: OptimizerConfig,
    /// Limit of every gradient entry's size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_value: Option<f64>,
    /// Limit of the joint norm of all gradients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Stop when the validation loss has not improved for this many epochs, and keep the best
    /// model instead of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// By how many nats the validation loss must fall to count as an improvement.
    pub min_delta: f64,
    /// Write a checkpoint after this many steps too, not only after every epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_steps: Option<u64>,
    /// Codes of each test example from which its log-likelihood is estimated at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nll_samples: Option<usize>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            max_steps: None,
            batch_size: 128,
            lr: Schedule::Constant(1e-3),
            optimizer: OptimizerConfig::default(),
            clip_value: None,
            clip_norm: None,
            patience: None,
            min_delta: 0.0,
            checkpoint_steps: None,
            nll_samples: None,
        }
    }
}

impl TrainConfig {
    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) naming the first that is out of bounds.
    pub fn check(&self) -> Result<()> {
        check("train.epochs", self.epochs, self.epochs >= 1, "at least 1")?;
        check(
            "train.batch_size",
            self.batch_size,
            self.batch_size >= 1,
            "at least 1",
        )?;
        self.lr.check_at_least("train.lr", 0.0)?;
        self.optimizer.check()?;
        for (key, limit) in [
            ("train.clip_value", self.clip_value),
            ("train.clip_norm", self.clip_norm),
        ] {
            if let Some(limit) = limit {
                let positive = limit > 0.0 && limit.is_finite();
                check(key, limit, positive, "above 0")?;
            }
        }
        for (key, count) in [
            ("train.max_steps", self.max_steps),
            ("train.patience", self.patience.map(|n| n as u64)),
            ("train.checkpoint_steps", self.checkpoint_steps),
            ("train.nll_samples", self.nll_samples.map(|n| n as u64)),
        ] {
            if let Some(count) = count {
                check(key, count, count >= 1, "at least 1")?;
            }
        }
        let finite = self.min_delta >= 0.0 && self.min_delta.is_finite();
        check("train.min_delta", self.min_delta, finite, "at least 0")
    }

    /// Steps that the whole training takes with `batches` batches per epoch.
    pub fn total_steps(&self, batches: usize) -> u64 {
        let steps = self.epochs as u64 * batches as u64;
        self.max_steps.map_or(steps, |max| steps.min(max))
    }
}
