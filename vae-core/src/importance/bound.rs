//! The importance weighted bound, and its gradient in portions.

use burn::tensor::{Tensor, backend::Backend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::portions;
use crate::{
    Batch, Distribution, Likelihood, Objective, Parts, Portion, StepContext,
    distribution::{Posterior, draw_with_log_ratio, repeat_rows},
    kl::kl_per_unit,
    log_sum::LogSum,
    parts::PriorOf,
};

/// How the gradient of the importance weighted bound is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BoundGradient {
    /// The bound's own gradient (Burda 2016, eq. 14). Its signal-to-noise ratio for the encoder
    /// falls as the number of samples grows (Rainforth 2018).
    #[default]
    Standard,
    /// The encoder's part doubly reparameterised (Tucker 2019, eq. 8): unbiased too, and its
    /// signal-to-noise ratio grows with the number of samples.
    DoublyReparameterized,
}

/// Codes up to which the bound and its gradient come from one pass.
const ROWS_AT_ONCE: usize = 8192;
/// Numbers that these codes are decoded to, at most.
const VALUES_AT_ONCE: usize = 1 << 23;

/// The importance weighted bound (Burda 2016, eq. 8) on `log p(x)`, negated: the expectation of
/// `-log(1/K sum_k w_k)` with `w_k = p(x|z_k) (p(z_k) / q(z_k|x))^kl_weight` and `K = samples` codes
/// of each example. Memory does not grow with `K`: beyond some thousand codes at a time, the weights
/// are computed first and the gradient follows in [portions](Objective::portions).
///
/// The objective's `reconstruction` is the mean of `-log p(x|z_k)` weighted by each code's share in the
/// sum: that of the codes which the bound takes for the posterior's (Cremer 2017). Its term
/// `importance` is the rest of the bound; the KL is a monitor.
///
/// # Panics
/// If `samples` is 0.
pub fn importance_weighted<B: Backend>(
    parts: &impl Parts<B>,
    batch: &Batch<B>,
    (samples, gradient): (usize, BoundGradient),
    kl_weight: f64,
    step: &StepContext,
) -> Objective<B> {
    assert!(samples > 0, "at least one sample");
    let start = step.clone();
    let device = batch.input.device();
    let posterior = parts.posterior(batch, step);
    let (rows, parameters) = (
        samples * batch.len(),
        parts.likelihood().parameters_per_feature(),
    );
    let values = rows * batch.target.dims()[1] * parameters;
    let is_standard = gradient == BoundGradient::Standard;
    // Else the weights come first, from a pass without gradient.
    let is_small = rows <= ROWS_AT_ONCE && values <= VALUES_AT_ONCE;
    let is_whole = step.is_alike() || (is_standard && step.is_training() && is_small);
    let counts = match is_whole {
        true => vec![samples],
        false => portions(samples, batch.len()),
    };
    let at_once = is_standard && counts.len() == 1;
    let (constant, origin) = if at_once {
        (parts.clone(), posterior.clone())
    } else {
        (parts.clone().no_grad(), posterior.detach())
    };
    let prior = constant.prior(step, &device);

    let mut steps = Vec::with_capacity(counts.len());
    let mut weighed = Vec::with_capacity(counts.len());
    for &count in &counts {
        // The gradient's pass draws the same noise and dropout from here.
        steps.push(step.clone());
        let (z, log_ratio) = draw_with_log_ratio(&origin, &prior, count, step);
        let nll = nll(&constant, batch, z, count, step);
        weighed.push(Weighed::new(nll, log_ratio, kl_weight));
    }
    let logs = weighed.iter().map(|w| w.log_weights.clone().detach());
    let sum = logs.clone().map(LogSum::of).reduce(LogSum::add);
    let sum = sum.expect("at least one sample");
    let shares = logs.map(|logs| sum.shares(logs)).collect::<Vec<_>>();
    let nll = weighed.iter().map(|w| w.nll.clone().detach());
    let nll = nll
        .zip(&shares)
        .map(|(nll, share)| (nll * share.clone()).sum_dim(0));
    let nll = nll
        .reduce(|sum, nll| sum + nll)
        .expect("at least one sample");
    let reconstruction = nll.squeeze_dim::<1>(0);
    let rest = sum.log_mean(samples).neg() - reconstruction.clone();
    let closed = (posterior.gaussian()).and_then(|gaussian| prior.kl(gaussian));
    let estimates: &[_] = if closed.is_some() { &[] } else { &["kl"] };
    let kl = closed.unwrap_or_else(|| {
        let sums = weighed.iter().map(|w| w.log_ratio.clone().sum_dim(0));
        let sum = sums.reduce(|a, b| a + b).expect("at least one sample");
        sum.div_scalar(-(samples as f64)).squeeze_dim(0)
    });

    let mut passes = shares.into_iter().zip(steps).map(|(shares, step)| Pass {
        shares,
        step,
        gradient,
        kl_weight,
    });
    let first = passes.next().expect("at least one sample");
    let rest = match weighed.pop() {
        Some(weighed) if at_once => with_gradient_of(rest, first.of_weights(weighed.log_weights)),
        _ if step.is_training() => {
            let prior = parts.prior(&start.clone(), &device);
            with_gradient_of(rest, first.surrogate(parts, batch, &posterior, &prior))
        }
        _ => rest,
    };
    let objective = Objective::new(reconstruction)
        .with_term("importance", rest, 1.0)
        .with_monitor("kl", kl)
        .with_estimates(estimates);
    if !step.is_training() {
        let per_unit = kl_per_unit(&posterior, &prior);
        return objective.with_kl_per_unit(per_unit).with_codes(posterior);
    }
    let objective = objective.with_codes(posterior);
    passes.fold(objective, |objective, pass| {
        let (parts, batch, start) = (parts.clone(), batch.clone(), start.clone());
        objective.with_portion(Portion::new(move || {
            let step = start.clone();
            let posterior = parts.posterior(&batch, &step);
            let prior = parts.prior(&step, &batch.input.device());
            pass.surrogate(&parts, &batch, &posterior, &prior)
        }))
    })
}

/// `-log p(x|z)` of `count` codes of each example. `[count, batch]`
fn nll<B: Backend>(
    parts: &impl Parts<B>,
    batch: &Batch<B>,
    z: Tensor<B, 2>,
    count: usize,
    step: &StepContext,
) -> Tensor<B, 2> {
    let repeated = |rows: &Tensor<B, 2>| repeat_rows(rows.clone(), count);
    let condition = batch.condition.as_ref().map(repeated);
    let parameters = parts.decode(z, condition.as_ref(), step);
    let likelihood = parts.likelihood().distribution(parameters);
    let nll = likelihood.nll(repeated(&batch.target));
    nll.reshape([count, batch.len()])
}

/// Codes with what they are worth. `[count, batch]` each
struct Weighed<B: Backend> {
    /// Logarithms of `p(x|z) (p(z) / q(z|x))^kl_weight`.
    log_weights: Tensor<B, 2>,
    /// `-log p(x|z)`
    nll: Tensor<B, 2>,
    /// `log p(z) - log q(z|x)`
    log_ratio: Tensor<B, 2>,
}

impl<B: Backend> Weighed<B> {
    fn new(nll: Tensor<B, 2>, log_ratio: Tensor<B, 1>, kl_weight: f64) -> Self {
        let log_ratio = log_ratio.reshape(nll.dims());
        let weighted = match kl_weight {
            1.0 => log_ratio.clone(),
            weight => log_ratio.clone().mul_scalar(weight),
        };
        Self {
            log_weights: weighted - nll.clone(),
            nll,
            log_ratio,
        }
    }
}

/// `value`, which is constant, with the gradient of `surrogate`.
fn with_gradient_of<B: Backend>(value: Tensor<B, 1>, surrogate: Tensor<B, 1>) -> Tensor<B, 1> {
    value + (surrogate.clone() - surrogate.detach())
}

/// A pass over some of the codes whose share in the sum of all weights is known.
struct Pass<B: Backend> {
    /// Constant. `[count, batch]`
    shares: Tensor<B, 2>,
    /// Where the noise begins.
    step: StepContext,
    gradient: BoundGradient,
    kl_weight: f64,
}

impl<B: Backend> Pass<B> {
    /// What has the gradient of the negated bound, as far as it goes through these codes. `[batch]`
    fn surrogate<P: Parts<B>>(
        &self,
        parts: &P,
        batch: &Batch<B>,
        posterior: &Posterior<B>,
        prior: &PriorOf<B, P>,
    ) -> Tensor<B, 1> {
        let [count, rows] = self.shares.dims();
        let step = self.step.clone();
        match self.gradient {
            BoundGradient::Standard => {
                let (z, log_ratio) = draw_with_log_ratio(posterior, prior, count, &step);
                let nll = nll(parts, batch, z, count, &step);
                self.of_weights(Weighed::new(nll, log_ratio, self.kl_weight).log_weights)
            }
            BoundGradient::DoublyReparameterized => {
                // The gradients of decoder and prior have the share, the code's the square of it.
                let z = posterior.sample(count, &step);
                let shares = self.shares.clone().reshape([count * rows, 1]);
                let fixed = z.clone().detach();
                let damped = fixed.clone() + (z.clone() - fixed) * shares;
                let nll = nll(parts, batch, damped.clone(), count, &step);
                let by_code = |values: Tensor<B, 1>| {
                    let values = values.reshape([count, rows]);
                    values.mul_scalar(self.kl_weight)
                };
                let log_prior = by_code(prior.log_prob(damped));
                // Along the code alone: no gradient reaches the posterior's parameters but through it.
                let log_posterior = by_code(posterior.detach().log_prob(z));
                let of_each = self.shares.clone() * (nll - log_prior)
                    + self.shares.clone().square() * log_posterior;
                of_each.sum_dim(0).squeeze_dim(0)
            }
        }
    }

    /// As [`Pass::surrogate`], from the logarithms of the weights. `[count, batch]`
    fn of_weights(&self, log_weights: Tensor<B, 2>) -> Tensor<B, 1> {
        let of_each = self.shares.clone() * log_weights;
        of_each.sum_dim(0).squeeze_dim::<1>(0).neg()
    }
}
