//! One data set after another.

use std::sync::Arc;

use crate::{ColumnKind, DataError, DataShape, Dataset, ValueRange};

/// Two data sets of the same shape, columns and classes.
struct Joined {
    first: Arc<dyn Dataset>,
    second: Arc<dyn Dataset>,
}

/// The examples of `first` and then those of `second`.
///
/// # Errors
/// [`DataError::Setting`] if there are more than 2^32 examples.
pub(crate) fn joined(
    first: Arc<dyn Dataset>,
    second: Arc<dyn Dataset>,
) -> Result<Arc<dyn Dataset>, DataError> {
    if first.len() + second.len() > u32::MAX as usize {
        let bound = "a part: all of them are more than 2^32 examples";
        return Err(DataError::setting("split", "all", bound));
    }
    Ok(Arc::new(Joined { first, second }))
}

impl Joined {
    fn at(&self, index: usize) -> (&dyn Dataset, usize) {
        match index.checked_sub(self.first.len()) {
            None => (&*self.first, index),
            Some(index) => (&*self.second, index),
        }
    }
}

impl Dataset for Joined {
    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn shape(&self) -> &DataShape {
        self.first.shape()
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        let (of, index) = self.at(index);
        of.read(index, out)
    }

    fn name(&self, index: usize) -> Option<String> {
        let (of, index) = self.at(index);
        of.name(index)
    }

    fn known_range(&self) -> Option<ValueRange> {
        Some(self.first.known_range()?.join(self.second.known_range()?))
    }

    fn columns(&self) -> &[String] {
        self.first.columns()
    }

    fn kinds(&self) -> &[ColumnKind] {
        self.first.kinds()
    }

    fn classes(&self) -> &[String] {
        self.first.classes()
    }

    fn label(&self, index: usize) -> i32 {
        let (of, index) = self.at(index);
        of.label(index)
    }

    fn attributes(&self) -> &[String] {
        self.first.attributes()
    }

    fn read_attributes(&self, index: usize, out: &mut [f32]) {
        let (of, index) = self.at(index);
        of.read_attributes(index, out);
    }
}
