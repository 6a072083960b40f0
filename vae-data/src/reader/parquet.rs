//! Parquet files with one value in each cell.

use std::fs::File;
use std::path::Path;

use parquet::basic::{
    Compression, ConvertedType as Converted, LogicalType as Logical, Repetition, TimeUnit,
    Type as Stored,
};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, Type};

use super::cells::Cell;
use super::ends_in;
use super::table::{OPTIONS, Table};
use crate::bytes::Bytes;
use crate::date::DAY;
use crate::{DataConfig, DataError, Progress, Reader, ReaderOption, Source};

/// Rows that are decoded at a time.
const BATCH: usize = 8192;

/// What a damaged file is not.
const WHOLE: &str = "a whole Parquet file";

pub(crate) struct Parquet;

impl Reader for Parquet {
    fn name(&self) -> &str {
        "a Parquet file"
    }

    fn summary(&self) -> &str {
        "one example a row, of numbers, text and dates; .parquet or .pq"
    }

    fn recognises(&self, path: &Path) -> bool {
        let begins = |bytes: Bytes| bytes.starts_with(b"PAR1");
        ends_in(path, &["parquet", "pq"]) || path.is_file() && Bytes::open(path).is_ok_and(begins)
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
        // The decoders panic at some damage.
        std::panic::catch_unwind(|| read(path, config))
            .unwrap_or_else(|_| Err(DataError::format(path, WHOLE, "one that cannot be decoded")))
    }
}

/// Reads row group after row group, and in each column after column.
fn read(path: &Path, config: &DataConfig) -> Result<Source, DataError> {
    let fault = |error: ParquetError| DataError::format(path, WHOLE, error.to_string());
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let file = SerializedFileReader::new(file).map_err(fault)?;
    let schema = file.metadata().file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields();
    let names = fields.iter().map(|field| field.name().to_owned());
    let mut table = Table::new(path, config, names.collect())?;
    // A nested column that is left out has several of them.
    let mut leaves = Vec::new();
    for (leaf, stored) in schema.columns().iter().enumerate() {
        let column = schema.get_column_root_idx(leaf);
        if !table.is_dropped(column) {
            check_flat(path, &fields[column])?;
            leaves.push((leaf, column, Kind::of(path, stored)?));
        }
    }
    loop {
        let mut above = 0;
        for group in 0..file.num_row_groups() {
            let group = file.get_row_group(group).map_err(fault)?;
            let rows = group.metadata().num_rows();
            for &(leaf, column, kind) in &leaves {
                check_codec(path, &*group, leaf)?;
                let cells = group.get_column_reader(leaf).map_err(fault)?;
                let mut row = above;
                let push = |cell: Cell<'_>| {
                    row += 1;
                    table.push(column, cell, || format!("row {row}"))
                };
                each_cell(cells, kind, push, fault)?;
                if row - above != rows {
                    let found = format!("{} in column `{}`", row - above, fields[column].name());
                    return Err(DataError::format(path, format!("{rows} rows"), found));
                }
            }
            above += rows;
        }
        if !table.end_pass() {
            return table.source();
        }
    }
}

/// Refuses a column with several values in a cell, or none.
fn check_flat(path: &Path, field: &Type) -> Result<(), DataError> {
    if field.is_primitive() && field.get_basic_info().repetition() != Repetition::REPEATED {
        return Ok(());
    }
    Err(DataError::Column {
        path: path.to_owned(),
        problem: "there are nested values in column",
        column: field.name().to_owned(),
        hint: "write a column of its own for each value, or leave it out with `drop` (--drop)"
            .to_owned(),
    })
}

/// Refuses what is compressed by other means than those that are built in.
fn check_codec(path: &Path, group: &dyn RowGroupReader, column: usize) -> Result<(), DataError> {
    let column = group.metadata().column(column);
    match column.compression() {
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::ZSTD(_)
        | Compression::LZ4
        | Compression::LZ4_RAW => Ok(()),
        other => Err(DataError::format(
            path,
            "columns without compression, or with snappy, gzip, zstd or lz4",
            format!("{other} in column {}", column.column_path()),
        )),
    }
}

/// What the stored numbers of a column mean.
#[derive(Clone, Copy)]
enum Kind {
    /// Themselves; bytes are text.
    Plain,
    /// Whole numbers without a sign.
    Unsigned,
    /// Whole numbers over this power of ten.
    Decimal(i32),
    /// Dates, of which so many units are a second; below 1 for days.
    Date(f64),
}

impl Kind {
    fn of(path: &Path, column: &ColumnDescriptor) -> Result<Self, DataError> {
        let (stored, converted) = (column.physical_type(), column.converted_type());
        // Files of old have the converted type alone.
        Ok(match (column.logical_type_ref(), converted) {
            (Some(Logical::Decimal { .. }), _) | (None, Converted::DECIMAL) => {
                Self::Decimal(column.type_scale())
            }
            // Every cell is missing.
            (Some(Logical::Unknown), _) => Self::Plain,
            (Some(Logical::Date), _) | (None, Converted::DATE) => Self::Date(1.0 / DAY),
            (Some(Logical::Timestamp(time)), _) => Self::Date(match time.unit {
                TimeUnit::MILLIS => 1e3,
                TimeUnit::MICROS => 1e6,
                TimeUnit::NANOS => 1e9,
            }),
            (None, Converted::TIMESTAMP_MILLIS) => Self::Date(1e3),
            (None, Converted::TIMESTAMP_MICROS) => Self::Date(1e6),
            (Some(Logical::Integer(int)), _) if !int.is_signed => Self::Unsigned,
            (None, Converted::UINT_8 | Converted::UINT_16) => Self::Unsigned,
            (None, Converted::UINT_32 | Converted::UINT_64) => Self::Unsigned,
            (Some(Logical::Integer(_) | Logical::String | Logical::Enum | Logical::Json), _) => {
                Self::Plain
            }
            (None, Converted::INT_8 | Converted::INT_16) => Self::Plain,
            (None, Converted::INT_32 | Converted::INT_64) => Self::Plain,
            (None, Converted::UTF8 | Converted::ENUM | Converted::JSON) => Self::Plain,
            (None, Converted::NONE)
                if !matches!(stored, Stored::INT96 | Stored::FIXED_LEN_BYTE_ARRAY) =>
            {
                Self::Plain
            }
            (logical, _) => {
                let kind = match logical {
                    Some(logical) => format!("{logical:?}"),
                    None => format!("{stored} {converted}"),
                };
                return Err(DataError::Column {
                    path: path.to_owned(),
                    problem: "there is neither a number, text nor a date in column",
                    column: column.name().to_owned(),
                    hint: format!(
                        "its type is {kind}: write it as numbers, or leave it out with `drop` (--drop)"
                    ),
                });
            }
        })
    }

    /// A cell from a whole number, read with and without a sign.
    fn whole<'a>(self, signed: i128, unsigned: i128) -> Cell<'a> {
        match self {
            Self::Plain => Cell::Whole(signed),
            Self::Unsigned => Cell::Whole(unsigned),
            Self::Decimal(0) => Cell::Whole(signed),
            Self::Decimal(scale) => Cell::Number(signed as f64 / 10_f64.powi(scale)),
            Self::Date(of_second) => Cell::Date(signed as f64 / of_second),
        }
    }

    /// A cell from bytes: text, or a decimal with the highest byte first.
    fn bytes(self, bytes: &[u8]) -> Cell<'_> {
        match self {
            Self::Decimal(_) if bytes.len() > size_of::<i128>() => {
                Cell::Other("a decimal of more than 38 digits")
            }
            Self::Decimal(_) => {
                let negative = bytes.first().is_some_and(|byte| byte >> 7 == 1);
                let sign = if negative { -1 } else { 0 };
                let add = |number: i128, &byte: &u8| number << 8 | i128::from(byte);
                let number = bytes.iter().fold(sign, add);
                self.whole(number, number)
            }
            _ => str::from_utf8(bytes).map_or(Cell::Other("bytes that are not UTF-8"), Cell::Text),
        }
    }
}

/// Hands the cells of a column to `push`, from top to bottom.
fn each_cell(
    column: ColumnReader,
    kind: Kind,
    push: impl FnMut(Cell<'_>) -> Result<(), DataError>,
    fault: impl Fn(ParquetError) -> DataError,
) -> Result<(), DataError> {
    use ColumnReader as Of;
    match column {
        Of::BoolColumnReader(c) => each(c, |v| Cell::Bool(*v), push, fault),
        Of::Int32ColumnReader(c) => each(
            c,
            |v| kind.whole((*v).into(), v.cast_unsigned().into()),
            push,
            fault,
        ),
        Of::Int64ColumnReader(c) => each(
            c,
            |v| kind.whole((*v).into(), v.cast_unsigned().into()),
            push,
            fault,
        ),
        Of::FloatColumnReader(c) => each(c, |v| Cell::Number((*v).into()), push, fault),
        Of::DoubleColumnReader(c) => each(c, |v| Cell::Number(*v), push, fault),
        Of::ByteArrayColumnReader(c) => each(c, |v| kind.bytes(v.data()), push, fault),
        Of::FixedLenByteArrayColumnReader(c) => each(c, |v| kind.bytes(v.data()), push, fault),
        // Refused before, by its kind.
        Of::Int96ColumnReader(c) => each(c, |_| Cell::Other("a time in 96 bits"), push, fault),
    }
}

/// As [`each_cell`], for stored values of one type that become cells by `cell`.
fn each<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    cell: impl Fn(&T::T) -> Cell<'_>,
    mut push: impl FnMut(Cell<'_>) -> Result<(), DataError>,
    fault: impl Fn(ParquetError) -> DataError,
) -> Result<(), DataError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    loop {
        levels.clear();
        values.clear();
        let read = column.read_records(BATCH, Some(&mut levels), None, &mut values);
        let (rows, ..) = read.map_err(&fault)?;
        if rows == 0 {
            return Ok(());
        }
        // A column in which no cell can be empty has no levels.
        levels.resize(rows, 1);
        let mut values = values.iter();
        for &level in &levels {
            let value = if level > 0 { values.next() } else { None };
            push(value.map_or(Cell::Empty, &cell))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However many bytes a decimal has, the sign is that of the first.
        #[test]
        fn decimals_keep_their_sign_in_any_number_of_bytes(number: i64, bytes in 8_usize..=16) {
            let wide = i128::from(number).to_be_bytes();
            let cell = Kind::Decimal(0).bytes(&wide[16 - bytes..]);
            prop_assert!(matches!(cell, Cell::Whole(found) if found == i128::from(number)));
            let cell = Kind::Decimal(2).bytes(&wide[16 - bytes..]);
            prop_assert!(matches!(cell, Cell::Number(found) if found == number as f64 / 100.0));
        }
    }
}
