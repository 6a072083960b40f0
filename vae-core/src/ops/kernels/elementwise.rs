//! Loops over rows of values: activations, likelihoods, the Gaussian posterior.

use super::{
    math::{exp, fma, log, log_1p_of_unit, normal, sigmoid, tanh},
    vectorised,
};
use crate::ops::activation::{Activation, LEAK};

/// Independent partial sums, so that a sum does not wait for itself.
const LANES: usize = 32;

/// The sum of `f(a, b)`.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    sum_of_three(a, b, b, |a, b, _| f(a, b))
}

/// The sum of `f(a, b, c)`.
#[inline(always)]
fn sum_of_three(a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let (c, c_rest) = c.as_chunks::<LANES>();
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for i in 0..LANES {
            lanes[i] += f(a[i], b[i], c[i]);
        }
    }
    let mut total = 0.0;
    for ((&a, &b), &c) in a_rest.iter().zip(b_rest).zip(c_rest) {
        total += f(a, b, c);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    total + lanes[0]
}

/// The sum of the values.
#[inline(always)]
pub(super) fn total(values: &[f32]) -> f32 {
    sum(values, values, |value, _| value)
}

/// Adds the bias to each row and applies `f`.
#[inline(always)]
fn activate(rows: &mut [f32], bias: &[f32], f: impl Fn(f32) -> f32) {
    for row in rows.chunks_exact_mut(bias.len()) {
        for (value, &bias) in row.iter_mut().zip(bias) {
            *value = f(*value + bias);
        }
    }
}

vectorised! {
    /// `activation(row + bias)` of each row, for an activation that [`slope`] knows.
    pub(in crate::ops) fn bias_and_activation<const FMA: bool>(
        rows: &mut [f32],
        bias: &[f32],
        activation: Activation,
    ) {
        match activation {
            Activation::Relu => activate(rows, bias, |x| if x < 0.0 { 0.0 } else { x }),
            Activation::LeakyRelu => {
                activate(rows, bias, |x| if x < 0.0 { LEAK as f32 * x } else { x });
            }
            Activation::Tanh => activate(rows, bias, tanh::<FMA>),
            Activation::Sigmoid => activate(rows, bias, sigmoid::<FMA>),
            Activation::Identity | Activation::Gelu | Activation::Silu => {
                activate(rows, bias, |x| x);
            }
        }
    }
}

/// Multiplies each gradient with `f(output)` and adds it to the sum of its column.
#[inline(always)]
fn scale_and_sum(
    gradient: &mut [f32],
    output: &[f32],
    sums: &mut [f32],
    f: impl Fn(f32, f32) -> f32,
) {
    let width = sums.len();
    let rows = gradient.chunks_exact_mut(width);
    for (gradient, output) in rows.zip(output.chunks_exact(width)) {
        for ((gradient, &output), sum) in gradient.iter_mut().zip(output).zip(&mut *sums) {
            *gradient = f(*gradient, output);
            *sum += *gradient;
        }
    }
}

vectorised! {
    /// Adds rows to `sums`.
    pub(in crate::ops) fn add_rows<const FMA: bool>(rows: &[f32], sums: &mut [f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

vectorised! {
    /// Turns the gradient after an activation into the one before it, from the activation's
    /// output alone, and adds its rows to `sums`.
    pub(in crate::ops) fn slope<const FMA: bool>(
        gradient: &mut [f32],
        output: &[f32],
        sums: &mut [f32],
        activation: Activation,
    ) {
        match activation {
            Activation::Relu => {
                scale_and_sum(gradient, output, sums, |g, y| if y <= 0.0 { 0.0 } else { g });
            }
            Activation::LeakyRelu => {
                let leak = LEAK as f32;
                scale_and_sum(gradient, output, sums, |g, y| if y <= 0.0 { leak * g } else { g });
            }
            Activation::Tanh => scale_and_sum(gradient, output, sums, |g, y| g * (1.0 - y * y)),
            Activation::Sigmoid => scale_and_sum(gradient, output, sums, |g, y| g * y * (1.0 - y)),
            Activation::Identity | Activation::Gelu | Activation::Silu => add_rows(gradient, sums),
        }
    }
}

/// Applies `f` to each value.
#[inline(always)]
fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    for value in values {
        *value = f(*value);
    }
}

vectorised! {
    /// `activation(x)` of each value.
    pub(in crate::ops) fn activation<const FMA: bool>(values: &mut [f32], activation: Activation) {
        match activation {
            Activation::Identity => {}
            Activation::Relu => map(values, |x| if x < 0.0 { 0.0 } else { x }),
            Activation::LeakyRelu => map(values, |x| if x < 0.0 { LEAK as f32 * x } else { x }),
            Activation::Gelu => map(values, |x| x * normal::<FMA>(x)[0]),
            Activation::Silu => map(values, |x| x * sigmoid::<FMA>(x)),
            Activation::Tanh => map(values, tanh::<FMA>),
            Activation::Sigmoid => map(values, sigmoid::<FMA>),
        }
    }
}

/// Multiplies each gradient with `f(input)`.
#[inline(always)]
fn scale(gradient: &mut [f32], input: &[f32], f: impl Fn(f32) -> f32) {
    for (gradient, &x) in gradient.iter_mut().zip(input) {
        *gradient *= f(x);
    }
}

vectorised! {
    /// Turns the gradient after an activation into the one before it, from the activation's input.
    pub(in crate::ops) fn activation_slope<const FMA: bool>(
        gradient: &mut [f32],
        input: &[f32],
        activation: Activation,
    ) {
        match activation {
            Activation::Identity => {}
            Activation::Relu => scale(gradient, input, |x| if x <= 0.0 { 0.0 } else { 1.0 }),
            Activation::LeakyRelu => {
                scale(gradient, input, |x| if x <= 0.0 { LEAK as f32 } else { 1.0 });
            }
            Activation::Gelu => scale(gradient, input, |x| {
                let [distribution, density] = normal::<FMA>(x);
                fma::<FMA>(x, density, distribution)
            }),
            Activation::Silu => scale(gradient, input, |x| {
                let s = sigmoid::<FMA>(x);
                s * fma::<FMA>(x, 1.0 - s, 1.0)
            }),
            Activation::Tanh => scale(gradient, input, |x| {
                let y = tanh::<FMA>(x);
                1.0 - y * y
            }),
            Activation::Sigmoid => scale(gradient, input, |x| {
                let y = sigmoid::<FMA>(x);
                y * (1.0 - y)
            }),
        }
    }
}

vectorised! {
    /// Multiplies the values whose bit is set with `scale`, the others with 0; each word holds the bits of 64 of them.
    pub(in crate::ops) fn keep<const FMA: bool>(values: &mut [f32], bits: &[u64], scale: f32) {
        for (values, &bits) in values.chunks_mut(u64::BITS as usize).zip(bits) {
            for (bit, value) in values.iter_mut().enumerate() {
                *value *= if bits >> bit & 1 == 1 { scale } else { 0.0 };
            }
        }
    }
}

vectorised! {
    /// `a *= b`
    pub(in crate::ops) fn multiply<const FMA: bool>(a: &mut [f32], b: &[f32]) {
        for (a, &b) in a.iter_mut().zip(b) {
            *a *= b;
        }
    }
}

vectorised! {
    /// `sum += scale a`
    pub(in crate::ops) fn add_multiple<const FMA: bool>(sum: &mut [f32], a: &[f32], scale: f32) {
        for (sum, &a) in sum.iter_mut().zip(a) {
            *sum = fma::<FMA>(scale, a, *sum);
        }
    }
}

vectorised! {
    /// `sum += scale a b`
    pub(in crate::ops) fn add_products<const FMA: bool>(
        sum: &mut [f32],
        a: &[f32],
        b: &[f32],
        scale: f32,
    ) {
        for ((sum, &a), &b) in sum.iter_mut().zip(a).zip(b) {
            *sum = fma::<FMA>(scale * a, b, *sum);
        }
    }
}

vectorised! {
    /// `sum a b`
    pub(in crate::ops) fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| a * b)
    }
}

vectorised! {
    /// `a += b`
    pub(in crate::ops) fn add<const FMA: bool>(a: &mut [f32], b: &[f32]) {
        for (a, &b) in a.iter_mut().zip(b) {
            *a += b;
        }
    }
}

vectorised! {
    /// `-log p(target | logits)` of Bernoulli variables, summed: `max(l, 0) - l x + log(1 +
    /// exp(-|l|))`.
    pub(in crate::ops) fn bernoulli_nll<const FMA: bool>(logits: &[f32], target: &[f32]) -> f32 {
        sum(logits, target, |l, x| {
            let above = if l < 0.0 { 0.0 } else { l };
            fma::<FMA>(-l, x, above) + log_1p_of_unit::<FMA>(exp::<FMA>(-l.abs()))
        })
    }
}

vectorised! {
    /// `scale (sigmoid(l) - x)`: the derivative of [`bernoulli_nll`] with respect to the logits.
    pub(in crate::ops) fn bernoulli_slope<const FMA: bool>(
        out: &mut [f32],
        logits: &[f32],
        target: &[f32],
        scale: f32,
    ) {
        for ((out, &l), &x) in out.iter_mut().zip(logits).zip(target) {
            *out = scale * (sigmoid::<FMA>(l) - x);
        }
    }
}

/// Below this size of a logit the continuous Bernoulli's formulas use their Taylor series, which
/// are good to single precision up to here.
const SERIES: f32 = 0.5;

vectorised! {
    /// `-log p(target | logits)` of continuous Bernoulli variables, summed: `max(l, 0) - l x +
    /// log((1 - exp(-|l|)) / |l|)`.
    pub(in crate::ops) fn continuous_bernoulli_nll<const FMA: bool>(
        logits: &[f32],
        target: &[f32],
    ) -> f32 {
        sum(logits, target, |l, x| {
            let (size, above) = (l.abs(), if l < 0.0 { 0.0 } else { l });
            let square = l * l;
            let near = fma::<FMA>(square, 1.0 / 181_440.0, -1.0 / 2880.0);
            let near = fma::<FMA>(fma::<FMA>(near, square, 1.0 / 24.0), square, -0.5 * size);
            let far = log::<FMA>((1.0 - exp::<FMA>(-size)) / size);
            fma::<FMA>(-l, x, above) + if size < SERIES { near } else { far }
        })
    }
}

vectorised! {
    /// `scale (mean(l) - x)`: the derivative of [`continuous_bernoulli_nll`] with respect to the
    /// logits, with the mean `1 / (1 - exp(-l)) - 1 / l`.
    pub(in crate::ops) fn continuous_bernoulli_slope<const FMA: bool>(
        out: &mut [f32],
        logits: &[f32],
        target: &[f32],
        scale: f32,
    ) {
        for ((out, &l), &x) in out.iter_mut().zip(logits).zip(target) {
            let (size, square) = (l.abs(), l * l);
            let near = fma::<FMA>(square, 1.0 / 30_240.0, -1.0 / 720.0);
            let near = fma::<FMA>(fma::<FMA>(near, square, 1.0 / 12.0), l, 0.5);
            let above = 1.0 / (1.0 - exp::<FMA>(-size)) - 1.0 / size;
            let far = if l < 0.0 { 1.0 - above } else { above };
            *out = scale * (if size < SERIES { near } else { far } - x);
        }
    }
}

/// An example and the parameters of its Gaussian.
#[derive(Clone, Copy)]
pub(in crate::ops) struct GaussianRow<'a> {
    mean: &'a [f32],
    /// Before its lower bound.
    log_sigma: &'a [f32],
    target: &'a [f32],
    floor: f32,
}

impl<'a> GaussianRow<'a> {
    /// The first half of the parameters are the means.
    pub fn new(parameters: &'a [f32], target: &'a [f32], floor: f64) -> Self {
        let (mean, log_sigma) = parameters.split_at(target.len());
        Self {
            mean,
            log_sigma,
            target,
            floor: floor as f32,
        }
    }

    /// `1 / sigma^2`, `log sigma` and its slope, from what it is before its lower bound.
    #[inline(always)]
    fn scale<const FMA: bool>(self, log_sigma: f32) -> [f32; 3] {
        let above = log_sigma - self.floor;
        let small = exp::<FMA>(-above.abs());
        let softplus = if above < 0.0 { 0.0 } else { above } + log_1p_of_unit::<FMA>(small);
        let bounded = self.floor + softplus;
        let slope = if above < 0.0 { small } else { 1.0 } / (1.0 + small);
        [exp::<FMA>(-2.0 * bounded), bounded, slope]
    }
}

vectorised! {
    /// `(mean - x)^2 / (2 sigma^2) + log sigma`, summed.
    pub(in crate::ops) fn gaussian_nll<const FMA: bool>(row: GaussianRow<'_>) -> f32 {
        sum_of_three(row.mean, row.log_sigma, row.target, |mean, log_sigma, x| {
            let [precision, log_sigma, _] = row.scale::<FMA>(log_sigma);
            fma::<FMA>(0.5 * (mean - x) * (mean - x), precision, log_sigma)
        })
    }
}

vectorised! {
    /// The derivative of [`gaussian_nll`] with respect to the parameters, times `scale`.
    pub(in crate::ops) fn gaussian_slope<const FMA: bool>(
        out: &mut [f32],
        row: GaussianRow<'_>,
        scale: f32,
    ) {
        let (means, log_sigmas) = out.split_at_mut(row.target.len());
        let out = means.iter_mut().zip(log_sigmas);
        let inputs = row.mean.iter().zip(row.log_sigma).zip(row.target);
        for ((of_mean, of_log_sigma), ((&mean, &log_sigma), &x)) in out.zip(inputs) {
            let [precision, _, slope] = row.scale::<FMA>(log_sigma);
            *of_mean = scale * (mean - x) * precision;
            *of_log_sigma = scale * slope * (1.0 - (mean - x) * (mean - x) * precision);
        }
    }
}

vectorised! {
    /// The derivative of [`gaussian_nll`] with respect to the target, times `scale`.
    pub(in crate::ops) fn gaussian_target_slope<const FMA: bool>(
        out: &mut [f32],
        row: GaussianRow<'_>,
        scale: f32,
    ) {
        let inputs = row.mean.iter().zip(row.log_sigma).zip(row.target);
        for (out, ((&mean, &log_sigma), &x)) in out.iter_mut().zip(inputs) {
            *out = scale * (x - mean) * row.scale::<FMA>(log_sigma)[0];
        }
    }
}

vectorised! {
    /// `sum (a - b)^2`
    pub(in crate::ops) fn squared_error<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
        sum(a, b, |a, b| (a - b) * (a - b))
    }
}

vectorised! {
    /// `scale (a - b)`
    pub(in crate::ops) fn scaled_difference<const FMA: bool>(
        out: &mut [f32],
        a: &[f32],
        b: &[f32],
        scale: f32,
    ) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = scale * (a - b);
        }
    }
}

vectorised! {
    /// `out = scale a`
    pub(in crate::ops) fn scaled<const FMA: bool>(out: &mut [f32], a: &[f32], scale: f32) {
        for (out, &a) in out.iter_mut().zip(a) {
            *out = scale * a;
        }
    }
}

vectorised! {
    /// `mean + exp(log_variance / 2) noise`
    pub(in crate::ops) fn reparameterise<const FMA: bool>(
        out: &mut [f32],
        mean: &[f32],
        log_variance: &[f32],
        noise: &[f32],
    ) {
        let inputs = mean.iter().zip(log_variance).zip(noise);
        for (out, ((&mean, &log_variance), &noise)) in out.iter_mut().zip(inputs) {
            *out = fma::<FMA>(exp::<FMA>(0.5 * log_variance), noise, mean);
        }
    }
}

vectorised! {
    /// The derivative of [`reparameterise`] with respect to the log-variance:
    /// `gradient exp(log_variance / 2) noise / 2`.
    pub(in crate::ops) fn reparameterise_slope<const FMA: bool>(
        out: &mut [f32],
        gradient: &[f32],
        log_variance: &[f32],
        noise: &[f32],
    ) {
        let inputs = gradient.iter().zip(log_variance).zip(noise);
        for (out, ((&gradient, &log_variance), &noise)) in out.iter_mut().zip(inputs) {
            *out = 0.5 * gradient * exp::<FMA>(0.5 * log_variance) * noise;
        }
    }
}

vectorised! {
    /// `sum (mean^2 + exp(log_variance) - log_variance - 1) / 2`
    pub(in crate::ops) fn gaussian_kl<const FMA: bool>(mean: &[f32], log_variance: &[f32]) -> f32 {
        0.5 * sum(mean, log_variance, |mean, log_variance| {
            fma::<FMA>(mean, mean, exp::<FMA>(log_variance) - log_variance - 1.0)
        })
    }
}

vectorised! {
    /// `scale (exp(log_variance) - 1) / 2`
    pub(in crate::ops) fn gaussian_kl_slope<const FMA: bool>(
        out: &mut [f32],
        log_variance: &[f32],
        scale: f32,
    ) {
        for (out, &log_variance) in out.iter_mut().zip(log_variance) {
            *out = 0.5 * scale * (exp::<FMA>(log_variance) - 1.0);
        }
    }
}
