//! Noise that is drawn on the device: a counter-based generator of plain tensor operations.
//!
//! A graphics card waits while noise is drawn on the host and sent to it. There each number is instead a pure function
//! of a key, which stands for seed, stream and step, and of its index: `h(h(index ^ key_1) ^ key_2)`, where `h` is the
//! hash lowbias32 (Wellons 2018), a bijection of 32 bits. The distributions are those of the host's generator; the
//! numbers are others, and the same on all backends but for the rounding of logarithm and cosine.

use std::f64::consts::TAU;

use burn::tensor::{DType, ElementConversion, Int, Tensor, backend::Backend};

/// The two words that the numbers of a draw follow from.
pub(crate) type Key = [u32; 2];

/// The spacing of uniform numbers.
const SPACING: f64 = 1.0 / (1 << 24) as f64;
/// The two rounds of the hash: how far to shift, and what to multiply by.
const ROUNDS: [(u32, u32); 2] = [(16, 0x7feb_352d), (15, 0x846c_a68b)];

/// Whether tensors of the backend are in the memory of a graphics card, so that it must be waited for where one is
/// read: the one place where that is decided.
pub fn is_card<B: Backend>(device: &B::Device) -> bool {
    // What is common to `burn-wgpu` and `burn-cuda`.
    B::name(device).contains("cubecl")
}

/// Numbers drawn evenly from `[0, 1)`, multiples of 2^-24.
pub(crate) fn uniform<B: Backend, const D: usize>(
    key: Key,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    let whole = whole::<B>(key, shape.iter().product(), device);
    whole.mul_scalar(SPACING).reshape(shape)
}

/// Standard normal numbers by the Box-Muller transform, none beyond 5.8.
pub(crate) fn normal<B: Backend, const D: usize>(
    key: Key,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    let count: usize = shape.iter().product();
    let pairs = count.div_ceil(2);
    let whole = whole::<B>(key, 2 * pairs, device);
    // (0, 1], so that the logarithm is finite.
    let u = whole.clone().narrow(0, 0, pairs).add_scalar(1.0);
    let radius = u.mul_scalar(SPACING).log().mul_scalar(-2.0).sqrt();
    let angle = whole.narrow(0, pairs, pairs).mul_scalar(SPACING * TAU);
    let both = vec![radius.clone() * angle.clone().cos(), radius * angle.sin()];
    Tensor::cat(both, 0).narrow(0, 0, count).reshape(shape)
}

/// Whole numbers below 2^24.
fn whole<B: Backend>(key: Key, count: usize, device: &B::Device) -> Tensor<B, 1> {
    let mut words = Words(Tensor::arange(0..count as i64, device));
    for key in key {
        words = words.xor(key).hashed();
    }
    words.shifted(8).float()
}

/// Unsigned numbers of 32 bits, in integers that are signed and may be wider.
struct Words<B: Backend>(Tensor<B, 1, Int>);

impl<B: Backend> Words<B> {
    fn is_wide(&self) -> bool {
        self.0.dtype() == DType::I64
    }

    fn word(&self, word: u32) -> B::IntElem {
        match self.is_wide() {
            true => i64::from(word).elem(),
            false => (word as i32).elem(),
        }
    }

    fn xor(self, word: u32) -> Self {
        let word = self.word(word);
        Self(self.0.bitwise_xor_scalar(word))
    }

    /// The high bits, moved to the low end.
    fn shifted(&self, by: u32) -> Tensor<B, 1, Int> {
        let shifted = self.0.clone().bitwise_right_shift_scalar(by.elem());
        // The sign of a narrow integer has been copied into the place of the bits that are gone.
        match self.is_wide() {
            true => shifted,
            false => shifted.bitwise_and_scalar((u32::MAX >> by).elem()),
        }
    }

    /// Times `factor`, whose sign is that of a narrow integer, so that wide products do not overflow.
    fn times(self, factor: u32) -> Self {
        let is_wide = self.is_wide();
        let product = self.0.mul_scalar(factor as i32);
        Self(match is_wide {
            true => product.bitwise_and_scalar(i64::from(u32::MAX).elem()),
            false => product,
        })
    }

    fn hashed(self) -> Self {
        let folded = |words: Self, by| {
            let high = words.shifted(by);
            Self(words.0.bitwise_xor(high))
        };
        let rounds = ROUNDS.into_iter();
        let words = rounds.fold(self, |words, (by, factor)| folded(words, by).times(factor));
        folded(words, 16)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use burn_ndarray::NdArray;
    use vae_data::random::{RngCore, Stream, rng};

    use super::*;

    const COUNT: usize = 100_000;

    fn values<B: Backend>(tensor: Tensor<B, 1>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    /// The key of a step.
    fn key(step: u64) -> Key {
        let mut rng = rng(3, Stream::Posterior, step << 24);
        [rng.next_u32(), rng.next_u32()]
    }

    fn draw(step: u64) -> Vec<f64> {
        values(normal::<Flex, 1>(key(step), [COUNT], &Default::default()))
    }

    /// From a few lines of Python with whole numbers of any size: the numbers of a key never change, as resumed runs
    /// rely on them, and are the same in integers of 32 and of 64 bits.
    #[test]
    fn numbers_never_change() {
        const KEY: Key = [0xdead_beef, 0x0123_4567];
        fn check<B: Backend>() {
            let found = values(uniform::<B, 1>(KEY, [COUNT], &Default::default()));
            let found = [0, 1, 2, 3, 4, 99_999].map(|i| (found[i] / SPACING) as u32);
            assert_eq!(found, EXPECTED);
        }
        check::<Flex>();
        check::<NdArray>();
    }

    const EXPECTED: [u32; 6] = [1583439, 3514361, 15623488, 11630807, 16354576, 10597567];

    /// The largest distance between the distribution of the values and the one that is meant (Kolmogorov-Smirnov),
    /// times the root of their number: above 1.95 in one of 1000 cases.
    fn distance(mut values: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let apart = values.iter().enumerate().map(|(i, value)| {
            let p = distribution(*value);
            (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
        });
        apart.fold(0.0, f64::max) * n.sqrt()
    }

    #[test]
    fn uniform_numbers_are_uniform() {
        for step in 0..20 {
            let found = values(uniform::<Flex, 1>(key(step), [COUNT], &Default::default()));
            assert!(found.iter().all(|value| (0.0..1.0).contains(value)));
            let distance = distance(found, |x| x);
            assert!(distance < 1.95, "step {step}: {distance}");
        }
    }

    /// The normal distribution is integrated by Simpson's rule.
    #[test]
    fn normal_numbers_are_normal() {
        const CELLS: usize = 4096;
        let density = |x: f64| (-0.5 * x * x).exp() / TAU.sqrt();
        let width = 16.0 / CELLS as f64;
        let mut below = vec![0.0];
        for cell in 0..CELLS {
            let x = -8.0 + cell as f64 * width;
            let inside = density(x) + 4.0 * density(x + width / 2.0) + density(x + width);
            below.push(below[cell] + inside * width / 6.0);
        }
        let distribution = |x: f64| {
            let at = (x + 8.0) / width;
            let cell = at as usize;
            below[cell] + (at - cell as f64) * (below[cell + 1] - below[cell])
        };
        for step in 0..20 {
            let found = draw(step);
            assert!(found.iter().all(|value| value.abs() < 5.8));
            let distance = distance(found, distribution);
            assert!(distance < 1.95, "step {step}: {distance}");
        }
    }

    /// Five standard errors, as for the host's numbers: 1/sqrt(n), sqrt(2/n), sqrt(15/n), sqrt(96/n).
    #[test]
    fn normal_numbers_have_the_right_moments() {
        let found = draw(0);
        let n = COUNT as f64;
        let moment = |k| found.iter().map(|x| x.powi(k)).sum::<f64>() / n;
        for (k, expected, variance) in [
            (1, 0.0, 1.0),
            (2, 1.0, 2.0),
            (3, 0.0, 15.0),
            (4, 3.0, 96.0_f64),
        ] {
            let error = (moment(k) - expected).abs();
            assert!(error < 5.0 * (variance / n).sqrt(), "{k}: {error}");
        }
    }

    /// Numbers and their squares: of one step with those of the next and of the one after, and with their neighbours.
    #[test]
    fn steps_and_neighbours_are_independent() {
        let steps: Vec<Vec<f64>> = (0..12).map(draw).collect();
        let squares = |values: &[f64]| -> Vec<f64> {
            values
                .iter()
                .map(|x| (x * x - 1.0) / 2.0_f64.sqrt())
                .collect()
        };
        // Both have variance 1, so that a correlation has a standard error of 1 / sqrt n.
        let check = |a: &[f64], b: &[f64], what: &str| {
            for (a, b) in [(a.to_vec(), b.to_vec()), (squares(a), squares(b))] {
                let n = a.len() as f64;
                let correlation = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / n;
                assert!(correlation.abs() < 5.0 / n.sqrt(), "{what}: {correlation}");
            }
        };
        let half = COUNT / 2;
        for step in 0..10 {
            let now = &steps[step];
            check(now, &steps[step + 1], "the next step");
            check(now, &steps[step + 2], "the step after");
            for lag in [1, 2, 7, 64] {
                check(&now[lag..], &now[..COUNT - lag], "a neighbour");
            }
            check(&now[..half], &now[half..], "the other of a pair");
        }
    }

    #[test]
    fn odd_numbers_and_shapes_are_drawn() {
        let device = Default::default();
        let few: Tensor<Flex, 3> = normal(key(0), [1, 3, 5], &device);
        assert_eq!(few.dims(), [1, 3, 5]);
        let none: Tensor<Flex, 2> = uniform(key(0), [0, 4], &device);
        assert_eq!(none.dims(), [0, 4]);
    }

    /// By name, as a build without a card has no type to ask.
    #[test]
    fn the_backends_of_every_build_are_no_cards() {
        let device = Default::default();
        assert!(!is_card::<burn_autodiff::Autodiff<Flex>>(&device));
        assert!(!is_card::<NdArray>(&Default::default()));
    }
}
