//! What is computed on the host, in double precision: distribution functions of counts, and counts drawn by
//! inverting them.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::StepContext;

/// `f` of the values in the same place of every input, all of one shape.
pub(super) fn map<B: Backend, const N: usize>(
    inputs: [Tensor<B, 2>; N],
    f: impl Fn([f64; N]) -> f64,
) -> Tensor<B, 2> {
    let (shape, device) = (inputs[0].dims(), inputs[0].device());
    let inputs = inputs.map(|input| input.into_data().iter::<f64>().collect::<Vec<_>>());
    let values: Vec<f32> = (0..shape[0] * shape[1])
        .map(|i| f(inputs.each_ref().map(|input| input[i])) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &device)
}

/// Uniform numbers on `[0, 1)` of 48 bits: those of a tensor have 24, too few for the tails of counts.
/// The first part of each, and the second, which [`joined`] puts together.
pub(super) fn uniform<B: Backend>(
    shape: [usize; 2],
    device: &B::Device,
    step: &StepContext,
) -> [Tensor<B, 2>; 2] {
    [step.uniform(shape, device), step.uniform(shape, device)]
}

/// The number whose parts [`uniform`] gave.
pub(super) fn joined(high: f64, low: f64) -> f64 {
    high + low / f64::from(1 << 24)
}

/// `log Gamma(x)` for `x > 0`: Stirling's series from 10 on, below by the recurrence.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let square = x.powi(-2);
    let series = [-1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0]
        .iter()
        .fold(1.0 / 1188.0, |sum, c| sum * square + c);
    let half_log_2_pi = 0.5 * (2.0 * std::f64::consts::PI).ln();
    (x - 0.5) * x.ln() - x + half_log_2_pi + series / x - f64::ln(product)
}

/// More terms than any argument needs that counts can have.
const MOST_TERMS: usize = 1_000_000;
/// Stands for 0 in a denominator of a continued fraction.
const TINY: f64 = 1e-300;

/// The continued fraction `1 / (first + a(1) / (b(1) + a(2) / (b(2) + ...)))` (Lentz 1976), where `term(i)`
/// gives `[a(i), b(i)]`.
fn continued_fraction(first: f64, term: impl Fn(f64) -> [f64; 2]) -> f64 {
    let not_0 = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut d = 1.0 / not_0(first);
    let (mut c, mut value) = (1.0 / TINY, d);
    for i in 1..MOST_TERMS {
        let [a, b] = term(i as f64);
        d = 1.0 / not_0(b + a * d);
        c = not_0(b + a / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
}

/// `Q(a, x)`, the upper incomplete gamma function divided by the whole one, for `a > 0` (Abramowitz & Stegun
/// 1964, 6.5.29 and 6.5.31).
pub(super) fn gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let factor = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for i in 1..MOST_TERMS {
            term *= x / (a + i as f64);
            sum += term;
            if term < sum * 1e-16 {
                break;
            }
        }
        1.0 - factor * sum
    } else {
        let term = |i: f64| [-i * (i - a), x + 2.0 * i + 1.0 - a];
        factor * continued_fraction(x + 1.0 - a, term)
    }
}

/// `I_x(a, b)`, the incomplete beta function divided by the whole one, for `a, b > 0`, where `y` is `1 - x`
/// (Abramowitz & Stegun 1964, 26.5.8).
pub(super) fn beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    // The fraction converges fast on one side.
    if x > (a + 1.0) / (a + b + 2.0) {
        1.0 - lower_beta(b, a, y, x)
    } else {
        lower_beta(a, b, x, y)
    }
}

fn lower_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let factor = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln();
    let term = |i: f64| {
        let m = (0.5 * i).floor();
        let last = a + i;
        let top = match i % 2.0 == 0.0 {
            true => m * (b - m),
            false => -(a + m) * (a + b + m),
        };
        [top * x / ((last - 1.0) * last), 1.0]
    };
    factor.exp() / a * continued_fraction(1.0, term)
}

/// A distribution of whole numbers from 0.
pub(super) trait Whole {
    /// `P(X <= k)` for a whole number `k >= 0`.
    fn cdf(&self, k: f64) -> f64;
    /// `P(X = 0)`
    fn at_0(&self) -> f64;
    /// `P(X = k + 1) / P(X = k)`
    fn ratio(&self, k: f64) -> f64;
    /// No number is higher.
    fn highest(&self) -> f64 {
        f64::INFINITY
    }

    /// `P(X <= value)` for any number.
    fn below(&self, value: f64) -> f64 {
        match value {
            value if value < 0.0 => 0.0,
            value if value >= self.highest() => 1.0,
            value => self.cdf(value.floor()).clamp(0.0, 1.0),
        }
    }

    /// The smallest `k` with `P(X <= k) > u`: a draw, if `u` is uniform.
    fn quantile(&self, u: f64) -> f64 {
        let (mut probability, mut sum) = (self.at_0(), 0.0);
        for k in 0..SMALL {
            sum += probability;
            if sum > u {
                return k as f64;
            }
            probability *= self.ratio(k as f64);
        }
        let (mut low, mut high) = (-1.0, SMALL as f64);
        while self.below(high) <= u && high < MOST {
            (low, high) = (high, 2.0 * high);
        }
        while high - low > 1.0 {
            let middle = (0.5 * (low + high)).floor();
            if self.below(middle) > u {
                high = middle;
            } else {
                low = middle;
            }
        }
        high.min(self.highest())
    }
}

/// Numbers below this one are tried one by one.
const SMALL: usize = 32;
/// No draw is far above this.
const MOST: f64 = 1e15;

/// With this rate.
pub(super) struct PoissonOf(pub f64);

impl Whole for PoissonOf {
    fn cdf(&self, k: f64) -> f64 {
        gamma_upper(k + 1.0, self.0)
    }

    fn at_0(&self) -> f64 {
        (-self.0).exp()
    }

    fn ratio(&self, k: f64) -> f64 {
        self.0 / (k + 1.0)
    }
}

/// With this mean and inverse dispersion.
pub(super) struct NegativeBinomialOf {
    pub mean: f64,
    pub theta: f64,
}

impl Whole for NegativeBinomialOf {
    fn cdf(&self, k: f64) -> f64 {
        let both = self.mean + self.theta;
        beta(self.theta, k + 1.0, self.theta / both, self.mean / both)
    }

    fn at_0(&self) -> f64 {
        (-self.theta * (self.mean / self.theta).ln_1p()).exp()
    }

    fn ratio(&self, k: f64) -> f64 {
        (k + self.theta) / (k + 1.0) * (self.mean / (self.mean + self.theta))
    }
}

/// Of so many trials, each with this probability.
pub(super) struct BinomialOf {
    pub trials: f64,
    pub probability: f64,
}

impl Whole for BinomialOf {
    fn cdf(&self, k: f64) -> f64 {
        let p = self.probability;
        beta(self.trials - k, k + 1.0, 1.0 - p, p)
    }

    fn at_0(&self) -> f64 {
        (self.trials * (-self.probability).ln_1p()).exp()
    }

    fn ratio(&self, k: f64) -> f64 {
        (self.trials - k).max(0.0) / (k + 1.0) * self.probability / (1.0 - self.probability)
    }

    fn highest(&self) -> f64 {
        self.trials
    }
}

/// Zero with the probability `zeros`, else as `counted` is.
pub(super) struct ZeroInflated<W> {
    pub zeros: f64,
    pub counted: W,
}

impl<W: Whole> Whole for ZeroInflated<W> {
    fn cdf(&self, k: f64) -> f64 {
        self.zeros + (1.0 - self.zeros) * self.counted.cdf(k)
    }

    fn at_0(&self) -> f64 {
        self.zeros + (1.0 - self.zeros) * self.counted.at_0()
    }

    /// Of the counts alone, as [`ZeroInflated::quantile`] asks for.
    fn ratio(&self, k: f64) -> f64 {
        self.counted.ratio(k)
    }

    fn quantile(&self, u: f64) -> f64 {
        if u < self.zeros {
            return 0.0;
        }
        self.counted.quantile((u - self.zeros) / (1.0 - self.zeros))
    }
}
