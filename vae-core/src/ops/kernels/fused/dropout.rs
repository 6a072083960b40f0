//! Dropout, drawn where it is applied.

use std::ops::Range;

use burn::tensor::Shape;
use vae_data::random::RngCore;

use super::{Fused, View};
use crate::ops::{
    dropout::Dropout,
    kernels::{
        elementwise::keep,
        threads::{self, Room, Shares, in_parts, split},
    },
};

/// Values whose bits are one word.
const WORD: usize = u64::BITS as usize;

impl Dropout {
    /// The factor of a value that is kept.
    fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate) as f32
    }

    /// Draws the bits of some words.
    fn draw(&self, words: Range<usize>) -> Vec<u64> {
        // What `random::uniform` makes of a number is its upper 24 bits over 2^24.
        let least = (self.rate as f32 * (1 << 24) as f32).ceil() as u32;
        let mut generator = self.generator.clone();
        let begun = generator.get_word_pos();
        generator.set_word_pos(begun + (words.start * WORD) as u128);
        let mut bytes = [0; 4 * WORD];
        let bits = words.map(|_| {
            generator.fill_bytes(&mut bytes);
            let (numbers, _) = bytes.as_chunks();
            let numbers = numbers.iter().enumerate();
            numbers.fold(0, |bits, (bit, number)| {
                let is_kept = u32::from_le_bytes(*number) >> 8 >= least;
                bits | u64::from(is_kept) << bit
            })
        });
        bits.collect()
    }
}

impl Fused<1> for Dropout {
    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, [x]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
        let length = x.values.len();
        let mut y = Room::new(length);
        let values = y.shares();
        let bits = in_parts(&split(length.div_ceil(WORD), 1, length), |words| {
            let bits = self.draw(words.clone());
            let range = words.start * WORD..length.min(words.end * WORD);
            // SAFETY: the ranges of the threads do not overlap.
            let y = unsafe { values.part(range.clone()) };
            y.copy_from_slice(&x.values[range]);
            keep(y, &bits, self.scale());
            bits
        });
        // A second forward pass of the same operation draws the same.
        let _ = self.kept.set(bits.concat());
        // SAFETY: the words cover every value.
        (unsafe { y.filled(length) }, Shape::from(x.shape))
    }

    fn backward(
        &self,
        _: [View<'_>; 1],
        _: View<'_>,
        gradient: &mut [f32],
        _: [bool; 1],
    ) -> [Option<Vec<f32>>; 1] {
        let bits = self.kept.get().expect("the forward pass came first");
        let length = gradient.len();
        let gradient = Shares::new(gradient);
        threads::each(&split(bits.len(), 1, length), |_, words| {
            let range = words.start * WORD..length.min(words.end * WORD);
            // SAFETY: the ranges of the threads do not overlap.
            keep(unsafe { gradient.part(range) }, &bits[words], self.scale());
        });
        [None]
    }
}
