//! Tables: columns of cells under names, whichever file they come from.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::text::{nearest, quoted};
use crate::{DataConfig, DataError, DataShape, MemoryDataset, ReaderOption, Source, UNLABELLED};

/// The settings that a reader of tables has a use for.
pub(super) const OPTIONS: &[ReaderOption] = &[ReaderOption::Label, ReaderOption::Condition];

/// What a cell holds.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text of a file without types, in which what can be read as a number is one.
    Untyped(&'a str),
    /// Text, even if it looks like a number.
    Text(&'a str),
    /// A whole number.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// What is neither a number nor text, in words.
    Other(&'static str),
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Untyped(text) | Self::Text(text) | Self::Other(text) => f.write_str(text),
            Self::Whole(number) => number.fmt(f),
            // With an exponent where it is large or small.
            Self::Number(number) => write!(f, "{number:?}"),
        }
    }
}

/// What a column is for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Feature,
    Condition,
    Label,
}

/// A table that is being read. All columns are features but the column `label` and the
/// columns `condition`.
pub(super) struct Table<'a> {
    path: &'a Path,
    config: &'a DataConfig,
    names: Vec<String>,
    roles: Vec<Role>,
    /// The cells of each column but the label's, from top to bottom.
    numbers: Vec<Vec<f32>>,
    /// The cells of the label's.
    classes: Vec<String>,
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
        for wanted in config.label.iter().chain(&config.condition) {
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
        Ok(Self {
            path,
            config,
            numbers: vec![Vec::new(); names.len()],
            names,
            roles,
            classes: Vec::new(),
        })
    }

    /// Adds a cell below those of a column; `place` is where it is, for messages.
    pub fn push(
        &mut self,
        column: usize,
        cell: Cell<'_>,
        place: impl Fn() -> String,
    ) -> Result<(), DataError> {
        let result = match self.roles[column] {
            Role::Feature => {
                let hint = "exclude the column: name it as `label` (--label) if it is the class, \
                            or remove it from the table";
                cell.number(hint).map(|n| self.numbers[column].push(n))
            }
            Role::Condition => {
                let hint = "`condition` (--condition) takes numeric columns; \
                            for classes use `label` (--label)";
                cell.number(hint).map(|n| self.numbers[column].push(n))
            }
            Role::Label => cell.class().map(|class| self.classes.push(class)),
        };
        result.map_err(|(problem, hint)| DataError::Cell {
            path: self.path.to_owned(),
            place: place().into(),
            column: self.names[column].clone(),
            problem,
            value: cell.to_string(),
            hint,
        })
    }

    /// The examples, one for each row.
    pub fn source(self) -> Result<Source, DataError> {
        let features = (0..self.names.len()).filter(|&c| self.roles[c] == Role::Feature);
        let features: Vec<usize> = features.collect();
        let missing = match self.numbers[features[0]].len() {
            0 => Some("row below the names of its columns"),
            1 => Some("second row of values, and nothing can be learned from one"),
            _ => None,
        };
        if let Some(what) = missing {
            let path = self.path.to_owned();
            return Err(DataError::Empty { path, what });
        }
        let shape = DataShape::new([features.len()])?;
        let table = MemoryDataset::new(shape, self.rows(&features))?;
        let names = features.iter().map(|&column| self.names[column].clone());
        let table = table.with_columns(names.collect())?;
        let conditions = self.config.condition.iter();
        let conditions = conditions.filter_map(|c| self.names.iter().position(|n| n == c));
        let values = self.rows(&conditions.collect::<Vec<_>>());
        let table = table.with_attributes(self.config.condition.clone(), values)?;
        let Some(label) = &self.config.label else {
            return Ok(Source::of_path(self.path, Arc::new(table)));
        };
        let names = sorted(&self.classes);
        if names.is_empty() {
            return Err(DataError::Column {
                path: self.path.to_owned(),
                problem: "no row has a class in column",
                column: label.clone(),
                hint: "leave `label` (--label) out".to_owned(),
            });
        }
        let places: HashMap<&str, i32> = names.iter().map(String::as_str).zip(0..).collect();
        let place = |class: &String| places.get(class.as_str()).copied();
        let of = self.classes.iter().map(|c| place(c).unwrap_or(UNLABELLED));
        let of = of.collect();
        let table = table.with_labels(names, of)?;
        Ok(Source::of_path(self.path, Arc::new(table)))
    }

    /// Columns beside each other, row after row.
    fn rows(&self, columns: &[usize]) -> Vec<f32> {
        let columns: Vec<&[f32]> = columns.iter().map(|&c| &self.numbers[c][..]).collect();
        let rows = columns.first().map_or(0, |column| column.len());
        let mut values = Vec::with_capacity(rows * columns.len());
        for row in 0..rows {
            values.extend(columns.iter().map(|column| column[row]));
        }
        values
    }
}

impl Cell<'_> {
    /// The number, or what is wrong and what to do; `not_a_number` is what to do about text.
    fn number(self, not_a_number: &'static str) -> Result<f32, (&'static str, &'static str)> {
        let finite = "fill the cell with a finite number, or remove the row or the column";
        let number = match self {
            Self::Empty | Self::Untyped("") => return Err(("an empty cell", finite)),
            Self::Untyped(text) => text.parse().ok(),
            Self::Text(_) | Self::Other(_) => None,
            Self::Whole(number) => Some(number as f32),
            Self::Number(number) => Some(number as f32),
        };
        match number {
            Some(number) if number.is_finite() => Ok(number),
            Some(_) => Err(("not a finite number", finite)),
            None => Err(("not a number", not_a_number)),
        }
    }

    /// The name of a class, empty if there is none, or what is wrong and what to do.
    fn class(self) -> Result<String, (&'static str, &'static str)> {
        match self {
            Self::Number(_) | Self::Other(_) => Err((
                "neither text nor a whole number",
                "`label` (--label) takes a column of text or whole numbers",
            )),
            name => Ok(name.to_string()),
        }
    }
}

/// The distinct names without the empty one, in the order of numbers if all are whole
/// numbers, else alphabetically.
fn sorted(classes: &[String]) -> Vec<String> {
    let distinct: BTreeSet<&String> = classes.iter().filter(|c| !c.is_empty()).collect();
    let mut names: Vec<String> = distinct.into_iter().cloned().collect();
    let numbers: Result<Vec<i64>, _> = names.iter().map(|n| n.parse::<i64>()).collect();
    if numbers.is_ok() {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or(0));
    }
    names
}
