//! What a training run leaves behind: the files of its folder, each as one type that is written and read.
//! It knows nothing of tensors, models or settings, so that whoever only reads results builds nothing else.

mod error;
mod files;
mod latent;
mod metrics;
mod named;
mod run_folder;
mod summary;

pub use error::{Error, Result};
pub use files::write_atomically;
pub use latent::LatentDiagnostics;
pub use metrics::MetricsRow;
pub use named::Named;
pub use run_folder::{Origin, RunFolder, RunWriter};
pub use summary::{Examples, Scores, Summary};
