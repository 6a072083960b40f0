//! Data for training autoencoders: datasets, splits, scaling, corruption, and batches
//! that are a pure function of a seed. It knows nothing of tensors or devices: examples
//! are slices of `f32`.
//!
//! ```
//! use vae_data::{Batcher, Corruption, CorruptionKind, DataConfig, NoProgress, load};
//!
//! let config = DataConfig { limit: Some(256), ..DataConfig::of("mnist-mini") };
//! let data = load(&config, 42, &NoProgress)?;
//! assert_eq!(data.shape.to_string(), "1x28x28");
//!
//! let noise = Corruption::new(CorruptionKind::Masking, 0.3)?;
//! let batcher = Batcher::new(data.train.clone(), 64, 42)?
//!     .shuffled()
//!     .corrupt(Some(noise));
//! for batch in batcher.epoch(0, 0) {
//!     let batch = batch?;
//!     assert_eq!(batch.input().len(), 64 * 784);
//!     assert_eq!(batch.target.len(), 64 * 784);
//! }
//! # Ok::<(), vae_data::DataError>(())
//! ```
//!
//! * [`load`] finds a built-in dataset ([`builtin`]) or the user's own files, and gives
//!   [`Data`]: three [`Subset`]s and how they were scaled.
//! * [`Reader`] is the trait for a kind of file or folder, [`readers`] those there are;
//!   [`load_with`] takes one's own.
//! * [`Dataset`] is the trait for data from anywhere else; see [`Source`].
//! * [`Columns`] turns the rows of a table with categories, dates or gaps into rows for a model, and
//!   [`aligned`] gives new data the columns of a trained one; [`describe`] says what is in a table.
//! * [`Batcher`] makes batches in the background.
//! * [`random`] is the source of all randomness: counter-based, so that a resumed run
//!   needs no generator state.

mod aligned;
mod batches;
pub mod bounds;
mod bytes;
mod catalog;
mod choices;
mod column;
mod columns;
mod config;
mod corruption;
mod dataset;
mod date;
mod error;
mod fetch;
mod fingerprint;
pub mod idx;
mod joined;
mod load;
mod locate;
mod memory;
mod progress;
pub mod ram;
pub mod random;
mod reader;
mod report;
mod resized;
mod scaler;
mod shape;
mod source;
mod split;
mod subset;
mod text;

pub use aligned::{aligned, aligned_with_gaps};
pub use batches::{Batcher, Batches, HostBatch};
pub use catalog::{DatasetInfo, builtin};
pub use column::{ColumnKind, DateUnit};
pub use columns::Columns;
pub use config::{Binarize, Color, DataConfig, ImageSize, Scale, Unseen};
pub use corruption::{Corruption, CorruptionKind};
pub use dataset::{Dataset, UNLABELLED};
pub use error::DataError;
pub use fingerprint::{Fingerprint, fingerprint, fingerprint_with};
pub use load::{Data, load, load_with, open, open_like};
pub use memory::MemoryDataset;
pub use ndarray;
pub use progress::{NoProgress, Progress};
pub use random::{Stream, fill_normal, fill_uniform, rng};
pub use reader::{Reader, ReaderOption, npy_header, readers, to_npy};
pub use report::{ColumnContent, ColumnReport, ColumnRole, TableReport, describe};
pub use resized::resized;
pub use scaler::Scaler;
pub use shape::DataShape;
pub use source::Source;
pub use split::Part;
pub use subset::{Features, Subset, ValueRange};
