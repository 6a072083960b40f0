//! What a training run tells its surroundings.

use std::path::Path;

use super::{Evaluation, Readings};
use crate::error::Result;

/// Where a run stands after a step.
#[derive(Debug)]
pub struct StepReport<'a> {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Batches done in this epoch.
    pub batch: usize,
    /// Batches in an epoch.
    pub batches: usize,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run, up to the end of what is trained now.
    pub total_steps: u64,
    /// What is trained, where the main training is over.
    pub stage: Option<&'static str>,
    /// Examples in this step.
    pub examples: usize,
    /// This step's values, in nats per example.
    pub readings: &'a Readings,
}

/// The end of an epoch (or of the run, within an epoch).
#[derive(Debug)]
pub struct EpochReport<'a> {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Steps done.
    pub step: u64,
    /// What is trained, where the main training is over.
    pub stage: Option<&'static str>,
    /// Means over the epoch's training steps, in nats per example.
    pub train: &'a Readings,
    /// The validation split after the epoch, if there is one.
    pub validation: Option<&'a Evaluation>,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Training seconds so far, over all resumed parts.
    pub seconds: f64,
    /// Training examples per second in this epoch, evaluation not counted.
    pub samples_per_second: f64,
    /// Whether this is the best validation loss so far.
    pub is_best: bool,
    /// Of two parts of the model that compete: for how many steps up to now each has rested because
    /// it was winning, by name.
    pub rests: &'a [(&'static str, u64)],
}

/// Watches a run. Every method has a default that does nothing.
pub trait Observer {
    /// A step is done.
    fn step(&mut self, report: &StepReport<'_>) {
        let _ = report;
    }

    /// An epoch is done and evaluated; its checkpoint is not yet written.
    ///
    /// # Errors
    /// An error ends the run.
    fn epoch(&mut self, report: &EpochReport<'_>) -> Result<()> {
        let _ = report;
        Ok(())
    }

    /// A checkpoint is written.
    fn checkpoint(&mut self, path: &Path, step: u64) {
        let _ = (path, step);
    }
}

/// Watches nothing.
impl Observer for () {}
