//! The multinomial likelihood.

use burn::tensor::{Tensor, TensorData, activation::softmax, backend::Backend};

use super::{
    Distribution,
    host::{self, BinomialOf, Whole},
    repeat_rows, rows_for,
};
use crate::{StepContext, ops};

/// Rows of counts given their sum (Liang 2018, eq. 1 and 2, with the multinomial coefficient): each of so many
/// events falls on one feature, with the probabilities that are the softmax of the logits.
///
/// What [`Distribution::log_prob`] is asked about brings its own sum, and a row of zeros has log-probability
/// 0. A draw, the mean and the marginals need a sum: it is [`Multinomial::totals`], 1 unless others are given.
#[derive(Debug, Clone)]
pub struct Multinomial<B: Backend> {
    /// `[rows, features]`
    pub logits: Tensor<B, 2>,
    /// How many events a row has, whole numbers. `[rows, 1]`
    pub totals: Tensor<B, 2>,
}

impl<B: Backend> Multinomial<B> {
    /// Of one event: the mean is the probabilities.
    ///
    /// # Shapes
    /// - `logits`: `[rows, features]`
    pub fn new(logits: Tensor<B, 2>) -> Self {
        let totals = Tensor::ones([logits.dims()[0], 1], &logits.device());
        Self { logits, totals }
    }

    /// Of as many events as rows of counts have.
    ///
    /// # Shapes
    /// - `counts`: `[rows, features]`
    #[must_use]
    pub fn with_totals_of(self, counts: Tensor<B, 2>) -> Self {
        Self {
            totals: counts.sum_dim(1),
            ..self
        }
    }

    /// `P(X <= value)` of each feature alone, which is binomial, without gradient.
    ///
    /// # Shapes
    /// - `value`, output: `[count * rows, features]`
    pub fn cdf(&self, value: Tensor<B, 2>) -> Tensor<B, 2> {
        let probability = rows_for(&softmax(self.logits.clone(), 1), &value);
        let trials = rows_for(&self.totals, &value).expand(value.dims());
        host::map([trials, probability, value], |[trials, probability, k]| {
            let probability = probability.min(1.0);
            BinomialOf {
                trials,
                probability,
            }
            .below(k)
        })
    }
}

impl<B: Backend> Distribution<B> for Multinomial<B> {
    /// Feature by feature: each is binomial, given how many events those before it have left. By inversion,
    /// on the host; without gradient.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let logits = repeat_rows(self.logits.clone(), count);
        let (shape @ [_, features], device) = (logits.dims(), logits.device());
        let numbers = |tensor: Tensor<B, 2>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
        let [high, low] = host::uniform::<B>(shape, &device, step).map(numbers);
        let totals = numbers(repeat_rows(self.totals.clone(), count));
        let mut values = Vec::with_capacity(high.len());
        for (row, logits) in numbers(logits).chunks_exact(features).enumerate() {
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
            let mut events = totals[row].round();
            // The weights from each feature on: a difference to the sum of those before would be noise.
            let mut rests = weights.clone();
            for i in (0..features - 1).rev() {
                rests[i] += rests[i + 1];
            }
            for (i, (weight, rest)) in weights.iter().zip(rests).enumerate() {
                let at = row * features + i;
                let drawn = match weight / rest {
                    _ if events == 0.0 => 0.0,
                    share if share < 1.0 => {
                        let binomial = BinomialOf {
                            trials: events,
                            probability: share,
                        };
                        binomial
                            .quantile(host::joined(high[at], low[at]))
                            .min(events)
                    }
                    // All the weight that is left; nothing, if it is 0 / 0.
                    share if share >= 1.0 => events,
                    _ => 0.0,
                };
                events -= drawn;
                values.push(drawn as f32);
            }
        }
        Tensor::from_data(TensorData::new(values, shape), &device)
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        self.nll(value).neg()
    }

    fn nll(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        ops::multinomial_nll(rows_for(&self.logits, &value), value)
    }

    /// The probabilities times the totals.
    fn mean(&self) -> Tensor<B, 2> {
        softmax(self.logits.clone(), 1) * self.totals.clone()
    }
}
