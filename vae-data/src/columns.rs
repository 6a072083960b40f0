//! From the rows of a table to the rows of a model, and back.

use serde::{Deserialize, Serialize};

use crate::column::index;
use crate::{ColumnKind, DataError, Dataset, Unseen};

/// The level that stands for those that were not seen.
pub(crate) const OTHER: &str = "other";

/// How the rows of a table with categories, dates or gaps become rows of numbers for a model: a number or a
/// date stays one, a category takes a place for each level, one-hot, and every place of a missing cell is
/// NaN. The levels are learned on the training split, the most frequent first; it is stored with a
/// trained model, so that new data is treated alike.
///
/// ```
/// use std::sync::Arc;
/// use vae_data::*;
///
/// let kind = ColumnKind::Category { levels: vec!["cat".into(), "dog".into()] };
/// let rows = vec![0.5, 1.0, f32::NAN, 1.0, 2.0, 0.0, 3.0, f32::NAN];
/// let table = MemoryDataset::new(DataShape::new([2])?, rows)?
///     .with_columns(vec!["size".into(), "kind".into()])?
///     .with_kinds(vec![ColumnKind::Number, kind])?;
/// let config = DataConfig { validation: 0.0, test: 0.0, scale: Scale::None, ..DataConfig::default() };
/// let data = Data::from_source(Source::new("pets", Arc::new(table)), &config, 1)?;
/// let columns = data.table.as_ref().unwrap();
/// // There are two dogs: they come first.
/// assert_eq!(columns.kinds()[1].levels(), ["dog", "cat"]);
/// let mut row = [0.0; 3];
/// data.train.read(2, &mut row)?;
/// assert_eq!(row, [2.0, 0.0, 1.0]);
/// let mut folded = [0.0; 2];
/// columns.fold(&row, &mut folded);
/// assert_eq!(columns.text(1, folded[1]), "cat");
/// # Ok::<(), DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    kinds: Vec<ColumnKind>,
    unseen: Unseen,
    gaps: bool,
}

impl Columns {
    /// So many columns of numbers, of which none is missing.
    pub fn of_numbers(count: usize) -> Self {
        Self {
            kinds: vec![ColumnKind::Number; count],
            unseen: Unseen::default(),
            gaps: false,
        }
    }

    /// What is in each column; the levels are in the order of their places.
    pub fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// What becomes of a level that is not among those that were learned.
    pub fn unseen(&self) -> Unseen {
        self.unseen
    }

    /// Whether there is a category.
    pub fn has_categories(&self) -> bool {
        self.kinds.iter().any(ColumnKind::is_category)
    }

    /// Whether a cell was missing in the data it was learned from.
    pub fn has_gaps(&self) -> bool {
        self.gaps
    }

    /// Length of the rows of a model: a place for each number and date, and one for each level of a category.
    pub fn width(&self) -> usize {
        self.kinds.iter().map(ColumnKind::width).sum()
    }

    /// Writes a row of the table into `out` as a row of a model.
    ///
    /// # Shapes
    /// - `row`: `[columns]`, categories as the index of the level, NaN where missing
    /// - `out`: `[width]`
    pub fn expand(&self, row: &[f32], out: &mut [f32]) {
        let mut out = out;
        for (kind, &value) in self.kinds.iter().zip(row) {
            let Some((places, rest)) = out.split_at_mut_checked(kind.width()) else {
                return;
            };
            if !kind.is_category() || value.is_nan() {
                places.fill(value);
            } else {
                places.fill(0.0);
                if let Some(place) = index(value).and_then(|index| places.get_mut(index)) {
                    *place = 1.0;
                }
            }
            out = rest;
        }
    }

    /// Writes a row of a model into `out` as a row of the table: numbers as they are, and of a category the
    /// index of its largest place, the first of several. NaN where a place is NaN.
    ///
    /// # Shapes
    /// - `wide`: `[width]`
    /// - `out`: `[columns]`
    pub fn fold(&self, wide: &[f32], out: &mut [f32]) {
        let mut wide = wide;
        for (kind, value) in self.kinds.iter().zip(out) {
            let Some((places, rest)) = wide.split_at_checked(kind.width()) else {
                return;
            };
            *value = match kind {
                ColumnKind::Category { .. } => largest(places),
                ColumnKind::Number | ColumnKind::Date { .. } => places[0],
            };
            wide = rest;
        }
    }

    /// What the places of a row of a model add up to in each column.
    ///
    /// # Shapes
    /// - `wide`: `[width]`
    /// - output: `[columns]`
    pub fn sums(&self, wide: &[f64]) -> Vec<f64> {
        let mut wide = wide;
        let sum = |kind: &ColumnKind| {
            let (places, rest) = wide.split_at(kind.width().min(wide.len()));
            wide = rest;
            places.iter().sum()
        };
        self.kinds.iter().map(sum).collect()
    }

    /// A value of a row of the table, in the units of the data, as text: a number, a date, a level. Empty
    /// where it is missing, and for a column that does not exist.
    pub fn text(&self, column: usize, value: f32) -> String {
        let kind = self.kinds.get(column);
        kind.map_or(String::new(), |kind| kind.text(value))
    }

    /// Checks what was read from a file.
    ///
    /// # Errors
    /// [`DataError::Setting`] if there is no column, a category has no level or twice the same, or lacks
    /// the level for all that was not seen.
    pub fn check(&self) -> Result<(), DataError> {
        let refuse = |value: String, bound: &str| Err(DataError::setting("table", value, bound));
        if self.kinds.is_empty() {
            return refuse("[]".to_owned(), "must have a column");
        }
        for kind in self.kinds.iter().filter(|kind| kind.is_category()) {
            let levels = kind.levels();
            if levels.is_empty() || has_repeats(levels) {
                let bound = "a category must have levels, each another";
                return refuse(format!("{levels:?}"), bound);
            }
            if self.unseen == Unseen::Other && !levels.iter().any(|level| level == OTHER) {
                let bound = "must have the level `other`, as `unseen` is `other`";
                return refuse(format!("{levels:?}"), bound);
            }
        }
        Ok(())
    }

    /// Learns the levels of `dataset` from the rows `train`, in increasing order.
    ///
    /// # Errors
    /// [`DataError::Column`] if every cell of a column is missing, in all rows or in `train`, or each row
    /// of `dataset` has a level of its own.
    pub(crate) fn learn(
        source: &str,
        dataset: &dyn Dataset,
        train: &[u32],
        unseen: Unseen,
    ) -> Result<Self, DataError> {
        let width = dataset.shape().features();
        let kinds = kinds_of(dataset);
        let mut counts: Vec<Counts> = kinds.iter().map(Counts::new).collect();
        let mut row = vec![0.0; width];
        let mut train = train.iter().peekable();
        for index in 0..dataset.len() {
            dataset.read(index, &mut row)?;
            let is_training = train.next_if_eq(&&(index as u32)).is_some();
            for (counts, &value) in counts.iter_mut().zip(&row) {
                counts.add(value, is_training);
            }
        }
        let error = |problem, column: usize, hint: &str| DataError::Column {
            path: source.into(),
            problem,
            column: name_of(dataset.columns(), column),
            hint: hint.to_owned(),
        };
        let mut learned = Vec::with_capacity(width);
        for (column, (kind, counts)) in kinds.into_iter().zip(&counts).enumerate() {
            if counts.observed == 0 {
                let hint = "leave the column out with `drop` (--drop)";
                return Err(error("every cell is missing in column", column, hint));
            }
            if counts.observed_in_training == 0 {
                let hint =
                    "leave the column out with `drop` (--drop), or give more rows that have it";
                let problem = "every cell of the training split is missing in column";
                return Err(error(problem, column, hint));
            }
            if counts.are_names() {
                let hint = "leave it out with `drop` (--drop), or name it as `label` (--label) if it is \
                            the class";
                let problem = "there is another level in every row of column";
                return Err(error(problem, column, hint));
            }
            learned.push(counts.learned(kind, unseen));
        }
        Ok(Self {
            kinds: learned,
            unseen,
            gaps: counts.iter().any(|counts| counts.missing > 0),
        })
    }
}

/// What the columns of a dataset are, which says nothing where all are numbers.
pub(crate) fn kinds_of(dataset: &dyn Dataset) -> Vec<ColumnKind> {
    match dataset.kinds() {
        [] => vec![ColumnKind::Number; dataset.shape().features()],
        kinds => kinds.to_vec(),
    }
}

/// The name of a column, or its number where columns have no names.
pub(crate) fn name_of(names: &[String], column: usize) -> String {
    let name = names.get(column).cloned();
    name.unwrap_or_else(|| (column + 1).to_string())
}

/// Whether a level is there twice.
pub(crate) fn has_repeats(levels: &[String]) -> bool {
    let mut sorted: Vec<&String> = levels.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// Index of the largest; NaN if one is NaN.
fn largest(places: &[f32]) -> f32 {
    if places.iter().any(|place| place.is_nan()) {
        return f32::NAN;
    }
    let mut best = 0;
    for (i, place) in places.iter().enumerate() {
        if *place > places[best] {
            best = i;
        }
    }
    best as f32
}

/// Rows that have a level.
#[derive(Clone, Copy, Default)]
struct LevelCounts {
    rows: u64,
    in_training: u64,
}

/// What is counted in a column.
struct Counts {
    levels: Vec<LevelCounts>,
    observed: u64,
    observed_in_training: u64,
    missing: u64,
}

impl Counts {
    fn new(kind: &ColumnKind) -> Self {
        Self {
            levels: vec![LevelCounts::default(); kind.levels().len()],
            observed: 0,
            observed_in_training: 0,
            missing: 0,
        }
    }

    fn add(&mut self, value: f32, is_training: bool) {
        if value.is_nan() {
            self.missing += 1;
            return;
        }
        self.observed += 1;
        self.observed_in_training += u64::from(is_training);
        if let Some(level) = index(value).and_then(|index| self.levels.get_mut(index)) {
            level.rows += 1;
            level.in_training += u64::from(is_training);
        }
    }

    /// Whether no two rows have the same level, and nothing can be learned from them.
    fn are_names(&self) -> bool {
        let used = self.levels.iter().filter(|level| level.rows > 0).count() as u64;
        used > 1 && used == self.observed
    }

    /// The kind with the levels that training rows have, the most frequent first, then by the alphabet.
    fn learned(&self, kind: ColumnKind, unseen: Unseen) -> ColumnKind {
        let ColumnKind::Category { levels } = kind else {
            return kind;
        };
        let in_training = self.levels.iter().map(|level| level.in_training);
        let counted = levels.into_iter().zip(in_training);
        let mut counted: Vec<_> = counted.filter(|(_, count)| *count > 0).collect();
        counted.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        let mut levels: Vec<String> = counted.into_iter().map(|(level, _)| level).collect();
        if unseen == Unseen::Other && !levels.iter().any(|level| level == OTHER) {
            levels.push(OTHER.to_owned());
        }
        ColumnKind::Category { levels }
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
