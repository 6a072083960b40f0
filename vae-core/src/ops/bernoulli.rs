//! The negative log-likelihood of Bernoulli variables.

use burn::tensor::{Shape, Tensor, backend::Backend};

use super::{
    fused::{Fused, View, apply, primitive},
    kernels::elementwise::{self, bernoulli_slope, scaled},
};

/// `-log p(target)` in nats of independent Bernoulli variables, summed over features:
/// `softplus(l) - x l` for logit `l`. For targets inside (0, 1) it is the cross-entropy.
///
/// # Shapes
/// - `logits`, `target`: `[batch, features]`
/// - output: `[batch]`
pub fn bernoulli_nll<B: Backend>(logits: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    apply(&Bernoulli, [primitive(&logits), primitive(&target)])
        .unwrap_or_else(|| reference(logits, target))
}

/// `softplus(l) = (l + |l|) / 2 + log(1 + exp(-|l|))`, whose slope at `l = 0` is 1/2 also as
/// automatic differentiation sees it.
fn reference<B: Backend>(logits: Tensor<B, 2>, target: Tensor<B, 2>) -> Tensor<B, 1> {
    let size = logits.clone().abs();
    let softplus = (logits.clone() + size.clone()).mul_scalar(0.5) + size.neg().exp().log1p();
    (softplus - logits * target).sum_dim(1).squeeze_dim(1)
}

#[derive(Debug, Clone)]
struct Bernoulli;

impl Fused<2> for Bernoulli {
    fn forward(&self, [logits, target]: [View<'_>; 2]) -> (Vec<f32>, Shape) {
        let nll =
            logits.per_row(|row| elementwise::bernoulli_nll(logits.row(row), target.row(row)));
        (nll, Shape::new([logits.rows()]))
    }

    fn backward(
        &self,
        [logits, target]: [View<'_>; 2],
        _nll: View<'_>,
        gradient: &mut [f32],
        [want_logits, want_target]: [bool; 2],
    ) -> [Option<Vec<f32>>; 2] {
        let of_logits = want_logits.then(|| {
            logits.map_rows(|row, out| {
                bernoulli_slope(out, logits.row(row), target.row(row), gradient[row]);
            })
        });
        let of_target = want_target
            .then(|| logits.map_rows(|row, out| scaled(out, logits.row(row), -gradient[row])));
        [of_logits, of_target]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same, matrix};

    #[derive(Debug)]
    struct Nll {
        shape: [usize; 2],
        viewed: bool,
    }

    impl Nll {
        fn inputs<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> [Tensor<B, 2>; 2] {
            let inputs: [_; 2] = inputs.try_into().unwrap();
            inputs.map(|values| matrix(values, self.shape, self.viewed))
        }
    }

    impl Probe for Nll {
        fn lengths(&self) -> Vec<usize> {
            vec![self.shape[0] * self.shape[1]; 2]
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [logits, target] = self.inputs(inputs);
            bernoulli_nll(logits, target)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            let [logits, target] = self.inputs(inputs);
            reference(logits, target)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

        #[test]
        fn matches_the_reference(
            sizes: [prop::sample::Index; 2],
            viewed: bool,
            seed: u64,
        ) {
            let shape = sizes.map(|size| 1 + size.index(200));
            let nll = Nll { shape, viewed };
            assert_same(&nll, seed, &[]);
            assert_same(&nll, seed, &[f32::NAN, 90.0, -90.0, 0.0]);
        }
    }
}
