//! Compares a fused operation with its reference: values and gradients, on every backend that has
//! kernels.

use burn::tensor::{
    Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use vae_data::random::{self, RngCore, Stream};

/// An operation and its reference.
pub(super) trait Probe {
    /// Numbers of values of the inputs.
    fn lengths(&self) -> Vec<usize>;
    /// The operation, on flat inputs, with a flat output.
    fn fused<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1>;
    /// The same by plain tensor operations.
    fn reference<B: Backend>(&self, inputs: Vec<Tensor<B, 1>>) -> Tensor<B, 1>;
}

/// The values as a matrix; a `viewed` one is not contiguous.
pub(super) fn matrix<B: Backend>(
    values: Tensor<B, 1>,
    [rows, columns]: [usize; 2],
    viewed: bool,
) -> Tensor<B, 2> {
    if viewed {
        values.reshape([columns, rows]).transpose()
    } else {
        values.reshape([rows, columns])
    }
}

/// The output, and the gradient of its weighted sum with respect to each input.
type Results = Vec<Vec<f32>>;

fn results<B: AutodiffBackend>(
    inputs: &[Vec<f32>],
    op: impl FnOnce(Vec<Tensor<B, 1>>) -> Tensor<B, 1>,
) -> Results {
    let device = B::Device::default();
    let vector = |values: &[f32]| {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        Tensor::<B, 1>::from_data(data, &device)
    };
    let leaves: Vec<_> = inputs
        .iter()
        .map(|values| vector(values).require_grad())
        .collect();
    let output = op(leaves.clone());
    let weights: Vec<f32> = (0..output.dims()[0])
        .map(|i| 0.5 + (i % 7) as f32 / 8.0)
        .collect();
    let gradients = (output.clone() * vector(&weights)).sum().backward();
    let mut results = vec![output.into_data().to_vec().unwrap()];
    for leaf in &leaves {
        let gradient = leaf.grad(&gradients).expect("every input has a gradient");
        results.push(gradient.into_data().to_vec().unwrap());
    }
    results
}

/// As close as 1e-5 of the largest value, or of 0.1 where all are small, and not finite in the same places.
fn assert_close(what: &str, found: &Results, expected: &Results) {
    assert_eq!(found.len(), expected.len());
    for (tensor, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}: tensor {tensor}");
        let finite = expected.iter().filter(|value| value.is_finite());
        let scale = finite.fold(0.1_f32, |largest, value| largest.max(value.abs()));
        for (i, (a, b)) in found.iter().zip(expected).enumerate() {
            let close = if b.is_finite() {
                (a - b).abs() <= 1e-5 * scale
            } else {
                !a.is_finite()
            };
            assert!(close, "{what}: tensor {tensor}, value {i} is {a}, not {b}");
        }
    }
}

/// Compares on random values; some entries of each input are replaced by `extremes`.
pub(super) fn assert_same(probe: &impl Probe, seed: u64, extremes: &[f32]) {
    let mut rng = random::rng(seed, Stream::Posterior, 0);
    let inputs: Vec<Vec<f32>> = probe
        .lengths()
        .into_iter()
        .map(|length| {
            let mut values = vec![0.0; length];
            random::fill_normal(&mut rng, &mut values);
            for value in extremes.iter().take(length) {
                let at = rng.next_u32() as usize % length;
                values[at] = *value;
            }
            values
        })
        .collect();
    let expected = results::<Autodiff<Flex>>(&inputs, |inputs| probe.reference(inputs));
    let flex = results::<Autodiff<Flex>>(&inputs, |inputs| probe.fused(inputs));
    assert_close("flex", &flex, &expected);
    let ndarray = results::<Autodiff<NdArray>>(&inputs, |inputs| probe.fused(inputs));
    assert_close("ndarray", &ndarray, &expected);
}
