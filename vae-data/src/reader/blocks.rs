//! Long columns in blocks, which are given back one by one.

/// Values in a block.
pub(super) const BLOCK: usize = 1 << 16;

/// A column that grows without moving, and whose memory is freed as its blocks are taken, so that a table is
/// never in memory twice.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T>(Vec<Vec<T>>);

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Blocks<T> {
    /// So many of one value.
    pub fn filled(count: usize, value: T) -> Self {
        let mut blocks = Self::default();
        (0..count).for_each(|_| blocks.push(value));
        blocks
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        // All blocks but the last are full.
        self.0
            .last()
            .map_or(0, |last| (self.0.len() - 1) * BLOCK + last.len())
    }

    /// Adds a value.
    pub fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(value),
            _ => self.0.push(vec![value]),
        }
    }

    /// The values that were not taken.
    pub fn iter(&self) -> impl Iterator<Item = T> + Clone {
        self.0.iter().flatten().copied()
    }

    /// Takes a block away; it is empty if there is none.
    pub fn take(&mut self, block: usize) -> Vec<T> {
        self.0
            .get_mut(block)
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_in_order() {
        for count in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK] {
            let mut blocks = Blocks::filled(count.min(7), 0);
            (blocks.len()..count).for_each(|i| blocks.push(i));
            assert_eq!((blocks.len(), blocks.iter().count()), (count, count));
            let taken = (0..4).flat_map(|block| blocks.take(block)).enumerate();
            assert_eq!(
                taken.filter(|(i, value)| i == value || *i < 7).count(),
                count
            );
            assert_eq!(blocks.iter().count(), 0);
        }
    }
}
