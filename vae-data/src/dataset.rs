//! The trait that every source of examples implements.

use crate::{ColumnKind, DataError, DataShape, ValueRange};

/// The label of an example whose class is unknown.
pub const UNLABELLED: i32 = -1;

/// A random-access list of examples, all of one shape.
///
/// This is the place to plug in your own data: implement it, put it into a
/// [`crate::Source`] and call [`crate::Data::from_source`].
pub trait Dataset: Send + Sync {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there are no examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of every example.
    fn shape(&self) -> &DataShape;

    /// Writes example `index` into `out`, in the order of [`Dataset::shape`] with
    /// the last dimension fastest. Eight-bit pixels come out as `value / 255`.
    ///
    /// # Errors
    /// If the example does not exist, `out` is not [`DataShape::features`] long, or
    /// the data cannot be read.
    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError>;

    /// What example `index` is called where it comes from, such as the file of an image.
    fn name(&self, _index: usize) -> Option<String> {
        None
    }

    /// Range of all values where it is known without reading them, as for pixels.
    fn known_range(&self) -> Option<ValueRange> {
        None
    }

    /// Names of the features; empty when they have none.
    fn columns(&self) -> &[String] {
        &[]
    }

    /// What is in each column of a table: then [`Dataset::read`] gives dates as days, categories as the
    /// index of the level, and NaN for what is missing. Empty when all are numbers and none is missing.
    fn kinds(&self) -> &[ColumnKind] {
        &[]
    }

    /// Names of the classes; empty when there are no labels.
    fn classes(&self) -> &[String] {
        &[]
    }

    /// Class of example `index`, an index into [`Dataset::classes`], or
    /// [`UNLABELLED`].
    fn label(&self, _index: usize) -> i32 {
        UNLABELLED
    }

    /// Names of the numeric attributes that a model may be conditioned on.
    fn attributes(&self) -> &[String] {
        &[]
    }

    /// Writes the attributes of example `index` into `out`, one for each name in
    /// [`Dataset::attributes`].
    fn read_attributes(&self, _index: usize, _out: &mut [f32]) {}
}

/// Checks the arguments of [`Dataset::read`].
pub(crate) fn check_read(
    dataset: &dyn Dataset,
    index: usize,
    out: &[f32],
) -> Result<(), DataError> {
    let (len, expected) = (dataset.len(), dataset.shape().features());
    if index >= len {
        return Err(DataError::Index { index, len });
    }
    if out.len() != expected {
        return Err(DataError::Length {
            what: "the buffer for one example",
            expected,
            found: out.len(),
        });
    }
    Ok(())
}
