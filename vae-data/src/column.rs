//! What the cells of a column are.

use serde::{Deserialize, Serialize};

use crate::choices::choices;
use crate::date;

choices! {
    /// What the times of a column are whole numbers of, and are written in.
    DateUnit("unit") {
        /// Days: dates without a time.
        Day = "day",
        /// Minutes.
        Minute = "minute",
        /// Seconds. A fraction of a second is lost when it is written.
        Second = "second",
    }
}

/// What the cells of a column are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Dates: days since `origin`, of which the time of day is a fraction.
    Date {
        /// Days from 1970-01-01 to the day that is counted from. It is 0 unless there are times of day; then
        /// it is near the first of them, as an `f32` holds seconds within some months of it alone.
        origin: i32,
        /// What the times are written in.
        unit: DateUnit,
    },
    /// One of some levels: indices into them.
    Category {
        /// The levels, each another. There is none where every cell is missing, whatever it might have been.
        levels: Vec<String>,
    },
}

impl ColumnKind {
    /// The levels of a category; empty for all else.
    pub fn levels(&self) -> &[String] {
        match self {
            Self::Category { levels } => levels,
            Self::Number | Self::Date { .. } => &[],
        }
    }

    /// Whether it is a category.
    pub fn is_category(&self) -> bool {
        matches!(self, Self::Category { .. })
    }

    /// Places that a value takes in the rows of a model: one, or one for each level.
    pub fn width(&self) -> usize {
        match self {
            Self::Category { levels } => levels.len(),
            Self::Number | Self::Date { .. } => 1,
        }
    }

    /// What a column of the kind holds: `numbers`, `dates` or `categories`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Date { .. } => "dates",
            Self::Category { .. } => "categories",
        }
    }

    /// A value of the column as text: a number, a date, a level. Empty where it is missing, or is the
    /// index of no level.
    pub fn text(&self, value: f32) -> String {
        match self {
            _ if value.is_nan() => String::new(),
            Self::Number => value.to_string(),
            Self::Date { origin, unit } => date::text(f64::from(value) + f64::from(*origin), *unit),
            Self::Category { levels } => {
                level_of(levels, value).map_or(String::new(), String::clone)
            }
        }
    }
}

/// The index that a value is; `None` for what is missing or negative.
pub(crate) fn index(value: f32) -> Option<usize> {
    (value >= 0.0).then_some(value.round() as usize)
}

/// The level whose index is `value`.
pub(crate) fn level_of(levels: &[String], value: f32) -> Option<&String> {
    levels.get(index(value)?)
}
