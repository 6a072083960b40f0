//! The one error type of this crate.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What can go wrong in an analysis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument is out of its bounds.
    #[error("`{name}` is {value}, but must be {bound}")]
    Argument {
        /// The argument.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        bound: String,
    },
    /// A number is infinite or not a number.
    #[error("column {column} of row {row} is {value}, but must be finite")]
    NotFinite {
        /// The row, counted from 0.
        row: usize,
        /// The column, counted from 0.
        column: usize,
        /// The number.
        value: f32,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read, but its content is not what it should be.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The work was asked to end.
    #[error("stopped")]
    Stopped,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn argument(name: &'static str, value: impl Display, bound: impl Display) -> Self {
        Self::Argument {
            name,
            value: value.to_string(),
            bound: bound.to_string(),
        }
    }

    pub(crate) fn damaged(path: &Path, why: impl Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

/// Refuses `value` unless it holds that it is within its bound.
pub(crate) fn check(
    name: &'static str,
    value: impl Display,
    holds: bool,
    bound: impl Display,
) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::argument(name, value, bound))
    }
}
