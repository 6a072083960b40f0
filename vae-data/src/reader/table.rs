//! Tables: columns of cells under names, whichever file they come from.

use std::path::Path;
use std::sync::Arc;

use super::blocks::BLOCK;
use super::cells::{Cell, Cells, FINITE, TOO_MANY, Values};
use crate::text::{nearest, quoted};
use crate::{
    ColumnKind, DataConfig, DataError, DataShape, MemoryDataset, ReaderOption, Source, UNLABELLED,
};

/// The settings that a reader of tables has a use for.
pub(super) const OPTIONS: &[ReaderOption] = &[
    ReaderOption::Label,
    ReaderOption::Condition,
    ReaderOption::Categorical,
    ReaderOption::Drop,
    ReaderOption::Unseen,
];

/// What is wrong where a column would be of numbers or dates but for a cell of text.
const MIXED: &str =
    "among numbers or dates, and the category that they make has more than 1,000 levels, the text";

/// What a column is for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Feature,
    Condition,
    Label,
    Dropped,
}

/// A table that is being read. All columns are features but the column `label`, the columns `condition` and
/// the columns `drop`, which is left out.
pub(super) struct Table<'a> {
    path: &'a Path,
    config: &'a DataConfig,
    names: Vec<String>,
    roles: Vec<Role>,
    /// The cells of each column but the conditions.
    cells: Vec<Cells>,
    /// The cells of each condition, from top to bottom.
    conditions: Vec<Vec<f32>>,
    /// Whether cells are read for the first time.
    is_first_pass: bool,
}

impl<'a> Table<'a> {
    /// A table without rows.
    pub fn new(
        path: &'a Path,
        config: &'a DataConfig,
        names: Vec<String>,
    ) -> Result<Self, DataError> {
        let error = |problem, column: &str, hint: String| DataError::Column {
            path: path.to_owned(),
            problem,
            column: column.to_owned(),
            hint,
        };
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                let hint = "give each column a name of its own; the first line of a text file holds the names";
                return Err(error("two columns are called", name, hint.to_owned()));
            }
        }
        let wanted = config.label.iter().chain(&config.condition);
        for wanted in wanted.chain(&config.categorical).chain(&config.drop) {
            if !names.contains(wanted) {
                let names = || names.iter().map(String::as_str);
                let hint = match nearest(wanted, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", quoted(names())),
                };
                return Err(error("there is no column", wanted, hint));
            }
        }
        let role = |name: &String| {
            if config.label.as_ref() == Some(name) {
                Role::Label
            } else if config.condition.contains(name) {
                Role::Condition
            } else if config.drop.contains(name) {
                Role::Dropped
            } else {
                Role::Feature
            }
        };
        let roles: Vec<Role> = names.iter().map(role).collect();
        if !roles.contains(&Role::Feature) {
            return Err(DataError::Empty {
                path: path.to_owned(),
                what: "column that is a feature",
            });
        }
        let cells = names.iter().zip(&roles).map(|(name, role)| {
            let is_category = *role == Role::Label || config.categorical.contains(name);
            if is_category {
                Cells::of_category()
            } else {
                Cells::new()
            }
        });
        Ok(Self {
            path,
            config,
            cells: cells.collect(),
            conditions: vec![Vec::new(); names.len()],
            names,
            roles,
            is_first_pass: true,
        })
    }

    /// Whether a column is left out, so that its cells need not be read.
    pub fn is_dropped(&self, column: usize) -> bool {
        self.roles[column] == Role::Dropped
    }

    /// Adds a cell below those of a column; `place` is where it is, for messages.
    pub fn push(
        &mut self,
        column: usize,
        cell: Cell<'_>,
        place: impl Fn() -> String,
    ) -> Result<(), DataError> {
        let result = match self.roles[column] {
            Role::Feature => self.cells[column].push(cell, &place),
            Role::Condition if self.is_first_pass => {
                cell.number().map(|n| self.conditions[column].push(n))
            }
            Role::Label => self.cells[column].push_class(cell),
            Role::Condition | Role::Dropped => Ok(()),
        };
        result.map_err(|(problem, hint)| {
            let mixed = self.cells[column].mixed();
            let (place, value, problem) = match mixed.filter(|_| problem == TOO_MANY) {
                Some((place, value)) => (place.clone(), value.clone(), MIXED),
                None => (place(), cell.to_string(), problem),
            };
            DataError::Cell {
                path: self.path.to_owned(),
                place: place.into(),
                column: self.names[column].clone(),
                problem,
                value,
                hint,
            }
        })
    }

    /// Ends a pass over all cells. Whether there must be another: in some columns text came after numbers,
    /// and what was read as numbers is needed as text.
    pub fn end_pass(&mut self) -> bool {
        self.is_first_pass = false;
        let again = self.cells.iter_mut().map(Cells::end_pass);
        again.fold(false, |any, again| any | again)
    }

    /// The examples, one for each row.
    pub fn source(mut self) -> Result<Source, DataError> {
        let features = self.columns(Role::Feature);
        let count = self.cells[features[0]].len();
        if count == 0 {
            return Err(DataError::Empty {
                path: self.path.to_owned(),
                what: "row below the names of its columns",
            });
        }
        for (column, role) in self.roles.iter().enumerate() {
            let found = match role {
                Role::Feature | Role::Label => self.cells[column].len(),
                Role::Condition => self.conditions[column].len(),
                Role::Dropped => count,
            };
            // Another program may write the file between two passes.
            if found != count {
                let found = format!("{found} in column `{}`", self.names[column]);
                return Err(DataError::format(self.path, format!("{count} rows"), found));
            }
        }
        let (mut kinds, mut values) = (Vec::new(), Vec::new());
        for &column in &features {
            let (kind, of) = self.feature(column)?;
            kinds.push(kind);
            values.push(of);
        }
        let has_gaps = values.iter().any(Values::has_gaps);
        let mut all = Vec::with_capacity(count * features.len());
        for block in 0..count.div_ceil(BLOCK) {
            let columns: Vec<Vec<f32>> = values.iter_mut().map(|of| of.take(block)).collect();
            for row in 0..columns[0].len() {
                all.extend(columns.iter().map(|column| column[row]));
            }
        }
        let table = MemoryDataset::new(DataShape::new([features.len()])?, all)?;
        let names = features.iter().map(|&column| self.names[column].clone());
        let table = table.with_columns(names.collect())?;
        let table = match has_gaps || kinds.iter().any(|kind| *kind != ColumnKind::Number) {
            true => table.with_kinds(kinds)?,
            false => table,
        };
        let table = self.with_conditions(table, count)?;
        let table = self.with_classes(table)?;
        Ok(Source::of_path(self.path, Arc::new(table)))
    }

    fn columns(&self, role: Role) -> Vec<usize> {
        let columns = 0..self.names.len();
        columns
            .filter(|&column| self.roles[column] == role)
            .collect()
    }

    /// Takes what was read of a feature.
    fn feature(&mut self, column: usize) -> Result<(ColumnKind, Values), DataError> {
        let cells = std::mem::replace(&mut self.cells[column], Cells::new());
        let (path, name) = (self.path.to_owned(), self.names[column].clone());
        if let Some((place, value)) = cells.infinite().cloned() {
            return Err(DataError::Cell {
                path,
                place: place.into(),
                column: name,
                problem: "not a finite number",
                value,
                hint: FINITE,
            });
        }
        let mixed = cells.mixed().cloned();
        let (kind, values) = cells.finish();
        if let Some((place, text)) = mixed {
            tracing::warn!(
                "{}: column `{name}` is a category of {} levels, because it holds the text `{text}` in {place}; \
                 if its cells should be numbers or dates, mend that cell",
                path.display(),
                kind.levels().len(),
            );
        }
        Ok((kind, values))
    }

    /// Adds the columns to condition on, in the order of the settings.
    fn with_conditions(
        &self,
        table: MemoryDataset,
        count: usize,
    ) -> Result<MemoryDataset, DataError> {
        let names = &self.config.condition;
        let columns = names
            .iter()
            .filter_map(|c| self.names.iter().position(|n| n == c));
        let columns: Vec<&[f32]> = columns.map(|c| &self.conditions[c][..]).collect();
        let rows = (0..count).flat_map(|row| columns.iter().map(move |column| column[row]));
        table.with_attributes(names.clone(), rows.collect())
    }

    /// Adds the classes, in the order of numbers if all are whole numbers, else alphabetically.
    fn with_classes(&mut self, table: MemoryDataset) -> Result<MemoryDataset, DataError> {
        let Some(&label) = self.columns(Role::Label).first() else {
            return Ok(table);
        };
        let cells = std::mem::replace(&mut self.cells[label], Cells::new());
        let (kind, values) = cells.finish();
        let (levels, Values::Levels(codes, indices)) = (kind.levels(), values) else {
            return Ok(table);
        };
        if levels.is_empty() {
            return Err(DataError::Column {
                path: self.path.to_owned(),
                problem: "no row has a class in column",
                column: self.names[label].clone(),
                hint: "leave `label` (--label) out".to_owned(),
            });
        }
        let mut order: Vec<usize> = (0..levels.len()).collect();
        let numbers: Result<Vec<i64>, _> = levels.iter().map(|level| level.parse()).collect();
        if let Ok(numbers) = numbers {
            order.sort_by_key(|&level| numbers[level]);
        }
        let mut classes = vec![0; levels.len()];
        for (class, &level) in order.iter().enumerate() {
            classes[level] = class as i32;
        }
        let class = |code: u32| {
            let level = indices.get(code as usize);
            level.map_or(UNLABELLED, |&level| classes[level as usize])
        };
        let labels = codes.iter().map(class).collect();
        let names = order.iter().map(|&level| levels[level].clone()).collect();
        table.with_labels(names, labels)
    }
}
