//! Completion of examples of which a part is missing, by iterated conditional sampling.

mod importance;

use burn::tensor::{Bool, Tensor, backend::Backend};

use crate::{
    Autoencoder, Batch, Code, Distribution, Error, Result, StepContext, distribution::repeat_rows,
};

pub use importance::complete_by_importance;

/// New codes whose decodings are averaged to the mean of what a model expects.
const EXPECTED: usize = 16;

/// How the chains of completions move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// A code from the posterior, then what is missing from the likelihood, in turn (Rezende 2014, appendix F). It
    /// is exact only where the posterior is.
    Gibbs,
    /// The same with each code as a proposal, which is accepted so that the chain is exact in the limit, whatever
    /// the posterior (Mattei 2018, "Leveraging the exact likelihood of deep latent variable models", algorithm
    /// 2), after so many steps without.
    Metropolis {
        /// Steps of [`Chain::Gibbs`] that come first.
        after: usize,
    },
}

/// What a missing value is at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Missing, and it stays so: each code is drawn given what is there alone. For likelihoods that take NaN in
    /// their encoder's input, and models that have learned from such.
    Missing,
    /// 0: the training mean of standardised features.
    Zero,
    /// The mean of what the prior's codes stand for, under the condition of the example; of a model without prior
    /// the mean of what is there of the example.
    Expected,
}

/// Completions of some examples.
#[derive(Debug, Clone)]
pub struct Completed<B: Backend> {
    /// The mean of the likelihood, averaged over the codes: the second half of all chains. `[batch, features]`
    pub mean: Tensor<B, 2>,
    /// Examples drawn from the likelihood of the last code of each chain, for models whose code has no
    /// distribution its mean; nothing where none was asked for. `[chains * batch, features]`
    pub drawn: Option<Tensor<B, 2>>,
    /// Share of the proposals that were accepted, where there were any.
    pub accepted: Option<f64>,
}

/// The chains of [`complete`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chains {
    /// How they move.
    pub chain: Chain,
    /// Where they start.
    pub start: Start,
    /// How many there are of each example, at least 1.
    pub count: usize,
    /// Steps of each, at least 1.
    pub steps: usize,
    /// What is drawn while nothing is corrected stays between these: a chain that leaves the data may never
    /// come back.
    pub bounds: (f32, f32),
}

/// Completes the examples of a batch, whose target is NaN where something is missing; what is there stays as it
/// is. The code of a model may be a point: then what is missing is replaced by the mean of the likelihood, again
/// and again. `goes_on` is asked before each step.
///
/// # Errors
/// [`Error::Unfit`] if the chain is [`Chain::Metropolis`] and the code is no [`Code::Posterior`], and
/// [`Error::Stopped`] when `goes_on` says no.
///
/// # Panics
/// If there is no step or no chain.
pub fn complete<B: Backend>(
    model: &impl Autoencoder<B>,
    batch: &Batch<B>,
    how: &Chains,
    step: &StepContext,
    goes_on: &dyn Fn() -> bool,
) -> Result<Completed<B>> {
    let Chains {
        chain,
        start,
        count: chains,
        steps,
        bounds,
    } = *how;
    assert!(chains > 0 && steps > 0, "at least one step of one chain");
    let examples = batch.len();
    let first = started(model, batch, start, step);
    let positions: Vec<usize> = (0..chains).flat_map(|_| 0..examples).collect();
    let observed = batch.select(&positions);
    let missing = observed.target.clone().is_nan();
    let fill = |with: Tensor<B, 2>| with_input(&observed, &missing, with);
    let mut state = fill(repeat_rows(first, chains));

    let (mut accepted, mut proposed) = (0.0, 0.0);
    let (mut sum, mut summed) = (None, 0);
    let mut last: Option<Proposal<B>> = None;
    let mut condition = None;
    let mut drawn = None;
    for number in 0..steps {
        if !goes_on() {
            return Err(Error::Stopped);
        }
        let code = model.encode(&state, step);
        let corrects = match chain {
            Chain::Gibbs => false,
            Chain::Metropolis { after } => number >= after,
        };
        // The class that a model guesses may change with the example, and the chain's target would with it.
        if !corrects || number == 0 {
            condition = model.condition(&state, step);
        }
        let decode = |z: Tensor<B, 2>| model.decode(z, condition.as_ref(), step);
        let parameters = match (corrects, &code) {
            (false, _) => {
                let z = code.draw(step);
                let parameters = decode(z.clone());
                last = Some(Proposal { z, parameters });
                last.as_ref().map(|last| last.parameters.clone())
            }
            (true, Code::Posterior(posterior)) => {
                let (z, log_q) = posterior.sample_with_log_prob(1, step);
                let new = Proposal {
                    parameters: decode(z.clone()),
                    z,
                };
                let log_weight = |of: &Proposal<B>, log_q: Tensor<B, 1>| {
                    let likelihood = model.likelihood(of.parameters.clone());
                    likelihood.log_prob(state.input.clone()) + model.log_prior(of.z.clone(), step)
                        - log_q
                };
                let chosen = match &last {
                    None => new,
                    Some(old) => {
                        let log_q_old = posterior.log_prob(old.z.clone());
                        let ratio = log_weight(&new, log_q) - log_weight(old, log_q_old);
                        let uniform = step.uniform([examples * chains], &ratio.device());
                        // Not below: where the ratio is NaN, the chain stays.
                        let accepts: Tensor<B, 1, Bool> = uniform.log().lower(ratio);
                        accepted += count(&accepts);
                        proposed += (examples * chains) as f64;
                        old.or(new, accepts)
                    }
                };
                last = Some(chosen);
                last.as_ref().map(|last| last.parameters.clone())
            }
            (true, _) => {
                return Err(Error::Unfit(
                    "only a code that is one distribution over a row of numbers can be accepted or refused"
                        .into(),
                ));
            }
        };
        let likelihood = model.likelihood(parameters.expect("there is a code by now"));
        let is_point = matches!(code, Code::Point(_) | Code::Grid(_));
        let next = match is_point {
            true => likelihood.mean(),
            false => likelihood.sample(1, step),
        };
        if number >= steps / 2 {
            let mean = likelihood.mean();
            sum = Some(match sum {
                None => mean,
                Some(sum) => mean + sum,
            });
            summed += 1;
        }
        if start != Start::Missing {
            state = fill(match corrects {
                true => next.clone(),
                false => next.clone().clamp(bounds.0, bounds.1),
            });
        }
        drawn = Some(next);
    }
    let sum = sum.expect("the last step is in the second half");
    let [_, features] = sum.dims();
    let mean = sum.reshape([chains, examples * features]).sum_dim(0);
    Ok(Completed {
        mean: mean
            .reshape([examples, features])
            .div_scalar((chains * summed) as f64),
        drawn,
        accepted: (proposed > 0.0).then(|| accepted / proposed),
    })
}

/// A code, and what the decoder makes of it.
struct Proposal<B: Backend> {
    z: Tensor<B, 2>,
    parameters: Tensor<B, 2>,
}

impl<B: Backend> Proposal<B> {
    /// `new` in the rows where it is accepted.
    fn or(&self, new: Self, accepts: Tensor<B, 1, Bool>) -> Self {
        let choose = |old: &Tensor<B, 2>, new: Tensor<B, 2>| {
            let rows: Tensor<B, 2, Bool> = accepts.clone().unsqueeze_dim(1);
            old.clone().mask_where(rows.expand(new.dims()), new)
        };
        Self {
            z: choose(&self.z, new.z),
            parameters: choose(&self.parameters, new.parameters),
        }
    }
}

fn count<B: Backend>(of: &Tensor<B, 1, Bool>) -> f64 {
    let count = of.clone().float().sum().into_data();
    count.iter::<f64>().sum()
}

/// The examples with `values` where something is missing.
fn with_input<B: Backend>(
    observed: &Batch<B>,
    missing: &Tensor<B, 2, Bool>,
    values: Tensor<B, 2>,
) -> Batch<B> {
    let input = observed.target.clone().mask_where(missing.clone(), values);
    Batch {
        target: input.clone(),
        input,
        ..observed.clone()
    }
}

/// What the missing values are at first. `[batch, features]`
fn started<B: Backend>(
    model: &impl Autoencoder<B>,
    batch: &Batch<B>,
    start: Start,
    step: &StepContext,
) -> Tensor<B, 2> {
    let (target, dims) = (batch.target.clone(), batch.target.dims());
    match start {
        Start::Missing => return target,
        Start::Zero => return target.zeros_like(),
        Start::Expected => {}
    }
    let missing = target.clone().is_nan();
    let there = missing.clone().bool_not().float().sum_dim(1); // [batch, 1]
    let mean = target.mask_fill(missing.clone(), 0.0).sum_dim(1) / there.clamp_min(1.0);
    let of_example = mean.expand(dims);
    let filled = with_input(batch, &missing, of_example.clone());
    let prior = StepContext::sample(EXPECTED as u64);
    let device = of_example.device();
    let Some(codes) = model.sample(EXPECTED, &prior, &device) else {
        return of_example;
    };
    let condition = model.condition(&filled, step);
    let [features, latent] = [dims[1], codes.dims()[1]];
    let decode = |z: Tensor<B, 2>, condition: Option<&Tensor<B, 2>>| {
        model.likelihood(model.decode(z, condition, step)).mean()
    };
    let Some(condition) = condition else {
        let mean = decode(codes, None).mean_dim(0); // [1, features]
        return mean.expand([dims[0], features]);
    };
    let of_code = (0..EXPECTED).map(|at| {
        let z = codes.clone().narrow(0, at, 1).expand([dims[0], latent]);
        decode(z, Some(&condition))
    });
    let sum = of_code.reduce(|sum, of| sum + of);
    sum.expect("some codes").div_scalar(EXPECTED as f64)
}
