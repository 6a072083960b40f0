//! What the commands write that use a model: tables in the form that the name of the file asks for. A file is whole
//! or absent: it has a temporary name until its end.

mod csv;
pub mod examples;
mod folder;
mod npy;
mod parquet;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

use anyhow::{Result, anyhow, bail};
use vae_data::ColumnKind;
use vae_results::write_atomically;
use vae_variants::Description;

pub use folder::{png, write_folder};

/// The name that stands for standard output.
pub const STDOUT: &str = "-";

/// What a file can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A picture.
    Png,
    /// A picture of lines.
    Svg,
    /// A moving picture.
    Gif,
    /// Comma-separated values.
    Csv,
    /// A table in columns.
    Parquet,
    /// An array of NumPy, of 32-bit numbers.
    Npy,
}

impl Form {
    const ALL: [Self; 6] = [
        Self::Png,
        Self::Svg,
        Self::Gif,
        Self::Csv,
        Self::Parquet,
        Self::Npy,
    ];

    /// How the names of such files end.
    fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Gif => "gif",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Npy => "npy",
        }
    }

    /// The form that `path` asks for, which must be one of `forms`; `-` is a table on standard output.
    ///
    /// # Errors
    /// If it is another, naming those that there are.
    pub fn of(path: &Path, forms: &[Self]) -> Result<Self> {
        let ending = match path == Path::new(STDOUT) {
            true => "csv".to_owned(),
            false => path.extension().map_or(String::new(), |ending| {
                ending.to_string_lossy().to_lowercase()
            }),
        };
        let form = Self::ALL.into_iter().find(|form| form.ending() == ending);
        form.filter(|form| forms.contains(form)).ok_or_else(|| {
            let forms: Vec<_> = forms.iter().map(Self::to_string).collect();
            anyhow!(
                "--out {}: the form of what is written follows from the end of the name, here one of {}",
                path.display(),
                forms.join(", ")
            )
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", self.ending())
    }
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers of 32 bits.
    Number,
    /// Whole numbers.
    Count,
    /// Text.
    Text,
    /// Other rows with their distances.
    Near,
}

/// A column of a table that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    name: String,
    kind: Kind,
}

impl Field {
    /// A column of numbers.
    pub fn number(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Number)
    }

    /// A column of whole numbers.
    pub fn count(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Count)
    }

    /// A column of text.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Text)
    }

    /// A column of other rows, counted from 0, with their distances.
    pub fn near(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Near)
    }

    /// The columns of the data of a model.
    pub fn of_data(data: &Description) -> Vec<Self> {
        Self::of_columns(data.column_names(), kinds(data))
    }

    fn new(name: impl Into<String>, kind: Kind) -> Self {
        let name = name.into();
        Self { name, kind }
    }

    /// The columns of a table: numbers are such, and what has levels or dates is text.
    pub fn of_columns(names: Vec<String>, kinds: &[ColumnKind]) -> Vec<Self> {
        let is_number =
            |column: usize| matches!(kinds.get(column), None | Some(ColumnKind::Number));
        let field = |(column, name)| match is_number(column) {
            true => Self::number(name),
            false => Self::text(name),
        };
        names.into_iter().enumerate().map(field).collect()
    }
}

/// What is in each column of the data of a model; nothing where all are numbers.
pub fn kinds(data: &Description) -> &[ColumnKind] {
    data.table.as_ref().map_or(&[], |table| table.kinds())
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A number; what is missing is NaN.
    Number(f32),
    /// A whole number.
    Count(i64),
    /// Text; what is missing is empty.
    Text(String),
    /// Other rows, counted from 0, with their distances.
    Near(Vec<(u32, f32)>),
}

/// Takes the rows of a table, one after the other.
pub trait Rows {
    /// Writes a row: a cell for each field, of its kind.
    ///
    /// # Errors
    /// If it cannot be written.
    fn row(&mut self, cells: &[Cell]) -> Result<()>;

    /// Writes what is left to write.
    ///
    /// # Errors
    /// If it cannot be written.
    fn end(&mut self) -> Result<()>;
}

/// Writes a table of `count` rows, which `fill` gives one after the other. An array has the columns that are numbers,
/// and no others.
///
/// # Errors
/// Those of `fill`, and if the file cannot be written; there is no file then, or the one that was there.
pub fn write_table(
    path: &Path,
    form: Form,
    fields: &[Field],
    count: usize,
    fill: impl FnOnce(&mut dyn Rows) -> Result<()>,
) -> Result<()> {
    write(path, |out| {
        let mut rows: Box<dyn Rows + '_> = match form {
            Form::Csv => Box::new(csv::Csv::new(out, fields)?),
            Form::Parquet => Box::new(parquet::Parquet::new(out, fields)?),
            Form::Npy => Box::new(npy::Npy::new(out, fields, count)?),
            Form::Png | Form::Svg | Form::Gif => {
                bail!("a table is no picture: --out FILE.csv, for example")
            }
        };
        fill(&mut *rows)?;
        rows.end()
    })
}

/// Writes a file by `work`, or standard output if it is called `-`.
///
/// # Errors
/// As [`write_table`].
pub fn write(path: &Path, work: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    let named = |error: anyhow::Error| match is_of_writing(&error) {
        true => error.context(format!("cannot write {}", path.display())),
        false => error,
    };
    if path == Path::new(STDOUT) {
        let mut out = io::BufWriter::new(io::stdout());
        let done = work(&mut out).and_then(|()| Ok(out.flush()?));
        return done.map_err(named);
    }
    let mut failed = Ok(());
    let written = write_atomically(path, |file| {
        let mut out = io::BufWriter::new(file);
        failed = work(&mut out);
        match failed {
            Ok(()) => out.flush(),
            Err(_) => Err(io::Error::other("not finished")),
        }
    });
    failed.and_then(|()| Ok(written?)).map_err(named)
}

/// Whether what is written was the reason, and not what it is made from.
fn is_of_writing(error: &anyhow::Error) -> bool {
    error.is::<io::Error>()
        || error.is::<::csv::Error>()
        || error.is::<::parquet::errors::ParquetError>()
}
