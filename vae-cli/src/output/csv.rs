//! Tables as comma-separated values.

use std::io::Write;

use anyhow::Result;
use csv::Writer;
use serde_json::json;

use super::{Cell, Field, Rows};

pub struct Csv<'a> {
    out: Writer<&'a mut (dyn Write + Send)>,
}

impl<'a> Csv<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), fields: &[Field]) -> Result<Self> {
        let mut out = Writer::from_writer(out);
        out.write_record(fields.iter().map(|field| &field.name))?;
        Ok(Self { out })
    }
}

impl Rows for Csv<'_> {
    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        for cell in cells {
            match cell {
                Cell::Number(value) if value.is_nan() => self.out.write_field("")?,
                Cell::Number(value) => self.out.write_field(value.to_string())?,
                Cell::Count(value) => self.out.write_field(value.to_string())?,
                Cell::Text(text) => self.out.write_field(text)?,
                Cell::Near(rows) => {
                    let (ids, distances): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
                    let all = json!({"ids": ids, "distances": distances});
                    self.out.write_field(all.to_string())?;
                }
            }
        }
        Ok(self.out.write_record(None::<&[u8]>)?)
    }

    fn end(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
