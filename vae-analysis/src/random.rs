//! Random numbers from a seed: ChaCha with 8 rounds, one stream for each use.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What numbers are drawn for. Each use has its own stream.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Stream {
    Start = 1,
    Sample = 2,
    Level = 3,
}

pub(crate) fn rng(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// A number in `[0, 1)`, a multiple of 2^-53.
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A standard normal number, by the Box-Muller transform.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}

/// An index, each as likely as its weight says.
pub(crate) fn weighted(rng: &mut ChaCha8Rng, weights: &[f64]) -> usize {
    let mut left = uniform(rng) * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    // Rounding only: the last index that can be drawn at all.
    weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
}
