//! The numbers of a table as an array of NumPy.

use std::io::Write;

use anyhow::{Result, bail};
use vae_data::npy_header;

use super::{Cell, Field, Kind, Rows};

pub struct Npy<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> Npy<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), fields: &[Field], count: usize) -> Result<Self> {
        let numbers = fields.iter().filter(|field| field.kind == Kind::Number);
        let width = numbers.count();
        if width == 0 {
            bail!("an array holds numbers, and no column is one: --out FILE.csv or FILE.parquet");
        }
        out.write_all(&npy_header(&[count, width]))?;
        Ok(Self { out })
    }
}

impl Rows for Npy<'_> {
    fn row(&mut self, cells: &[Cell]) -> Result<()> {
        for cell in cells {
            if let Cell::Number(value) = cell {
                self.out.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}
