//! The readers: each reads one kind of file or folder.

mod blocks;
mod builtin;
mod cells;
mod csv;
mod folder;
mod idx;
mod image_file;
mod npy;
mod npz;
mod parquet;
mod table;

use std::fmt::Debug;
use std::path::Path;

pub(crate) use builtin::Embedded;
pub use npy::{npy_header, to_npy};

use crate::choices::choices;
use crate::text::one_of;
use crate::{Color, DataConfig, DataError, Fingerprint, Progress, Source, Unseen};

/// What reads one kind of file or folder.
///
/// A reader of one's own goes in front of [`readers`]:
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
/// use vae_data::*;
///
/// /// One example a line: numbers with spaces between them.
/// struct Lines;
///
/// impl Reader for Lines {
///     fn name(&self) -> &str {
///         "a .lines file"
///     }
///
///     fn summary(&self) -> &str {
///         "one example a line, with spaces between the numbers"
///     }
///
///     fn recognises(&self, path: &Path) -> bool {
///         path.extension().is_some_and(|ending| ending == "lines")
///     }
///
///     fn open(&self, path: &Path, _: &DataConfig, _: &dyn Progress) -> Result<Source, DataError> {
///         let problem = |action| move |source| DataError::Io { action, path: path.into(), source };
///         let text = std::fs::read_to_string(path).map_err(problem("read"))?;
///         let values: Result<Vec<f32>, _> = text.split_whitespace().map(str::parse).collect();
///         let values = values.map_err(std::io::Error::other).map_err(problem("parse"))?;
///         let width = text.lines().next().map_or(0, |line| line.split_whitespace().count());
///         let rows = MemoryDataset::new(DataShape::new([width])?, values)?;
///         Ok(Source::of_path(path, Arc::new(rows)))
///     }
/// }
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("points.lines");
/// std::fs::write(&path, "0 1\n2 3\n4 5\n6 7\n").unwrap();
/// let config = DataConfig { test: 0.25, ..DataConfig::of(path.to_str().unwrap()) };
/// let data = load_with(&[&Lines], &config, 42, &NoProgress)?;
/// assert_eq!((data.train.len(), data.test.len(), data.shape.features()), (3, 1, 2));
/// assert_eq!(fingerprint_with(&[&Lines], &config)?.len(), 64);
/// # Ok::<(), DataError>(())
/// ```
pub trait Reader: Sync {
    /// What it reads, as lists and messages call it: `a CSV file`.
    fn name(&self) -> &str;

    /// One line about what it expects there.
    fn summary(&self) -> &str;

    /// Whether it is the one for `path`, a file or folder that exists.
    fn recognises(&self, path: &Path) -> bool;

    /// The settings that it has a use for. Where they are given for a reader without a use
    /// for them, they are refused.
    fn options(&self) -> &[ReaderOption] {
        &[]
    }

    /// Adds to a fingerprint what the examples are made of; by itself the content of the file.
    /// The settings that it has a use for are added besides.
    ///
    /// # Errors
    /// If a file cannot be read.
    fn identify(&self, path: &Path, print: &mut Fingerprint) -> Result<(), DataError> {
        print.file(path)
    }

    /// Opens the examples.
    ///
    /// # Errors
    /// [`DataError`], which names the file and what is wrong.
    fn open(
        &self,
        path: &Path,
        config: &DataConfig,
        progress: &dyn Progress,
    ) -> Result<Source, DataError>;
}

static READERS: [&dyn Reader; 7] = [
    &npy::Npy,
    &npz::Npz,
    &csv::CSV,
    &csv::TSV,
    &parquet::Parquet,
    &idx::IdxFiles,
    &folder::Folder,
];

/// The readers of files and folders. The first that recognises a path reads it.
pub fn readers() -> &'static [&'static dyn Reader] {
    &READERS
}

choices! {
    /// Settings of [`DataConfig`] that only some readers have a use for.
    ReaderOption("option") {
        /// [`DataConfig::label`].
        Label = "label",
        /// [`DataConfig::condition`].
        Condition = "condition",
        /// [`DataConfig::categorical`].
        Categorical = "categorical",
        /// [`DataConfig::drop`].
        Drop = "drop",
        /// [`DataConfig::unseen`].
        Unseen = "unseen",
        /// [`DataConfig::image_size`].
        ImageSize = "image_size",
        /// [`DataConfig::color`].
        Color = "color",
        /// [`DataConfig::skip_bad`].
        SkipBad = "skip_bad",
    }
}

impl ReaderOption {
    /// The value, if it is given.
    fn given(self, config: &DataConfig) -> Option<String> {
        match self {
            Self::Label => config.label.clone(),
            Self::Condition => config.condition.first().cloned(),
            Self::Categorical => config.categorical.first().cloned(),
            Self::Drop => config.drop.first().cloned(),
            Self::Unseen => (config.unseen != Unseen::Error).then(|| config.unseen.to_string()),
            Self::ImageSize => config.image_size.map(|size| size.to_string()),
            Self::Color => (config.color != Color::Auto).then(|| config.color.to_string()),
            Self::SkipBad => config.skip_bad.then(|| "true".to_owned()),
        }
    }

    /// The value as it is part of a fingerprint, if it is.
    pub(crate) fn identity(self, config: &DataConfig) -> Option<String> {
        let value = self.value(config);
        match self {
            // Tables without them have the fingerprint that they had before there were these settings.
            Self::Categorical | Self::Drop | Self::Unseen => {
                let given = self.given(config);
                given.map(|_| format!("{self} {value}"))
            }
            _ => Some(value),
        }
    }

    /// Takes the settings back that are not among `options`.
    pub(crate) fn keep(options: &[Self], config: &mut DataConfig) {
        let unset = DataConfig::default();
        for option in Self::ALL.iter().filter(|option| !options.contains(option)) {
            match option {
                Self::Label => config.label = None,
                Self::Condition => config.condition = Vec::new(),
                Self::Categorical => config.categorical = Vec::new(),
                Self::Drop => config.drop = Vec::new(),
                Self::Unseen => config.unseen = unset.unseen,
                Self::ImageSize => config.image_size = None,
                Self::Color => config.color = unset.color,
                Self::SkipBad => config.skip_bad = false,
            }
        }
    }

    fn value(self, config: &DataConfig) -> String {
        let value: &dyn Debug = match self {
            Self::Label => &config.label,
            Self::Condition => &config.condition,
            Self::Categorical => &config.categorical,
            Self::Drop => &config.drop,
            Self::Unseen => &config.unseen,
            Self::ImageSize => &config.image_size,
            Self::Color => &config.color,
            Self::SkipBad => &config.skip_bad,
        };
        format!("{value:?}")
    }
}

/// Refuses settings that `reader` has no use for, and names those of `all` that have.
pub(crate) fn check_options(
    reader: &dyn Reader,
    all: &[&dyn Reader],
    config: &DataConfig,
) -> Result<(), DataError> {
    for option in ReaderOption::ALL {
        if let Some(value) = option.given(config)
            && !reader.options().contains(option)
        {
            let users = all.iter().filter(|r| r.options().contains(option));
            let users = one_of(users.map(|reader| reader.name()));
            let bound = format!("only {users} has a use for it: leave it out for this dataset");
            return Err(DataError::setting(option.name(), value, bound));
        }
    }
    Ok(())
}

/// Whether `path` is a file with one of these endings, in capital or small letters.
fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    endings.iter().any(|e| e.eq_ignore_ascii_case(ending)) && path.is_file()
}
