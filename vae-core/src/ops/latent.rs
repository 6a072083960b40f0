//! Sampling from a diagonal Gaussian, and its KL divergence, from the mean and the log-variance
//! side by side in one tensor, as an encoder gives them.

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::elementwise::{self, gaussian_kl_slope, reparameterise_slope, scaled},
};

/// Mean and log-variance, each `[batch, latent]`.
fn split<B: Backend>(parameters: Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let latent = parameters.dims()[1] / 2;
    (
        parameters.clone().narrow(1, 0, latent),
        parameters.narrow(1, latent, latent),
    )
}

/// `mean + exp(log_variance / 2) * noise` (Kingma & Welling 2014, section 2.4).
///
/// # Shapes
/// - `parameters`: `[batch, 2 * latent]`, the mean and then the log-variance
/// - `noise`: `[batch, latent]`
/// - output: `[batch, latent]`
pub fn reparameterise<B: Backend>(parameters: Tensor<B, 2>, noise: Tensor<B, 2>) -> Tensor<B, 2> {
    apply(&Reparameterise, [primitive(&parameters), primitive(&noise)])
        .unwrap_or_else(|| reparameterise_reference(parameters, noise))
}

fn reparameterise_reference<B: Backend>(
    parameters: Tensor<B, 2>,
    noise: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let (mean, log_variance) = split(parameters);
    mean + log_variance.mul_scalar(0.5).exp() * noise
}

/// `KL(N(mean, variance) || N(0, I))` in nats, summed over the latent dimensions:
/// `sum (mean^2 + variance - log variance - 1) / 2` (Kingma & Welling 2014, appendix B).
///
/// # Shapes
/// - `parameters`: `[batch, 2 * latent]`, the mean and then the log-variance
/// - output: `[batch]`
pub fn gaussian_kl<B: Backend>(parameters: Tensor<B, 2>) -> Tensor<B, 1> {
    apply(&GaussianKl, [primitive(&parameters)]).unwrap_or_else(|| {
        gaussian_kl_per_dimension(parameters)
            .sum_dim(1)
            .squeeze_dim(1)
    })
}

/// The terms of [`gaussian_kl`].
///
/// # Shapes
/// - `parameters`: `[batch, 2 * latent]`, the mean and then the log-variance
/// - output: `[batch, latent]`
pub fn gaussian_kl_per_dimension<B: Backend>(parameters: Tensor<B, 2>) -> Tensor<B, 2> {
    let (mean, log_variance) = split(parameters);
    (mean.square() + log_variance.clone().exp() - log_variance)
        .sub_scalar(1.0)
        .mul_scalar(0.5)
}

/// The mean and the log-variance of one row.
fn halves<'a>(parameters: View<'a>, row: usize) -> (&'a [f32], &'a [f32]) {
    parameters.row(row).split_at(parameters.columns() / 2)
}

#[derive(Debug, Clone)]
struct Reparameterise;

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

#[derive(Debug, Clone)]
struct GaussianKl;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Latent {
        batch: usize,
        latent: usize,
        viewed: bool,
    }

    struct Sample(Latent);
    struct Kl(Latent);

    impl Latent {
        fn parameters<B: Backend>(&self, values: Tensor<B, 1>) -> Tensor<B, 2> {
            matrix(values, [self.batch, 2 * self.latent], self.viewed)
        }

        fn both<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let [parameters, noise] = inputs.try_into().unwrap();
            let noise = matrix(noise, [self.batch, self.latent], self.viewed);
            [self.parameters(parameters), noise]
        }
    }

    impl Probe for Sample {
        fn lengths(&self) -> Vec<usize> {
            let values = self.0.batch * self.0.latent;
            vec![2 * values, values]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, noise] = self.0.both(inputs);
            reparameterise(parameters, noise).flatten(0, 1)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [parameters, noise] = self.0.both(inputs);
            reparameterise_reference(parameters, noise).flatten(0, 1)
        }
    }

    impl Probe for Kl {
        fn lengths(&self) -> Vec<usize> {
            vec![2 * self.0.batch * self.0.latent]
        }

        fn fused<B: Backend>(&self, mut inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            gaussian_kl(self.0.parameters(inputs.remove(0)))
        }

        fn reference<B: Backend>(&self, mut inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            gaussian_kl_per_dimension(self.0.parameters(inputs.remove(0)))
                .sum_dim(1)
                .squeeze_dim(1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn both_match_the_reference(
            sizes: [prop::sample::Index; 2],
            viewed: bool,
            seed: u64,
        ) {
            let [batch, latent] = sizes.map(|size| 1 + size.index(150));
            let latent = || Latent { batch, latent, viewed };
            assert_same(&Sample(latent()), seed, &[]);
            assert_same(&Kl(latent()), seed, &[]);
            assert_same(&Sample(latent()), seed, &[f32::NAN, 20.0, -100.0]);
            assert_same(&Kl(latent()), seed, &[f32::NAN, 20.0, -100.0, f32::INFINITY]);
        }
    }
}
