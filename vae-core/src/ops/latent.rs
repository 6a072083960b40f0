//! Sampling from a diagonal Gaussian, and its KL divergence, from the mean and the log-variance
//! side by side in one tensor, as an encoder gives them.

use burn::tensor::{Tensor, backend::Backend};

use super::{apply, primitive};

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

#[derive(Debug, Clone)]
pub(super) struct Reparameterise;

#[derive(Debug, Clone)]
pub(super) struct GaussianKl;

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
