//! Diagonal Gaussians, each in a row of its own.

use burn::tensor::{BasicOps, Tensor, TensorData, backend::Backend};

use super::{Distribution, LOG_2_PI};
use crate::{StepContext, log_sum::LogSum, ops};

/// `N(mean, diag(exp(log_variance)))`, one row per example.
#[derive(Debug, Clone)]
pub struct DiagonalGaussian<B: Backend> {
    /// The mean and then the log-variance. `[batch, 2 * latent]`
    parameters: Tensor<B, 2>,
}

impl<B: Backend> DiagonalGaussian<B> {
    /// The Gaussian that a network's output describes: the mean in its first half, the natural
    /// logarithm of the variance in its second.
    ///
    /// # Shapes
    /// - `parameters`: `[batch, 2 * latent]`
    pub fn from_parameters(parameters: Tensor<B, 2>) -> Self {
        Self { parameters }
    }

    /// # Shapes
    /// - `mean`, `log_variance`: `[batch, latent]`
    pub fn new(mean: Tensor<B, 2>, log_variance: Tensor<B, 2>) -> Self {
        Self::from_parameters(Tensor::cat(vec![mean, log_variance], 1))
    }

    /// The mean and then the log-variance. `[batch, 2 * latent]`
    pub fn parameters(&self) -> Tensor<B, 2> {
        self.parameters.clone()
    }

    /// `[batch, latent]`
    pub fn dims(&self) -> [usize; 2] {
        let [batch, width] = self.parameters.dims();
        [batch, width / 2]
    }

    /// Where the tensors are.
    pub fn device(&self) -> B::Device {
        self.parameters.device()
    }

    /// `[batch, latent]`
    pub fn mean(&self) -> Tensor<B, 2> {
        let [_, latent] = self.dims();
        self.parameters.clone().narrow(1, 0, latent)
    }

    /// Natural logarithm of the variance. `[batch, latent]`
    pub fn log_variance(&self) -> Tensor<B, 2> {
        let [_, latent] = self.dims();
        self.parameters.clone().narrow(1, latent, latent)
    }

    /// The standard deviation. `[batch, latent]`
    pub fn deviation(&self) -> Tensor<B, 2> {
        self.log_variance().mul_scalar(0.5).exp()
    }

    /// Standard normal noise for `count` codes of each example. `[count * batch, latent]`
    pub fn noise(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let [batch, latent] = self.dims();
        step.normal([count * batch, latent], &self.device())
    }

    /// The code that `noise` stands for: `mean + exp(log_variance / 2) * noise` (Kingma & Welling 2014,
    /// section 2.4).
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal
    /// - output: `[batch, latent]`
    pub fn at(&self, noise: Tensor<B, 2>) -> Tensor<B, 2> {
        ops::reparameterise(self.parameters.clone(), noise)
    }

    /// The Gaussians at `positions`, in that order.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        Self::from_parameters(select_rows(&self.parameters, positions))
    }

    /// The same Gaussians as constants: no gradient reaches what they were made of.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self::from_parameters(self.parameters.clone().detach())
    }

    /// The same Gaussians `count` times over. `[count * batch, latent]`
    #[must_use]
    pub fn repeat(&self, count: usize) -> Self {
        Self::from_parameters(repeat_rows(self.parameters.clone(), count))
    }

    /// `log N` of the codes that `noise` stands for, in nats, summed over the latent dimensions.
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`
    /// - output: `[batch]`
    pub fn log_prob_at(&self, noise: Tensor<B, 2>) -> Tensor<B, 1> {
        let [_, latent] = self.dims();
        let terms = noise.square() + self.log_variance();
        let sum = terms.sum_dim(1).squeeze_dim::<1>(1);
        sum.add_scalar(latent as f64 * LOG_2_PI).mul_scalar(-0.5)
    }

    /// `log N` of every value under the Gaussian of every row, in nats, by matrix products.
    ///
    /// # Shapes
    /// - `values`: `[values, latent]`
    /// - output: `[batch, values]`
    pub fn log_prob_of_all(&self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        let [_, latent] = self.dims();
        self.log_densities(values)
            .sub_scalar(0.5 * LOG_2_PI * latent as f64)
    }

    /// [`DiagonalGaussian::log_prob_of_all`] without the constant.
    fn log_densities(&self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        let (mean, log_variance) = (self.mean(), self.log_variance());
        let precision = log_variance.clone().neg().exp();
        let scaled = mean.clone() * precision.clone();
        let of_rows = (mean * scaled.clone() + log_variance).sum_dim(1); // [batch, 1]
        let values = values.transpose();
        let products =
            precision.matmul(values.clone().square()) - scaled.matmul(values).mul_scalar(2.0);
        (products + of_rows).mul_scalar(-0.5)
    }

    /// An estimate of the mutual information between example and code, in nats:
    /// `log q(z|x) - log q(z)` with `q(z)` the mean of the batch's posteriors (Hoffman & Johnson 2016;
    /// He 2019, section 4). At most `log(batch)`.
    ///
    /// # Shapes
    /// - `noise`: `[batch, latent]`, standard normal, one code for each example
    /// - output: `[batch]`
    pub fn mutual_information(&self, noise: Tensor<B, 2>) -> Tensor<B, 1> {
        let log_densities = self.log_densities(self.at(noise)); // [posteriors, codes]
        let marginal = LogSum::of(log_densities).log_mean(self.dims()[0].max(1));
        // The entropy is known.
        let own = self
            .log_variance()
            .add_scalar(1.0)
            .sum_dim(1)
            .mul_scalar(-0.5);
        own.squeeze_dim::<1>(1) - marginal
    }
}

impl<B: Backend> Distribution<B> for DiagonalGaussian<B> {
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        self.repeat(count).at(self.noise(count, step))
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let own = self.repeat(value.dims()[0] / self.dims()[0].max(1));
        let [_, latent] = own.dims();
        let log_variance = own.log_variance();
        let distance = (value - own.mean()).square();
        let terms = distance * log_variance.clone().neg().exp() + log_variance;
        let sum = terms.sum_dim(1).squeeze_dim::<1>(1);
        sum.add_scalar(latent as f64 * LOG_2_PI).mul_scalar(-0.5)
    }

    fn mean(&self) -> Tensor<B, 2> {
        DiagonalGaussian::mean(self)
    }

    fn sample_with_log_prob(
        &self,
        count: usize,
        step: &StepContext,
    ) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let (own, noise) = (self.repeat(count), self.noise(count, step));
        (own.at(noise.clone()), own.log_prob_at(noise))
    }

    /// `(log s_p^2 / s_q^2 + (s_q^2 + (m_q - m_p)^2) / s_p^2 - 1) / 2`
    fn kl_per_dimension(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 2>> {
        let log_variance = self.log_variance();
        let distance = (q.mean() - DiagonalGaussian::mean(self)).square();
        let ratio = (q.log_variance().exp() + distance) * log_variance.clone().neg().exp();
        Some(
            (log_variance - q.log_variance() + ratio)
                .sub_scalar(1.0)
                .mul_scalar(0.5),
        )
    }
}

/// All rows `count` times over. (The gradient of Burn 0.21's `repeat_dim` mixes the rows up.)
///
/// # Shapes
/// - `x`: `[rows, width]`
/// - output: `[count * rows, width]`
pub fn repeat_rows<B: Backend>(x: Tensor<B, 2>, count: usize) -> Tensor<B, 2> {
    if count == 1 {
        return x;
    }
    let [rows, width] = x.dims();
    let copies = x.unsqueeze_dim::<3>(0).expand([count, rows, width]);
    copies.reshape([count * rows, width])
}

/// The rows at `positions`, in that order.
pub fn select_rows<B: Backend, K: BasicOps<B>>(
    x: &Tensor<B, 2, K>,
    positions: &[usize],
) -> Tensor<B, 2, K> {
    let indices: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
    let indices = TensorData::new(indices, [positions.len()]);
    x.clone().select(0, Tensor::from_data(indices, &x.device()))
}

#[cfg(test)]
mod tests {
    use super::{super::StandardNormal, *};
    use burn_flex::Flex;

    fn gaussian(mean: [f32; 2], log_variance: [f32; 2]) -> DiagonalGaussian<Flex> {
        let device = Default::default();
        DiagonalGaussian::new(
            Tensor::from_data([mean], &device),
            Tensor::from_data([log_variance], &device),
        )
    }

    /// By hand: mean 1, variance 1 gives 1/2; mean 0, variance e gives (e - 1 - 1) / 2.
    #[test]
    fn kl_matches_hand_computation() {
        let q = gaussian([1.0, 0.0], [0.0, 1.0]);
        let prior = StandardNormal::new(2, Default::default());
        let kl: Vec<f32> = prior
            .kl_per_dimension(&q)
            .unwrap()
            .into_data()
            .to_vec()
            .unwrap();
        assert!((kl[0] - 0.5).abs() < 1e-6);
        assert!((kl[1] - (std::f32::consts::E - 2.0) / 2.0).abs() < 1e-6);
        let total: f32 = prior.kl(&q).unwrap().into_scalar();
        assert!((total - kl[0] - kl[1]).abs() < 1e-6);
    }

    /// Monte-Carlo: `KL = E_q[log q(z) - log p(z)]`, estimated from 200,000 samples.
    #[test]
    fn kl_matches_monte_carlo() {
        let (mean, log_variance) = ([0.7_f32, -1.2], [-0.9_f32, 0.4]);
        let q = gaussian(mean, log_variance);
        let samples = 200_000;
        let noise: Tensor<Flex, 2> =
            StepContext::train(3, 0, 1).normal([samples, 2], &Default::default());
        let wide = DiagonalGaussian::new(
            q.mean().repeat_dim(0, samples),
            q.log_variance().repeat_dim(0, samples),
        );
        let z: Vec<f32> = wide.at(noise).into_data().to_vec().unwrap();
        let log_normal = |z: f64, mean: f64, log_variance: f64| {
            -0.5 * (log_variance
                + (z - mean).powi(2) / log_variance.exp()
                + (2.0 * std::f64::consts::PI).ln())
        };
        let mut sum = 0.0;
        for row in z.chunks(2) {
            for j in 0..2 {
                let z = f64::from(row[j]);
                sum += log_normal(z, f64::from(mean[j]), f64::from(log_variance[j]))
                    - log_normal(z, 0.0, 0.0);
            }
        }
        let estimate = sum / samples as f64;
        let exact = f64::from(
            StandardNormal::new(2, Default::default())
                .kl(&q)
                .unwrap()
                .into_scalar(),
        );
        assert!(
            (estimate - exact).abs() < 0.01,
            "Monte Carlo {estimate}, analytic {exact}"
        );
    }

    /// Against the definition in double precision, by loops.
    #[test]
    fn mutual_information_of_a_batch() {
        let device = Default::default();
        let step = StepContext::train(3, 0, 1);
        let [mean, log_variance, noise] = [0; 3].map(|_| step.normal([7, 3], &device));
        let values = |tensor: &Tensor<Flex, 2>| -> Vec<Vec<f64>> {
            let values: Vec<f32> = tensor.to_data().to_vec().unwrap();
            let rows = values.chunks(3);
            rows.map(|row| row.iter().map(|&x| f64::from(x)).collect())
                .collect()
        };
        let (m, l, e) = (values(&mean), values(&log_variance), values(&noise));
        let log_density = |z: &[f64], j: usize| -> f64 {
            let terms = (0..3).map(|d| (z[d] - m[j][d]).powi(2) / l[j][d].exp() + l[j][d]);
            -0.5 * terms.sum::<f64>()
        };
        let expected = (0..7).map(|i| {
            let z: Vec<f64> = (0..3)
                .map(|d| m[i][d] + (0.5 * l[i][d]).exp() * e[i][d])
                .collect();
            let marginal = (0..7).map(|j| log_density(&z, j).exp()).sum::<f64>() / 7.0;
            let entropy: f64 = (0..3).map(|d| 0.5 * (1.0 + l[i][d])).sum();
            -entropy - marginal.ln()
        });
        let found = DiagonalGaussian::new(mean, log_variance).mutual_information(noise);
        let found: Vec<f32> = found.into_data().to_vec().unwrap();
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (f64::from(found) - expected).abs() < 1e-4,
                "{found}, not {expected}"
            );
        }
    }

    /// By hand: row 0 is weighted 1 and 100, row 1 10 and 1000.
    #[test]
    fn the_gradient_of_repeated_rows() {
        type Ad = burn_autodiff::Autodiff<Flex>;
        let device = Default::default();
        let x = Tensor::<Ad, 2>::from_data([[1.0], [2.0]], &device).require_grad();
        let weights = Tensor::<Ad, 2>::from_data([[1.0], [10.0], [100.0], [1000.0]], &device);
        let repeated = repeat_rows(x.clone(), 2);
        let values: Vec<f32> = repeated.to_data().to_vec().unwrap();
        assert_eq!(values, [1.0, 2.0, 1.0, 2.0]);
        let gradient = x.grad(&(repeated * weights).sum().backward()).unwrap();
        let gradient: Vec<f32> = gradient.into_data().to_vec().unwrap();
        assert_eq!(gradient, [101.0, 1010.0]);
    }
}
