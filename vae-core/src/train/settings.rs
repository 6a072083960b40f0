//! The `[train]` settings.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_data::bounds::{ABOVE_0, BELOW_1, finite};

use super::OptimizerConfig;
use crate::{
    Schedule,
    error::{Result, check_bounds},
};

/// How long and how to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Passes over the training split.
    #[garde(range(min = 1))]
    #[schemars(extend("x-common" = true))]
    pub epochs: usize,
    /// Stop after this many steps even if epochs are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1))]
    #[schemars(extend("x-unset" = "none"))]
    pub max_steps: Option<u64>,
    /// Examples per step.
    #[garde(range(min = 1))]
    pub batch_size: usize,
    /// Learning rate, a number or a schedule over the training.
    #[garde(dive)]
    pub lr: Schedule,
    /// Optimizer; for its own settings --set train.optimizer.beta1=0.5 and the like.
    #[garde(dive)]
    #[schemars(extend("x-flag" = "optimizer"))]
    pub optimizer: OptimizerConfig,
    /// Limit of the joint norm of all gradients, above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = ABOVE_0), custom(finite))]
    #[schemars(extend("x-unset" = "none"))]
    pub clip_norm: Option<f64>,
    /// Limit of every gradient entry's size, above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = ABOVE_0), custom(finite))]
    #[schemars(extend("x-unset" = "none"))]
    pub clip_value: Option<f64>,
    /// Part of each batch that is left out from a fifth of the training on: the examples whose loss is largest,
    /// where the data are not all what they should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = ABOVE_0, max = BELOW_1), custom(finite))]
    #[schemars(extend("x-unset" = "none", "x-value" = "PART", "x-bound" = "above 0 and below 1"))]
    pub trim: Option<f64>,
    /// Estimate the test data's log-likelihood at the end, from that many codes for each example; some
    /// thousands for a figure to publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1))]
    #[schemars(extend("x-unset" = "none"))]
    pub nll_samples: Option<usize>,
    /// Stop when the validation loss has not improved for this many epochs, and keep the best model
    /// instead of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1))]
    #[schemars(extend("x-unset" = "none"))]
    pub patience: Option<usize>,
    /// By how many nats the validation loss must fall to count as an improvement.
    #[garde(range(min = 0.0), custom(finite))]
    #[schemars(extend("x-value" = "NATS"))]
    pub min_delta: f64,
    /// Write a checkpoint after this many steps too, not only after every epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1))]
    #[schemars(extend("x-unset" = "none"))]
    pub checkpoint_steps: Option<u64>,
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
            trim: None,
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
        check_bounds("train", self)
    }

    /// Steps that the whole training takes with `batches` batches per epoch.
    pub fn total_steps(&self, batches: usize) -> u64 {
        let steps = self.epochs as u64 * batches as u64;
        self.max_steps.map_or(steps, |max| steps.min(max))
    }
}
