//! The cells of one column, whose kind shows as they come.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::blocks::Blocks;
use crate::{ColumnKind, DateUnit, date};

/// Levels that a category may have.
const MOST_LEVELS: usize = 1000;

/// The code of a missing cell.
const MISSING: u32 = u32::MAX;

/// What a cell holds.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text of a file without types, in which what can be read as a number or a date is one.
    Untyped(&'a str),
    /// Text, even if it looks like a number.
    Text(&'a str),
    /// A whole number.
    Whole(i128),
    /// Any other number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// A date, perhaps with a time of day, in seconds since 1970-01-01.
    Date(f64),
    /// What is none of these, in words.
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
            Self::Bool(yes) => yes.fmt(f),
            Self::Date(seconds) => f.write_str(&date::text(
                *seconds / date::DAY,
                date::unit([*seconds].into_iter()),
            )),
        }
    }
}

/// What a cell is taken as.
enum Value<'a> {
    Missing,
    Number(f32),
    Date(f64),
    Text(Cow<'a, str>),
}

/// What is wrong with a cell, and what to do.
pub(super) type Fault = (&'static str, &'static str);

/// What to do about a number that is not finite.
pub(super) const FINITE: &str =
    "fill the cell with a finite number, or remove the row or the column";

/// What to do about a column that cannot be used.
const LEAVE_OUT: &str = "leave the column out with `drop` (--drop)";

/// What to do about a column of too many levels.
const NO_CATEGORY: &str = "leave the column out with `drop` (--drop), or name it as `label` (--label) if it is \
     the class";

/// What is wrong with the level that is one too many.
pub(super) const TOO_MANY: &str = "more than 1,000 levels, of which the last is";

impl<'a> Cell<'a> {
    /// What a cell of a feature is.
    fn value(self) -> Result<Value<'a>, Fault> {
        Ok(match self {
            Self::Empty | Self::Text("") => Value::Missing,
            Self::Untyped(text) => match text.parse() {
                Ok(number) => number_or_gap(number),
                Err(_) if is_missing(text) => Value::Missing,
                Err(_) => date_or_text(text),
            },
            Self::Text(text) => date_or_text(text),
            Self::Whole(number) => Value::Number(number as f32),
            Self::Number(number) => number_or_gap(number as f32),
            Self::Bool(yes) => Value::Text(if yes { "true" } else { "false" }.into()),
            Self::Date(seconds) => Value::Date(seconds),
            Self::Other(_) => return Err(("neither a number nor text", LEAVE_OUT)),
        })
    }

    /// The level that a cell is; `None` if it is missing.
    fn level(self) -> Result<Option<Cow<'a, str>>, Fault> {
        Ok(match self {
            Self::Empty | Self::Text("") => None,
            Self::Number(number) if number.is_nan() => None,
            Self::Untyped(text) => (!is_missing(text)).then(|| text.into()),
            Self::Text(text) => Some(text.into()),
            // Without a point where it is whole: programs store whole numbers so when some are missing.
            Self::Number(number) => Some(number.to_string().into()),
            Self::Other(_) => return Err(("neither a number nor text", LEAVE_OUT)),
            other => Some(other.to_string().into()),
        })
    }

    /// The number of a condition, or what is wrong and what to do.
    pub fn number(self) -> Result<f32, Fault> {
        let number = match self {
            Self::Empty | Self::Untyped("") => return Err(("an empty cell", FINITE)),
            Self::Untyped(text) => text.parse().ok(),
            Self::Text(_) | Self::Date(_) | Self::Other(_) => None,
            Self::Bool(yes) => Some(f32::from(u8::from(yes))),
            Self::Whole(number) => Some(number as f32),
            Self::Number(number) => Some(number as f32),
        };
        match number {
            Some(number) if number.is_finite() => Ok(number),
            Some(_) => Err(("not a finite number", FINITE)),
            None => Err((
                "not a number",
                "`condition` (--condition) takes numeric columns; for classes use `label` (--label)",
            )),
        }
    }

    /// The cell as the name of a class, or what is wrong and what to do.
    fn class(self) -> Result<Self, Fault> {
        match self {
            Self::Number(_) | Self::Date(_) | Self::Other(_) => Err((
                "neither text nor a whole number",
                "`label` (--label) takes a column of text or whole numbers",
            )),
            Self::Bool(yes) => Ok(Self::Whole(yes.into())),
            name => Ok(name),
        }
    }
}

fn number_or_gap<'a>(number: f32) -> Value<'a> {
    match number.is_nan() {
        true => Value::Missing,
        false => Value::Number(number),
    }
}

fn date_or_text(text: &str) -> Value<'_> {
    date::parse(text).map_or(Value::Text(text.into()), Value::Date)
}

/// Whether the text of a file without types stands for nothing.
fn is_missing(text: &str) -> bool {
    matches!(text, "" | "NA" | "N/A" | "null" | "NULL")
        || text.len() <= 4 && text.parse().is_ok_and(f32::is_nan)
}

/// Where a cell is, and its text.
pub(super) type Example = (String, String);

/// The cells of one column, from top to bottom.
pub(super) struct Cells {
    state: State,
    /// The first number that is not finite.
    infinite: Option<Example>,
    /// The first cell that is text after numbers or dates: then the column is a category, and is read once
    /// more.
    mixed: Option<Example>,
    /// Whether they are all there.
    done: bool,
}

enum State {
    /// So many cells, all of them missing.
    Missing(usize),
    Numbers(Blocks<f32>),
    /// In seconds since 1970-01-01.
    Dates(Blocks<f64>),
    Levels(Levels),
    /// To be read once more.
    Mixed,
}

/// The values of a column, as a dataset gives them.
pub(super) enum Values {
    Numbers(Blocks<f32>),
    /// In seconds since 1970-01-01, and the day to count from.
    Dates(Blocks<f64>, i32),
    /// Codes, and the index of the level for each.
    Levels(Blocks<u32>, Vec<u32>),
}

impl Values {
    /// Takes the values of a block of rows away; NaN where they are missing.
    pub fn take(&mut self, block: usize) -> Vec<f32> {
        match self {
            Self::Numbers(numbers) => numbers.take(block),
            Self::Dates(seconds, origin) => {
                let days = |second: f64| (second / date::DAY - f64::from(*origin)) as f32;
                seconds.take(block).into_iter().map(days).collect()
            }
            Self::Levels(codes, indices) => {
                let index = |code: u32| indices.get(code as usize).map_or(f32::NAN, |&i| i as f32);
                codes.take(block).into_iter().map(index).collect()
            }
        }
    }

    /// Whether a cell is missing.
    pub fn has_gaps(&self) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.iter().any(f32::is_nan),
            Self::Dates(seconds, _) => seconds.iter().any(f64::is_nan),
            Self::Levels(codes, _) => codes.iter().any(|code| code == MISSING),
        }
    }
}

impl Cells {
    /// No cells, of numbers, dates or categories.
    pub fn new() -> Self {
        Self {
            state: State::Missing(0),
            infinite: None,
            mixed: None,
            done: false,
        }
    }

    /// No cells, of a category.
    pub fn of_category() -> Self {
        Self {
            state: State::Levels(Levels::default()),
            ..Self::new()
        }
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        match &self.state {
            State::Missing(count) => *count,
            State::Numbers(numbers) => numbers.len(),
            State::Dates(seconds) => seconds.len(),
            State::Levels(levels) => levels.codes.len(),
            State::Mixed => 0,
        }
    }

    /// Adds a cell; `place` is where it is.
    pub fn push(&mut self, cell: Cell<'_>, place: &impl Fn() -> String) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        let numbers = match &mut self.state {
            State::Mixed => return Ok(()),
            State::Levels(levels) => {
                levels.push(cell.level()?.as_deref());
                return match levels.places.len() {
                    ..=MOST_LEVELS => Ok(()),
                    _ => Err((TOO_MANY, NO_CATEGORY)),
                };
            }
            state => state,
        };
        let value = cell.value()?;
        if let Value::Number(number) = value
            && number.is_infinite()
            && self.infinite.is_none()
        {
            self.infinite = Some((place(), cell.to_string()));
        }
        match (numbers, value) {
            (State::Missing(count), Value::Missing) => *count += 1,
            (State::Numbers(numbers), Value::Missing) => numbers.push(f32::NAN),
            (State::Numbers(numbers), Value::Number(number)) => numbers.push(number),
            (State::Dates(seconds), Value::Missing) => seconds.push(f64::NAN),
            (State::Dates(seconds), Value::Date(second)) => seconds.push(second),
            (state @ State::Missing(_), value) => {
                let State::Missing(count) = *state else {
                    return Ok(());
                };
                *state = State::after(count, value);
            }
            (state, _) => {
                *state = State::Mixed;
                self.mixed = Some((place(), cell.to_string()));
            }
        }
        Ok(())
    }

    /// Adds the name of a class.
    pub fn push_class(&mut self, cell: Cell<'_>) -> Result<(), Fault> {
        if let (State::Levels(levels), false) = (&mut self.state, self.done) {
            levels.push(cell.class()?.level()?.as_deref());
        }
        Ok(())
    }

    /// Ends a pass over the file. Whether the column has to be read once more, which `push` expects then.
    pub fn end_pass(&mut self) -> bool {
        let again = matches!(self.state, State::Mixed);
        if again {
            self.state = State::Levels(Levels::default());
        }
        self.done = !again;
        again
    }

    /// The first number that is not finite, in a column of numbers.
    pub fn infinite(&self) -> Option<&Example> {
        self.infinite.as_ref().filter(|_| self.mixed.is_none())
    }

    /// The first cell because of which a column is a category.
    pub fn mixed(&self) -> Option<&Example> {
        self.mixed.as_ref()
    }

    /// What the column is, with its levels in the order of the alphabet, and its values. It is a category
    /// without levels if every cell is missing.
    pub fn finish(self) -> (ColumnKind, Values) {
        match self.state {
            State::Numbers(numbers) => (ColumnKind::Number, Values::Numbers(numbers)),
            State::Dates(seconds) => {
                let observed = seconds.iter().filter(|second| !second.is_nan());
                let unit = date::unit(observed.clone());
                let first = observed.fold(f64::INFINITY, f64::min);
                let origin = match unit {
                    DateUnit::Day => 0,
                    DateUnit::Minute | DateUnit::Second => (first / date::DAY).floor() as i32,
                };
                let kind = ColumnKind::Date { origin, unit };
                (kind, Values::Dates(seconds, origin))
            }
            State::Levels(levels) => levels.finish(),
            State::Missing(count) => Levels::missing(count).finish(),
            State::Mixed => Levels::default().finish(),
        }
    }
}

impl State {
    /// A column whose first observed cell comes after `count` missing ones.
    fn after(count: usize, value: Value<'_>) -> Self {
        match value {
            Value::Missing => Self::Missing(count + 1),
            Value::Number(number) => {
                let mut numbers = Blocks::filled(count, f32::NAN);
                numbers.push(number);
                Self::Numbers(numbers)
            }
            Value::Date(second) => {
                let mut seconds = Blocks::filled(count, f64::NAN);
                seconds.push(second);
                Self::Dates(seconds)
            }
            Value::Text(text) => {
                let mut levels = Levels::missing(count);
                levels.push(Some(&text));
                Self::Levels(levels)
            }
        }
    }
}

/// A code for each cell, and the level of each code.
#[derive(Default)]
struct Levels {
    codes: Blocks<u32>,
    places: HashMap<Box<str>, u32>,
}

impl Levels {
    fn missing(count: usize) -> Self {
        Self {
            codes: Blocks::filled(count, MISSING),
            places: HashMap::new(),
        }
    }

    fn push(&mut self, level: Option<&str>) {
        let code = match level {
            None => MISSING,
            Some(level) => match self.places.get(level) {
                Some(code) => *code,
                None => {
                    let code = self.places.len() as u32;
                    self.places.insert(level.into(), code);
                    code
                }
            },
        };
        self.codes.push(code);
    }

    fn finish(self) -> (ColumnKind, Values) {
        let mut names: Vec<(Box<str>, u32)> = self.places.into_iter().collect();
        names.sort_unstable();
        let mut indices = vec![0; names.len()];
        for (index, (_, code)) in names.iter().enumerate() {
            indices[*code as usize] = index as u32;
        }
        let names = names.into_iter().map(|(name, _)| name.into_string());
        let kind = ColumnKind::Category {
            levels: names.collect(),
        };
        (kind, Values::Levels(self.codes, indices))
    }
}
