//! The shape of one example.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// The shape of one example: `[channels, height, width]` for images, `[features]`
/// for tables. It is written as a list of integers, and displayed as `1x28x28`.
///
/// ```
/// let shape = vae_data::DataShape::new([1, 28, 28])?;
/// assert_eq!(shape.features(), 784);
/// assert_eq!(shape.to_string(), "1x28x28");
/// # Ok::<(), vae_data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct DataShape {
    dims: Vec<usize>,
}

impl DataShape {
    /// Checks and keeps the dimensions.
    ///
    /// # Errors
    /// [`DataError::Setting`] unless there are one or three dimensions, each at
    /// least 1, with a product below 2^31.
    pub fn new(dims: impl Into<Vec<usize>>) -> Result<Self, DataError> {
        let dims = dims.into();
        let size = dims.iter().try_fold(1_usize, |a, &d| a.checked_mul(d));
        let sized = size.is_some_and(|s| (1..1 << 31).contains(&s));
        if matches!(dims.len(), 1 | 3) && sized {
            return Ok(Self { dims });
        }
        let bound = "must be [features] or [channels, height, width], each at least 1";
        Err(DataError::setting("shape", format!("{dims:?}"), bound))
    }

    /// The shape of a table with `features` columns, or 1 if that is 0.
    pub fn flat(features: usize) -> Self {
        Self {
            dims: vec![features.max(1)],
        }
    }

    /// The same image with more channels; for a table, more columns.
    #[must_use]
    pub fn with_more_channels(&self, more: usize) -> Self {
        let mut dims = self.dims.clone();
        dims[0] += more;
        Self { dims }
    }

    /// The dimensions: one or three.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Number of values in one example.
    pub fn features(&self) -> usize {
        self.dims.iter().product()
    }

    /// `[channels, height, width]`, or `None` for a table.
    pub fn image(&self) -> Option<[usize; 3]> {
        self.dims.as_slice().try_into().ok()
    }
}

impl fmt::Display for DataShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(usize::to_string).collect();
        f.write_str(&dims.join("x"))
    }
}

impl TryFrom<Vec<usize>> for DataShape {
    type Error = DataError;

    fn try_from(dims: Vec<usize>) -> Result<Self, DataError> {
        Self::new(dims)
    }
}

impl From<DataShape> for Vec<usize> {
    fn from(shape: DataShape) -> Self {
        shape.dims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_list_of_integers_in_files() {
        let shape = DataShape::new([3, 4, 5]).unwrap();
        assert_eq!(serde_json::to_string(&shape).unwrap(), "[3,4,5]");
        assert_eq!(serde_json::from_str::<DataShape>("[3,4,5]").unwrap(), shape);
        assert_eq!(shape.image(), Some([3, 4, 5]));
        assert_eq!(DataShape::new([7]).unwrap().image(), None);
    }

    #[test]
    fn refuses_what_is_no_shape() {
        for bad in [vec![], vec![2, 3], vec![1, 0, 2], vec![1, 2, 3, 4]] {
            assert!(DataShape::new(bad).is_err());
        }
        assert!(DataShape::new([usize::MAX, 2, 2]).is_err());
        assert!(serde_json::from_str::<DataShape>("[0]").is_err());
    }
}
