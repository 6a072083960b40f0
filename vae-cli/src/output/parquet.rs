//! Tables as Parquet files.

use std::{io::Write, sync::Arc};

use anyhow::Result;
use parquet::{
    basic::{Compression, LogicalType, Repetition, Type as Stored},
    data_type::{ByteArray, ByteArrayType, DataType, FloatType, Int64Type},
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};

use super::{Cell, Field, Kind, Rows};

/// Rows that are written at a time.
const GROUP: usize = 65_536;

/// The cells of a column that are not written yet.
enum Column {
    Numbers(Vec<f32>),
    Counts(Vec<i64>),
    Texts(Vec<ByteArray>),
}

pub struct Parquet<'a> {
    out: SerializedFileWriter<&'a mut (dyn Write + Send)>,
    columns: Vec<(Column, Vec<i16>)>,
    rows: usize,
}

impl<'a> Parquet<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), fields: &[Field]) -> Result<Self> {
        let column = |field: &Field| {
            let stored = match field.kind {
                Kind::Number => Stored::FLOAT,
                Kind::Count => Stored::INT64,
                Kind::Text => Stored::BYTE_ARRAY,
            };
            Type::primitive_type_builder(&field.name, stored)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type((field.kind == Kind::Text).then_some(LogicalType::String))
                .build()
                .map(Arc::new)
        };
        let columns: Result<Vec<_>, _> = fields.iter().map(column).collect();
        let schema = Type::group_type_builder("table").with_fields(columns?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let empty = |field: &Field| match field.kind {
            Kind::Number => Column::Numbers(Vec::new()),
            Kind::Count => Column::Counts(Vec::new()),
            Kind::Text => Column::Texts(Vec::new()),
        };
        Ok(Self {
            out: SerializedFileWriter::new(out, schema.build()?.into(), properties.build().into())?,
            columns: fields
                .iter()
                .map(|field| (empty(field), Vec::new()))
                .collect(),
            rows: 0,
        })
    }

    /// Writes what has come so far.
    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.out.next_row_group()?;
        for (column, levels) in &mut self.columns {
            match column {
                Column::Numbers(values) => write::<FloatType>(&mut group, values, levels)?,
                Column::Counts(values) => write::<Int64Type>(&mut group, values, levels)?,
                Column::Texts(values) => write::<ByteArrayType>(&mut group, values, levels)?,
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// Writes the values of the next column, which has them where the level is 1, and empties both.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut (dyn Write + Send)>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<T>()
            .write_batch(values, Some(levels), None)?;
        column.close()?;
    }
    values.clear();
    levels.clear();
    Ok(())
}

impl Rows for Parquet<'_> {
    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        for (cell, (column, levels)) in cells.iter().zip(&mut self.columns) {
            let is_there = match (cell, column) {
                (Cell::Number(value), Column::Numbers(values)) if !value.is_nan() => {
                    values.push(*value);
                    true
                }
                (Cell::Count(value), Column::Counts(values)) => {
                    values.push(*value);
                    true
                }
                (Cell::Text(text), Column::Texts(values)) if !text.is_empty() => {
                    values.push(ByteArray::from(text.as_str()));
                    true
                }
                _ => false,
            };
            levels.push(i16::from(is_there));
        }
        self.rows += 1;
        match self.rows {
            GROUP => self.flush(),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        self.flush()?;
        self.out.finish()?;
        Ok(())
    }
}
