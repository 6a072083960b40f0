//! Datasets whose examples are at hand: numbers in memory, and eight-bit pixels.

use ndarray::{Array, Dimension};

use crate::bytes::Bytes;
use crate::columns::has_repeats;
use crate::dataset::check_read;
use crate::{ColumnKind, DataError, DataShape, Dataset, UNLABELLED, ValueRange};

/// Classes and the class of each example.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Labels {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Index of the class of each example, or [`UNLABELLED`].
    pub of: Vec<i32>,
}

impl Labels {
    /// Class of an example.
    pub fn get(&self, index: usize) -> i32 {
        self.of.get(index).copied().unwrap_or(UNLABELLED)
    }
}

/// A dataset held in memory as numbers, for tables and for data made in a program.
///
/// ```
/// use vae_data::{DataShape, Dataset, MemoryDataset};
///
/// let points = MemoryDataset::new(DataShape::new([2])?, vec![0.0, 1.0, 2.0, 3.0])?
///     .with_labels(vec!["low".into(), "high".into()], vec![0, 1])?;
/// let mut point = [0.0; 2];
/// points.read(1, &mut point)?;
/// assert_eq!((point, points.label(1)), ([2.0, 3.0], 1));
/// # Ok::<(), vae_data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryDataset {
    shape: DataShape,
    values: Vec<f32>,
    labels: Labels,
    columns: Vec<String>,
    kinds: Vec<ColumnKind>,
    attributes: Vec<String>,
    attribute_values: Vec<f32>,
}

impl MemoryDataset {
    /// Examples of this shape, one after the other.
    ///
    /// # Errors
    /// [`DataError::Length`] if `values` is no whole number of examples.
    pub fn new(shape: DataShape, values: Vec<f32>) -> Result<Self, DataError> {
        let (features, found) = (shape.features(), values.len());
        check_len("values", found.div_ceil(features) * features, found)?;
        Ok(Self {
            shape,
            values,
            labels: Labels::default(),
            columns: Vec::new(),
            kinds: Vec::new(),
            attributes: Vec::new(),
            attribute_values: Vec::new(),
        })
    }

    /// Adds the class of each example: an index into `classes`, or [`UNLABELLED`].
    ///
    /// # Errors
    /// [`DataError::Length`] or [`DataError::Setting`] if there is not one label for
    /// each example, or one is out of range.
    pub fn with_labels(
        mut self,
        classes: Vec<String>,
        labels: Vec<i32>,
    ) -> Result<Self, DataError> {
        check_len("labels", self.len(), labels.len())?;
        let known = UNLABELLED..classes.len() as i32;
        if let Some(bad) = labels.iter().find(|label| !known.contains(label)) {
            let bound = format!("must be at least -1 and below {}", classes.len());
            return Err(DataError::setting("label", bad, bound));
        }
        self.labels = Labels {
            classes,
            of: labels,
        };
        Ok(self)
    }

    /// Names the features.
    ///
    /// # Errors
    /// [`DataError::Length`] if their number is wrong.
    pub fn with_columns(mut self, names: Vec<String>) -> Result<Self, DataError> {
        check_len("column names", self.shape.features(), names.len())?;
        self.columns = names;
        Ok(self)
    }

    /// Says what is in each column; see [`Dataset::kinds`].
    ///
    /// # Errors
    /// [`DataError::Length`] if their number is wrong, and [`DataError::Setting`] if a category has a
    /// level twice, or a value that is neither the index of a level nor NaN.
    pub fn with_kinds(mut self, kinds: Vec<ColumnKind>) -> Result<Self, DataError> {
        let width = self.shape.features();
        check_len("kinds of columns", width, kinds.len())?;
        for (column, kind) in kinds.iter().enumerate() {
            let ColumnKind::Category { levels } = kind else {
                continue;
            };
            if has_repeats(levels) {
                let bound = "must name each level once";
                return Err(DataError::setting("levels", format!("{levels:?}"), bound));
            }
            let mut values = self.values.iter().skip(column).step_by(width);
            let is_index = |value: f32| {
                value.is_nan()
                    || value >= 0.0 && value.fract() == 0.0 && (value as usize) < levels.len()
            };
            if let Some(bad) = values.find(|value| !is_index(**value)) {
                let bound = format!("must be an index of one of {} levels, or NaN", levels.len());
                return Err(DataError::setting("category", bad, bound));
            }
        }
        self.kinds = kinds;
        Ok(self)
    }

    /// Adds attributes: `values` holds one number for each name, example after example.
    ///
    /// # Errors
    /// [`DataError::Length`] if their number is wrong.
    pub fn with_attributes(
        mut self,
        names: Vec<String>,
        values: Vec<f32>,
    ) -> Result<Self, DataError> {
        check_len("attributes", self.len() * names.len(), values.len())?;
        self.attributes = names;
        self.attribute_values = values;
        Ok(self)
    }
}

/// Examples along the first axis: of numbers, grey images or images with their channels first.
///
/// ```
/// use vae_data::{Dataset, MemoryDataset, ndarray::array};
///
/// let rows = MemoryDataset::try_from(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])?;
/// assert_eq!((rows.len(), rows.shape().features()), (3, 2));
/// # Ok::<(), vae_data::DataError>(())
/// ```
impl<D: Dimension> TryFrom<Array<f32, D>> for MemoryDataset {
    type Error = DataError;

    /// # Errors
    /// [`DataError::Setting`] if an axis but the first is empty or there is none.
    fn try_from(array: Array<f32, D>) -> Result<Self, DataError> {
        let shape = match array.shape() {
            [_] => DataShape::flat(1),
            &[_, height, width] => DataShape::new([1, height, width])?,
            dims => DataShape::new(dims.get(1..).unwrap_or_default())?,
        };
        // In the order of the axes, whatever the order in memory.
        Self::new(shape, array.iter().copied().collect())
    }
}

pub(crate) fn check_len(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), DataError> {
    if expected == found {
        return Ok(());
    }
    Err(DataError::Length {
        what,
        expected,
        found,
    })
}

impl Dataset for MemoryDataset {
    fn len(&self) -> usize {
        self.values.len() / self.shape.features()
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        check_read(self, index, out)?;
        out.copy_from_slice(&self.values[index * out.len()..][..out.len()]);
        Ok(())
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    fn classes(&self) -> &[String] {
        &self.labels.classes
    }

    fn label(&self, index: usize) -> i32 {
        self.labels.get(index)
    }

    fn attributes(&self) -> &[String] {
        &self.attributes
    }

    fn read_attributes(&self, index: usize, out: &mut [f32]) {
        let width = self.attributes.len();
        if let Some(values) = self
            .attribute_values
            .get(index * width..(index + 1) * width)
        {
            out.iter_mut().zip(values).for_each(|(o, v)| *o = *v);
        }
    }
}

/// Eight-bit pixels, example after example, that start at `offset` in `bytes`.
pub(crate) struct Pixels {
    shape: DataShape,
    bytes: Bytes,
    offset: usize,
    labels: Labels,
    /// Of each example, or nothing.
    names: Vec<String>,
}

impl Pixels {
    /// The bytes after `offset` must be a whole number of examples; the rest of the
    /// last one would be left out.
    pub fn new(shape: DataShape, bytes: Bytes, offset: usize, labels: Labels) -> Self {
        Self {
            shape,
            bytes,
            offset,
            labels,
            names: Vec::new(),
        }
    }

    /// Names the examples.
    pub fn with_names(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }

    /// Whether the pixels are left on disk.
    #[cfg(test)]
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }
}

impl Dataset for Pixels {
    fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset) / self.shape.features()
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        check_read(self, index, out)?;
        let pixels = &self.bytes[self.offset + index * out.len()..][..out.len()];
        for (value, &pixel) in out.iter_mut().zip(pixels) {
            *value = f32::from(pixel) / 255.0;
        }
        Ok(())
    }

    fn name(&self, index: usize) -> Option<String> {
        self.names.get(index).cloned()
    }

    fn known_range(&self) -> Option<ValueRange> {
        Some(ValueRange { min: 0.0, max: 1.0 })
    }

    fn classes(&self) -> &[String] {
        &self.labels.classes
    }

    fn label(&self, index: usize) -> i32 {
        self.labels.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_come_out_between_0_and_1() {
        let shape = DataShape::new([1, 1, 3]).unwrap();
        let bytes = Bytes::Owned(vec![9, 0, 51, 255, 1, 2, 3]);
        let pixels = Pixels::new(shape, bytes, 1, Labels::default());
        let mut out = [0.0; 3];
        pixels.read(0, &mut out).unwrap();
        assert_eq!((pixels.len(), out), (2, [0.0, 0.2, 1.0]));
        assert!(pixels.read(2, &mut out).is_err());
        assert!(pixels.read(0, &mut out[..2]).is_err());
        assert_eq!(pixels.label(0), UNLABELLED);
    }

    #[test]
    fn lengths_are_checked() {
        let shape = DataShape::new([2]).unwrap();
        assert!(MemoryDataset::new(shape.clone(), vec![0.0; 3]).is_err());
        let data = MemoryDataset::new(shape, vec![0.0; 4]).unwrap();
        let names = vec!["a".to_owned()];
        assert!(data.clone().with_labels(names.clone(), vec![0]).is_err());
        assert!(data.clone().with_labels(names.clone(), vec![0, 1]).is_err());
        assert!(
            data.clone()
                .with_attributes(names.clone(), vec![0.0])
                .is_err()
        );
        let data = data.with_attributes(names, vec![3.0, 4.0]).unwrap();
        let mut out = [0.0];
        data.read_attributes(1, &mut out);
        assert_eq!(out, [4.0]);
    }
}
