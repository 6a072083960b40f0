//! How the numbers of a table are distributed, each column by itself.

use serde::{Deserialize, Serialize};
use vae_core::Result;
use vae_data::{ColumnKind, Subset};

/// Quantiles of a column.
const QUANTILES: usize = 1024;
/// Rows that they are learned from at most, evenly from all.
const ROWS: usize = 100_000;
/// Columns of a table whose distributions are kept at most: more are signals or pixels rather than columns.
const COLUMNS: usize = 256;

/// The distribution of one column of numbers, of which missing cells are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marginal {
    /// The values at the shares `(i + 1/2) / n`, in the units of the data. `[n]`
    pub quantiles: Vec<f32>,
    /// Whether values repeat, as counts and codes do: then there are none between them.
    pub repeats: bool,
    /// Digits after the point, where there are at most 6.
    pub decimals: Option<u8>,
}

impl Marginal {
    /// Those of the columns of some rows; nothing for categories, and none at all for very wide rows.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub(crate) fn learn(
        rows: &Subset,
        kinds: Option<&[ColumnKind]>,
        width: usize,
    ) -> Result<Vec<Option<Self>>> {
        if width > COLUMNS || rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = rows.thinned(ROWS);
        let mut columns = vec![Vec::with_capacity(rows.len()); width];
        let mut row = vec![0.0; width];
        for number in 0..rows.len() {
            rows.read_columns(number, &mut row)?;
            for (column, &value) in columns.iter_mut().zip(&row) {
                if value.is_finite() {
                    column.push(value);
                }
            }
        }
        let is_number = |column: usize| kinds.is_none_or(|kinds| !kinds[column].is_category());
        let columns = columns.into_iter().enumerate();
        let marginals = columns.map(|(column, values)| match is_number(column) {
            true => Self::of(values),
            false => None,
        });
        Ok(marginals.collect())
    }

    fn of(mut values: Vec<f32>) -> Option<Self> {
        values.sort_by(f32::total_cmp);
        let count = values.len();
        let kept = count.min(QUANTILES);
        let at = |i: usize| values[((i as f64 + 0.5) / kept as f64 * count as f64) as usize];
        let distinct = 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        (count > 0).then(|| Self {
            quantiles: (0..kept).map(at).collect(),
            repeats: 2 * distinct < count,
            decimals: decimals(&values),
        })
    }

    /// The value below which the share `share` of the column lies.
    pub fn at(&self, share: f64) -> f32 {
        let count = self.quantiles.len();
        let place = share.clamp(0.0, 1.0) * count as f64;
        if self.repeats {
            return self.quantiles[(place as usize).min(count - 1)];
        }
        let place = (place - 0.5).clamp(0.0, (count - 1) as f64);
        let (low, high) = (
            self.quantiles[place as usize],
            self.quantiles[place.ceil() as usize],
        );
        let value = low + (high - low) * place.fract() as f32;
        match self.decimals {
            Some(decimals) => {
                let unit = 10_f64.powi(i32::from(decimals));
                ((f64::from(value) * unit).round() / unit) as f32
            }
            None => value,
        }
    }

    /// Brings the values of a column to this distribution, in their order: the smallest becomes the smallest.
    pub fn match_column(&self, rows: &mut [f32], width: usize, column: usize) {
        let mut order: Vec<usize> = (column..rows.len()).step_by(width).collect();
        order.sort_by(|&a, &b| rows[a].total_cmp(&rows[b]));
        let count = order.len() as f64;
        for (rank, place) in order.into_iter().enumerate() {
            rows[place] = self.at((rank as f64 + 0.5) / count);
        }
    }
}

/// The most digits after the point that a value is written with.
fn decimals(values: &[f32]) -> Option<u8> {
    let mut most = 0;
    for value in values {
        let text = value.to_string();
        let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len());
        most = most.max(digits);
        if most > 6 {
            return None;
        }
    }
    Some(most as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_gets_the_values_of_another_in_its_own_order() {
        let marginal = Marginal::of(vec![0.0, 0.0, 0.0, 5.0, 0.0, 7.0, 0.0, 5.0]).unwrap();
        assert!(marginal.repeats);
        let mut rows = vec![
            0.3, 9.0, -1.0, 9.0, 0.9, 9.0, 0.7, 9.0, 0.1, 9.0, 2.0, 9.0, 0.0, 9.0, 0.2, 9.0,
        ];
        marginal.match_column(&mut rows, 2, 0);
        let found: Vec<f32> = rows.iter().step_by(2).copied().collect();
        assert_eq!(found, [0.0, 0.0, 5.0, 5.0, 0.0, 7.0, 0.0, 0.0]);
        assert!(rows.iter().skip(1).step_by(2).all(|value| *value == 9.0));
    }

    #[test]
    fn numbers_lie_between_the_quantiles() {
        let tenths = Marginal::of((0..3000).map(|i| i as f32 / 10.0).collect()).unwrap();
        assert_eq!((tenths.decimals, tenths.repeats), (Some(1), false));
        assert!(((tenths.at(0.123) * 10.0).fract().abs() - 0.5).abs() > 0.49);
        let marginal = Marginal::of((0..5000).map(|i| i as f32).collect()).unwrap();
        assert_eq!(marginal.quantiles.len(), QUANTILES);
        for share in [0.1, 0.33, 0.5, 0.9] {
            assert!((f64::from(marginal.at(share)) - share * 5000.0).abs() < 6.0);
        }
        assert!(marginal.at(0.0) >= 0.0 && marginal.at(1.0) <= 4999.0);
        assert_eq!(Marginal::of(Vec::new()), None);
    }
}
