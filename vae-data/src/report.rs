//! What is in a table.

use serde::Serialize;

use crate::choices::choices;
use crate::column::index;
use crate::columns::{kinds_of, name_of};
use crate::{ColumnKind, DataConfig, DataError, Dataset, Progress, Source, UNLABELLED, open};

/// Levels that a report names.
const NAMED: usize = 5;

choices! {
    /// What a column is for.
    ColumnRole("role") {
        /// A model learns it.
        Feature = "feature",
        /// It holds the class.
        Label = "label",
        /// A model is conditioned on it.
        Condition = "condition",
        /// It is left out.
        Dropped = "dropped",
    }
}

/// What is in a table, before it is split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableReport {
    /// Number of rows.
    pub rows: usize,
    /// The features, then the label, the conditions, and what is left out.
    pub columns: Vec<ColumnReport>,
}

/// What is in a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnReport {
    /// Its name, or its number from 1 where columns have no names.
    pub name: String,
    /// What it is for.
    pub role: ColumnRole,
    /// Share of the rows in which it is missing, from 0 to 1.
    pub missing: f64,
    /// What its cells are.
    #[serde(flatten)]
    pub content: ColumnContent,
}

/// What the cells of a column are.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ColumnContent {
    /// Numbers.
    Number {
        /// The smallest.
        min: f32,
        /// The largest.
        max: f32,
    },
    /// Dates.
    Date {
        /// The earliest, as in `2024-01-31`.
        first: String,
        /// The latest.
        last: String,
    },
    /// Categories.
    Category {
        /// Number of levels.
        levels: usize,
        /// The most frequent levels, at most five, each with its share of the rows in which the column is
        /// not missing.
        frequent: Vec<(String, f64)>,
    },
    /// It was not read.
    Unread,
}

/// Reads the table that `config` describes, and says what is in it. Of what is not a table, such as a folder
/// of images, it names no columns.
///
/// # Errors
/// [`DataError`], whose messages say what to do.
pub fn describe(config: &DataConfig, progress: &dyn Progress) -> Result<TableReport, DataError> {
    TableReport::of(&open(config, progress)?, config)
}

impl TableReport {
    /// What is in the examples for training of a source, of which `config` names the label and what is
    /// left out.
    ///
    /// # Errors
    /// Those of [`Dataset::read`].
    pub fn of(source: &Source, config: &DataConfig) -> Result<Self, DataError> {
        let data = &*source.train;
        let mut columns = Vec::new();
        if data.shape().image().is_none() {
            columns.extend(features(data)?);
            columns.extend(label(data, config.label.as_deref()));
            columns.extend(conditions(data));
            columns.extend(config.drop.iter().map(|name| ColumnReport {
                name: name.clone(),
                role: ColumnRole::Dropped,
                missing: 0.0,
                content: ColumnContent::Unread,
            }));
        }
        Ok(Self {
            rows: data.len(),
            columns,
        })
    }
}

fn features(data: &dyn Dataset) -> Result<Vec<ColumnReport>, DataError> {
    let kinds = kinds_of(data);
    let mut tallies: Vec<Tally> = kinds.iter().map(Tally::new).collect();
    let mut row = vec![0.0; kinds.len()];
    for index in 0..data.len() {
        data.read(index, &mut row)?;
        let values = tallies.iter_mut().zip(&row);
        values.for_each(|(tally, &value)| tally.add(value));
    }
    let report = |(column, (kind, tally)): (usize, (&ColumnKind, &Tally))| {
        let name = name_of(data.columns(), column);
        tally.report(name, ColumnRole::Feature, kind)
    };
    let columns = kinds.iter().zip(&tallies).enumerate();
    Ok(columns.map(report).collect())
}

fn label(data: &dyn Dataset, name: Option<&str>) -> Option<ColumnReport> {
    let levels = data.classes().to_vec();
    if levels.is_empty() {
        return None;
    }
    let kind = ColumnKind::Category { levels };
    let mut tally = Tally::new(&kind);
    for index in 0..data.len() {
        tally.add(match data.label(index) {
            UNLABELLED => f32::NAN,
            class => class as f32,
        });
    }
    let name = name.unwrap_or("label").to_owned();
    Some(tally.report(name, ColumnRole::Label, &kind))
}

fn conditions(data: &dyn Dataset) -> Vec<ColumnReport> {
    let names = data.attributes();
    let mut tallies: Vec<Tally> = names
        .iter()
        .map(|_| Tally::new(&ColumnKind::Number))
        .collect();
    let mut row = vec![f32::NAN; names.len()];
    for index in 0..data.len() {
        data.read_attributes(index, &mut row);
        let values = tallies.iter_mut().zip(&row);
        values.for_each(|(tally, &value)| tally.add(value));
    }
    let reports = names.iter().zip(tallies).map(|(name, tally)| {
        tally.report(name.clone(), ColumnRole::Condition, &ColumnKind::Number)
    });
    reports.collect()
}

/// What is counted in a column.
struct Tally {
    rows: usize,
    missing: usize,
    min: f32,
    max: f32,
    of_level: Vec<usize>,
}

impl Tally {
    fn new(kind: &ColumnKind) -> Self {
        Self {
            rows: 0,
            missing: 0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            of_level: vec![0; kind.levels().len()],
        }
    }

    fn add(&mut self, value: f32) {
        self.rows += 1;
        if value.is_nan() {
            self.missing += 1;
            return;
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(count) = index(value).and_then(|index| self.of_level.get_mut(index)) {
            *count += 1;
        }
    }

    fn report(&self, name: String, role: ColumnRole, kind: &ColumnKind) -> ColumnReport {
        let observed = (self.rows - self.missing).max(1) as f64;
        let content = match kind {
            ColumnKind::Number => ColumnContent::Number {
                min: self.min,
                max: self.max,
            },
            ColumnKind::Date { .. } => ColumnContent::Date {
                first: kind.text(self.min),
                last: kind.text(self.max),
            },
            ColumnKind::Category { levels } => {
                let mut counted: Vec<_> = levels.iter().zip(&self.of_level).collect();
                counted.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
                let share =
                    |(level, &count): (&String, &usize)| (level.clone(), count as f64 / observed);
                ColumnContent::Category {
                    levels: levels.len(),
                    frequent: counted.into_iter().take(NAMED).map(share).collect(),
                }
            }
        };
        ColumnReport {
            name,
            role,
            missing: self.missing as f64 / self.rows.max(1) as f64,
            content,
        }
    }
}
