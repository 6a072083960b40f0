//! Distributions over rows of numbers: prior, posterior and likelihood are all of this kind.

mod bernoulli;
mod categorical;
mod code;
mod continuous_bernoulli;
mod diagonal_gaussian;
mod discretized_logistic;
#[cfg(test)]
mod draw_tests;
mod gaussian;
mod host;
mod mixture;
mod multinomial;
mod negative_binomial;
mod per_column;
mod poisson;
mod posterior;
mod standard_normal;
#[cfg(test)]
mod whole_tests;
mod zero_inflated;

/// Implements [`Distribution`] for an enum of distributions.
macro_rules! any_distribution {
    ($name:ident: $($kind:ident),*) => {
        impl<B: Backend> Distribution<B> for $name<B> {
            fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
                match self { $(Self::$kind(of) => of.sample(count, step)),* }
            }

            fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
                match self { $(Self::$kind(of) => of.log_prob(value)),* }
            }

            fn mean(&self) -> Tensor<B, 2> {
                match self { $(Self::$kind(of) => of.mean()),* }
            }

            fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
                match self { $(Self::$kind(of) => of.nll(value)),* }
            }

            fn kl(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 1>> {
                match self { $(Self::$kind(of) => of.kl(q)),* }
            }

            fn kl_per_dimension(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 2>> {
                match self { $(Self::$kind(of) => of.kl_per_dimension(q)),* }
            }
        }
    };
}

use std::fmt::Debug;

use burn::tensor::{Tensor, backend::Backend};

use crate::StepContext;

pub use bernoulli::Bernoulli;
pub use categorical::Categorical;
pub use code::{Code, Grid};
pub use continuous_bernoulli::ContinuousBernoulli;
pub use diagonal_gaussian::{DiagonalGaussian, repeat_rows, select_rows};
pub use discretized_logistic::DiscretizedLogistic;
pub use gaussian::{Gaussian, Spread};
pub(crate) use host::ln_gamma;
pub use mixture::GaussianMixture;
pub use multinomial::Multinomial;
pub use negative_binomial::NegativeBinomial;
pub use per_column::{PerColumn, Tails};
pub use poisson::Poisson;
pub use posterior::{Kl, Posterior, draw_with_kl, draw_with_log_ratio};
pub use standard_normal::StandardNormal;
pub(crate) use standard_normal::standard_log_prob;
pub use zero_inflated::ZeroInflatedNegativeBinomial;

/// `log(2 pi)`
pub(crate) const LOG_2_PI: f64 = 1.837_877_066_409_345_5;

/// A distribution for each of some rows: a posterior or a likelihood has a row for each example, a
/// prior has one row, which every code belongs to.
///
/// Where there are more values than rows, as after [`Distribution::sample`] with a count above 1, the
/// rows repeat: value `i` belongs to row `i % rows`.
pub trait Distribution<B: Backend>: Clone + Debug {
    /// Draws `count` values for each row, row after row and then all rows again. Differentiable with
    /// respect to the parameters where the distribution can be reparameterised.
    ///
    /// # Shapes
    /// - output: `[count * rows, width]`
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2>;

    /// Logarithm of the density or probability in nats, summed over the width.
    ///
    /// # Shapes
    /// - `value`: `[count * rows, width]`
    /// - output: `[count * rows]`
    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1>;

    /// Expectation of each row.
    ///
    /// # Shapes
    /// - output: `[rows, width]`
    fn mean(&self) -> Tensor<B, 2>;

    /// [`Distribution::log_prob`], negated: what a reconstruction term charges.
    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.log_prob(value).neg()
    }

    /// Draws as [`Distribution::sample`] does, with the log-density of each draw, which some
    /// distributions know best while they draw.
    ///
    /// # Shapes
    /// - output: `[count * rows, width]`, `[count * rows]`
    fn sample_with_log_prob(
        &self,
        count: usize,
        step: &StepContext,
    ) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let value = self.sample(count, step);
        let log_prob = self.log_prob(value.clone());
        (value, log_prob)
    }

    /// `KL(q || self)` in nats, where it has a closed form for a Gaussian `q`.
    ///
    /// # Shapes
    /// - output: `[batch]`
    fn kl(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 1>> {
        let of_each = self.kl_per_dimension(q)?;
        Some(of_each.sum_dim(1).squeeze_dim(1))
    }

    /// The parts of [`Distribution::kl`] that belong to each dimension, where it is a sum of such.
    ///
    /// # Shapes
    /// - output: `[batch, width]`
    fn kl_per_dimension(&self, q: &DiagonalGaussian<B>) -> Option<Tensor<B, 2>> {
        let _ = q;
        None
    }
}

/// The rows of a distribution's parameters that belong to `value`, which may have them several times.
///
/// # Shapes
/// - `parameters`: `[rows, width]`
/// - output: `[rows of value, width]`
fn rows_for<B: Backend>(parameters: &Tensor<B, 2>, value: &Tensor<B, 2>) -> Tensor<B, 2> {
    let count = value.dims()[0] / parameters.dims()[0].max(1);
    repeat_rows(parameters.clone(), count)
}
