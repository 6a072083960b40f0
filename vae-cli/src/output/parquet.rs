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
    /// Rows and distances, which are a list each. The levels say where there are any.
    Near(Vec<i64>, Vec<f32>, Vec<i16>),
}

pub struct Parquet<'a> {
    out: SerializedFileWriter<&'a mut (dyn Write + Send)>,
    columns: Vec<(Column, Vec<i16>)>,
    rows: usize,
}

impl<'a> Parquet<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), fields: &[Field]) -> Result<Self> {
        let column = |field: &Field| {
            if field.kind == Kind::Near {
                return near(&field.name).map(Arc::new);
            }
            let stored = match field.kind {
                Kind::Number => Stored::FLOAT,
                Kind::Count => Stored::INT64,
                Kind::Text | Kind::Near => Stored::BYTE_ARRAY,
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
            Kind::Near => Column::Near(Vec::new(), Vec::new(), Vec::new()),
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
                Column::Numbers(values) => write::<FloatType>(&mut group, values, levels, None)?,
                Column::Counts(values) => write::<Int64Type>(&mut group, values, levels, None)?,
                Column::Texts(values) => write::<ByteArrayType>(&mut group, values, levels, None)?,
                Column::Near(rows, distances, further) => {
                    write::<Int64Type>(&mut group, rows, levels, Some(further))?;
                    write::<FloatType>(&mut group, distances, levels, Some(further))?;
                    further.clear();
                }
            }
            levels.clear();
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// A structure of two lists, of rows and of distances.
fn near(name: &str) -> parquet::errors::Result<Type> {
    let list = |name: &str, stored| {
        let element = Type::primitive_type_builder("element", stored);
        let element = element.with_repetition(Repetition::REQUIRED).build()?;
        let all = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
        let all = all.with_fields(vec![Arc::new(element)]).build()?;
        let list = Type::group_type_builder(name).with_repetition(Repetition::REQUIRED);
        let list = list.with_logical_type(Some(LogicalType::List));
        list.with_fields(vec![Arc::new(all)]).build().map(Arc::new)
    };
    let lists = vec![
        list("ids", Stored::INT64)?,
        list("distances", Stored::FLOAT)?,
    ];
    let both = Type::group_type_builder(name).with_repetition(Repetition::REQUIRED);
    both.with_fields(lists).build()
}

/// Writes the values of the next column, which has them where the level is 1, and empties them. Of lists, `further`
/// is 1 where a value belongs to the row of the one before.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut (dyn Write + Send)>,
    values: &mut Vec<T::T>,
    levels: &[i16],
    further: Option<&Vec<i16>>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<T>()
            .write_batch(values, Some(levels), further.map(Vec::as_slice))?;
        column.close()?;
    }
    values.clear();
    Ok(())
}

impl Rows for Parquet<'_> {
    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        for (cell, (column, levels)) in cells.iter().zip(&mut self.columns) {
            if let (Cell::Near(near), Column::Near(rows, distances, further)) = (cell, &mut *column)
            {
                rows.extend(near.iter().map(|(row, _)| i64::from(*row)));
                distances.extend(near.iter().map(|(_, distance)| distance));
                let count = near.len().max(1);
                levels.extend((0..count).map(|_| i16::from(!near.is_empty())));
                further.extend((0..count).map(|place| i16::from(place > 0)));
                continue;
            }
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
