//! What a reader gives.

use std::path::Path;
use std::sync::Arc;

use crate::Dataset;

/// Examples to train with and perhaps to test with, before they are split and scaled.
/// See [`crate::Data::from_source`].
#[derive(Clone)]
pub struct Source {
    /// Name for messages.
    pub name: String,
    /// Examples for training and validation; also for testing if `test` is `None`.
    pub train: Arc<dyn Dataset>,
    /// Examples for testing only.
    pub test: Option<Arc<dyn Dataset>>,
    /// Whether values are pixels, which [`crate::Scale::Auto`] leaves as they are.
    pub pixels: bool,
    /// The licence of the data, if known.
    pub licence: Option<String>,
    /// Who made the data, or where it is.
    pub origin: String,
}

impl Source {
    /// A source without a test split; images count as pixels.
    pub fn new(name: impl Into<String>, train: Arc<dyn Dataset>) -> Self {
        Self {
            name: name.into(),
            pixels: train.shape().image().is_some(),
            train,
            test: None,
            licence: None,
            origin: "made by the program".to_owned(),
        }
    }

    /// The same, named after the file or folder that it comes from.
    pub fn of_path(path: &Path, train: Arc<dyn Dataset>) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            origin: path.display().to_string(),
            ..Self::new(name.to_string_lossy(), train)
        }
    }
}
