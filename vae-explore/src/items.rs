//! The examples that the page knows.

use std::sync::Arc;

use vae_data::{DataConfig, Dataset, UNLABELLED};
use vae_variants::{Examples, Trained};

use crate::refusal::{Answer, Refusal};

/// Examples of a data set.
#[derive(Clone)]
pub struct Items {
    /// What they are called together.
    pub name: String,
    /// The data.
    pub dataset: Arc<dyn Dataset>,
    /// Where they stand in the data.
    pub indices: Arc<[u32]>,
    /// How files of the same kind are read.
    pub config: DataConfig,
}

impl Items {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.indices.len()
    }

    /// Where one stands in the data.
    ///
    /// # Errors
    /// If there is none of this number.
    pub fn index(&self, number: usize) -> Answer<u32> {
        let none = || {
            Refusal::of(
                axum::http::StatusCode::NOT_FOUND,
                format!(
                    "there is no example {number}: they are counted from 0 to {}",
                    self.count().saturating_sub(1)
                ),
            )
        };
        self.indices.get(number).copied().ok_or_else(none)
    }

    /// Some of them, as the model takes them.
    ///
    /// # Errors
    /// If they do not fit it.
    pub fn examples<'a>(&self, model: &Trained, numbers: &[usize]) -> Answer<Examples<'a>> {
        let indices: Answer<Vec<u32>> = numbers.iter().map(|number| self.index(*number)).collect();
        Ok(model.examples_at(Arc::clone(&self.dataset), indices?)?)
    }

    /// What one is called.
    pub fn title(&self, number: usize) -> String {
        let index = self.indices.get(number).map_or(0, |index| *index as usize);
        self.dataset
            .name(index)
            .unwrap_or_else(|| index.to_string())
    }

    /// The class of one, where it is known.
    pub fn class(&self, number: usize) -> Option<usize> {
        let index = *self.indices.get(number)?;
        let label = self.dataset.label(index as usize);
        (label != UNLABELLED).then_some(label as usize)
    }
}
