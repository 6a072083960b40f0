//! Scaling of features, learned on the training split.

use serde::{Deserialize, Serialize};

use crate::{ColumnKind, DataError, Scale};

/// Scales each feature: `scaled = (value - offset) / scale`. It is stored with a
/// trained model, so that new data is treated alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// Which scale it is: [`Scale::MinMax`] or [`Scale::Standardize`].
    pub kind: Scale,
    /// Minimum or mean of each feature.
    pub offset: Vec<f32>,
    /// Range or standard deviation of each feature; 1 for a feature that is constant.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// Learns the scale of `features` features from `len` rows, where
    /// `read(row, out)` gives one row. The standard deviation is that of the
    /// population (divided by `len`).
    ///
    /// Gives `None` if `kind` is [`Scale::None`] or [`Scale::Auto`], or if there are
    /// no rows.
    ///
    /// # Errors
    /// Those of `read`, and [`DataError::NonFinite`] for a value that is NaN or
    /// infinite.
    pub fn learn(
        kind: Scale,
        features: usize,
        len: usize,
        mut read: impl FnMut(usize, &mut [f32]) -> Result<(), DataError>,
    ) -> Result<Option<Self>, DataError> {
        if matches!(kind, Scale::None | Scale::Auto) || len == 0 {
            return Ok(None);
        }
        let mut columns = vec![Column::default(); features];
        learn(&mut columns, len, |value| value.is_finite(), &mut read)?;
        Ok(Some(Self::of_columns(kind, &columns)))
    }

    /// As [`Scaler::learn`], for the columns of a table: from the cells that are not missing. The index
    /// of a level stays as it is.
    ///
    /// # Errors
    /// Those of `read`, and [`DataError::NonFinite`] for a value that is infinite.
    pub fn learn_table(
        kind: Scale,
        kinds: &[ColumnKind],
        len: usize,
        mut read: impl FnMut(usize, &mut [f32]) -> Result<(), DataError>,
    ) -> Result<Option<Self>, DataError> {
        if matches!(kind, Scale::None | Scale::Auto) || len == 0 {
            return Ok(None);
        }
        let mut columns = vec![Column::default(); kinds.len()];
        learn(&mut columns, len, |value| !value.is_infinite(), &mut read)?;
        let mut scaler = Self::of_columns(kind, &columns);
        for (column, _) in kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| kind.is_category())
        {
            (scaler.offset[column], scaler.scale[column]) = (0.0, 1.0);
        }
        Ok(Some(scaler))
    }

    fn of_columns(kind: Scale, columns: &[Column]) -> Self {
        let (offset, scale) = columns.iter().map(|c| c.offset_and_scale(kind)).unzip();
        Self {
            kind,
            offset,
            scale,
        }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.offset.len()
    }

    /// Scales one row in place.
    pub fn apply(&self, row: &mut [f32]) {
        for (value, (offset, scale)) in row.iter_mut().zip(self.offset.iter().zip(&self.scale)) {
            *value = (*value - offset) / scale;
        }
    }

    /// Undoes [`Scaler::apply`].
    pub fn invert(&self, row: &mut [f32]) {
        for (value, (offset, scale)) in row.iter_mut().zip(self.offset.iter().zip(&self.scale)) {
            *value = *value * scale + offset;
        }
    }

    /// Checks a scaler that was read from a file.
    ///
    /// # Errors
    /// If it is not for `features` features, or a number in it is not finite or a
    /// scale is not positive.
    pub fn check(&self, features: usize) -> Result<(), DataError> {
        for (what, values) in [
            ("scaler offsets", &self.offset),
            ("scaler scales", &self.scale),
        ] {
            if values.len() != features {
                return Err(DataError::Length {
                    what,
                    expected: features,
                    found: values.len(),
                });
            }
        }
        let offset = self.offset.iter().find(|v| !v.is_finite());
        let scale = self.scale.iter().find(|v| !(v.is_finite() && **v > 0.0));
        match offset.or(scale) {
            Some(bad) => Err(DataError::setting(
                "scaler",
                bad,
                "offsets must be finite and scales positive",
            )),
            None => Ok(()),
        }
    }
}

/// Reads `len` rows into the statistics of their columns. NaN counts for nothing where it is `usable`.
fn learn(
    columns: &mut [Column],
    len: usize,
    usable: impl Fn(f32) -> bool,
    read: &mut impl FnMut(usize, &mut [f32]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut row = vec![0.0; columns.len()];
    for example in 0..len {
        read(example, &mut row)?;
        for (feature, (column, &value)) in columns.iter_mut().zip(&row).enumerate() {
            if !usable(value) {
                return Err(DataError::NonFinite {
                    example,
                    feature,
                    value,
                });
            }
            if !value.is_nan() {
                column.add(value);
            }
        }
    }
    Ok(())
}

/// Running statistics of one feature (Welford's method).
#[derive(Clone)]
struct Column {
    count: f64,
    mean: f64,
    squares: f64,
    min: f32,
    max: f32,
}

impl Default for Column {
    fn default() -> Self {
        Self {
            count: 0.0,
            mean: 0.0,
            squares: 0.0,
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
        }
    }
}

impl Column {
    fn add(&mut self, value: f32) {
        let wide = f64::from(value);
        self.count += 1.0;
        let delta = wide - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (wide - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn offset_and_scale(&self, kind: Scale) -> (f32, f32) {
        if self.count == 0.0 {
            return (0.0, 1.0);
        }
        let (offset, scale) = match kind {
            Scale::MinMax => (self.min, self.max - self.min),
            _ => (self.mean as f32, (self.squares / self.count).sqrt() as f32),
        };
        // A constant feature, or one whose spread is too small or large for a float.
        let usable = scale.is_normal() && self.min < self.max;
        (offset, if usable { scale } else { 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn learn(kind: Scale, rows: &[[f32; 3]]) -> Scaler {
        Scaler::learn(kind, 3, rows.len(), |i, out| {
            out.copy_from_slice(&rows[i]);
            Ok(())
        })
        .unwrap()
        .unwrap()
    }

    #[test]
    fn learns_what_is_computed_by_hand() {
        let rows = [[1.0, 5.0, -2.0], [3.0, 5.0, 2.0]];
        let standard = learn(Scale::Standardize, &rows);
        assert_eq!(standard.offset, [2.0, 5.0, 0.0]);
        assert_eq!(standard.scale, [1.0, 1.0, 2.0]);
        let range = learn(Scale::MinMax, &rows);
        assert_eq!(range.offset, [1.0, 5.0, -2.0]);
        assert_eq!(range.scale, [2.0, 1.0, 4.0]);
        let mut row = rows[1];
        range.apply(&mut row);
        assert_eq!(row, [1.0, 0.0, 1.0]);
    }

    #[test]
    fn names_the_value_that_is_not_finite() {
        let result = Scaler::learn(Scale::MinMax, 2, 3, |i, out| {
            out.copy_from_slice(&[0.0, if i == 2 { f32::NAN } else { 1.0 }]);
            Ok(())
        });
        assert!(matches!(
            result,
            Err(DataError::NonFinite {
                example: 2,
                feature: 1,
                ..
            })
        ));
    }

    #[test]
    fn check_refuses_damage() {
        let mut scaler = learn(Scale::MinMax, &[[0.0; 3], [1.0; 3]]);
        scaler.check(3).unwrap();
        assert!(scaler.check(2).is_err());
        scaler.scale[1] = 0.0;
        assert!(scaler.check(3).is_err());
    }

    proptest! {
        #[test]
        fn invert_undoes_apply(
            rows in prop::collection::vec(prop::array::uniform3(-1e3_f32..1e3), 1..20),
            standard: bool,
        ) {
            let kind = if standard { Scale::Standardize } else { Scale::MinMax };
            let scaler = learn(kind, &rows);
            for row in &rows {
                let mut there = *row;
                scaler.apply(&mut there);
                prop_assert!(there.iter().all(|v| v.is_finite()));
                scaler.invert(&mut there);
                for (a, b) in there.iter().zip(row) {
                    prop_assert!((a - b).abs() < 1e-3, "{a} is not {b}");
                }
            }
        }
    }
}
