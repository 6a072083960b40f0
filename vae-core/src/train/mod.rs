//! Training: the loop, its settings, evaluation and checkpoints.

mod checkpoint;
mod evaluate;
mod meter;
mod observer;
mod optimizer;
mod settings;
mod trainer;

pub use checkpoint::{CheckpointStore, State};
pub use evaluate::{ACTIVE_VARIANCE, Evaluation, LatentDiagnostics, evaluate, evaluate_nll};
pub use meter::{Meter, Readings};
pub use observer::{EpochReport, Observer, StepReport};
pub use optimizer::{ModuleOptimizer, Optimizer, OptimizerConfig, OptimizerState};
pub use settings::TrainConfig;
pub use trainer::{Ending, Outcome, Trainer};
