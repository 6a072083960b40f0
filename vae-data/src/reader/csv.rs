//! CSV and TSV files with a header.

use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord, Trim};

use super::cells::Cell;
use super::ends_in;
use super::table::{OPTIONS, Table};
use crate::{DataConfig, DataError, Progress, Reader, ReaderOption, Source};

/// Text with a separator between the cells of a line.
pub(crate) struct Separated {
    name: &'static str,
    summary: &'static str,
    endings: &'static [&'static str],
    separator: u8,
}

pub(crate) static CSV: Separated = Separated {
    name: "a CSV file",
    summary: "one example a row, under a header; --label and --condition name columns",
    endings: &["csv"],
    separator: b',',
};

pub(crate) static TSV: Separated = Separated {
    name: "a TSV file",
    summary: "the same with tabs between the cells; .tsv or .tab",
    endings: &["tsv", "tab"],
    separator: b'\t',
};

impl Reader for Separated {
    fn name(&self) -> &str {
        self.name
    }

    fn summary(&self) -> &str {
        self.summary
    }

    fn recognises(&self, path: &Path) -> bool {
        ends_in(path, self.endings)
    }

    fn options(&self) -> &[ReaderOption] {
        OPTIONS
    }

    fn open(
        &self,
        path: &Path,
        config: &DataConfig,
        _: &dyn Progress,
    ) -> Result<Source, DataError> {
        let error = |error| csv_error(path, error);
        let begin = || {
            let mut reader = ReaderBuilder::new();
            let reader = reader.delimiter(self.separator).trim(Trim::All);
            reader.from_path(path).map_err(error)
        };
        let mut reader = begin()?;
        let names = reader.headers().map_err(error)?.iter();
        let mut table = Table::new(path, config, names.map(str::to_owned).collect())?;
        let mut record = StringRecord::new();
        loop {
            while reader.read_record(&mut record).map_err(error)? {
                let line = || format!("line {}", record.position().map_or(0, Position::line));
                for (column, text) in record.iter().enumerate() {
                    table.push(column, Cell::Untyped(text), line)?;
                }
            }
            if !table.end_pass() {
                return table.source();
            }
            reader = begin()?;
        }
    }
}

fn csv_error(path: &Path, error: csv::Error) -> DataError {
    let line = |pos: &Option<Position>| pos.as_ref().map_or(0, Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => DataError::io("read", path)(source),
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => DataError::format(
            path,
            format!("{expected_len} cells in each line, as in the header"),
            format!("{len} in line {}", line(&pos)),
        ),
        csv::ErrorKind::Utf8 { pos, .. } => {
            let found = format!("other bytes in line {}", line(&pos));
            DataError::format(path, "text in UTF-8", found)
        }
        other => DataError::format(path, "a table", format!("{other:?}")),
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
