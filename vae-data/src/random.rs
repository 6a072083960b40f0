//! Counter-based randomness.
//!
//! Everything random is a pure function of `(seed, stream, index)`: there is no
//! generator state to save, so that a resumed run draws exactly what an
//! uninterrupted one would have drawn. Values are the same on every platform.

use rand_chacha::rand_core::SeedableRng;

pub use rand_chacha::ChaCha8Rng as Generator;
pub use rand_chacha::rand_core::RngCore;

/// What randomness is used for. Each use has its own stream, so that, for example,
/// turning corruption on does not change the order of the examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Stream {
    /// Initial weights.
    Init = 1,
    /// Division into training, validation and test examples.
    Split = 2,
    /// Choice of a subset of the training examples.
    Limit = 3,
    /// Order of the examples in an epoch.
    Shuffle = 4,
    /// Drawing of binary pixels.
    Binarize = 5,
    /// Corruption of the input.
    Corrupt = 6,
    /// Noise of the posterior.
    Posterior = 7,
    /// Dropout.
    Dropout = 8,
    /// Samples from the prior.
    Sample = 9,
    /// Random projections.
    Project = 10,
    /// Weights and probes of evaluation metrics.
    Evaluate = 11,
    /// Anything else; free for applications.
    Other = 12,
    /// Choice of the examples that keep their labels.
    Labels = 13,
    /// Order of the labelled examples in an epoch.
    ShuffleLabelled = 14,
    /// Drawing of features that have distributions.
    Features = 15,
}

/// The generator for `(seed, stream, index)`.
///
/// It is ChaCha with 8 rounds. The key holds `seed` in its first eight bytes and
/// the number of the stream in the next eight (both little endian); the 64-bit
/// ChaCha stream is `index`. Distinct triples hence give distinct, independent
/// sequences.
pub fn rng(seed: u64, stream: Stream, index: u64) -> Generator {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(stream as u64).to_le_bytes());
    let mut rng = Generator::from_seed(key);
    rng.set_stream(index);
    rng
}

/// One `index` for an example in an epoch, distinct for epochs below 2^32.
pub fn epoch_index(epoch: usize, example: u32) -> u64 {
    ((epoch as u64) << 32) | u64::from(example)
}

/// An integer in `0..bound`, each equally likely (up to 2^-32 relative); 0 if
/// `bound` is 0.
pub fn below(rng: &mut impl RngCore, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

/// A number in `[0, 1)`, a multiple of 2^-24.
pub fn uniform(rng: &mut impl RngCore) -> f32 {
    (rng.next_u32() >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// Fills `out` with numbers drawn evenly from `[0, 1)`.
pub fn fill_uniform(rng: &mut impl RngCore, out: &mut [f32]) {
    out.fill_with(|| uniform(rng));
}

/// Fills `out` with standard normal numbers: mean 0, standard deviation 1, none
/// beyond 6.7. Uses the Box-Muller transform in software floating-point functions,
/// so that all platforms agree.
pub fn fill_normal(rng: &mut impl RngCore, out: &mut [f32]) {
    for pair in out.chunks_mut(2) {
        // (0, 1], so that the logarithm is finite.
        let u = (f64::from(rng.next_u32()) + 1.0) / 4_294_967_296.0;
        let radius = libm::sqrtf(-2.0 * libm::logf(u as f32));
        let (sin, cos) = libm::sincosf(uniform(rng) * std::f32::consts::TAU);
        pair[0] = radius * cos;
        if let Some(second) = pair.get_mut(1) {
            *second = radius * sin;
        }
    }
}

/// The integers `0..n` in random order.
pub fn permutation(rng: &mut impl RngCore, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    shuffle(rng, &mut order);
    order
}

/// Puts `items` into random order (Fisher-Yates).
pub fn shuffle<T>(rng: &mut impl RngCore, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_pure_function_of_its_arguments() {
        let draw = |s, t, i| rng(s, t, i).next_u64();
        assert_eq!(draw(1, Stream::Init, 2), draw(1, Stream::Init, 2));
        let all = [
            draw(1, Stream::Init, 2),
            draw(2, Stream::Init, 2),
            draw(1, Stream::Split, 2),
            draw(1, Stream::Init, 3),
            draw(1, Stream::Init, 0),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn sequence_never_changes() {
        // Saved runs rely on these values: a change breaks exact resumption.
        let mut rng = rng(42, Stream::Shuffle, 7);
        assert_eq!(rng.next_u64(), EXPECTED_BITS);
        let mut normal = [0.0; 4];
        fill_normal(&mut rng, &mut normal);
        assert_eq!(normal.map(f32::to_bits), EXPECTED_NORMAL);
    }

    const EXPECTED_BITS: u64 = 711_176_293_698_769_934;
    const EXPECTED_NORMAL: [u32; 4] = [3204104021, 3200628334, 1060458293, 3215540347];

    #[test]
    fn normal_has_the_right_moments() {
        let mut x = vec![0.0; 100_001];
        fill_normal(&mut rng(0, Stream::Posterior, 0), &mut x);
        let n = x.len() as f64;
        let moment = |k| x.iter().map(|&v| f64::from(v).powi(k)).sum::<f64>() / n;
        // Five standard errors: 1/sqrt(n), sqrt(2/n), sqrt(15/n), sqrt(96/n).
        assert!(moment(1).abs() < 5.0 * (1.0 / n).sqrt());
        assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!(moment(3).abs() < 5.0 * (15.0 / n).sqrt());
        assert!((moment(4) - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn uniform_stays_in_range_and_centred() {
        let mut x = vec![0.0; 100_000];
        fill_uniform(&mut rng(0, Stream::Sample, 0), &mut x);
        assert!(x.iter().all(|v| (0.0..1.0).contains(v)));
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        assert!((mean - 0.5).abs() < 0.005);
    }

    #[test]
    fn permutation_holds_each_number_once() {
        for n in [0, 1, 2, 17, 1000] {
            let mut order = permutation(&mut rng(3, Stream::Shuffle, 1), n);
            assert!(n < 17 || order.windows(2).any(|w| w[0] > w[1]));
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..n as u32));
        }
    }

    #[test]
    fn below_reaches_every_value() {
        let mut rng = rng(5, Stream::Other, 0);
        let mut seen = [0; 5];
        (0..5000).for_each(|_| seen[below(&mut rng, 5)] += 1);
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)));
        assert_eq!(below(&mut rng, 0), 0);
    }
}
