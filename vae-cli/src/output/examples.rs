//! Examples in the units of the data: as numbers, or as pictures.

use std::path::Path;

use anyhow::{Result, bail};
use vae_data::{ColumnKind, npy_header};
use vae_variants::Description;

use super::{Cell, Field, Form, kinds, write, write_table};
use crate::pictures;

/// Forms that examples are written in.
pub const FORMS: [Form; 4] = [Form::Png, Form::Csv, Form::Parquet, Form::Npy];

/// What stands before the numbers of each example in a table.
pub struct Lead<'a> {
    /// Its columns.
    pub fields: Vec<Field>,
    /// Its cells for the example with a number.
    pub cells: &'a dyn Fn(usize) -> Result<Vec<Cell>>,
}

/// Writes `count` examples, which `chunks` gives in the units of the data. In a picture each of `labels` is that of
/// a row of the same length.
///
/// # Errors
/// Those of `chunks`, and if the form cannot hold the examples or the file cannot be written.
pub fn write_examples(
    path: &Path,
    form: Form,
    shown: &Description,
    count: usize,
    chunks: impl Iterator<Item = Result<Vec<f32>>>,
    lead: &Lead<'_>,
    labels: &[String],
) -> Result<()> {
    let width = shown.row_width();
    match form {
        Form::Png if shown.shape.image().is_none() => bail!(
            "--out {}: rows of a table are written as numbers: to FILE.csv, FILE.parquet or FILE.npy",
            path.display()
        ),
        // Before they are drawn, as all are held at once.
        Form::Png if count.saturating_mul(width) > pictures::MAX_PIXELS => bail!(
            "--out {}: {count} images of shape {} are more than the {} numbers that a picture shows: draw fewer \
             examples, or write them to FILE.npy",
            path.display(),
            shown.shape,
            pictures::MAX_PIXELS
        ),
        Form::Png => {
            let values: Result<Vec<_>> = chunks.collect();
            let png = pictures::samples(&values?.concat(), shown, labels)?.png;
            write(path, |out| Ok(out.write_all(&png)?))
        }
        Form::Npy => write_array(path, shown, count, chunks),
        _ => {
            let mut fields = lead.fields.clone();
            fields.extend(Field::of_data(shown));
            write_table(path, form, &fields, count, |rows| {
                let mut number = 0;
                for chunk in chunks {
                    for row in chunk?.chunks(width) {
                        let mut cells = (lead.cells)(number)?;
                        cells.extend(row_cells(row, shown));
                        rows.row(&cells)?;
                        number += 1;
                    }
                }
                Ok(())
            })
        }
    }
}

/// Writes `count` examples, which `chunks` gives in the units of the data, as an array: rows of a table as such,
/// others in their own shape.
///
/// # Errors
/// Those of `chunks`, and if the file cannot be written.
pub fn write_array(
    path: &Path,
    shown: &Description,
    count: usize,
    chunks: impl Iterator<Item = Result<Vec<f32>>>,
) -> Result<()> {
    let dims = match shown.table.is_some() {
        true => vec![count, shown.row_width()],
        false => [&[count], shown.shape.dims()].concat(),
    };
    write(path, |out| {
        out.write_all(&npy_header(&dims))?;
        for chunk in chunks {
            let bytes: Vec<u8> = chunk?.into_iter().flat_map(f32::to_le_bytes).collect();
            out.write_all(&bytes)?;
        }
        Ok(())
    })
}

/// The cells of a row in the units of the data.
pub fn row_cells(row: &[f32], shown: &Description) -> impl Iterator<Item = Cell> {
    let kinds = kinds(shown);
    row.iter().enumerate().map(move |(column, &value)| {
        match matches!(kinds.get(column), None | Some(ColumnKind::Number)) {
            true => Cell::Number(value),
            false => Cell::Text(shown.text(column, value)),
        }
    })
}
