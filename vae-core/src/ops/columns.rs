//! Negative log-likelihood of the rows of a table whose columns are numbers and categories.

use std::sync::Arc;

use burn::tensor::{Tensor, activation::log_softmax, backend::Backend};
use serde::{Deserialize, Serialize};

use super::{apply, primitive, soft_floor};
use crate::distribution::{Tails, ln_gamma};

/// How many places of a row a column of a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnWidth {
    /// A number: one place.
    Number,
    /// A category with so many levels: a place for each, of which one is 1 and the others are 0.
    Levels(usize),
}

impl ColumnWidth {
    /// The places.
    pub fn places(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Levels(levels) => levels,
        }
    }
}

/// The columns of a table with the first place of each.
pub(crate) fn with_places(columns: &[ColumnWidth]) -> impl Iterator<Item = (ColumnWidth, usize)> {
    columns.iter().scan(0, |next, &column| {
        let first = *next;
        *next += column.places();
        Some((column, first))
    })
}

/// How many columns are numbers.
pub(crate) fn numbers(columns: &[ColumnWidth]) -> usize {
    let is_number = |column: &&ColumnWidth| **column == ColumnWidth::Number;
    columns.iter().filter(is_number).count()
}

/// `-log p(target)` in nats of the cells of a row: a Gaussian or Student's t for a number, a softmax for a category. A cell
/// with a place that is NaN is missing: it costs nothing, and no gradient comes from it. No gradient reaches
/// the target.
///
/// # Shapes
/// - `parameters`: `[batch, places + number columns]`: the mean of each number and the logits of each
///   category; then for each number the logarithm of its scale, of which the [`soft_floor`] of `tails` is taken
/// - `target`: `[batch, places]`
/// - output: `[batch]`
pub fn columns_nll<B: Backend>(
    columns: &Arc<[ColumnWidth]>,
    parameters: Tensor<B, 2>,
    target: Tensor<B, 2>,
    tails: Tails,
) -> Tensor<B, 1> {
    let columns = columns.clone();
    let density = Density::new(tails);
    Columns { columns, density }.of(parameters, target)
}

/// The density of a number with scale `s` at the distance `d` from its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Density {
    pub floor: f64,
    /// `nu` of Student's t, whose negative logarithm is `(nu + 1) / 2 log(1 + d^2 / (nu s^2)) + log s + constant`;
    /// nothing for a Gaussian, of which it is `d^2 / (2 s^2) + log s + constant`.
    pub freedom: Option<f64>,
    pub constant: f64,
}

impl Density {
    pub fn new(tails: Tails) -> Self {
        let floor = tails.floor();
        match tails {
            Tails::Gaussian => Self {
                floor,
                freedom: None,
                constant: HALF_LOG_2_PI,
            },
            Tails::Student(nu) => Self {
                floor,
                freedom: Some(nu),
                constant: ln_gamma(0.5 * nu) - ln_gamma(0.5 * (nu + 1.0))
                    + 0.5 * (nu * std::f64::consts::PI).ln(),
            },
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub columns: Arc<[ColumnWidth]>,
    pub density: Density,
}

impl Columns {
    fn of<B: Backend>(&self, parameters: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
        let target = target.detach();
        apply(self, [primitive(&parameters), primitive(&target)])
            .unwrap_or_else(|| self.reference(parameters, target))
    }

    fn reference<B: Backend>(
        &self,
        parameters: Tensor<B, 2>,
        target: Tensor<B, 2>,
    ) -> Tensor<B, 1> {
        let [rows, places] = target.dims();
        let nan = target.clone().is_nan();
        let target = target.mask_fill(nan.clone(), 0.0);
        let mut nll = Tensor::zeros([rows, 1], &target.device());
        let mut log_sigma_at = places;
        for (column, first) in with_places(&self.columns) {
            let width = column.places();
            let [given, x] = [&parameters, &target].map(|t| t.clone().narrow(1, first, width));
            let missing = nan.clone().narrow(1, first, width).any_dim(1);
            let cell = match column {
                ColumnWidth::Number => {
                    let log_sigma = parameters.clone().narrow(1, log_sigma_at, 1);
                    log_sigma_at += 1;
                    let Density {
                        floor,
                        freedom,
                        constant,
                    } = self.density;
                    let log_sigma = soft_floor(log_sigma, floor);
                    let precision = log_sigma.clone().mul_scalar(-2.0).exp();
                    let square = (given - x).square() * precision;
                    let tail = match freedom {
                        None => square.mul_scalar(0.5),
                        Some(nu) => square.div_scalar(nu).log1p().mul_scalar(0.5 * (nu + 1.0)),
                    };
                    tail + log_sigma.add_scalar(constant)
                }
                ColumnWidth::Levels(_) => (log_softmax(given, 1) * x).sum_dim(1).neg(),
            };
            nll = nll + cell.mask_fill(missing, 0.0);
        }
        nll.squeeze_dim(1)
    }
}

/// `log(2 pi) / 2`
const HALF_LOG_2_PI: f64 = 0.918_938_533_204_672_7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    struct Rows {
        columns: Columns,
        rows: usize,
        viewed: bool,
    }

    impl Rows {
        fn places(&self) -> usize {
            self.columns.columns.iter().map(|c| c.places()).sum()
        }

        fn wide(&self) -> [usize; 2] {
            [self.rows, self.places() + numbers(&self.columns.columns)]
        }

        /// Every third cell or so is missing.
        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let [parameters] = inputs.try_into().unwrap();
            let mut target = Vec::new();
            for row in 0..self.rows {
                for (column, first) in with_places(&self.columns.columns) {
                    let missing = (row * row + first) % 3 == 1;
                    let start = target.len();
                    target.resize(
                        start + column.places(),
                        if missing { f32::NAN } else { 0.0 },
                    );
                    if !missing {
                        match column {
                            ColumnWidth::Number => target[start] = row as f32 * 0.1 - 1.0,
                            ColumnWidth::Levels(levels) => target[start + row % levels] = 1.0,
                        }
                    }
                }
            }
            let target = Tensor::<B, 1>::from_data(target.as_slice(), &parameters.device());
            [
                matrix(parameters, self.wide(), self.viewed),
                target.reshape([self.rows, self.places()]),
            ]
        }
    }

    impl Probe for Rows {
        fn lengths(&self) -> Vec<usize> {
            let [rows, columns] = self.wide();
            vec![rows * columns]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, target] = self.inputs(inputs);
            self.columns.of(parameters, target)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, target] = self.inputs(inputs);
            self.columns.reference(parameters, target)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            widths in prop::collection::vec(0usize..6, 1..12),
            rows in 1usize..60,
            viewed: bool,
            seed: u64,
        ) {
            let column = |width: usize| match width {
                0 => ColumnWidth::Number,
                levels => ColumnWidth::Levels(levels),
            };
            let columns: Arc<[ColumnWidth]> = widths.into_iter().map(column).collect();
            for tails in [Tails::Gaussian, Tails::Student(3.0), Tails::Student(0.7)] {
                let density = Density { floor: -1.5, ..Density::new(tails) };
                let columns = Columns { columns: columns.clone(), density };
                let rows = Rows { columns, rows, viewed };
                assert_same(&rows, seed, &[]);
                assert_same(&rows, seed, &[3.0, -3.0, 0.0]);
            }
        }
    }
}
