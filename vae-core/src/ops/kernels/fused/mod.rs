//! The fused form of each operation of [`ops`](crate::ops), in the file of its name, and how it
//! joins automatic differentiation.

mod activation;
mod conv;
mod counts;
mod dense;
mod dropout;
mod host;
mod images;
mod jacobian;
mod largest;
mod latent;
mod nll;
mod norm;
mod optimizer;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{
    Shape, Tensor, TensorMetadata, TensorPrimitive, backend::Backend, ops::FloatTensor,
};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn_flex::Flex;
use burn_ndarray::NdArray;

use super::{matrix::Matrix, threads};
use host::Host;
pub(in crate::ops) use optimizer::{InPlace, step};

/// Row-major values and their shape.
#[derive(Clone, Copy)]
pub(in crate::ops) struct View<'a> {
    pub values: &'a [f32],
    pub shape: &'a [usize],
}

impl<'a> View<'a> {
    /// Size of the first dimension.
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// Size of the second dimension.
    pub fn columns(&self) -> usize {
        self.shape[1]
    }

    /// The values as a matrix.
    pub fn matrix(&self) -> Matrix<'a> {
        Matrix::new(self.values, self.rows(), self.columns())
    }

    /// One row of a matrix.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.columns()..][..self.columns()]
    }

    /// One value for each row of a matrix.
    pub fn per_row(&self, value: impl Fn(usize) -> f32 + Sync) -> Vec<f32> {
        let mut values = vec![0.0; self.rows()];
        threads::rows(&mut values, 1, self.columns(), |first, part| {
            for (row, out) in (first..).zip(part) {
                *out = value(row);
            }
        });
        values
    }

    /// Values of the same shape, a matrix, of which `fill(row, values)` writes each row.
    pub fn map_rows(&self, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
        let columns = self.columns();
        let mut values = vec![0.0; self.values.len()];
        threads::rows(&mut values, columns, columns, |first, rows| {
            for (row, values) in (first..).zip(rows.chunks_exact_mut(columns)) {
                fill(row, values);
            }
        });
        values
    }
}

/// An operation on `N` tensors in host memory, with its derivative.
pub(in crate::ops) trait Fused<const N: usize>:
    Debug + Send + Sync + 'static
{
    /// Whether `backward` leaves the gradient of the first input in `gradient`, and returns none for it.
    fn is_in_place(&self) -> bool {
        false
    }

    /// The result.
    fn forward(&self, inputs: [View<'_>; N]) -> (Vec<f32>, Shape);

    /// The gradients of those inputs that are `wanted`. `gradient` is that of the output, and may
    /// be used as scratch space.
    fn backward(
        &self,
        inputs: [View<'_>; N],
        output: View<'_>,
        gradient: &mut [f32],
        wanted: [bool; N],
    ) -> [Option<Vec<f32>>; N];
}

/// Any operation, so that what follows is compiled once for all of them.
type Operation<const N: usize> = Arc<dyn Fused<N>>;

/// Runs `op`, or does nothing if the backend has no kernels.
pub(in crate::ops) fn apply<B: Backend, const D: usize, const N: usize>(
    op: &(impl Fused<N> + Clone),
    inputs: [FloatTensor<B>; N],
) -> Option<Tensor<B, D>> {
    let output = on_host::<B, N>(Arc::new(op.clone()), inputs)?;
    Some(Tensor::from_primitive(TensorPrimitive::Float(output)))
}

fn on_host<B: Backend, const N: usize>(
    op: Operation<N>,
    inputs: [FloatTensor<B>; N],
) -> Option<FloatTensor<B>> {
    run(&op, inputs, tracked::<Flex, N>)
        .or_else(|inputs| run(&op, inputs, untracked::<Flex, N>))
        .or_else(|inputs| run(&op, inputs, tracked::<NdArray, N>))
        .or_else(|inputs| run(&op, inputs, untracked::<NdArray, N>))
        .ok()?
}

/// `work` on `inputs` if `From` and `To` are one type, else the inputs again.
fn run<From: 'static, To: 'static, const N: usize>(
    op: &Operation<N>,
    inputs: [From; N],
    work: fn(Operation<N>, [To; N]) -> Option<To>,
) -> Result<Option<From>, [From; N]> {
    let output = work(op.clone(), cast(inputs)?);
    Ok(output.and_then(|output| cast(output).ok()))
}

/// The value as another type if that is the type it has.
fn cast<From: 'static, To: 'static>(value: From) -> Result<To, From> {
    let mut slot = Some(value);
    let same = (&mut slot as &mut dyn Any)
        .downcast_mut::<Option<To>>()
        .and_then(Option::take);
    match (same, slot) {
        (Some(value), _) => Ok(value),
        (None, Some(value)) => Err(value),
        (None, None) => unreachable!("the slot was not emptied"),
    }
}

/// The inputs in row-major order, or nothing if one holds no `f32`.
fn contiguous<H: Host, const N: usize>(inputs: [FloatTensor<H>; N]) -> Option<[FloatTensor<H>; N]> {
    let all_f32 = inputs.iter().all(H::is_f32);
    all_f32.then(|| inputs.map(H::contiguous))
}

fn forward<H: Host, const N: usize>(
    op: &dyn Fused<N>,
    inputs: &[FloatTensor<H>; N],
) -> FloatTensor<H> {
    let shapes = inputs.each_ref().map(|input| input.shape());
    let (values, shape) = op.forward(views::<H, N>(inputs, &shapes));
    H::from_values(values, shape)
}

fn views<'a, H: Host, const N: usize>(
    tensors: &'a [FloatTensor<H>; N],
    shapes: &'a [Shape; N],
) -> [View<'a>; N] {
    std::array::from_fn(|i| View {
        values: H::values(&tensors[i]),
        shape: &shapes[i],
    })
}

fn untracked<H: Host, const N: usize>(
    op: Operation<N>,
    inputs: [FloatTensor<H>; N],
) -> Option<FloatTensor<H>> {
    Some(forward::<H, N>(&*op, &contiguous::<H, N>(inputs)?))
}

fn tracked<H: Host, const N: usize>(
    op: Operation<N>,
    inputs: [FloatTensor<Autodiff<H>>; N],
) -> Option<FloatTensor<Autodiff<H>>> {
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let inputs = contiguous::<H, N>(inputs.map(|input| input.primitive))?;
    let output = forward::<H, N>(&*op, &inputs);
    let prepared = Backward::<H, N>::prepare::<NoCheckpointing>(Step(op), nodes);
    Some(match prepared.compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((inputs, output.clone()), output),
        OpsKind::UnTracked(step) => step.finish(output),
    })
}

/// The backward pass of an operation.
#[derive(Debug)]
struct Step<const N: usize>(Operation<N>);

impl<H: Host, const N: usize> Backward<H, N> for Step<N> {
    type State = ([FloatTensor<H>; N], FloatTensor<H>);

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let (inputs, output) = ops.state;
        let mut gradient = H::contiguous(gradients.consume::<H>(&ops.node));
        let shapes = inputs.each_ref().map(|input| input.shape());
        let found = self.0.backward(
            views::<H, N>(&inputs, &shapes),
            View {
                values: H::values(&output),
                shape: &output.shape(),
            },
            H::values_mut(&mut gradient),
            ops.parents.each_ref().map(Option::is_some),
        );
        let mut parents = ops.parents.into_iter().zip(found).zip(shapes);
        if self.0.is_in_place() {
            let first = parents.next().and_then(|((parent, _), _)| parent);
            if let Some(parent) = first {
                gradients.register::<H>(parent.id, gradient);
            }
        }
        for ((parent, values), shape) in parents {
            if let (Some(parent), Some(values)) = (parent, values) {
                gradients.register::<H>(parent.id, H::from_values(values, shape));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::primitive;

    /// The backend's own operations give the same numbers: that kernels run must be asked for.
    #[test]
    fn host_backends_run_kernels() {
        #[derive(Debug, Clone)]
        struct Seven;
        impl Fused<1> for Seven {
            fn forward(&self, [input]: [View<'_>; 1]) -> (Vec<f32>, Shape) {
                (vec![7.0; input.values.len()], Shape::from(input.shape))
            }
            fn backward(
                &self,
                _: [View<'_>; 1],
                _: View<'_>,
                gradient: &mut [f32],
                _: [bool; 1],
            ) -> [Option<Vec<f32>>; 1] {
                [Some(gradient.iter().map(|g| 5.0 * g).collect())]
            }
        }
        fn seven<B: Backend>(input: &Tensor<B, 1>) -> Tensor<B, 1> {
            apply(&Seven, [primitive(input)]).expect("a kernel")
        }
        fn check<H: Host>() {
            let device = H::Device::default();
            let output = seven(&Tensor::<H, 1>::zeros([2], &device));
            assert_eq!(output.into_data().to_vec::<f32>().unwrap(), [7.0; 2]);
            let leaf = Tensor::<Autodiff<H>, 1>::zeros([2], &device).require_grad();
            let gradients = seven(&leaf).sum().backward();
            let gradient = leaf.grad(&gradients).expect("a gradient").into_data();
            assert_eq!(gradient.to_vec::<f32>().unwrap(), [5.0; 2]);
        }
        check::<Flex>();
        check::<NdArray>();
        let wide =
            Tensor::<Flex, 1>::zeros([2], &Default::default()).cast(burn::tensor::DType::F64);
        let none: Option<Tensor<Flex, 1>> = apply(&Seven, [primitive(&wide)]);
        assert!(none.is_none());
    }
}
