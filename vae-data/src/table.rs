//! Tables: CSV and TSV files with a header.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use crate::text::{nearest, quoted};
use crate::{DataError, DataShape, MemoryDataset, UNLABELLED};

/// Reads a table. All columns are features but the column `label` and the columns
/// `condition`.
///
/// # Errors
/// Each names the file, and the line and column if there is one.
pub(crate) fn read(
    path: &Path,
    label: Option<&str>,
    condition: &[String],
) -> Result<MemoryDataset, DataError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let comma = extension.eq_ignore_ascii_case("csv");
    let mut reader = ReaderBuilder::new()
        .delimiter(if comma { b',' } else { b'\t' })
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| csv_error(path, error))?;
    let header = reader.headers().map_err(|e| csv_error(path, e))?.clone();
    let columns = Columns::new(path, &header, label, condition)?;

    let (mut values, mut attributes, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|e| csv_error(path, e))?
    {
        for &column in &columns.features {
            let hint = "exclude the column: name it as `label` (--label) if it is the class, \
                        or remove it from the table";
            values.push(columns.number(&record, column, hint)?);
        }
        for &column in &columns.condition {
            let hint = "`condition` (--condition) takes numeric columns; \
                        for classes use `label` (--label)";
            attributes.push(columns.number(&record, column, hint)?);
        }
        if let Some(column) = columns.label {
            classes.push(record.get(column).unwrap_or("").to_owned());
        }
    }
    let missing = match values.len() / columns.features.len() {
        0 => Some("row below the header"),
        1 => Some("second row below the header, and nothing can be learned from one"),
        _ => None,
    };
    if let Some(what) = missing {
        let path = path.to_owned();
        return Err(DataError::Empty { path, what });
    }
    let table = MemoryDataset::new(DataShape::new([columns.features.len()])?, values)?;
    let names = columns
        .features
        .iter()
        .map(|&column| header[column].to_owned());
    let table = table.with_columns(names.collect())?;
    let table = table.with_attributes(condition.to_vec(), attributes)?;
    if columns.label.is_none() {
        return Ok(table);
    }
    let names = sorted(&classes);
    if names.is_empty() {
        return Err(DataError::Column {
            path: path.to_owned(),
            problem: "no row has a class in column",
            column: label.unwrap_or("").to_owned(),
            hint: "leave `label` (--label) out".to_owned(),
        });
    }
    let places: HashMap<&str, i32> = names.iter().map(String::as_str).zip(0..).collect();
    let place = |class: &String| places.get(class.as_str()).copied();
    let of = classes
        .iter()
        .map(|class| place(class).unwrap_or(UNLABELLED));
    let of = of.collect();
    table.with_labels(names, of)
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

/// Which column is what.
struct Columns<'a> {
    path: &'a Path,
    header: &'a StringRecord,
    features: Vec<usize>,
    condition: Vec<usize>,
    label: Option<usize>,
}

impl<'a> Columns<'a> {
    fn new(
        path: &'a Path,
        header: &'a StringRecord,
        label: Option<&str>,
        condition: &[String],
    ) -> Result<Self, DataError> {
        let error = |problem, column: &str, hint: String| DataError::Column {
            path: path.to_owned(),
            problem,
            column: column.to_owned(),
            hint,
        };
        for (i, name) in header.iter().enumerate() {
            if header.iter().take(i).any(|other| other == name) {
                let hint = "give each column a name of its own in the first line";
                return Err(error("two columns are called", name, hint.to_owned()));
            }
        }
        let find = |name: &str| {
            header.iter().position(|n| n == name).ok_or_else(|| {
                let hint = match nearest(name, header) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the columns are {}", quoted(header)),
                };
                error("there is no column", name, hint)
            })
        };
        let label = label.map(find).transpose()?;
        let condition: Vec<usize> = condition
            .iter()
            .map(|c| find(c))
            .collect::<Result<_, _>>()?;
        let features: Vec<usize> = (0..header.len())
            .filter(|column| Some(*column) != label && !condition.contains(column))
            .collect();
        if features.is_empty() {
            return Err(DataError::Empty {
                path: path.to_owned(),
                what: "column that is a feature",
            });
        }
        Ok(Self {
            path,
            header,
            features,
            condition,
            label,
        })
    }

    /// The number in one cell.
    fn number(&self, record: &StringRecord, column: usize, hint: &str) -> Result<f32, DataError> {
        let text = record.get(column).unwrap_or("");
        let finite = "fill the cell with a finite number, or remove the row or the column";
        let (problem, hint) = match text.parse::<f32>() {
            Ok(value) if value.is_finite() => return Ok(value),
            Ok(_) => ("not a finite number", finite),
            Err(_) if text.is_empty() => ("an empty cell", finite),
            Err(_) => ("not a number", hint),
        };
        Err(DataError::Cell {
            path: self.path.to_owned(),
            line: record.position().map_or(0, csv::Position::line),
            column: self.header.get(column).unwrap_or("").to_owned(),
            problem,
            value: text.to_owned(),
            hint: hint.to_owned(),
        })
    }
}

fn csv_error(path: &Path, error: csv::Error) -> DataError {
    let line = |pos: &Option<csv::Position>| pos.as_ref().map_or(0, csv::Position::line);
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
#[path = "table_tests.rs"]
mod tests;
