//! Completion by codes that are weighed, without a chain.

use burn::tensor::{Tensor, backend::Backend};

use super::Completed;
use crate::{
    Autoencoder, Batch, Distribution, Draws, Error, Result, StepContext, distribution::repeat_rows,
    importance::portions,
};

/// Completes the examples of a batch, whose target is NaN where something is missing, by `codes` codes of each
/// from the posterior given what is there, `q(z|x_observed)`, each with the weight
/// `p(x_observed|z) p(z) / q(z|x_observed)` (Mattei 2019, "MIWAE", eq. 10 to 12): exact in the limit of many codes. The
/// likelihood must leave out what is NaN, as [`PerColumn`](crate::PerColumn) does. `draws` codes are chosen
/// by their weights, and an example drawn from the likelihood of each. `goes_on` is asked now and then.
///
/// # Errors
/// [`Error::Unfit`] if the model gives no likelihood, and [`Error::Stopped`] when `goes_on` says no.
///
/// # Panics
/// If there is no code.
pub fn complete_by_importance<B: Backend>(
    model: &impl Autoencoder<B>,
    batch: &Batch<B>,
    (draws, codes): (usize, usize),
    step: &StepContext,
    goes_on: &dyn Fn() -> bool,
) -> Result<Completed<B>> {
    assert!(codes > 0, "at least one code");
    let examples = batch.len();
    let sampler = model.draws(batch, step).ok_or_else(|| {
        Error::Unfit("a model that gives no likelihood weighs no codes".to_owned())
    })?;
    let condition = model.condition(batch, step);
    let mut sum: Option<Sum<B>> = None;
    let mut chosen: Vec<Chosen<B>> = Vec::new();
    for count in portions(codes, examples) {
        if !goes_on() {
            return Err(Error::Stopped);
        }
        let Draws { z, log_ratio } = sampler(count, step);
        let repeated = |rows: &Tensor<B, 2>| repeat_rows(rows.clone(), count);
        let parameters = model.decode(z.clone(), condition.as_ref().map(repeated).as_ref(), step);
        let likelihood = model.likelihood(parameters);
        let nll = likelihood.nll(repeated(&batch.target));
        let log_weights = (log_ratio - nll).reshape([count, examples]);
        let of_portion = Sum::of(log_weights.clone(), likelihood.mean());
        sum = Some(match sum {
            None => of_portion,
            Some(sum) => sum.add(of_portion),
        });
        for number in 0..draws {
            let more = Chosen::of(log_weights.clone(), z.clone(), step);
            match chosen.get_mut(number) {
                None => chosen.push(more),
                Some(before) => *before = before.or(more),
            }
        }
    }
    let mean = sum.expect("at least one code").mean();
    let drawn = chosen.into_iter().map(|chosen| {
        let parameters = model.decode(chosen.z, condition.as_ref(), step);
        model.likelihood(parameters).sample(1, step)
    });
    let drawn: Vec<_> = drawn.collect();
    Ok(Completed {
        drawn: (!drawn.is_empty()).then(|| Tensor::cat(drawn, 0)),
        mean,
        accepted: None,
    })
}

/// Sums of weights and of weighted rows, without overflow.
struct Sum<B: Backend> {
    /// Logarithm of the largest weight. `[batch, 1]`
    largest: Tensor<B, 2>,
    /// In units of the largest weight. `[batch, 1]`
    weights: Tensor<B, 2>,
    /// In units of the largest weight. `[batch, features]`
    rows: Tensor<B, 2>,
}

impl<B: Backend> Sum<B> {
    /// # Shapes
    /// - `log_weights`: `[count, batch]`
    /// - `rows`: `[count * batch, features]`
    fn of(log_weights: Tensor<B, 2>, rows: Tensor<B, 2>) -> Self {
        let ([count, examples], [_, features]) = (log_weights.dims(), rows.dims());
        let largest = log_weights.clone().max_dim(0); // [1, batch]
        let weights = (log_weights - largest.clone()).exp(); // [count, batch]
        let rows = rows.reshape([count, examples, features])
            * weights.clone().reshape([count, examples, 1]);
        Self {
            largest: largest.reshape([examples, 1]),
            weights: weights.sum_dim(0).reshape([examples, 1]),
            rows: rows.sum_dim(0).reshape([examples, features]),
        }
    }

    fn add(self, other: Self) -> Self {
        let largest = self.largest.clone().max_pair(other.largest.clone());
        let factors = [&self, &other].map(|sum| (sum.largest.clone() - largest.clone()).exp());
        let [mine, others] = factors;
        Self {
            weights: self.weights * mine.clone() + other.weights * others.clone(),
            rows: self.rows * mine + other.rows * others,
            largest,
        }
    }

    fn mean(self) -> Tensor<B, 2> {
        self.rows / self.weights
    }
}

/// A code of each example, chosen with probabilities that are its weights, by the largest of their logarithms with
/// Gumbel noise: so it can be chosen while codes come.
struct Chosen<B: Backend> {
    /// `[batch, 1]`
    key: Tensor<B, 2>,
    /// `[batch, latent]`
    z: Tensor<B, 2>,
}

/// Keeps a logarithm finite.
const SMALLEST: f64 = 1e-30;

impl<B: Backend> Chosen<B> {
    /// # Shapes
    /// - `log_weights`: `[count, batch]`
    /// - `z`: `[count * batch, latent]`
    fn of(log_weights: Tensor<B, 2>, z: Tensor<B, 2>, step: &StepContext) -> Self {
        let ([count, examples], [_, latent]) = (log_weights.dims(), z.dims());
        let uniform: Tensor<B, 2> = step.uniform([count, examples], &z.device());
        let exponential = uniform.clamp_min(SMALLEST).log().neg().clamp_min(SMALLEST);
        let (key, index) = (log_weights - exponential.log()).max_dim_with_indices(0);
        let index = index
            .reshape([1, examples, 1])
            .expand([1, examples, latent]);
        Self {
            key: key.reshape([examples, 1]),
            z: z.reshape([count, examples, latent])
                .gather(0, index)
                .reshape([examples, latent]),
        }
    }

    fn or(&self, other: Self) -> Self {
        let wins = other.key.clone().greater(self.key.clone());
        Self {
            key: self.key.clone().max_pair(other.key),
            z: self
                .z
                .clone()
                .mask_where(wins.expand(other.z.dims()), other.z),
        }
    }
}
