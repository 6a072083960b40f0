//! The Gaussian posterior, one example at a time.

use burn::tensor::Shape;

use super::{Fused, View};
use crate::ops::{
    kernels::elementwise::{self, gaussian_kl_slope, reparameterise_slope, scaled},
    latent::{GaussianKl, Reparameterise},
};

/// The mean and the log-variance of one row.
fn halves<'a>(parameters: View<'a>, row: usize) -> (&'a [f32], &'a [f32]) {
    parameters.row(row).split_at(parameters.columns() / 2)
}

impl Fused<2> for Reparameterise {
    fn forward(&self, [parameters, noise]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let sample = noise.map_rows(|row, out| {
            let (mean, log_variance) = halves(parameters, row);
            elementwise::reparameterise(out, mean, log_variance, noise.row(row));
        });
        (sample, Shape::new([noise.rows(), noise.columns()]))
    }

    fn backward(
        &self,
        [parameters, noise]: [View<'_>; 2],
        sample: View<'_>,
        gradient: &mut [f32],
        [want_parameters, want_noise]: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let gradient = View {
            values: gradient,
            ..sample
        };
        let latent = gradient.columns();
        let of_parameters = want_parameters.then(|| {
            parameters.map_rows(|row, out| {
                let (of_mean, of_log_variance) = out.split_at_mut(latent);
                let (gradient, log_variance) = (gradient.row(row), halves(parameters, row).1);
                of_mean.copy_from_slice(gradient);
                reparameterise_slope(of_log_variance, gradient, log_variance, noise.row(row));
            })
        });
        let of_noise = want_noise.then(|| {
            // A sample at mean 0, with the gradient for noise.
            let zero = vec![0.0; latent];
            noise.map_rows(|row, out| {
                let (_, log_variance) = halves(parameters, row);
                elementwise::reparameterise(out, &zero, log_variance, gradient.row(row));
            })
        });
        [of_parameters, of_noise]
    }
}

impl Fused<1> for GaussianKl {
    fn forward(&self, [parameters]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let kl = parameters.per_row(|row| {
            let (mean, log_variance) = halves(parameters, row);
            elementwise::gaussian_kl(mean, log_variance)
        });
        (kl, Shape::new([parameters.rows()]))
    }

    fn backward(
        &self,
        [parameters]: [View<'_>; 1],
        _kl: View<'_>,
        gradient: &mut [f32],
        [wanted]: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        [wanted.then(|| {
            parameters.map_rows(|row, out| {
                let (mean, log_variance) = halves(parameters, row);
                let (of_mean, of_log_variance) = out.split_at_mut(mean.len());
                scaled(of_mean, mean, gradient[row]);
                gaussian_kl_slope(of_log_variance, log_variance, gradient[row]);
            })
        })]
    }
}
