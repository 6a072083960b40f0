//! The input of every analysis: rows of finite numbers.

use ndarray::ArrayView2;

use crate::error::{Error, Result, check};

/// Rows of finite numbers, one after the other: `[count, width]`, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Rows<'a> {
    /// The rows in `values`, `width` numbers each.
    ///
    /// # Errors
    /// If `width` is 0, `values` does not divide into rows, or a number is not finite.
    pub fn new(values: &'a [f32], width: usize) -> Result<Self> {
        check("width", width, width >= 1, "at least 1")?;
        check(
            "values",
            format_args!("{} numbers", values.len()),
            values.len().is_multiple_of(width),
            format_args!("rows of {width}"),
        )?;
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(Self { values, width }),
            Some(at) => Err(Error::NotFinite {
                row: at / width,
                column: at % width,
                value: values[at],
            }),
        }
    }

    /// Of numbers that were checked before.
    pub(crate) fn checked(values: &'a [f32], width: usize) -> Self {
        Self { values, width }
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All numbers, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// One row: `[width]`.
    ///
    /// # Panics
    /// If there are not that many rows.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// The rows in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.width)
    }

    /// The same numbers as a matrix: `[count, width]`.
    pub fn view(&self) -> ArrayView2<'a, f32> {
        ArrayView2::from_shape((self.count(), self.width), self.values).expect("whole rows")
    }

    /// Consecutive groups of at most `rows` rows.
    pub fn blocks(&self, rows: usize) -> impl ExactSizeIterator<Item = Rows<'a>> + use<'a> {
        let width = self.width;
        let values = self.values.chunks(rows.max(1) * width);
        values.map(move |values| Rows { values, width })
    }

    /// Refuses fewer rows than `least`.
    pub(crate) fn at_least(self, name: &'static str, least: usize) -> Result<Self> {
        let count = self.count();
        check(
            name,
            format_args!("{count} rows"),
            count >= least,
            format_args!("at least {least}"),
        )?;
        Ok(self)
    }

    /// Refuses another width than `width`.
    pub(crate) fn of_width(self, name: &'static str, width: usize) -> Result<Self> {
        check(
            name,
            format_args!("{} wide", self.width),
            self.width == width,
            format_args!("{width} wide"),
        )?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_of_finite_numbers_is_refused() {
        let text = |values: &[f32], width| Rows::new(values, width).unwrap_err().to_string();
        assert_eq!(text(&[1.0], 0), "`width` is 0, but must be at least 1");
        assert_eq!(
            text(&[1.0; 3], 2),
            "`values` is 3 numbers, but must be rows of 2"
        );
        assert_eq!(
            text(&[1.0, 2.0, f32::NAN, 3.0], 2),
            "column 0 of row 1 is NaN, but must be finite"
        );
        assert_eq!(Rows::new(&[], 2).expect("no rows are rows").count(), 0);
    }
}
