//! Loops over the columns of a row of a table: see [`crate::ops::columns`] for the formulas.

use super::{
    counts::log_sum,
    gamma::softplus,
    math::{exp, sigmoid},
};
use crate::ops::columns::{ColumnWidth, Columns, with_places};

/// `1 / sigma^2`, `log sigma` and its slope.
fn scale(log_sigma: f32, floor: f64) -> [f32; 3] {
    let above = log_sigma - floor as f32;
    let log_sigma = floor as f32 + softplus::<false>(above);
    [
        exp::<false>(-2.0 * log_sigma),
        log_sigma,
        sigmoid::<false>(above),
    ]
}

/// `-log p(target)` of the cells of a row that are there.
pub(in crate::ops) fn columns_nll(of: &Columns, parameters: &[f32], target: &[f32]) -> f32 {
    let (given, log_sigmas) = parameters.split_at(target.len());
    let mut log_sigmas = log_sigmas.iter();
    let mut nll = 0.0;
    for (column, first) in with_places(&of.columns) {
        let places = first..first + column.places();
        let (given, x) = (&given[places.clone()], &target[places]);
        let log_sigma = match column {
            ColumnWidth::Number => log_sigmas.next(),
            ColumnWidth::Levels(_) => None,
        };
        if x.iter().any(|x| x.is_nan()) {
            continue;
        }
        nll += match log_sigma {
            Some(&log_sigma) => {
                let [precision, log_sigma, _] = scale(log_sigma, of.density.floor);
                let distance = given[0] - x[0];
                let square = distance * distance * precision;
                let tail = match of.density.freedom {
                    None => 0.5 * square,
                    Some(nu) => 0.5 * (nu as f32 + 1.0) * f32::ln_1p(square / nu as f32),
                };
                tail + log_sigma + of.density.constant as f32
            }
            None => {
                let [largest, log_sum] = log_sum::<false>(given);
                let cells = given.iter().zip(x);
                cells
                    .map(|(&logit, &x)| x * ((largest - logit) + log_sum))
                    .sum()
            }
        };
    }
    nll
}

/// The derivative of [`columns_nll`] with respect to the parameters, times `scale_by`. `out` is zeros.
pub(in crate::ops) fn columns_slope(
    of: &Columns,
    out: &mut [f32],
    parameters: &[f32],
    target: &[f32],
    scale_by: f32,
) {
    let (given, log_sigmas) = parameters.split_at(target.len());
    let (out, of_log_sigmas) = out.split_at_mut(target.len());
    let mut log_sigmas = log_sigmas.iter().zip(of_log_sigmas);
    for (column, first) in with_places(&of.columns) {
        let places = first..first + column.places();
        let (given, x) = (&given[places.clone()], &target[places.clone()]);
        let log_sigma = match column {
            ColumnWidth::Number => log_sigmas.next(),
            ColumnWidth::Levels(_) => None,
        };
        if x.iter().any(|x| x.is_nan()) {
            continue;
        }
        match log_sigma {
            Some((&log_sigma, of_log_sigma)) => {
                let [precision, _, slope] = scale(log_sigma, of.density.floor);
                let distance = given[0] - x[0];
                let square = distance * distance * precision;
                // What the tails leave of the pull of a Gaussian.
                let pull = match of.density.freedom {
                    None => 1.0,
                    Some(nu) => (nu as f32 + 1.0) / (nu as f32 + square),
                };
                out[first] = scale_by * distance * precision * pull;
                *of_log_sigma = scale_by * slope * (1.0 - square * pull);
            }
            None => {
                let [largest, log_sum] = log_sum::<false>(given);
                let total: f32 = x.iter().sum();
                for ((out, &logit), &x) in out[places].iter_mut().zip(given).zip(x) {
                    *out = scale_by * (total * exp::<false>((logit - largest) - log_sum) - x);
                }
            }
        }
    }
}
