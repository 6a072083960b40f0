//! What the squared norm of a dense network's Jacobian is made of.

use std::sync::OnceLock;

use burn::tensor::{Tensor, backend::Backend};

use super::{apply, primitive};

/// `weight^T weight`.
///
/// # Shapes
/// - `weight`: `[inputs, outputs]`
/// - output: `[outputs, outputs]`
pub fn gram<B: Backend>(weight: Tensor<B, 2>) -> Tensor<B, 2> {
    apply(&Gram, [primitive(&weight)]).unwrap_or_else(|| Gram.reference(weight))
}

/// The rows of a Jacobian after its last layer: row `(i, j)` is `slope_ij weight_j hidden_i`, elementwise.
///
/// # Shapes
/// - `slope`: `[batch, outputs]`
/// - `weight`: `[width, outputs]`
/// - `hidden`: `[batch, width]`
/// - output: `[batch * outputs, width]`
pub fn jacobian_rows<B: Backend>(
    slope: Tensor<B, 2>,
    weight: Tensor<B, 2>,
    hidden: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let inputs = [primitive(&slope), primitive(&weight), primitive(&hidden)];
    apply(&Begin, inputs).unwrap_or_else(|| Begin.reference(slope, weight, hidden))
}

/// Each row of an example times the row of that example, elementwise.
///
/// # Shapes
/// - `rows` and output: `[batch * outputs, width]`
/// - `factors`: `[batch, width]`
pub fn scale_rows<B: Backend>(rows: Tensor<B, 2>, factors: Tensor<B, 2>) -> Tensor<B, 2> {
    let inputs = [primitive(&rows), primitive(&factors)];
    apply(&Scale, inputs).unwrap_or_else(|| Scale.reference(rows, factors))
}

/// `r^T form r` of each row `r`.
///
/// # Shapes
/// - `rows`: `[count, width]`
/// - `form`: `[width, width]`, symmetric
/// - output: `[count]`
pub fn row_forms<B: Backend>(rows: Tensor<B, 2>, form: Tensor<B, 2>) -> Tensor<B, 1> {
    let op = Forms::default();
    let inputs = [primitive(&rows), primitive(&form)];
    apply(&op, inputs).unwrap_or_else(|| op.reference(rows, form))
}

/// See [`gram`].
#[derive(Debug, Clone)]
pub(super) struct Gram;

impl Gram {
    fn reference<B: Backend>(&self, weight: Tensor<B, 2>) -> Tensor<B, 2> {
        weight.clone().transpose().matmul(weight)
    }
}

/// See [`jacobian_rows`].
#[derive(Debug, Clone)]
pub(super) struct Begin;

impl Begin {
    fn reference<B: Backend>(
        &self,
        slope: Tensor<B, 2>,
        weight: Tensor<B, 2>,
        hidden: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let rows = slope.unsqueeze_dim::<3>(2)
            * weight.transpose().unsqueeze::<3>()
            * hidden.unsqueeze_dim(1); // [batch, outputs, width]
        rows.flatten(0, 1)
    }
}

/// See [`scale_rows`].
#[derive(Debug, Clone)]
pub(super) struct Scale;

impl Scale {
    fn reference<B: Backend>(&self, rows: Tensor<B, 2>, factors: Tensor<B, 2>) -> Tensor<B, 2> {
        let ([count, width], [batch, _]) = (rows.dims(), factors.dims());
        let rows = rows.reshape([batch, count / batch, width]) * factors.unsqueeze_dim(1);
        rows.reshape([count, width])
    }
}

/// See [`row_forms`].
#[derive(Debug, Clone, Default)]
pub(super) struct Forms {
    /// `rows form`, from the forward to the backward pass.
    #[cfg_attr(not(feature = "kernels"), allow(dead_code))]
    pub product: OnceLock<Vec<f32>>,
}

impl Forms {
    fn reference<B: Backend>(&self, rows: Tensor<B, 2>, form: Tensor<B, 2>) -> Tensor<B, 1> {
        (rows.clone().matmul(form) * rows).sum_dim(1).squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::testing::{Probe, assert_same};

    #[derive(Debug, Clone, Copy)]
    enum Part {
        Gram,
        Begin,
        Scale,
        Forms,
    }

    #[derive(Debug)]
    struct Pieces {
        part: Part,
        /// Examples, outputs and width.
        sizes: [usize; 3],
    }

    impl Pieces {
        fn run<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>, is_fused: bool) -> Tensor<B, 1> {
            let [batch, outputs, width] = self.sizes;
            let mut inputs = inputs.into_iter();
            let mut next = |shape: [usize; 2]| inputs.next().unwrap().reshape(shape);
            match self.part {
                Part::Gram => {
                    let weight = next([outputs, width]);
                    match is_fused {
                        true => gram(weight),
                        false => Gram.reference(weight),
                    }
                    .flatten(0, 1)
                }
                Part::Begin => {
                    let (slope, weight) = (next([batch, outputs]), next([width, outputs]));
                    let hidden = next([batch, width]);
                    match is_fused {
                        true => jacobian_rows(slope, weight, hidden),
                        false => Begin.reference(slope, weight, hidden),
                    }
                    .flatten(0, 1)
                }
                Part::Scale => {
                    let (rows, factors) = (next([batch * outputs, width]), next([batch, width]));
                    match is_fused {
                        true => scale_rows(rows, factors),
                        false => Scale.reference(rows, factors),
                    }
                    .flatten(0, 1)
                }
                Part::Forms => {
                    let (rows, form) = (next([batch * outputs, width]), next([width, width]));
                    let form = form.clone() + form.transpose();
                    match is_fused {
                        true => row_forms(rows, form),
                        false => Forms::default().reference(rows, form),
                    }
                }
            }
        }
    }

    impl Probe for Pieces {
        fn lengths(&self) -> Vec<usize> {
            let [batch, outputs, width] = self.sizes;
            match self.part {
                Part::Gram => vec![outputs * width],
                Part::Begin => vec![batch * outputs, width * outputs, batch * width],
                Part::Scale => vec![batch * outputs * width, batch * width],
                Part::Forms => vec![batch * outputs * width, width * width],
            }
        }

        fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            self.run(inputs, true)
        }

        fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1> {
            self.run(inputs, false)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..Default::default() })]

        #[test]
        fn match_the_reference(
            part in prop::sample::select(&[Part::Gram, Part::Begin, Part::Scale, Part::Forms][..]),
            sizes in [1..30_usize, 1..20, 1..60],
            seed: u64,
        ) {
            assert_same(&Pieces { part, sizes }, seed, &[]);
        }
    }
}
