//! The codebook: its entries, and the moving averages by which they follow the codes.

use burn::{
    module::{Module, Param, ParamId},
    tensor::{IndexingUpdateOp, Int, Tensor, backend::Backend},
};
use vae_core::{
    StepContext, is_card,
    nets::{Activation, Init},
    ops::dense,
    select_rows,
};

/// Keeps the entry of a cell that none is near to from a division by zero (Razavi 2019, the authors'
/// program).
const EPSILON: f64 = 1e-5;

/// Entries that follow the cells that are nearest to them, without a gradient: each is the mean of
/// those of the last batches (van den Oord 2017, appendix A.1),
///
/// - `N_i <- decay N_i + (1 - decay) n_i`, with `n_i` the cells of a batch nearest to entry `i`,
/// - `m_i <- decay m_i + (1 - decay) sum z`, over these cells,
/// - `e_i = m_i / N_i`, with `N_i` smoothed as if each entry had had [`EPSILON`] more cells.
#[derive(Module, Debug)]
pub struct Codebook<B: Backend> {
    /// `e`. `[codes, width]`
    pub entries: Param<Tensor<B, 2>>,
    /// `N`. `[codes]`
    pub counts: Param<Tensor<B, 1>>,
    /// `m`. `[codes, width]`
    pub sums: Param<Tensor<B, 2>>,
}

impl<B: Backend> Codebook<B> {
    /// Random entries.
    pub fn init(codes: usize, width: usize, init: &mut Init<'_, B>) -> Self {
        let entries = init.uniform([codes, width], width);
        let entries = entries.map(|values| values.detach().set_require_grad(false));
        Self {
            counts: Param::initialized(ParamId::new(), Tensor::ones([codes], init.device())),
            sums: Param::initialized(ParamId::new(), entries.val()),
            entries,
        }
    }

    /// How many entries there are, and how wide each is.
    pub fn dims(&self) -> [usize; 2] {
        self.entries.dims()
    }

    /// Which entry is nearest to each cell; of several the first.
    ///
    /// # Shapes
    /// - `cells`: `[cells, width]`
    /// - output: `[cells]`
    pub fn nearest(&self, cells: Tensor<B, 2>) -> Tensor<B, 1, Int> {
        let entries = self.entries.val();
        let squares = entries.clone().square().sum_dim(1).squeeze_dim(1); // [codes]
        // Transposed last: burn-tch takes a transposed tensor for the only owner of its numbers.
        let weight = entries.mul_scalar(-2.0).transpose(); // [width, codes]
        // |z - e|^2 without |z|^2, which is the same for every entry.
        let distances = dense(cells, weight, squares, Activation::Identity); // [cells, codes]
        distances.argmin(1).squeeze_dim(1)
    }

    /// The entries with these indices.
    ///
    /// # Shapes
    /// - `indices`: `[cells]`
    /// - output: `[cells, width]`
    pub fn at(&self, indices: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        self.entries.val().select(0, indices)
    }

    /// Moves the entries to some of `cells`, as if each had been nearest to one.
    ///
    /// # Shapes
    /// - `cells`: `[cells, width]`
    #[must_use]
    pub fn prepare(self, cells: &Tensor<B, 2>, step: &StepContext) -> Self {
        let [codes, _] = self.dims();
        let drawn = draw(cells, codes, step);
        Self {
            entries: self.entries.map(|_| drawn.clone()),
            counts: self.counts.map(|counts| counts.ones_like()),
            sums: self.sums.map(|_| drawn),
        }
    }

    /// Takes a batch into the averages.
    ///
    /// # Shapes
    /// - `cells`: `[cells, width]`
    /// - `indices`: `[cells]`, the entry nearest to each
    #[must_use]
    pub fn learn(self, cells: Tensor<B, 2>, indices: Tensor<B, 1, Int>, decay: f64) -> Self {
        let ([codes, width], device) = (self.dims(), cells.device());
        let ones = Tensor::ones([cells.dims()[0]], &device);
        let add = IndexingUpdateOp::Add;
        let count =
            Tensor::<B, 1>::zeros([codes], &device).select_assign(0, indices.clone(), ones, add);
        let sum =
            Tensor::<B, 2>::zeros([codes, width], &device).select_assign(0, indices, cells, add);
        let new = 1.0 - decay;
        let counts = self.counts.val().mul_scalar(decay) + count.mul_scalar(new);
        let sums = self.sums.val().mul_scalar(decay) + sum.mul_scalar(new);
        let total = counts.clone().sum();
        let share = total.clone() / total.add_scalar(codes as f64 * EPSILON); // [1]
        let smoothed = counts.clone().add_scalar(EPSILON) * share;
        let entries = sums.clone() / smoothed.unsqueeze_dim(1);
        Self {
            entries: self.entries.map(|_| entries),
            counts: self.counts.map(|_| counts),
            sums: self.sums.map(|_| sums),
        }
    }

    /// Moves the entries whose moving count is below `least` to random ones of `cells` (Dhariwal 2020,
    /// section 3.1), with a count of 1, or `least` if that is more.
    ///
    /// # Shapes
    /// - `cells`: `[cells, width]`
    #[must_use]
    pub fn restart(self, least: f64, cells: &Tensor<B, 2>, step: &StepContext) -> Self {
        let [codes, width] = self.dims();
        let counts = self.counts.val();
        // Looking whether there is one would take longer on a graphics card than going on.
        if !is_card::<B>(&cells.device()) {
            let found = counts.to_data();
            if found.iter::<f32>().all(|count| f64::from(count) >= least) {
                return self;
            }
        }
        let unused = counts.lower_elem(least); // [codes]
        let rows = unused.clone().unsqueeze_dim::<2>(1).expand([codes, width]);
        let drawn = draw(cells, codes, step);
        let count = least.max(1.0);
        let sums = drawn.clone().mul_scalar(count);
        Self {
            entries: (self.entries).map(|entries| entries.mask_where(rows.clone(), drawn)),
            counts: self.counts.map(|counts| counts.mask_fill(unused, count)),
            sums: self.sums.map(|all| all.mask_where(rows, sums)),
        }
    }
}

/// Some of `cells` in random order, over again if there are fewer than `count`.
///
/// # Shapes
/// - `cells`: `[cells, width]`
/// - output: `[count, width]`
fn draw<B: Backend>(cells: &Tensor<B, 2>, count: usize, step: &StepContext) -> Tensor<B, 2> {
    let [all, _] = cells.dims();
    let noise = step.uniform_values(all);
    let by_noise = |a: &usize, b: &usize| noise[*a].total_cmp(&noise[*b]).then(a.cmp(b));
    let mut order: Vec<usize> = (0..all).collect();
    if count < all {
        order.select_nth_unstable_by(count, by_noise);
        order.truncate(count);
    }
    order.sort_unstable_by(by_noise);
    let positions: Vec<usize> = order.into_iter().cycle().take(count).collect();
    select_rows(cells, &positions)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;

    fn book(entries: [[f32; 2]; 3], counts: [f32; 3]) -> Codebook<Flex> {
        let device = Default::default();
        let rows = |values: [[f32; 2]; 3]| Tensor::<Flex, 2>::from_data(values, &device);
        let counts = Tensor::<Flex, 1>::from_data(counts, &device);
        let of = Codebook::init(3, 2, &mut Init::new(1, &device));
        Codebook {
            sums: of
                .sums
                .map(|_| rows(entries) * counts.clone().unsqueeze_dim(1)),
            counts: of.counts.map(|_| counts),
            entries: of.entries.map(|_| rows(entries)),
        }
    }

    fn numbers<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
        tensor.into_data().to_vec().unwrap()
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        let near = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(
            near && found.len() == expected.len(),
            "{found:?} {expected:?}"
        );
    }

    /// By hand: (1, 1) is at squared distance 2 from (0, 0), 1 from (2, 1) and 9 from (4, 1), (3, 1) as
    /// far from the last two.
    #[test]
    fn the_nearest_entry_is_the_first_of_the_least_distance() {
        let book = book([[0.0, 0.0], [2.0, 1.0], [4.0, 1.0]], [1.0; 3]);
        let cells = [[1.0, 1.0], [3.0, 1.0], [-9.0, 0.0], [5.0, 5.0]];
        let cells = Tensor::<Flex, 2>::from_data(cells, &Default::default());
        let found: Vec<i64> = book.nearest(cells).into_data().iter::<i64>().collect();
        assert_eq!(found, [1, 1, 0, 2]);
    }

    /// By hand, with a decay of 0.5: entry 0 gets (1, 1) and (3, 1), N = 0.5 * 2 + 0.5 * 2 = 2 and
    /// m = 0.5 * (0, 0) + 0.5 * (4, 2); entry 1 gets nothing, N = 1 and m = (2, 1), so it stays.
    #[test]
    fn entries_are_moving_means_of_their_cells() {
        let device = Default::default();
        let book = book([[0.0, 0.0], [2.0, 1.0], [4.0, 1.0]], [2.0, 2.0, 2.0]);
        let cells = Tensor::<Flex, 2>::from_data([[1.0, 1.0], [3.0, 1.0], [6.0, 1.0]], &device);
        let indices = Tensor::<Flex, 1, Int>::from_data([0, 0, 2], &device);
        let book = book.learn(cells, indices, 0.5);
        assert_near(&numbers(book.counts.val()), &[2.0, 1.0, 1.5]);
        assert_near(&numbers(book.sums.val()), &[2.0, 1.0, 2.0, 1.0, 7.0, 1.5]);
        let expected = [1.0, 0.5, 2.0, 1.0, 14.0 / 3.0, 1.0];
        assert_near(&numbers(book.entries.val()), &expected);
    }

    #[test]
    fn an_entry_out_of_use_moves_to_a_cell() {
        let device = Default::default();
        let entries = [[0.0, 0.0], [2.0, 1.0], [4.0, 1.0]];
        let cells = Tensor::<Flex, 2>::from_data([[7.0, 8.0], [7.0, 8.0]], &device);
        let step = StepContext::train(1, 0, 1);
        let restarted = book(entries, [3.0, 0.9, 1.0]).restart(1.0, &cells, &step);
        assert_near(
            &numbers(restarted.entries.val()),
            &[0.0, 0.0, 7.0, 8.0, 4.0, 1.0],
        );
        assert_near(&numbers(restarted.counts.val()), &[3.0, 1.0, 1.0]);
        assert_near(
            &numbers(restarted.sums.val()),
            &[0.0, 0.0, 7.0, 8.0, 4.0, 1.0],
        );
        let never = book(entries, [0.0; 3]).restart(0.0, &cells, &step);
        assert_near(&numbers(never.entries.val()), entries.as_flattened());
    }

    /// Each cell once before any comes again, in an order that the step decides.
    #[test]
    fn entries_begin_at_different_cells() {
        let device = Default::default();
        let cells = Tensor::<Flex, 2>::from_data([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], &device);
        let begun = |seed| {
            let step = StepContext::evaluate(seed, 0, 0, 1);
            let book = book([[0.0; 2]; 3], [9.0; 3]).prepare(&cells, &step);
            assert_eq!(numbers(book.counts.val()), [1.0; 3]);
            numbers(book.entries.val())
        };
        let mut sorted = begun(1);
        sorted.sort_by(f32::total_cmp);
        assert_eq!(sorted, [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
        assert_eq!(begun(1), begun(1));
        assert!((2..9).any(|seed| begun(seed) != begun(1)));
    }
}
