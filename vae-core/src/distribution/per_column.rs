//! The likelihood of the rows of a table.

use std::sync::Arc;

use burn::tensor::{Tensor, activation::softmax, backend::Backend};

use super::{
    Distribution, gaussian::MIN_LOG_SIGMA, negative_binomial::for_rows, repeat_rows, rows_for,
};
use crate::{
    StepContext,
    ops::{self, ColumnWidth},
};

/// How the numbers of a table are distributed around their means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tails {
    /// As a Gaussian.
    Gaussian,
    /// As Student's t with these degrees of freedom, above 0, and the standard deviation as its scale.
    Student(f64),
}

impl Tails {
    /// The smooth lower bound of the logarithms of the scales. That of Student's t is higher: in data with
    /// columns that repeat each other the likelihood would grow without limit on a few rows.
    pub(crate) fn floor(self) -> f64 {
        match self {
            Self::Gaussian => MIN_LOG_SIGMA,
            Self::Student(_) => -3.0,
        }
    }
}

/// Independent cells: a Gaussian or Student's t for a number, whose standard deviation is its column's, a softmax for a
/// category. A cell that is NaN in any of its places is missing: it adds nothing to [`Distribution::log_prob`]
/// and gets no gradient.
#[derive(Debug, Clone)]
pub struct PerColumn<B: Backend> {
    /// The mean of each number and the logits of each category, column after column. `[rows, places]`
    pub parameters: Tensor<B, 2>,
    /// Logarithms of the standard deviations before the smooth lower bound `softplus(x + 6) - 6`; nothing
    /// if no column is a number. `[number columns]`
    pub log_sigma: Option<Tensor<B, 1>>,
    /// The columns.
    pub columns: Arc<[ColumnWidth]>,
    /// What the numbers are.
    pub tails: Tails,
}

impl<B: Backend> PerColumn<B> {
    /// The columns' parts side by side: `number` of the means and the column's place among those of numbers,
    /// `category` of the logits.
    fn join(
        &self,
        parameters: Tensor<B, 2>,
        number: impl Fn(Tensor<B, 2>, usize) -> Tensor<B, 2>,
        category: impl Fn(Tensor<B, 2>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let mut numbers = 0;
        let parts = ops::with_places(&self.columns).map(|(column, first)| {
            let part = parameters.clone().narrow(1, first, column.places());
            match column {
                ColumnWidth::Number => {
                    numbers += 1;
                    number(part, numbers - 1)
                }
                ColumnWidth::Levels(_) => category(part),
            }
        });
        Tensor::cat(parts.collect(), 1)
    }
}

/// Student's t from two uniform numbers `u` and `v`: `sqrt(nu (u^(-2/nu) - 1)) cos(2 pi v)` (Bailey 1994).
fn student<B: Backend>(
    freedom: f64,
    shape: [usize; 2],
    device: &B::Device,
    step: &StepContext,
) -> Tensor<B, 2> {
    let [u, v]: [Tensor<B, 2>; 2] = [step.uniform(shape, device), step.uniform(shape, device)];
    // Uniform numbers can be 0, and one less them cannot.
    let u = u.neg().add_scalar(1.0);
    let square = u.log().mul_scalar(-2.0 / freedom).exp().sub_scalar(1.0);
    let radius = square.mul_scalar(freedom).clamp_min(0.0).sqrt();
    radius * v.mul_scalar(std::f64::consts::TAU).cos()
}

impl<B: Backend> Distribution<B> for PerColumn<B> {
    /// Numbers with noise, categories as one 1 among zeros. Differentiable with respect to the former.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let parameters = repeat_rows(self.parameters.clone(), count);
        let ([rows, _], device) = (parameters.dims(), parameters.device());
        let sigma = self.log_sigma.clone();
        let floor = self.tails.floor();
        let sigma = sigma.map(|log_sigma| ops::soft_floor(log_sigma, floor).exp());
        let number = |mean: Tensor<B, 2>, at| {
            let sigma = sigma.clone().expect("a number has a standard deviation");
            let noise: Tensor<B, 2> = match self.tails {
                Tails::Gaussian => step.normal([rows, 1], &device),
                Tails::Student(freedom) => student(freedom, [rows, 1], &device, step),
            };
            mean + noise * sigma.narrow(0, at, 1).unsqueeze::<2>()
        };
        let category = |logits: Tensor<B, 2>| {
            let levels = logits.dims()[1];
            let sums = softmax(logits.detach(), 1).cumsum(1);
            let u: Tensor<B, 2> = step.uniform([rows, 1], &device);
            let passed = sums
                .lower_equal(u.expand([rows, levels]))
                .float()
                .sum_dim(1);
            let chosen = passed.clamp_max((levels - 1) as f64);
            let level = Tensor::<B, 1, burn::tensor::Int>::arange(0..levels as i64, &device);
            let level = level.float().unsqueeze::<2>().expand([rows, levels]);
            level.equal(chosen.expand([rows, levels])).float()
        };
        self.join(parameters, number, category)
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let parameters = rows_for(&self.parameters, &value);
        let parameters = match &self.log_sigma {
            Some(log_sigma) => {
                let log_sigma = for_rows(log_sigma, &parameters);
                Tensor::cat(vec![parameters, log_sigma], 1)
            }
            None => parameters,
        };
        ops::columns_nll(&self.columns, parameters, value, self.tails)
    }

    /// Means of numbers, probabilities of levels.
    fn mean(&self) -> Tensor<B, 2> {
        self.join(
            self.parameters.clone(),
            |mean, _| mean,
            |logits| softmax(logits, 1),
        )
    }
}
