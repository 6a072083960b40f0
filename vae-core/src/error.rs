//! The one error type of this crate.

use std::path::{Path, PathBuf};

use garde::Validate;
use schemars::JsonSchema;
use serde::Serialize;
use vae_data::{DataError, bounds};

/// What can go wrong while a model is built, trained, saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting has a value outside its bounds.
    #[error("`{key}` is {value}, but must be {bound}")]
    Setting {
        /// Dotted key as written in a configuration file, e.g. `model.latent`.
        key: String,
        /// The value found.
        value: String,
        /// What is allowed, e.g. `at least 1`.
        bound: String,
    },
    /// The data do not fit the model or its likelihood.
    #[error("{0}")]
    Unfit(String),
    /// A term of the objective is no longer finite.
    #[error(
        "{term} became {value} at step {step}; {advice}. A smaller train.lr or train.clip_norm often helps"
    )]
    NonFinite {
        /// Optimizer step, counted from 1.
        step: u64,
        /// Name of the offending term.
        term: String,
        /// Its value.
        value: f64,
        /// Where the last good checkpoint is, or that there is none.
        advice: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file was read but its content is not what it should be.
    #[error("{}: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do next.
        why: String,
    },
    /// The data could not be loaded or read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The files of a run cannot be read or written.
    #[error(transparent)]
    Results(#[from] vae_results::Error),
    /// The work was stopped from outside before its end.
    #[error("stopped before the end")]
    Stopped,
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A setting out of bounds.
    pub fn setting(
        key: impl Into<String>,
        value: impl std::fmt::Display,
        bound: impl Into<String>,
    ) -> Self {
        Self::Setting {
            key: key.into(),
            value: value.to_string(),
            bound: bound.into(),
        }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn corrupt(path: &Path, why: impl Into<String>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            why: why.into(),
        }
    }
}

/// Checks one number against a bound: `check("train.lr", lr, lr > 0.0, "above 0")?`.
///
/// # Errors
/// [`Error::Setting`] if `holds` is false.
pub fn check(key: &str, value: impl std::fmt::Display, holds: bool, bound: &str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::setting(key, value, bound))
    }
}

/// Checks all `settings` of a section against the bounds that their fields state.
///
/// # Errors
/// [`Error::Setting`] naming the first that is out of bounds.
pub fn check_bounds<T>(section: &str, settings: &T) -> Result<()>
where
    T: Validate<Context = ()> + JsonSchema + Serialize,
{
    bounds::check(settings).map_err(|bad| {
        let parts = [section, &bad.key];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Error::setting(parts.join("."), bad.value, bad.bound)
    })
}
