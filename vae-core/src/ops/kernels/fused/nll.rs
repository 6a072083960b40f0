//! Negative log-likelihoods, one example at a time.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    kernels::elementwise::{self, GaussianRow},
    nll::Nll,
};

/// The rows of the parameters and of the target are the examples.
impl Fused<2> for Nll {
    fn forward(&self, [parameters, target]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let nll = parameters.per_row(|row| {
            let (parameters, target) = (parameters.row(row), target.row(row));
            match *self {
                Self::Bernoulli => elementwise::bernoulli_nll(parameters, target),
                Self::ContinuousBernoulli => {
                    elementwise::continuous_bernoulli_nll(parameters, target)
                }
                Self::SquaredError => elementwise::squared_error(parameters, target),
                Self::Gaussian { floor } => {
                    elementwise::gaussian_nll(GaussianRow::new(parameters, target, floor))
                }
            }
        });
        (nll, Shape::new([parameters.rows()]))
    }

    fn backward(
        &self,
        [parameters, target]: [View<'_>; 2],
        _nll: View<'_>,
        gradient: &mut [f32],
        [want_parameters, want_target]: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let of_parameters = want_parameters.then(|| {
            parameters.map_rows(|row, out| {
                let (parameters, target) = (parameters.row(row), target.row(row));
                let scale = gradient[row];
                match *self {
                    Self::Bernoulli => elementwise::bernoulli_slope(out, parameters, target, scale),
                    Self::ContinuousBernoulli => {
                        elementwise::continuous_bernoulli_slope(out, parameters, target, scale);
                    }
                    Self::SquaredError => {
                        elementwise::scaled_difference(out, parameters, target, 2.0 * scale);
                    }
                    Self::Gaussian { floor } => {
                        let row = GaussianRow::new(parameters, target, floor);
                        elementwise::gaussian_slope(out, row, scale);
                    }
                }
            })
        });
        let of_target = want_target.then(|| {
            target.map_rows(|row, out| {
                let (parameters, target) = (parameters.row(row), target.row(row));
                let scale = gradient[row];
                match *self {
                    Self::Bernoulli | Self::ContinuousBernoulli => {
                        elementwise::scaled(out, parameters, -scale);
                    }
                    Self::SquaredError => {
                        elementwise::scaled_difference(out, target, parameters, 2.0 * scale);
                    }
                    Self::Gaussian { floor } => {
                        let row = GaussianRow::new(parameters, target, floor);
                        elementwise::gaussian_target_slope(out, row, scale);
                    }
                }
            })
        });
        [of_parameters, of_target]
    }
}
