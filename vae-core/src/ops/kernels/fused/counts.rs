//! Negative log-likelihoods of whole numbers and of tables, one example at a time, and the gamma function.
//! None has a gradient for its target.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    columns::Columns,
    counts::Counts,
    gamma::LnGamma,
    kernels::{columns, counts, gamma, levels},
    levels::{Levels, LogisticMean},
};

/// Implements [`Fused`] for a likelihood by its value and its slope for one example: functions of the
/// likelihood, its parameters and the target; the slope also of where it is written and its scale.
macro_rules! fused_nll {
    ($likelihood:ty, $nll:expr, $slope:expr) => {
        impl Fused<2> for $likelihood {
            fn forward(&self, [parameters, target]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
                let nll =
                    parameters.per_row(|row| $nll(self, parameters.row(row), target.row(row)));
                (nll, Shape::new([parameters.rows()]))
            }

            fn backward(
                &self,
                [parameters, target]: [View<'_>; 2],
                _nll: View<'_>,
                gradient: &mut [f32],
                [wanted, _]: [bool; 2],
            ) -> [Option<Vec<f32>>; 2] {
                let slopes = wanted.then(|| {
                    parameters.map_rows(|row, out| {
                        $slope(
                            self,
                            out,
                            parameters.row(row),
                            target.row(row),
                            gradient[row],
                        );
                    })
                });
                [slopes, None]
            }
        }
    };
}

fused_nll!(Counts, counts_nll, counts_slope);
fused_nll!(Levels, levels_nll, levels_slope);
fused_nll!(Columns, columns::columns_nll, columns::columns_slope);

fn counts_nll(of: &Counts, parameters: &[f32], target: &[f32]) -> f32 {
    match of {
        Counts::Poisson => counts::poisson_nll(parameters, target),
        Counts::NegativeBinomial => counts::negative_binomial_nll(parameters, target),
        Counts::ZeroInflated => counts::zero_inflated_nll(parameters, target),
        Counts::Multinomial => counts::multinomial_nll(parameters, target),
    }
}

fn counts_slope(of: &Counts, out: &mut [f32], parameters: &[f32], target: &[f32], scale: f32) {
    match of {
        Counts::Poisson => counts::poisson_slope(out, parameters, target, scale),
        Counts::NegativeBinomial => {
            counts::negative_binomial_nll_slope(out, parameters, target, scale);
        }
        Counts::ZeroInflated => counts::zero_inflated_slope(out, parameters, target, scale),
        Counts::Multinomial => counts::multinomial_slope(out, parameters, target, scale),
    }
}

fn levels_nll(of: &Levels, parameters: &[f32], target: &[f32]) -> f32 {
    match of {
        Levels::Categorical => levels::categorical_nll(parameters, target),
        Levels::DiscretizedLogistic => levels::logistic_nll(parameters, target),
    }
}

fn levels_slope(of: &Levels, out: &mut [f32], parameters: &[f32], target: &[f32], scale: f32) {
    match of {
        Levels::Categorical => levels::categorical_slope(out, parameters, target, scale),
        Levels::DiscretizedLogistic => levels::logistic_slope(out, parameters, target, scale),
    }
}

impl Fused<1> for LogisticMean {
    fn forward(&self, [parameters]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let features = parameters.columns() / 2;
        let shape = [parameters.rows(), features];
        let zeros = vec![0.0; shape[0] * features];
        let output = View {
            values: &zeros,
            shape: &shape,
        };
        let means = output.map_rows(|row, out| levels::logistic_mean(out, parameters.row(row)));
        (means, Shape::new(shape))
    }

    fn backward(
        &self,
        [parameters]: [View<'_>; 1],
        mean: View<'_>,
        gradient: &mut [f32],
        [wanted]: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let gradient = View {
            values: gradient,
            ..mean
        };
        [wanted.then(|| {
            parameters.map_rows(|row, out| {
                levels::logistic_mean_slope(out, parameters.row(row), gradient.row(row));
            })
        })]
    }
}

impl Fused<1> for LnGamma {
    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let mut values = vec![0.0; x.values.len()];
        gamma::ln_gamma(&mut values, x.values);
        (values, Shape::from(x.shape))
    }

    fn backward(
        &self,
        [x]: [View<'_>; 1],
        _value: View<'_>,
        gradient: &mut [f32],
        [wanted]: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        [wanted.then(|| {
            let mut slopes = vec![0.0; x.values.len()];
            gamma::ln_gamma_slope(&mut slopes, gradient, x.values);
            slopes
        })]
    }
}
