//! The largest values of rows.

use burn::tensor::{Tensor, backend::Backend};

use super::{apply, primitive};
use crate::is_card;

/// Sets all but the `k` largest values of each row to 0; what equals the last of them is kept too. Which are kept is
/// taken as given by the gradient (Makhzani & Frey 2013, algorithm 1).
///
/// # Shapes
/// - `x` and output: `[rows, width]`
///
/// # Panics
/// If `k` is 0 or above the width.
pub fn keep_largest<B: Backend>(x: Tensor<B, 2>, k: usize) -> Tensor<B, 2> {
    assert!((1..=x.dims()[1]).contains(&k), "{k} of {}", x.dims()[1]);
    let op = Largest { k };
    apply(&op, [primitive(&x)]).unwrap_or_else(|| op.reference(x))
}

#[derive(Debug, Clone)]
pub(super) struct Largest {
    pub k: usize,
}

impl Largest {
    fn reference<B: Backend>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let fixed = x.clone().detach();
        let off = match is_card::<B>(&x.device()) {
            true => self.off_by_comparing(fixed),
            false => {
                // Sorted, because `topk` lacks automatic differentiation in Burn 0.21.
                let sorted = fixed.clone().sort_descending(1);
                fixed.lower(sorted.narrow(1, self.k - 1, 1))
            }
        };
        x.mask_fill(off, 0.0)
    }

    /// Which values are not kept: those below `k` others. To sort them would read them from the card.
    fn off_by_comparing<B: Backend>(&self, x: Tensor<B, 2>) -> Tensor<B, 2, burn::tensor::Bool> {
        let [one, other] = [2, 1].map(|dim| x.clone().unsqueeze_dim::<3>(dim));
        let above = other.greater(one).float().sum_dim(2); // [rows, width, 1]
        above.squeeze_dim::<2>(2).greater_equal_elem(self.k as f32)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same};

    #[derive(Debug)]
    struct Rows {
        shape: [usize; 2],
        k: usize,
    }

    impl Rows {
        fn input<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 2> {
            let [x] = inputs.try_into().unwrap();
            x.reshape(self.shape)
        }
    }

    impl Probe for Rows {
        fn lengths(&self) -> Vec<usize> {
            vec![self.shape[0] * self.shape[1]]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            keep_largest(self.input(inputs), self.k).flatten(0, 1)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let op = Largest { k: self.k };
            op.reference(self.input(inputs)).flatten(0, 1)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            shape in [1..90_usize, 1..200],
            k: prop::sample::Index,
            seed: u64,
        ) {
            let rows = Rows { shape, k: 1 + k.index(shape[1]) };
            assert_same(&rows, seed, &[]);
        }

        /// Small whole numbers, so that many are equal.
        #[test]
        fn comparing_gives_what_sorting_gives(
            values in prop::collection::vec(-4_i8..5, 12),
            k in 1..7_usize,
        ) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let x = Tensor::<Flex, 1>::from_floats(values.as_slice(), &Default::default());
            let x = x.reshape([2, 6]);
            let op = Largest { k };
            let compared = x.clone().mask_fill(op.off_by_comparing(x.clone()), 0.0).into_data();
            prop_assert_eq!(&compared, &op.reference(x.clone()).into_data());
            prop_assert_eq!(&compared, &keep_largest(x, k).into_data());
        }
    }

    #[test]
    fn the_largest_by_hand() {
        let x = [[3.0, -1.0, 2.0, 0.5], [-4.0, -1.0, -3.0, -2.0]];
        let x = Tensor::<Flex, 2>::from_data(x, &Default::default());
        let kept: Vec<f32> = keep_largest(x, 2).into_data().to_vec().unwrap();
        assert_eq!(kept, [3.0, 0.0, 2.0, 0.0, 0.0, -1.0, 0.0, -2.0]);
    }
}
