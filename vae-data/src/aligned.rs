//! Data as a trained model knows them: its columns in its order, with its levels.

use std::sync::Arc;

use crate::column::{index as index_of, level_of};
use crate::columns::{OTHER, kinds_of, name_of};
use crate::memory::check_len;
use crate::text::{nearest, quoted};
use crate::{ColumnKind, Columns, DataError, DataShape, Dataset, Unseen, ValueRange};

/// A dataset with the columns of a model, found by their `names`, and no others, in the order of the model;
/// with the levels of `table`, if the model has one. It reads from `dataset` as rows are asked for, and
/// copies nothing. Where either has no names, columns are taken as they stand.
///
/// A level that is not in `table` is [`DataError::UnseenLevel`] when its row is read, or becomes `other`
/// where the model has that. A model without a table takes numbers alone: a missing cell is
/// [`DataError::MissingCell`] when its row is read.
///
/// # Errors
/// [`DataError::ColumnUnfit`] if a column is missing or of another kind, and [`DataError::Length`] if
/// columns have no names and their number is another.
pub fn aligned(
    dataset: Arc<dyn Dataset>,
    names: &[String],
    table: Option<&Columns>,
) -> Result<Arc<dyn Dataset>, DataError> {
    aligned_where(dataset, names, table, Gaps::Refused)
}

/// As [`aligned`], but a cell may be missing whether the model has a table or not: it is NaN.
///
/// # Errors
/// Those of [`aligned`].
pub fn aligned_with_gaps(
    dataset: Arc<dyn Dataset>,
    names: &[String],
    table: Option<&Columns>,
) -> Result<Arc<dyn Dataset>, DataError> {
    aligned_where(dataset, names, table, Gaps::Kept)
}

/// What becomes of missing cells of numbers where a model has no table.
#[derive(Clone, Copy, PartialEq)]
enum Gaps {
    Refused,
    Kept,
}

fn aligned_where(
    dataset: Arc<dyn Dataset>,
    names: &[String],
    table: Option<&Columns>,
    gaps: Gaps,
) -> Result<Arc<dyn Dataset>, DataError> {
    let places = places(&*dataset, names, table)?;
    let has_kinds = !dataset.kinds().is_empty();
    let in_place = places.iter().copied().eq(0..dataset.shape().features());
    if table.is_none() && !has_kinds && in_place {
        return Ok(dataset);
    }
    let all = kinds_of(&*dataset);
    let kinds: Vec<ColumnKind> = places.iter().map(|&place| all[place].clone()).collect();
    let name = |column: usize| match names {
        [] => name_of(dataset.columns(), places[column]),
        names => name_of(names, column),
    };
    let columns: Vec<String> = (0..places.len()).map(name).collect();
    let recode = match table {
        Some(table) => Recode::new(&kinds, &columns, table)?,
        None => Recode::of_numbers(&kinds, &columns, gaps)?,
    };
    let shape = match in_place {
        true => dataset.shape().clone(),
        false => DataShape::new([places.len()])?,
    };
    Ok(Arc::new(Aligned {
        shape,
        columns: match (names, dataset.columns()) {
            ([], []) => Vec::new(),
            _ => columns,
        },
        kinds: table.map_or(Vec::new(), |table| table.kinds().to_vec()),
        places,
        recode,
        of: dataset,
    }))
}

/// For each column of the model its place in the data.
fn places(
    dataset: &dyn Dataset,
    names: &[String],
    table: Option<&Columns>,
) -> Result<Vec<usize>, DataError> {
    let (found, features) = (dataset.columns(), dataset.shape().features());
    if names.is_empty() || found.is_empty() {
        let known = (!names.is_empty()).then_some(names.len());
        let known = known.or(table.map(|table| table.kinds().len()));
        check_len("columns", known.unwrap_or(features), features)?;
        return Ok((0..features).collect());
    }
    let place = |name: &String| {
        let place = found.iter().position(|column| column == name);
        place.ok_or_else(|| {
            let columns = || found.iter().map(String::as_str);
            DataError::ColumnUnfit {
                column: name.clone(),
                problem: "the model takes it, and the data have none of that name".to_owned(),
                hint: match nearest(name, columns()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", quoted(columns())),
                },
            }
        })
    };
    names.iter().map(place).collect()
}

/// See [`aligned`].
struct Aligned {
    of: Arc<dyn Dataset>,
    shape: DataShape,
    columns: Vec<String>,
    kinds: Vec<ColumnKind>,
    /// For each column its place in `of`.
    places: Vec<usize>,
    recode: Recode,
}

impl Dataset for Aligned {
    fn len(&self) -> usize {
        self.of.len()
    }

    fn shape(&self) -> &DataShape {
        &self.shape
    }

    fn read(&self, index: usize, out: &mut [f32]) -> Result<(), DataError> {
        check_len("the buffer for one example", self.places.len(), out.len())?;
        let mut row = vec![0.0; self.of.shape().features()];
        self.of.read(index, &mut row)?;
        for (value, &place) in out.iter_mut().zip(&self.places) {
            *value = row[place];
        }
        self.recode.apply(index, out)
    }

    fn known_range(&self) -> Option<ValueRange> {
        self.of.known_range()
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    fn classes(&self) -> &[String] {
        self.of.classes()
    }

    fn label(&self, index: usize) -> i32 {
        self.of.label(index)
    }

    fn attributes(&self) -> &[String] {
        self.of.attributes()
    }

    fn read_attributes(&self, index: usize, out: &mut [f32]) {
        self.of.read_attributes(index, out);
    }
}

/// From the levels and days of a dataset to those of a table.
#[derive(Clone, Debug)]
pub(crate) struct Recode {
    names: Vec<String>,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    /// Numbers, where no cell may be missing.
    Gapless,
    /// Numbers.
    Number,
    /// Dates: days are counted from a day that is so many days later.
    Days(f64),
    /// Levels, and the index of each in the table.
    Levels(Vec<String>, Vec<Option<f32>>),
}

impl Recode {
    /// From columns of these kinds and names to those of `table`, which stand in the same order.
    pub fn new(kinds: &[ColumnKind], names: &[String], table: &Columns) -> Result<Self, DataError> {
        check_len("columns", table.kinds().len(), kinds.len())?;
        let pairs = kinds.iter().zip(table.kinds()).enumerate();
        let change = |(column, (from, to)): (usize, (&ColumnKind, &ColumnKind))| match (from, to) {
            (ColumnKind::Number, ColumnKind::Number) => Ok(Change::Number),
            // Every cell is missing.
            (ColumnKind::Category { levels }, _) if levels.is_empty() => Ok(Change::Number),
            (ColumnKind::Date { origin: from, .. }, ColumnKind::Date { origin: to, .. }) => {
                Ok(Change::Days(f64::from(*from) - f64::from(*to)))
            }
            (ColumnKind::Category { levels: from }, ColumnKind::Category { levels: to }) => {
                let other = match table.unseen() {
                    Unseen::Other => position(to, OTHER),
                    Unseen::Error => None,
                };
                let indices = from.iter().map(|level| position(to, level).or(other));
                Ok(Change::Levels(from.clone(), indices.collect()))
            }
            (from, to) => Err(other_kind(name_of(names, column), from, to)),
        };
        Ok(Self {
            names: names.to_vec(),
            changes: pairs.map(change).collect::<Result<_, _>>()?,
        })
    }

    /// To columns of numbers.
    fn of_numbers(kinds: &[ColumnKind], names: &[String], gaps: Gaps) -> Result<Self, DataError> {
        let number = || match gaps {
            Gaps::Refused => Change::Gapless,
            Gaps::Kept => Change::Number,
        };
        let change = |(column, kind): (usize, &ColumnKind)| match kind {
            ColumnKind::Number => Ok(number()),
            ColumnKind::Category { levels } if levels.is_empty() => Ok(number()),
            other => Err(other_kind(
                name_of(names, column),
                other,
                &ColumnKind::Number,
            )),
        };
        Ok(Self {
            names: names.to_vec(),
            changes: kinds
                .iter()
                .enumerate()
                .map(change)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Changes the row with this index in its dataset.
    pub fn apply(&self, index: usize, row: &mut [f32]) -> Result<(), DataError> {
        for (column, (change, value)) in self.changes.iter().zip(row).enumerate() {
            match change {
                Change::Gapless if value.is_nan() => {
                    return Err(DataError::MissingCell {
                        row: index + 1,
                        column: name_of(&self.names, column),
                    });
                }
                _ if value.is_nan() => {}
                Change::Gapless | Change::Number => {}
                Change::Days(shift) if *shift == 0.0 => {}
                Change::Days(shift) => *value = (f64::from(*value) + shift) as f32,
                Change::Levels(levels, indices) => {
                    let index_in_table =
                        index_of(*value).and_then(|index| indices.get(index).copied().flatten());
                    *value = index_in_table.ok_or_else(|| DataError::UnseenLevel {
                        row: index + 1,
                        column: name_of(&self.names, column),
                        level: level_of(levels, *value).map_or(value.to_string(), String::clone),
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn position(levels: &[String], wanted: &str) -> Option<f32> {
    let index = levels.iter().position(|level| level == wanted);
    index.map(|index| index as f32)
}

/// A column that holds `from` where `to` is needed.
fn other_kind(column: String, from: &ColumnKind, to: &ColumnKind) -> DataError {
    let (from_noun, to_noun) = (from.noun(), to.noun());
    DataError::ColumnUnfit {
        column,
        problem: format!("it holds {from_noun}, and {to_noun} are needed"),
        hint: match (from, to) {
            (_, ColumnKind::Category { .. }) => {
                "name it as `categorical` (--categorical) if its values are names".to_owned()
            }
            _ => format!("look for cells that are not {to_noun}"),
        },
    }
}

#[cfg(test)]
#[path = "aligned_tests.rs"]
mod tests;
