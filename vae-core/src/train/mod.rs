//! Training: the loop, its settings, evaluation and checkpoints.

mod checkpoint;
mod earlier;
mod evaluate;
mod observer;
mod settings;
mod trainer;

pub use crate::{
    evaluation::{ACTIVE_VARIANCE, Evaluation, LatentDiagnostics},
    optimizer::{Memory, Optimizer, OptimizerConfig},
    readings::{Meter, Readings},
    step::Position,
};
pub use checkpoint::{CheckpointStore, State};
pub use evaluate::{evaluate, evaluate_batches, evaluate_nll};
pub use observer::{EpochReport, Observer, StepReport};
pub use settings::TrainConfig;
pub use trainer::{Ending, Outcome, Trainer};
