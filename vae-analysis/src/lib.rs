//! What is computed from codes and rows that are plain numbers: densities, rankings, neighbours, maps of the plane,
//! qualities of images and of synthetic tables. It knows nothing of tensors, models or datasets.
//!
//! Everything takes [`Rows`], is deterministic given its seed, and does not depend on the number of threads.

mod accuracy;
mod cholesky;
mod eigen;
mod error;
mod fidelity;
mod gaussian;
mod image_quality;
mod index;
mod lbfgs;
mod mixture;
mod moments;
mod neighbours;
mod pca;
mod probe;
mod projection;
mod random;
mod ranking;
mod rows;

pub use accuracy::Accuracy;
pub use error::{Error, Result};
pub use fidelity::{Column, Fidelity, Trend, column_pair_trend, column_shape};
pub use gaussian::Gaussian;
pub use image_quality::{ImageShape, median_filter, psnr, ssim};
pub use index::{Found, Index, IndexOptions};
pub use mixture::{Candidate, Choice, Mixture};
pub use moments::Moments;
pub use neighbours::{Neighbours, knn_accuracy, nearest, nearest_others};
pub use pca::Pca;
pub use probe::{Probe, ProbeOptions};
pub use projection::{TsneOptions, pca_map, tsne};
pub use ranking::{
    RocPoint, auroc, average_precision, quantile, roc_curve, threshold_of_false_positives,
};
pub use rows::Rows;
