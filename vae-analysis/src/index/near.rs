//! What searches in the graph handle: near vectors, the choice of links among them, and which were seen.

use std::cmp::Ordering;

use crate::neighbours::squared;
use crate::rows::Rows;

/// A vector at a squared distance; ordered by it, then by position.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Near(pub(super) f32, pub(super) u32);

impl Eq for Near {}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

/// Algorithm 4: from the nearest of `candidates`, which are in order, those that are nearer to the vector than to any chosen
/// before: links in all directions.
pub(super) fn select(candidates: &[Near], most: usize, rows: Rows) -> Vec<Near> {
    let mut chosen: Vec<Near> = Vec::with_capacity(most);
    for &near in candidates {
        if chosen.len() == most {
            break;
        }
        let row = rows.row(near.1 as usize);
        let mut others = chosen
            .iter()
            .map(|other| squared(row, rows.row(other.1 as usize)));
        if others.all(|distance| near.0 < distance) {
            chosen.push(near);
        }
    }
    chosen
}

/// Which vectors a search has seen.
#[derive(Default)]
pub(super) struct Visited(Vec<u64>);

impl Visited {
    pub(super) fn clear(&mut self, count: usize) {
        self.0.clear();
        self.0.resize(count.div_ceil(64), 0);
    }

    /// Whether it is seen for the first time.
    pub(super) fn first(&mut self, at: u32) -> bool {
        let (word, bit) = (at as usize / 64, 1 << (at % 64));
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }
}
