//! How the tensors of a backend lend their memory to the kernels.

use burn::tensor::{DType, Shape, TensorData, TensorMetadata, backend::Backend, ops::FloatTensor};
use burn_flex::{Flex, FlexTensor};
use burn_ndarray::{NdArray, NdArrayTensor};
use ndarray::{ArcArray, IxDyn};

/// A backend whose tensors are row-major values in host memory.
pub(super) trait Host: Backend {
    /// Whether the values are `f32`. What follows needs that.
    fn is_f32(tensor: &FloatTensor<Self>) -> bool;

    /// The tensor with its values in row-major order.
    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The values of a tensor that [`Host::contiguous`] gave.
    fn values(tensor: &FloatTensor<Self>) -> &[f32];

    /// The values, to be written; copied first if another tensor shares them.
    fn values_mut(tensor: &mut FloatTensor<Self>) -> &mut [f32];

    /// A tensor of the given values, which are not copied.
    fn from_values(values: Vec<f32>, shape: Shape) -> FloatTensor<Self>;
}

const CONTIGUOUS: &str = "the tensor holds f32 and came from `contiguous`";

impl Host for Flex {
    fn is_f32(tensor: &FlexTensor) -> bool {
        tensor.dtype() == DType::F32
    }

    fn contiguous(tensor: FlexTensor) -> FlexTensor {
        // A view may start within its storage or end before it.
        let is_whole = |tensor: &FlexTensor| {
            tensor.is_contiguous()
                && tensor.layout().start_offset() == 0
                && tensor.bytes().len() == size_of::<f32>() * tensor.shape().num_elements()
        };
        if is_whole(&tensor) {
            return tensor;
        }
        let copy = tensor.to_contiguous();
        if is_whole(&copy) {
            return copy;
        }
        let values = copy.as_slice::<f32>().expect(CONTIGUOUS);
        Self::from_values(values.to_vec(), copy.shape())
    }

    fn values(tensor: &FlexTensor) -> &[f32] {
        tensor.storage()
    }

    fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
        tensor.storage_mut()
    }

    fn from_values(values: Vec<f32>, shape: Shape) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(values, shape))
    }
}

impl Host for NdArray<f32> {
    fn is_f32(tensor: &NdArrayTensor) -> bool {
        matches!(tensor, NdArrayTensor::F32(_))
    }

    fn contiguous(tensor: NdArrayTensor) -> NdArrayTensor {
        match tensor {
            NdArrayTensor::F32(storage) if !storage.view().is_standard_layout() => {
                let copy = storage.view().as_standard_layout().into_owned();
                copy.into_shared().into()
            }
            tensor => tensor,
        }
    }

    fn values(tensor: &NdArrayTensor) -> &[f32] {
        let NdArrayTensor::F32(storage) = tensor else {
            unreachable!("{CONTIGUOUS}");
        };
        storage.view().to_slice().expect(CONTIGUOUS)
    }

    fn values_mut(tensor: &mut NdArrayTensor) -> &mut [f32] {
        let NdArrayTensor::F32(storage) = tensor else {
            unreachable!("{CONTIGUOUS}");
        };
        storage.ensure_owned().as_slice_mut().expect(CONTIGUOUS)
    }

    fn from_values(values: Vec<f32>, shape: Shape) -> NdArrayTensor {
        let array = ArcArray::from_shape_vec(IxDyn(&shape), values);
        array.expect("as many values as the shape has").into()
    }
}
