//! One split of a dataset.

use std::sync::Arc;

use crate::aligned::{Recode, aligned};
use crate::columns::kinds_of;
use crate::memory::check_len;
use crate::random::{Stream, fill_normal, permutation, rng};
use crate::{Columns, DataError, DataShape, Dataset, MemoryDataset, Scaler};

/// The smallest and the largest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRange {
    /// The smallest.
    pub min: f32,
    /// The largest.
    pub max: f32,
}

impl ValueRange {
    /// Whether every value lies between 0 and 1.
    pub fn is_unit(&self) -> bool {
        self.min >= 0.0 && self.max <= 1.0
    }

    /// The range of both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Some examples of a dataset, with their values scaled. Cheap to clone.
#[derive(Clone)]
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Arc<[u32]>,
    scaler: Option<Arc<Scaler>>,
    attribute_scaler: Option<Arc<Scaler>>,
    /// Indices of the examples whose label may be seen, increasing; `None` means all.
    labelled: Option<Arc<[u32]>>,
    /// Standard deviation of each value of each example of `dataset`; `None` means values without noise.
    deviations: Option<Arc<[f32]>>,
    /// How rows become those of a model; `None` where they are.
    table: Option<Arc<Table>>,
}

/// Columns, and what they mean for the rows of one dataset.
struct Table {
    columns: Arc<Columns>,
    recode: Recode,
    /// Of the rows of a model.
    shape: DataShape,
}

/// Features in place of others: numbers, or normal distributions of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// The values, or the means of their distributions. `[examples, features]`
    pub means: Vec<f32>,
    /// Standard deviations. `[examples, features]`
    pub deviations: Option<Vec<f32>>,
}

impl std::fmt::Debug for Subset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subset of {} of {}", self.len(), self.dataset.len())
    }
}

impl Subset {
    /// The examples of `dataset` at `indices`, unscaled.
    ///
    /// # Errors
    /// [`DataError::Index`] if an example does not exist.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        indices: impl Into<Arc<[u32]>>,
    ) -> Result<Self, DataError> {
        let (indices, len) = (indices.into(), dataset.len());
        if let Some(&bad) = indices.iter().find(|&&i| i as usize >= len) {
            return Err(DataError::Index {
                index: bad as usize,
                len,
            });
        }
        Ok(Self {
            dataset,
            indices,
            scaler: None,
            attribute_scaler: None,
            labelled: None,
            deviations: None,
            table: None,
        })
    }

    /// The same examples, with features and attributes scaled. Of a table the features are its columns.
    ///
    /// # Errors
    /// [`DataError::Length`] or [`DataError::Setting`] if a scaler does not fit.
    pub fn scaled(
        mut self,
        features: Option<Arc<Scaler>>,
        attributes: Option<Arc<Scaler>>,
    ) -> Result<Self, DataError> {
        if let Some(scaler) = &features {
            scaler.check(self.dataset.shape().features())?;
        }
        if let Some(scaler) = &attributes {
            scaler.check(self.attributes().len())?;
        }
        self.scaler = features;
        self.attribute_scaler = attributes;
        Ok(self)
    }

    /// The same examples as rows of a model: see [`Columns::expand`]. Columns are taken as they stand; for
    /// those of another order see [`Subset::aligned`].
    ///
    /// # Errors
    /// [`DataError::ColumnUnfit`] if a column is of another kind, [`DataError::Length`] if their number is
    /// another.
    pub fn with_table(mut self, columns: Arc<Columns>) -> Result<Self, DataError> {
        let (kinds, names) = (kinds_of(&*self.dataset), self.dataset.columns());
        self.table = Some(Arc::new(Table {
            recode: Recode::new(&kinds, names, &columns)?,
            shape: DataShape::new([columns.width()])?,
            columns,
        }));
        Ok(self)
    }

    /// The same examples with the columns of a model, as [`aligned`] finds them, in rows of that model.
    /// They are not scaled.
    ///
    /// # Errors
    /// Those of [`aligned`].
    pub fn aligned(
        self,
        names: &[String],
        table: Option<&Arc<Columns>>,
    ) -> Result<Self, DataError> {
        let subset = Self {
            dataset: aligned(self.dataset, names, table.map(|table| &**table))?,
            scaler: None,
            table: None,
            ..self
        };
        match table {
            Some(table) => subset.with_table(table.clone()),
            None => Ok(subset),
        }
    }

    /// How the rows of a table became those of a model; `None` for data that are numbers without gaps.
    pub fn table(&self) -> Option<&Arc<Columns>> {
        self.table.as_ref().map(|table| &table.columns)
    }

    /// The first `n` examples, or all if there are fewer.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        Self {
            indices: self.indices.iter().copied().take(n).collect(),
            ..self.clone()
        }
    }

    /// At most `n` of the examples, evenly from all.
    #[must_use]
    pub fn thinned(&self, n: usize) -> Self {
        let (count, all) = (n.min(self.len()), self.len());
        let at = |i: usize| self.indices[(i as u128 * all as u128 / count as u128) as usize];
        Self {
            indices: (0..count).map(at).collect(),
            ..self.clone()
        }
    }

    /// The same examples with other features: labels and scaled attributes stay. Features that have
    /// distributions are drawn anew in each epoch of shuffled batches, and are their means everywhere else.
    ///
    /// # Errors
    /// [`DataError::Length`] if there are not as many examples.
    pub fn replaced(&self, shape: &DataShape, of: Features) -> Result<Self, DataError> {
        let (count, classes) = (self.len(), self.classes().len());
        let mut attributes = Vec::with_capacity(count * self.attributes().len());
        let mut condition = vec![0.0; self.condition_width()];
        for i in 0..count {
            self.read_condition(i, &mut condition)?;
            attributes.extend_from_slice(&condition[classes..]);
        }
        let mut dataset = MemoryDataset::new(shape.clone(), of.means)?
            .with_attributes(self.attributes().to_vec(), attributes)?;
        if classes > 0 {
            let labels = (0..count).map(|i| self.label(i)).collect();
            dataset = dataset.with_labels(self.classes().to_vec(), labels)?;
        }
        let subset = Self::new(Arc::new(dataset), (0..count as u32).collect::<Vec<_>>())?;
        if let Some(deviations) = &of.deviations {
            check_len("deviations", count * shape.features(), deviations.len())?;
        }
        Ok(Self {
            deviations: of.deviations.map(Arc::from),
            ..subset
        })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Shape of every example.
    pub fn shape(&self) -> &DataShape {
        match &self.table {
            Some(table) => &table.shape,
            None => self.dataset.shape(),
        }
    }

    /// Names of the classes; empty when there are no labels.
    pub fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    /// Names of the features, or of the columns of a table; empty when they have none.
    pub fn columns(&self) -> &[String] {
        self.dataset.columns()
    }

    /// Names of the attributes.
    pub fn attributes(&self) -> &[String] {
        self.dataset.attributes()
    }

    /// Indices of the examples in the dataset they come from.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    fn index(&self, i: usize) -> Result<usize, DataError> {
        let found = self.indices.get(i).map(|&index| index as usize);
        found.ok_or(DataError::Index {
            index: i,
            len: self.len(),
        })
    }

    /// Writes the scaled values of example `i` of this subset into `out`. Those of a table are a row of a
    /// model, in which what is missing is NaN.
    ///
    /// # Errors
    /// Those of [`Dataset::read`], and of a table those of [`Subset::read_columns`].
    pub fn read(&self, i: usize, out: &mut [f32]) -> Result<(), DataError> {
        let Some(table) = &self.table else {
            self.dataset.read(self.index(i)?, out)?;
            self.scale(out);
            return Ok(());
        };
        let width = table.shape.features();
        check_len("the buffer for one example", width, out.len())?;
        let mut row = vec![0.0; self.dataset.shape().features()];
        self.read_columns(i, &mut row)?;
        self.scale(&mut row);
        table.columns.expand(&row, out);
        Ok(())
    }

    /// Writes the unscaled values of example `i` into `out`, one for each column of a table: categories as the
    /// index of the level in [`Subset::table`], NaN where missing.
    ///
    /// # Errors
    /// Those of [`Dataset::read`], and [`DataError::UnseenLevel`] if a level is not in the table.
    pub fn read_columns(&self, i: usize, out: &mut [f32]) -> Result<(), DataError> {
        let index = self.index(i)?;
        self.dataset.read(index, out)?;
        match &self.table {
            Some(table) => table.recode.apply(index, out),
            None => Ok(()),
        }
    }

    /// As [`Subset::read`], but draws the features that have distributions, with the randomness of
    /// `(seed, index)`.
    pub(crate) fn draw(
        &self,
        i: usize,
        (seed, index): (u64, u64),
        out: &mut [f32],
    ) -> Result<(), DataError> {
        let Some(deviations) = &self.deviations else {
            return self.read(i, out);
        };
        let example = self.index(i)?;
        self.dataset.read(example, out)?;
        let mut noise = vec![0.0; out.len()];
        fill_normal(&mut rng(seed, Stream::Features, index), &mut noise);
        let deviations = &deviations[example * out.len()..];
        for ((value, noise), deviation) in out.iter_mut().zip(noise).zip(deviations) {
            *value += noise * deviation;
        }
        self.scale(out);
        Ok(())
    }

    fn scale(&self, out: &mut [f32]) {
        if let Some(scaler) = &self.scaler {
            scaler.apply(out);
        }
    }

    /// Class of example `i`, or [`crate::UNLABELLED`]. Also unlabelled if there is no
    /// such example.
    pub fn label(&self, i: usize) -> i32 {
        self.index(i)
            .map_or(crate::UNLABELLED, |index| self.label_of(index))
    }

    fn label_of(&self, index: usize) -> i32 {
        match &self.labelled {
            Some(seen) if seen.binary_search(&(index as u32)).is_err() => crate::UNLABELLED,
            _ => self.dataset.label(index),
        }
    }

    /// The same examples, of which only `count` keep their labels: chosen at random with
    /// `seed`, and from each class as many as from any other, or one more.
    ///
    /// # Errors
    /// [`DataError::Setting`], for the key `labels`, if there are no classes, or too few
    /// labelled examples of one.
    pub fn with_few_labels(mut self, count: usize, seed: u64) -> Result<Self, DataError> {
        let refuse = |bound: String| Err(DataError::setting("labels", count, bound));
        let classes = self.classes().len();
        if classes == 0 {
            return refuse(
                "has nothing to choose from, as the data have no labels: leave it out, or name the \
                 column of a table with `label` (--label)"
                    .into(),
            );
        }
        if count < classes {
            return refuse(format!(
                "must be at least {classes}, one for each class of the data"
            ));
        }
        let mut of_class = vec![Vec::new(); classes];
        for position in permutation(&mut rng(seed, Stream::Labels, 0), self.len()) {
            if let Ok(class) = usize::try_from(self.label(position as usize)) {
                of_class[class].push(self.indices[position as usize]);
            }
        }
        let mut seen = Vec::with_capacity(count);
        for (class, examples) in of_class.iter().enumerate() {
            let wanted = count / classes + usize::from(class < count % classes);
            let Some(chosen) = examples.get(..wanted) else {
                return refuse(format!(
                    "takes {wanted} from each class, and of class `{}` there are only {} in the \
                     training split",
                    self.classes()[class],
                    examples.len()
                ));
            };
            seen.extend_from_slice(chosen);
        }
        seen.sort_unstable();
        self.labelled = Some(seen.into());
        Ok(self)
    }

    /// Positions of the labelled examples, and of the others.
    pub fn by_label(&self) -> (Vec<u32>, Vec<u32>) {
        (0..self.len() as u32).partition(|&position| self.label(position as usize) >= 0)
    }

    /// Length of a condition: the number of classes and of attributes.
    pub fn condition_width(&self) -> usize {
        self.classes().len() + self.attributes().len()
    }

    /// Writes the condition of example `i` into `out`: its class, one-hot (all zero if
    /// unlabelled), then its scaled attributes.
    ///
    /// # Errors
    /// [`DataError::Index`] or [`DataError::Length`].
    pub fn read_condition(&self, i: usize, out: &mut [f32]) -> Result<(), DataError> {
        let index = self.index(i)?;
        if out.len() != self.condition_width() {
            return Err(DataError::Length {
                what: "the buffer for one condition",
                expected: self.condition_width(),
                found: out.len(),
            });
        }
        let (classes, attributes) = out.split_at_mut(self.classes().len());
        classes.fill(0.0);
        let label = usize::try_from(self.label_of(index)).ok();
        if let Some(hot) = label.and_then(|label| classes.get_mut(label)) {
            *hot = 1.0;
        }
        self.dataset.read_attributes(index, attributes);
        if let Some(scaler) = &self.attribute_scaler {
            scaler.apply(attributes);
        }
        Ok(())
    }

    /// The smallest and the largest scaled value, from a scan of every example; `None`
    /// if there are no examples. Of a table it is that of its numbers and dates without what is missing;
    /// `None` if it has none.
    ///
    /// # Errors
    /// Those of [`Subset::read`], and [`DataError::NonFinite`], which names the first
    /// example and feature that is infinite, or NaN but in a table.
    pub fn range(&self) -> Result<Option<ValueRange>, DataError> {
        if let (Some(range), None) = (self.dataset.known_range(), &self.scaler) {
            return Ok((!self.is_empty()).then_some(range));
        }
        let mut row = vec![0.0; self.dataset.shape().features()];
        let counts = |column: usize, value: f32| match self.table() {
            Some(columns) => !columns.kinds()[column].is_category() && !value.is_nan(),
            None => true,
        };
        let mut range = ValueRange {
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
        };
        for i in 0..self.len() {
            self.read_columns(i, &mut row)?;
            self.scale(&mut row);
            for (feature, &value) in row.iter().enumerate().filter(|(c, v)| counts(*c, **v)) {
                if !value.is_finite() {
                    return Err(DataError::NonFinite {
                        example: self.index(i)?,
                        feature,
                        value,
                    });
                }
                range.min = range.min.min(value);
                range.max = range.max.max(value);
            }
        }
        Ok((range.min <= range.max).then_some(range))
    }
}
