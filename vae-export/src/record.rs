//! A backend that computes nothing and writes down what it is asked for.
//!
//! A model runs on it as on any other backend, so that what is exported is what the model does, whatever its
//! variant, networks, likelihood and prior are.

use std::{
    collections::HashMap,
    future::{Future, ready},
    mem,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{
        DType, Shape, Tensor, TensorData, TensorPrimitive,
        backend::{DTypeUsage, DTypeUsageSet, ExecutionError},
    },
};
use burn_flex::FlexDevice;
use burn_ir::{OperationIr, TensorId, TensorIr};
use burn_router::{BackendRouter, MultiBackendBridge, RouterTensor, RunnerChannel, RunnerClient};

/// The backend.
pub type Recorder = BackendRouter<Channel>;

/// What was asked for, in order.
#[derive(Debug, Default)]
pub struct Recording {
    /// The operations.
    pub operations: Vec<OperationIr>,
    /// Tensors that came from the host.
    pub data: HashMap<TensorId, TensorData>,
    /// Whether a value was asked for, which there is none of.
    pub is_read: bool,
    tensors: u64,
}

static RECORDING: Mutex<Option<Recording>> = Mutex::new(None);
/// One recording at a time.
static RECORDER: Mutex<()> = Mutex::new(());

fn with<T>(change: impl FnOnce(&mut Recording) -> T) -> T {
    let mut recording = RECORDING.lock().unwrap_or_else(PoisonError::into_inner);
    change(recording.get_or_insert_default())
}

/// Records until it is dropped.
pub struct Session(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Session {
    /// Waits for others, and starts.
    pub fn start() -> Self {
        let guard = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
        with(mem::take);
        Self(guard)
    }

    /// The operations and tensors since the last call; tensors keep counting.
    pub fn take(&self) -> Recording {
        with(|recording| {
            let next = Recording {
                tensors: recording.tensors,
                ..Recording::default()
            };
            mem::replace(recording, next)
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        with(mem::take);
    }
}

/// What a tensor is called in a recording.
pub fn id<const D: usize>(tensor: &Tensor<Recorder, D>) -> TensorId {
    match tensor.clone().into_primitive() {
        TensorPrimitive::Float(tensor) | TensorPrimitive::QFloat(tensor) => tensor.into_ir().id,
    }
}

/// Name, as in `model.safetensors`, and tensor of each parameter of a module.
pub fn parameters(module: &impl Module<Recorder>) -> Vec<(String, TensorId)> {
    let mut found = Parameters::default();
    module.visit(&mut found);
    found.found
}

#[derive(Default)]
struct Parameters {
    path: Vec<String>,
    found: Vec<(String, TensorId)>,
}

impl ModuleVisitor<Recorder> for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Recorder, D>>) {
        self.found.push((self.path.join("."), id(&param.val())));
    }

    // The members of an enum are no part of a name.
    fn enter_module(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.pop();
        }
    }
}

/// Writes into the one recording.
#[derive(Debug, Clone)]
pub struct Client;

impl RunnerClient for Client {
    type Device = FlexDevice;

    fn register_op(&self, op: OperationIr) {
        if !matches!(op, OperationIr::Drop(_)) {
            with(|recording| recording.operations.push(op));
        }
    }

    fn read_tensor_async(
        &self,
        tensor: TensorIr,
    ) -> Pin<Box<dyn Future<Output = Result<TensorData, ExecutionError>> + Send>> {
        let known = with(|recording| {
            let known = recording.data.get(&tensor.id).cloned();
            recording.is_read |= known.is_none();
            known
        });
        let zeros =
            || TensorData::zeros::<f32, _>(tensor.shape.clone()).convert_dtype(tensor.dtype);
        Box::pin(ready(Ok(known.unwrap_or_else(zeros))))
    }

    fn sync(&self) -> Result<(), ExecutionError> {
        Ok(())
    }

    fn create_empty_handle(&self) -> TensorId {
        with(|recording| {
            recording.tensors += 1;
            TensorId::new(recording.tensors)
        })
    }

    fn register_tensor_data(&self, data: TensorData) -> RouterTensor<Self> {
        let id = self.create_empty_handle();
        let (shape, dtype) = (data.shape.clone(), data.dtype);
        with(|recording| recording.data.insert(id, data));
        RouterTensor::new(id, shape, dtype, self.clone())
    }

    fn device(&self) -> FlexDevice {
        FlexDevice
    }

    fn seed(&self, _: u64) {}

    fn dtype_usage(&self, _: DType) -> DTypeUsageSet {
        DTypeUsage::general()
    }
}

/// There is one device.
pub struct Nowhere;

impl MultiBackendBridge for Nowhere {
    type TensorHandle = TensorId;
    type Device = FlexDevice;

    fn change_backend_float(tensor: TensorId, _: Shape, _: &FlexDevice) -> TensorId {
        tensor
    }

    fn change_backend_int(tensor: TensorId, _: Shape, _: &FlexDevice) -> TensorId {
        tensor
    }

    fn change_backend_bool(tensor: TensorId, _: Shape, _: &FlexDevice) -> TensorId {
        tensor
    }
}

/// Leads to the one client.
#[derive(Clone)]
pub struct Channel;

impl RunnerChannel for Channel {
    type Device = FlexDevice;
    type Bridge = Nowhere;
    type Client = Client;
    type FloatElem = f32;
    type IntElem = i64;
    type BoolElem = bool;

    fn name(_: &FlexDevice) -> String {
        "recorder".to_owned()
    }

    fn init_client(_: &FlexDevice) -> Client {
        Client
    }

    fn get_tensor_handle(tensor: &TensorIr, _: &Client) -> TensorId {
        tensor.id
    }

    fn register_tensor(
        client: &Client,
        id: TensorId,
        shape: Shape,
        dtype: DType,
    ) -> RouterTensor<Client> {
        RouterTensor::new(id, shape, dtype, client.clone())
    }
}
