//! Loops over rows of counts: see [`crate::ops::counts`] for the formulas.

use super::{
    elementwise::total,
    gamma::{
        at_least, deviance, digamma_remainder, log_ratio, soft_limit, softplus, stirling_remainder,
    },
    math::{exp, log, sigmoid},
    vectorised,
};
use crate::ops::{
    counts::{LOG_RATE, SMALL},
    gamma::LEAST,
};

vectorised! {
    /// `-log p(counts)` of Poisson variables, summed.
    pub(in crate::ops) fn poisson_nll<const FMA: bool>(log_rate: &[f32], counts: &[f32]) -> f32 {
        let mut nll = vec![0.0; counts.len()];
        for ((nll, &log_rate), &k) in nll.iter_mut().zip(log_rate).zip(counts) {
            let rate = exp::<FMA>(soft_limit(log_rate, LOG_RATE)[0]);
            let ratio = log_ratio::<FMA>(k, rate);
            *nll = deviance::<FMA>(k, rate, k - rate, ratio) + stirling_remainder::<FMA>(k);
        }
        total(&nll)
    }
}

vectorised! {
    /// The derivative of [`poisson_nll`] with respect to the log rates, times `scale`.
    pub(in crate::ops) fn poisson_slope<const FMA: bool>(
        out: &mut [f32],
        log_rate: &[f32],
        counts: &[f32],
        scale: f32,
    ) {
        for ((out, &log_rate), &k) in out.iter_mut().zip(log_rate).zip(counts) {
            let [log_rate, slope] = soft_limit(log_rate, LOG_RATE);
            *out = scale * slope * (exp::<FMA>(log_rate) - k);
        }
    }
}

/// `-log p(k)` of a negative binomial variable.
#[inline(always)]
fn negative_binomial<const FMA: bool>(log_mean: f32, log_theta: f32, k: f32) -> f32 {
    let mean = exp::<FMA>(soft_limit(log_mean, LOG_RATE)[0]);
    let theta = exp::<FMA>(soft_limit(log_theta, LOG_RATE)[0]);
    let (both, n) = (mean + theta, k + theta);
    let share = theta / both;
    let gap = (k - mean) * share;
    let (of_k, of_theta) = (n * (mean / both), n * share);
    let off = both / n;
    let ratio = log::<FMA>(at_least(k, LEAST as f32) / mean * off);
    deviance::<FMA>(k, of_k, gap, ratio)
        + deviance::<FMA>(theta, of_theta, -gap, log::<FMA>(off))
        + log::<FMA>(n / theta)
        + stirling_remainder::<FMA>(k)
        + stirling_remainder::<FMA>(theta)
        - stirling_remainder::<FMA>(n)
}

/// The derivatives of [`negative_binomial`] with respect to both parameters. With
/// `r = n / (theta + mu)`, that of `log p` by `log theta` is
/// `theta (psi(n) - log n - psi(theta) + log theta + log r + 1 - r)`.
#[inline(always)]
fn negative_binomial_slope<const FMA: bool>(log_mean: f32, log_theta: f32, k: f32) -> [f32; 2] {
    let [log_mean, mean_slope] = soft_limit(log_mean, LOG_RATE);
    let [log_theta, theta_slope] = soft_limit(log_theta, LOG_RATE);
    let (mean, theta) = (exp::<FMA>(log_mean), exp::<FMA>(log_theta));
    let (both, n) = (mean + theta, k + theta);
    let missed = deviance::<FMA>(both, n, mean - k, log::<FMA>(both / n)) / both;
    let curved = digamma_remainder::<FMA>(theta) - digamma_remainder::<FMA>(n);
    [
        mean_slope * (mean - k) * (theta / both),
        theta_slope * theta * (curved + missed),
    ]
}

vectorised! {
    /// `-log p(counts)` of negative binomial variables, summed.
    pub(in crate::ops) fn negative_binomial_nll<const FMA: bool>(
        parameters: &[f32],
        counts: &[f32],
    ) -> f32 {
        let (log_means, log_thetas) = parameters.split_at(counts.len());
        let mut nll = vec![0.0; counts.len()];
        let variables = log_means.iter().zip(log_thetas).zip(counts);
        for (nll, ((&log_mean, &log_theta), &k)) in nll.iter_mut().zip(variables) {
            *nll = negative_binomial::<FMA>(log_mean, log_theta, k);
        }
        total(&nll)
    }
}

vectorised! {
    /// The derivative of [`negative_binomial_nll`] with respect to the parameters, times `scale`.
    pub(in crate::ops) fn negative_binomial_nll_slope<const FMA: bool>(
        out: &mut [f32],
        parameters: &[f32],
        counts: &[f32],
        scale: f32,
    ) {
        let (log_means, log_thetas) = parameters.split_at(counts.len());
        let (of_mean, of_theta) = out.split_at_mut(counts.len());
        let out = of_mean.iter_mut().zip(of_theta);
        for ((out, (&log_mean, &log_theta)), &k) in
            out.zip(log_means.iter().zip(log_thetas)).zip(counts)
        {
            let [of_mean, of_theta] = negative_binomial_slope::<FMA>(log_mean, log_theta, k);
            (*out.0, *out.1) = (scale * of_mean, scale * of_theta);
        }
    }
}

/// The three parts of the parameters of zero-inflated variables.
fn thirds(parameters: &[f32], features: usize) -> [&[f32]; 3] {
    let (log_means, rest) = parameters.split_at(features);
    let (log_thetas, logits) = rest.split_at(features);
    [log_means, log_thetas, logits]
}

vectorised! {
    /// `-log p(counts)` of zero-inflated negative binomial variables, summed.
    pub(in crate::ops) fn zero_inflated_nll<const FMA: bool>(
        parameters: &[f32],
        counts: &[f32],
    ) -> f32 {
        let [log_means, log_thetas, logits] = thirds(parameters, counts.len());
        let mut nll = vec![0.0; counts.len()];
        let variables = log_means.iter().zip(log_thetas).zip(logits).zip(counts);
        for (nll, (((&log_mean, &log_theta), &logit), &k)) in nll.iter_mut().zip(variables) {
            let without = negative_binomial::<FMA>(log_mean, log_theta, k);
            let difference = logit + without;
            let none = softplus::<FMA>(logit);
            let counted = none + without - softplus::<FMA>(difference);
            let inflated = softplus::<FMA>(-logit) - softplus::<FMA>(-difference);
            let zero = if difference > 0.0 { inflated } else { counted };
            *nll = if k < 0.5 { zero } else { without + none };
        }
        total(&nll)
    }
}

vectorised! {
    /// The derivative of [`zero_inflated_nll`] with respect to the parameters, times `scale`.
    pub(in crate::ops) fn zero_inflated_slope<const FMA: bool>(
        out: &mut [f32],
        parameters: &[f32],
        counts: &[f32],
        scale: f32,
    ) {
        let features = counts.len();
        let [log_means, log_thetas, logits] = thirds(parameters, features);
        let (of_mean, rest) = out.split_at_mut(features);
        let (of_theta, of_logit) = rest.split_at_mut(features);
        for (i, &k) in counts.iter().enumerate() {
            let (log_mean, log_theta, logit) = (log_means[i], log_thetas[i], logits[i]);
            let without = negative_binomial::<FMA>(log_mean, log_theta, k);
            let [by_mean, by_theta] = negative_binomial_slope::<FMA>(log_mean, log_theta, k);
            // The share of the counted zeros.
            let share = if k < 0.5 { sigmoid::<FMA>(-(logit + without)) } else { 1.0 };
            of_mean[i] = scale * share * by_mean;
            of_theta[i] = scale * share * by_theta;
            of_logit[i] = scale * (share - sigmoid::<FMA>(-logit));
        }
    }
}

/// The largest logit, and the logarithm of the sum of the exponentials of the differences to it.
#[inline(always)]
pub(super) fn log_sum<const FMA: bool>(logits: &[f32]) -> [f32; 2] {
    let mut largest = f32::NEG_INFINITY;
    for &logit in logits {
        largest = if logit > largest { logit } else { largest };
    }
    let mut sum = 0.0;
    for &logit in logits {
        sum += exp::<FMA>(logit - largest);
    }
    [largest, log::<FMA>(sum)]
}

vectorised! {
    /// `-log p(counts)` of a multinomial variable with the total of the counts.
    pub(in crate::ops) fn multinomial_nll<const FMA: bool>(logits: &[f32], counts: &[f32]) -> f32 {
        let [largest, log_sum] = log_sum::<FMA>(logits);
        let events = total(counts);
        let mut nll = vec![0.0; counts.len()];
        for ((nll, &logit), &k) in nll.iter_mut().zip(logits).zip(counts) {
            let log_p = logit - largest - log_sum;
            let mean = events * exp::<FMA>(log_p);
            let exact = log_ratio::<FMA>(k, at_least(mean, SMALL as f32));
            let small = log_ratio::<FMA>(k, at_least(events, 1.0)) - log_p;
            let ratio = if mean < SMALL as f32 { small } else { exact };
            *nll = deviance::<FMA>(k, mean, k - mean, ratio) + stirling_remainder::<FMA>(k);
        }
        total(&nll) - stirling_remainder::<FMA>(events)
    }
}

vectorised! {
    /// The derivative of [`multinomial_nll`] with respect to the logits, times `scale`.
    pub(in crate::ops) fn multinomial_slope<const FMA: bool>(
        out: &mut [f32],
        logits: &[f32],
        counts: &[f32],
        scale: f32,
    ) {
        let [largest, log_sum] = log_sum::<FMA>(logits);
        let events = total(counts);
        for ((out, &logit), &k) in out.iter_mut().zip(logits).zip(counts) {
            *out = scale * (events * exp::<FMA>(logit - largest - log_sum) - k);
        }
    }
}
