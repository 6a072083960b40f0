//! Corruption of inputs, for denoising autoencoders.

use rand_chacha::rand_core::RngCore;

use crate::choices::choices;
use crate::random::{below, fill_normal};
use crate::{Columns, DataError, DataShape, ValueRange};

choices! {
    /// How an input is corrupted.
    CorruptionKind("corruption") {
        /// Adds normal noise; the level is its standard deviation.
        Gaussian = "gaussian",
        /// Sets a part of the values, chosen at random, to 0.
        Masking = "masking",
        /// Sets a part of the values, chosen at random, to the low or the high end of
        /// the range, with equal chance.
        SaltPepper = "salt-pepper",
        /// Sets a rectangle at a random place to 0, in all channels; in a table, a run
        /// of neighbouring columns.
        Block = "block",
    }
}

/// A corruption of a certain strength.
///
/// `round(level x features)` values are affected, exactly, by masking and by salt and
/// pepper. A block covers `level` of the area as nearly as a rectangle with the
/// proportions of the image can.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corruption {
    kind: CorruptionKind,
    level: f32,
    range: ValueRange,
}

impl Corruption {
    /// A corruption of values that lie between 0 and 1.
    ///
    /// # Errors
    /// [`DataError::Setting`] if `level` is not finite or is negative, or is above 1
    /// for any kind but Gaussian noise.
    pub fn new(kind: CorruptionKind, level: f32) -> Result<Self, DataError> {
        let (max, bound) = match kind {
            CorruptionKind::Gaussian => (f32::MAX, "must be a standard deviation, at least 0"),
            _ => (1.0, "must be a part of the values, between 0 and 1"),
        };
        if !(0.0..=max).contains(&level) {
            return Err(DataError::setting("corruption level", level, bound));
        }
        let range = ValueRange { min: 0.0, max: 1.0 };
        Ok(Self { kind, level, range })
    }

    /// Uses the ends of `range`, in place of 0 and 1, for salt and pepper.
    #[must_use]
    pub fn with_range(self, range: ValueRange) -> Self {
        Self { range, ..self }
    }

    /// The kind of corruption.
    pub fn kind(&self) -> CorruptionKind {
        self.kind
    }

    /// The level: a standard deviation for Gaussian noise, else a part between 0 and 1.
    pub fn level(&self) -> f32 {
        self.level
    }

    /// Corrupts one example in place. A level of 0 changes nothing.
    pub fn apply(&self, row: &mut [f32], shape: &DataShape, rng: &mut impl RngCore) {
        if self.level == 0.0 {
            return;
        }
        let ValueRange { min, max } = self.range;
        match self.kind {
            CorruptionKind::Gaussian => self.add_noise(row, rng),
            CorruptionKind::Masking => self.choose(row, rng, |value, _| *value = 0.0),
            CorruptionKind::SaltPepper => self.choose(row, rng, |value, rng| {
                *value = if rng.next_u32() >> 31 == 0 { min } else { max };
            }),
            CorruptionKind::Block => self.clear_block(row, shape, rng),
        }
    }

    /// Corrupts one row of a model of a table in place, column by column: noise is added to numbers and dates
    /// alone; masking and blocks clear every place of a category, whose parts and runs are of columns; salt and
    /// pepper make of a category one of its levels, each with the same chance.
    ///
    /// # Shapes
    /// - `row`: `[width]`, as [`Columns::expand`] writes it
    pub fn apply_to_table(&self, row: &mut [f32], columns: &Columns, rng: &mut impl RngCore) {
        if self.level == 0.0 {
            return;
        }
        let mut parts = Vec::with_capacity(columns.kinds().len());
        let mut rest = row;
        for kind in columns.kinds() {
            let Some((places, after)) = rest.split_at_mut_checked(kind.width()) else {
                return;
            };
            parts.push((kind.is_category(), places));
            rest = after;
        }
        let ValueRange { min, max } = self.range;
        match self.kind {
            CorruptionKind::Gaussian => {
                for (_, places) in parts.iter_mut().filter(|(is_category, _)| !is_category) {
                    self.add_noise(places, rng);
                }
            }
            CorruptionKind::Masking => {
                self.choose(&mut parts, rng, |(_, places), _| places.fill(0.0))
            }
            CorruptionKind::SaltPepper => {
                self.choose(&mut parts, rng, |(is_category, places), rng| {
                    if *is_category {
                        let level = below(rng, places.len());
                        places.fill(0.0);
                        places
                            .iter_mut()
                            .skip(level)
                            .take(1)
                            .for_each(|place| *place = 1.0);
                    } else {
                        places.fill(if rng.next_u32() >> 31 == 0 { min } else { max });
                    }
                });
            }
            CorruptionKind::Block => {
                let count = part(self.level, parts.len());
                let first = below(rng, parts.len() - count + 1);
                let run = parts.iter_mut().skip(first).take(count);
                run.for_each(|(_, places)| places.fill(0.0));
            }
        }
    }

    fn add_noise(&self, row: &mut [f32], rng: &mut impl RngCore) {
        let mut noise = [0.0; 64];
        for part in row.chunks_mut(noise.len()) {
            let noise = &mut noise[..part.len()];
            fill_normal(rng, noise);
            for (value, noise) in part.iter_mut().zip(noise) {
                *value += self.level * *noise;
            }
        }
    }

    /// Changes exactly `round(level x len)` values: each is taken with the chance that
    /// makes every choice of that many equally likely (selection sampling).
    fn choose<T, R: RngCore>(
        &self,
        row: &mut [T],
        rng: &mut R,
        mut change: impl FnMut(&mut T, &mut R),
    ) {
        let len = row.len();
        let mut wanted = part(self.level, len);
        for (i, value) in row.iter_mut().enumerate() {
            // A number below `len - i`; 32 bits are even enough for one example.
            let draw = (u64::from(rng.next_u32()) * (len - i) as u64) >> 32;
            if (draw as usize) < wanted {
                change(value, rng);
                wanted -= 1;
            }
        }
    }

    fn clear_block(&self, row: &mut [f32], shape: &DataShape, rng: &mut impl RngCore) {
        let [_, height, width] = shape.image().unwrap_or([1, 1, row.len()]);
        let area = f64::from(self.level) * (height * width) as f64;
        let side = (f64::from(self.level).sqrt() * height as f64).round();
        // High enough that the width fits, and at least one row.
        let high = (side.max((area / width as f64).ceil()) as usize).clamp(1, height);
        let wide = ((area / high as f64).round() as usize).min(width);
        let top = below(rng, height - high + 1);
        let left = below(rng, width - wide + 1);
        for channel in row.chunks_exact_mut(height * width) {
            for line in channel.chunks_exact_mut(width).skip(top).take(high) {
                line[left..left + wide].fill(0.0);
            }
        }
    }
}

/// `round(level x len)`.
fn part(level: f32, len: usize) -> usize {
    (f64::from(level) * len as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::{Stream, rng};

    fn corrupt(kind: CorruptionKind, level: f32, dims: &[usize], seed: u64) -> Vec<f32> {
        let shape = DataShape::new(dims).unwrap();
        let mut row = vec![0.5; shape.features()];
        let corruption = Corruption::new(kind, level).unwrap();
        corruption.apply(&mut row, &shape, &mut rng(seed, Stream::Corrupt, 0));
        row
    }

    fn changed(row: &[f32]) -> usize {
        row.iter().filter(|&&v| v != 0.5).count()
    }

    #[test]
    fn levels_are_checked() {
        for kind in CorruptionKind::ALL {
            assert!(Corruption::new(*kind, -0.1).is_err());
            assert!(Corruption::new(*kind, f32::NAN).is_err());
            assert!(Corruption::new(*kind, f32::INFINITY).is_err());
            let above = Corruption::new(*kind, 1.5).is_ok();
            assert_eq!(above, *kind == CorruptionKind::Gaussian);
        }
    }

    #[test]
    fn gaussian_noise_has_the_stated_deviation() {
        let row = corrupt(CorruptionKind::Gaussian, 0.3, &[1, 200, 200], 1);
        let n = row.len() as f32;
        let mean = row.iter().sum::<f32>() / n;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((variance.sqrt() - 0.3).abs() < 0.01, "{variance}");
    }

    #[test]
    fn block_is_one_rectangle_in_all_channels() {
        let row = corrupt(CorruptionKind::Block, 0.25, &[3, 8, 8], 4);
        assert_eq!(changed(&row), 3 * 16);
        let (first, rest) = row.split_at(64);
        assert!(rest.chunks(64).all(|c| c == first));
        let cleared: Vec<usize> = (0..64).filter(|&i| first[i] == 0.0).collect();
        let (top, left) = (cleared[0] / 8, cleared[0] % 8);
        for i in cleared {
            assert!((top..top + 4).contains(&(i / 8)) && (left..left + 4).contains(&(i % 8)));
        }
    }

    #[test]
    fn salt_and_pepper_uses_the_range_and_both_ends() {
        let shape = DataShape::new([1000]).unwrap();
        let mut row = vec![0.5; 1000];
        let range = ValueRange {
            min: -2.0,
            max: 3.0,
        };
        let corruption = Corruption::new(CorruptionKind::SaltPepper, 1.0)
            .unwrap()
            .with_range(range);
        corruption.apply(&mut row, &shape, &mut rng(0, Stream::Corrupt, 0));
        let low = row.iter().filter(|&&v| v == -2.0).count();
        assert!((400..600).contains(&low), "{low}");
        assert!(row.iter().all(|&v| v == -2.0 || v == 3.0));
    }

    proptest! {
        #[test]
        fn level_zero_is_the_identity(seed: u64, kind in 0..CorruptionKind::ALL.len()) {
            let row = corrupt(CorruptionKind::ALL[kind], 0.0, &[2, 5, 6], seed);
            prop_assert_eq!(changed(&row), 0);
        }

        #[test]
        fn the_same_seed_gives_the_same(seed: u64, kind in 0..CorruptionKind::ALL.len()) {
            let kind = CorruptionKind::ALL[kind];
            let run = || corrupt(kind, 0.4, &[2, 5, 6], seed);
            prop_assert_eq!(run(), run());
        }

        #[test]
        fn masking_takes_exactly_its_part(seed: u64, level in 0.0_f32..=1.0, n in 1_usize..200) {
            let row = corrupt(CorruptionKind::Masking, level, &[n], seed);
            let wanted = (f64::from(level) * n as f64).round() as usize;
            prop_assert_eq!(changed(&row), wanted);
            prop_assert!(row.iter().all(|&v| v == 0.5 || v == 0.0));
        }

        #[test]
        fn salt_and_pepper_takes_exactly_its_part(seed: u64, level in 0.0_f32..=1.0) {
            let row = corrupt(CorruptionKind::SaltPepper, level, &[1, 7, 9], seed);
            prop_assert_eq!(changed(&row), (f64::from(level) * 63.0).round() as usize);
            prop_assert!(row.iter().all(|&v| v == 0.5 || v == 0.0 || v == 1.0));
        }

        #[test]
        fn block_covers_its_area(
            seed: u64, level in 0.001_f32..=1.0, h in 1_usize..30, w in 1_usize..30,
        ) {
            let row = corrupt(CorruptionKind::Block, level, &[1, h, w], seed);
            let wanted = f64::from(level) * (h * w) as f64;
            // Whole columns of at most `h` pixels: half a column off at most.
            let off = (changed(&row) as f64 - wanted).abs();
            prop_assert!(off <= h as f64 / 2.0, "{} for {wanted}", changed(&row));
            let run = corrupt(CorruptionKind::Block, level, &[h * w], seed);
            prop_assert_eq!(changed(&run), wanted.round() as usize);
        }
    }
}
