//! The prior over a grid of indices: `p(k) = prod_i p(k_i | k_1 .. k_{i-1})`, its cells one after another
//! (van den Oord 2017, section 3.2, whose PixelCNN a small transformer stands in for: Vaswani 2017, with
//! the normalisation before each part).

use burn::{
    module::{Module, Param, ParamId},
    nn::{LayerNorm, LayerNormConfig},
    tensor::{
        ElementConversion, Int, Tensor, TensorData,
        activation::{log_softmax, softmax},
        backend::Backend,
    },
};
use vae_core::{
    StepContext,
    nets::{Activation, Dense, Init},
};

/// The lowest temperature that logits are divided by: the likeliest code is all but certain.
const COLDEST: f64 = 1e-3;

/// Layers of the network.
const LAYERS: usize = 2;
/// Examples whose indices are drawn at a time.
const CHUNK: usize = 256;
/// What is added to the score of a cell that is not to be seen.
const UNSEEN: f32 = -1e9;

/// `p(k)` as a causal network.
#[derive(Module, Debug)]
pub struct IndexPrior<B: Backend> {
    /// A vector for each index, and one for what stands before the first cell. `[codes + 1, hidden]`
    indices: Param<Tensor<B, 2>>,
    /// A vector for each place. `[cells, hidden]`
    places: Param<Tensor<B, 2>>,
    layers: Vec<Layer<B>>,
    norm: LayerNorm<B>,
    /// Gives the logits.
    head: Dense<B>,
    /// 1 once it has been trained, before that 0. `[1]`
    trained: Param<Tensor<B, 1>>,
}

impl<B: Backend> IndexPrior<B> {
    /// A network of width `hidden` over `cells` indices below `codes`.
    pub fn init(codes: usize, cells: usize, hidden: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            indices: init.uniform([codes + 1, hidden], hidden),
            places: init.uniform([cells, hidden], hidden),
            layers: (0..LAYERS).map(|_| Layer::init(hidden, init)).collect(),
            norm: LayerNormConfig::new(hidden).init(init.device()),
            head: Dense::init(hidden, codes, init),
            trained: Param::initialized(ParamId::new(), Tensor::zeros([1], init.device())),
        }
    }

    /// Whether it has been trained.
    pub fn is_trained(&self) -> bool {
        self.trained.val().into_scalar().elem::<f32>() > 0.0
    }

    /// The same, noted as trained.
    #[must_use]
    pub fn into_trained(self) -> Self {
        Self {
            trained: self.trained.map(|flag| flag.ones_like()),
            ..self
        }
    }

    /// `-log p(k)` in nats, summed over the cells.
    ///
    /// # Shapes
    /// - `indices`: `[batch, cells]`
    /// - output: `[batch]`
    pub fn nll(&self, indices: Tensor<B, 2, Int>) -> Tensor<B, 1> {
        let [batch, cells] = indices.dims();
        let logits = self.logits(indices.clone());
        let chosen = indices.reshape([batch * cells, 1]);
        let log_p = log_softmax(logits, 1).gather(1, chosen); // [batch * cells, 1]
        log_p
            .reshape([batch, cells])
            .sum_dim(1)
            .squeeze_dim::<1>(1)
            .neg()
    }

    /// The logits of every cell, from the indices before it.
    ///
    /// # Shapes
    /// - `indices`: `[batch, cells]`
    /// - output: `[batch * cells, codes]`
    fn logits(&self, indices: Tensor<B, 2, Int>) -> Tensor<B, 2> {
        let [batch, cells] = indices.dims();
        let start = self.start(batch, &indices.device());
        let before = match cells {
            1 => start,
            _ => Tensor::cat(vec![start, indices.narrow(1, 0, cells - 1)], 1),
        };
        self.head.forward(self.states(before), Activation::Identity)
    }

    /// What stands before the first cell. `[batch, 1]`
    fn start(&self, batch: usize, device: &B::Device) -> Tensor<B, 2, Int> {
        let [rows, _] = self.indices.dims();
        Tensor::full([batch, 1], (rows - 1) as i64, device)
    }

    /// What the network makes of the first cells, each shown what stands before it.
    ///
    /// # Shapes
    /// - `before`: `[batch, shown]`
    /// - output: `[batch * shown, hidden]`
    fn states(&self, before: Tensor<B, 2, Int>) -> Tensor<B, 2> {
        let [batch, shown] = before.dims();
        let [_, hidden] = self.places.dims();
        let vectors = self.indices.val().select(0, before.flatten::<1>(0, 1));
        let places = self.places.val().narrow(0, 0, shown).unsqueeze::<3>();
        let x = vectors.reshape([batch, shown, hidden]) + places;
        let mut x = x.reshape([batch * shown, hidden]);
        for layer in &self.layers {
            x = layer.forward(x, [batch, shown]);
        }
        self.norm.forward(x)
    }

    /// Draws indices, cell after cell.
    ///
    /// # Shapes
    /// - output: `[count, cells]`
    pub fn sample(
        &self,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Tensor<B, 2, Int> {
        let [cells, _] = self.places.dims();
        let noise = step.uniform_values(count * cells);
        let chunks = noise.chunks(CHUNK * cells);
        let draw = |noise| self.draw(noise, step.temperature(), device);
        Tensor::cat(chunks.map(draw).collect(), 0)
    }

    /// The indices that uniform noise stands for, by inversion, where the logits are divided by a temperature.
    ///
    /// # Shapes
    /// - `noise`: `[count, cells]` in a row
    /// - output: `[count, cells]`
    fn draw(&self, noise: &[f32], temperature: f64, device: &B::Device) -> Tensor<B, 2, Int> {
        let [cells, hidden] = self.places.dims();
        let count = noise.len() / cells;
        let mut before = self.start(count, device);
        for cell in 0..cells {
            let states = self.states(before.clone());
            let states = states.reshape([count, cell + 1, hidden]).narrow(1, cell, 1);
            let logits = (self.head).forward(states.squeeze_dim(1), Activation::Identity);
            let [_, codes] = logits.dims();
            let logits = logits.div_scalar(temperature.max(COLDEST));
            let p: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
            let rows = p.chunks(codes).enumerate();
            let drawn = rows.map(|(row, p)| inverted(p, noise[row * cells + cell]) as i32);
            let drawn = TensorData::new(drawn.collect::<Vec<_>>(), [count, 1]);
            before = Tensor::cat(vec![before, Tensor::from_data(drawn, device)], 1);
        }
        before.narrow(1, 1, cells)
    }
}

/// The first index at which the sum of the probabilities exceeds `u`.
fn inverted(p: &[f32], u: f32) -> usize {
    let total: f64 = p.iter().map(|p| f64::from(*p)).sum();
    let (mut sum, u) = (0.0, f64::from(u) * total);
    let found = p.iter().position(|p| {
        sum += f64::from(*p);
        sum > u
    });
    found.unwrap_or(p.len() - 1)
}

/// Attention to the cells before, then a dense network for each cell.
#[derive(Module, Debug)]
struct Layer<B: Backend> {
    attention_norm: LayerNorm<B>,
    queries: Dense<B>,
    keys: Dense<B>,
    values: Dense<B>,
    attention_out: Dense<B>,
    dense_norm: LayerNorm<B>,
    dense: Dense<B>,
    dense_out: Dense<B>,
    #[module(skip)]
    heads: usize,
}

impl<B: Backend> Layer<B> {
    fn init(hidden: usize, init: &mut Init<'_, B>) -> Self {
        let heads = [4, 2]
            .into_iter()
            .find(|heads| hidden.is_multiple_of(*heads));
        Self {
            attention_norm: LayerNormConfig::new(hidden).init(init.device()),
            queries: Dense::init(hidden, hidden, init),
            keys: Dense::init(hidden, hidden, init),
            values: Dense::init(hidden, hidden, init),
            attention_out: Dense::init(hidden, hidden, init),
            dense_norm: LayerNormConfig::new(hidden).init(init.device()),
            dense: Dense::init(hidden, 2 * hidden, init),
            dense_out: Dense::init(2 * hidden, hidden, init),
            heads: heads.unwrap_or(1),
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch * cells, hidden]`
    fn forward(&self, x: Tensor<B, 2>, [batch, cells]: [usize; 2]) -> Tensor<B, 2> {
        let seen = self.attend(self.attention_norm.forward(x.clone()), [batch, cells]);
        let x = x + self.attention_out.forward(seen, Activation::Identity);
        let wide = self.dense_norm.forward(x.clone());
        let wide = self.dense.forward(wide, Activation::Relu);
        x + self.dense_out.forward(wide, Activation::Identity)
    }

    /// `softmax(q k^T / sqrt(width)) v`, over the cells up to each.
    fn attend(&self, x: Tensor<B, 2>, [batch, cells]: [usize; 2]) -> Tensor<B, 2> {
        let hidden = x.dims()[1];
        let width = hidden / self.heads;
        let device = x.device();
        let of_heads = |part: &Dense<B>, order: [isize; 4]| {
            let part = part.forward(x.clone(), Activation::Identity);
            let part = part.reshape([batch, cells, self.heads, width]);
            part.permute(order)
        };
        let queries = of_heads(&self.queries, [0, 2, 1, 3]); // [batch, heads, cells, width]
        let keys = of_heads(&self.keys, [0, 2, 3, 1]); // [batch, heads, width, cells]
        let values = of_heads(&self.values, [0, 2, 1, 3]);
        let scale = 1.0 / (width as f64).sqrt();
        let scores = queries.mul_scalar(scale).matmul(keys);
        let scores = scores + unseen(cells, &device); // [batch, heads, cells, cells]
        let seen = softmax(scores, 3).matmul(values);
        seen.swap_dims(1, 2).reshape([batch * cells, hidden])
    }
}

/// 0 for the cells up to each, else [`UNSEEN`]. `[1, 1, cells, cells]`
fn unseen<B: Backend>(cells: usize, device: &B::Device) -> Tensor<B, 4> {
    let places = (0..cells).flat_map(|to| (0..cells).map(move |from| (to, from)));
    let values = places.map(|(to, from)| if from > to { UNSEEN } else { 0.0 });
    let values = TensorData::new(values.collect::<Vec<_>>(), [1, 1, cells, cells]);
    Tensor::from_data(values, device)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;

    use super::*;

    fn prior(codes: usize, cells: usize) -> IndexPrior<Flex> {
        IndexPrior::init(codes, cells, 8, &mut Init::new(4, &Default::default()))
    }

    fn grid(rows: Vec<Vec<i32>>) -> Tensor<Flex, 2, Int> {
        let shape = [rows.len(), rows[0].len()];
        Tensor::from_data(TensorData::new(rows.concat(), shape), &Default::default())
    }

    #[test]
    fn a_cell_sees_only_what_stands_before_it() {
        let (codes, cells) = (5, 6);
        let prior = prior(codes, cells);
        let first = vec![1, 4, 0, 2, 3, 1];
        let logits = |row: &[i32]| -> Vec<f32> {
            let logits = prior.logits(grid(vec![row.to_vec()]));
            logits.into_data().to_vec().unwrap()
        };
        let before = logits(&first);
        for changed in 0..cells {
            let mut row = first.clone();
            row[changed] = (row[changed] + 1) % codes as i32;
            let after = logits(&row);
            let (same, other) = before.split_at((changed + 1) * codes);
            assert_eq!(same, &after[..same.len()], "cell {changed}");
            assert_eq!(
                other != &after[same.len()..],
                changed + 1 < cells,
                "cell {changed}"
            );
        }
    }

    #[test]
    fn the_probabilities_of_all_grids_sum_to_1() {
        let all = (0..9).map(|i| vec![i / 3, i % 3]).collect();
        let nll = prior(3, 2).nll(grid(all));
        let sum: f32 = nll.neg().exp().sum().into_scalar();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        let one = prior(3, 1).nll(grid(vec![vec![0], vec![1], vec![2]]));
        let sum: f32 = one.neg().exp().sum().into_scalar();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }

    /// Of 4000 draws, each grid has its share within four standard deviations.
    #[test]
    fn grids_are_drawn_as_often_as_they_are_probable() {
        let (prior, count) = (prior(3, 2), 4000);
        let drawn = prior.sample(count, &StepContext::sample(1), &Default::default());
        let drawn: Vec<i64> = drawn.into_data().iter::<i64>().collect();
        for number in 0..9 {
            let (first, second) = (number / 3, number % 3);
            let nll = prior.nll(grid(vec![vec![first as i32, second as i32]]));
            let p = f64::from(nll.into_scalar()).neg().exp();
            let found = drawn.chunks(2).filter(|pair| *pair == [first, second]);
            let share = found.count() as f64 / count as f64;
            let deviation = (p * (1.0 - p) / count as f64).sqrt();
            assert!((share - p).abs() < 4.0 * deviation, "{number}: {share} {p}");
        }
    }

    /// By hand.
    #[test]
    fn inversion_finds_the_index() {
        let p = [0.25, 0.0, 0.5, 0.25];
        let found = [0.0, 0.24, 0.25, 0.74, 0.75, 0.999].map(|u| inverted(&p, u));
        assert_eq!(found, [0, 0, 2, 2, 3, 3]);
    }

    use std::ops::Neg;
}
