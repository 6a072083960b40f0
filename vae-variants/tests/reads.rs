//! A training step as a graphics card sees it: all of it is queued, and the card is waited for once.
//!
//! The card is Flex behind a client that counts what is read. Its tensors are no tensors of Flex, so that every
//! operation runs as it does on a card, by its plain form.

use std::cell::Cell;

use burn::tensor::{
    DType, Shape, Tensor, TensorData,
    backend::{DTypeUsageSet, ExecutionError},
    ops::{BoolElem, FloatElem, IntElem},
};
use burn_autodiff::Autodiff;
use burn_flex::{Flex, FlexDevice};
use burn_ir::{BackendIr, OperationIr, TensorId, TensorIr};
use burn_router::{
    BackendRouter, MultiBackendBridge, RouterTensor, Runner, RunnerChannel, RunnerClient,
};
use vae_core::{
    PosteriorKind, PriorKind, StepContext, is_card,
    nets::Arch,
    train::{Observer, StepReport, TrainConfig, Trainer},
};
use vae_data::Batcher;
use vae_variants::{Description, Variant};

use crate::every_variant::{data, describe};

thread_local! {
    static READS: Cell<usize> = const { Cell::new(0) };
    static WRITES: Cell<usize> = const { Cell::new(0) };
}

fn count(what: &'static std::thread::LocalKey<Cell<usize>>) {
    what.set(what.get() + 1);
}

#[derive(Clone)]
struct Counted(Runner<Flex>);

impl RunnerClient for Counted {
    type Device = FlexDevice;

    fn register_op(&self, op: OperationIr) {
        self.0.register_op(op);
    }

    fn read_tensor_async(
        &self,
        tensor: TensorIr,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<TensorData, ExecutionError>> + Send>> {
        count(&READS);
        self.0.read_tensor_async(tensor)
    }

    fn sync(&self) -> Result<(), ExecutionError> {
        count(&READS);
        self.0.sync()
    }

    fn create_empty_handle(&self) -> TensorId {
        self.0.create_empty_handle()
    }

    fn register_tensor_data(&self, data: TensorData) -> RouterTensor<Self> {
        // The router makes ranges of integers on the host; a card does not.
        if data.dtype.is_float() {
            count(&WRITES);
        }
        let tensor = self.0.register_tensor_data_desc(data);
        RouterTensor::new(tensor.id, tensor.shape, tensor.dtype, self.clone())
    }

    fn device(&self) -> FlexDevice {
        self.0.device()
    }

    fn seed(&self, seed: u64) {
        self.0.seed(seed);
    }

    fn dtype_usage(&self, dtype: DType) -> DTypeUsageSet {
        self.0.dtype_usage(dtype)
    }
}

type Handle = <Flex as BackendIr>::Handle;

/// There is one device.
struct Nowhere;

impl MultiBackendBridge for Nowhere {
    type TensorHandle = Handle;
    type Device = FlexDevice;

    fn change_backend_float(tensor: Handle, _: Shape, _: &FlexDevice) -> Handle {
        tensor
    }

    fn change_backend_int(tensor: Handle, _: Shape, _: &FlexDevice) -> Handle {
        tensor
    }

    fn change_backend_bool(tensor: Handle, _: Shape, _: &FlexDevice) -> Handle {
        tensor
    }
}

#[derive(Clone)]
struct Channel;

impl RunnerChannel for Channel {
    type Device = FlexDevice;
    type Bridge = Nowhere;
    type Client = Counted;
    type FloatElem = FloatElem<Flex>;
    type IntElem = IntElem<Flex>;
    type BoolElem = BoolElem<Flex>;

    /// As the cards' backends are called.
    fn name(_: &FlexDevice) -> String {
        "cubecl<counted>".to_owned()
    }

    fn init_client(device: &FlexDevice) -> Counted {
        Counted(Runner::new(*device))
    }

    fn get_tensor_handle(tensor: &TensorIr, client: &Counted) -> Handle {
        client.0.get_tensor_handle(tensor)
    }

    fn register_tensor(
        client: &Counted,
        handle: Handle,
        shape: Shape,
        dtype: DType,
    ) -> RouterTensor<Counted> {
        client
            .0
            .register_tensor(handle, shape, dtype, client.clone())
    }
}

type Card = BackendRouter<Channel>;

/// The reads and the loss of each step.
#[derive(Default)]
struct Steps {
    reads: Vec<usize>,
    losses: Vec<f64>,
}

impl Observer for Steps {
    fn step(&mut self, report: &StepReport<'_>) {
        self.reads.push(READS.take());
        self.losses.push(report.readings.loss());
    }
}

/// Some steps of a model, on a card or on Flex.
macro_rules! steps {
    ($backend:ty, $description:expr, $config:expr, $corruption:expr) => {{
        type Ad = Autodiff<$backend>;
        let device = Default::default();
        let model = $description.build::<Ad>(3, &device).unwrap();
        let batcher = Batcher::new(data().train, 8, 5).unwrap();
        let batcher = batcher.shuffled().corrupt($corruption);
        let mut steps = Steps::default();
        let trainer = Trainer::<Ad, _>::new(model, $config, 5, device).unwrap();
        READS.take();
        trainer.run(&batcher, None, &mut steps).unwrap();
        steps
    }};
}

fn config() -> TrainConfig {
    TrainConfig {
        epochs: 1,
        batch_size: 8,
        ..TrainConfig::default()
    }
}

/// One read in each step, and the losses of the CPU. Before the first step a variant may look at the data.
fn assert_one_read(what: &str, variant: &Variant, description: &Description, config: TrainConfig) {
    let corruption = variant.corruption();
    let card = steps!(Card, description, config.clone(), corruption);
    let once = card.reads[1..].iter().all(|reads| *reads == 1);
    assert!(once && card.reads.len() >= 4, "{what}: {:?}", card.reads);
    let cpu = steps!(Flex, description, config, corruption);
    // Of the main training: entries of a codebook that are equal have several indices, which its prior learns.
    for (found, expected) in card.losses.iter().zip(&cpu.losses).take(4) {
        let close = (found - expected).abs() < 1e-3 * expected.abs();
        assert!(close, "{what}: {:?}, not {:?}", card.losses, cpu.losses);
    }
}

#[test]
fn a_step_of_every_variant_reads_once() {
    for variant in Variant::all() {
        let name = variant.info().name;
        let description = describe(&variant, Arch::Mlp);
        assert_one_read(name, &variant, &description, config());
        let clipped = TrainConfig {
            clip_norm: Some(0.1),
            clip_value: Some(0.01),
            ..config()
        };
        assert_one_read(&format!("{name}, clipped"), &variant, &description, clipped);
    }
}

#[test]
fn networks_optimizers_priors_and_posteriors_read_nothing() {
    let variant: Variant = serde_json::from_str(r#"{"name": "vae"}"#).unwrap();
    for arch in [Arch::Linear, Arch::Conv, Arch::Resnet] {
        let description = describe(&variant, arch);
        assert_one_read(&format!("{arch:?}"), &variant, &description, config());
    }
    let plain = describe(&variant, Arch::Mlp);
    for optimizer in ["adamw", "sgd", "rmsprop"] {
        let rule = serde_json::json!({ "kind": optimizer });
        let config = TrainConfig {
            optimizer: serde_json::from_value(rule).unwrap(),
            ..config()
        };
        assert_one_read(optimizer, &variant, &plain, config);
    }
    for prior in [PriorKind::Mixture, PriorKind::Vamp, PriorKind::Flow] {
        let mut description = plain.clone();
        description.model.prior = Some(prior);
        description.model.prior_components = Some(5);
        assert_one_read(&format!("{prior:?}"), &variant, &description, config());
    }
    let trimmed = TrainConfig {
        trim: Some(0.2),
        ..config()
    };
    assert_one_read("trim", &variant, &plain, trimmed);
    let mut description = plain;
    description.model.posterior = Some(PosteriorKind::Flow);
    assert_one_read("posterior", &variant, &description, config());
}

/// Large amounts of noise never leave a card, few numbers are those of the host, and samples always.
#[test]
fn a_card_draws_much_noise_itself() {
    let device = Default::default();
    assert!(is_card::<Card>(&device) && is_card::<Autodiff<Card>>(&device));
    let written = |step: &StepContext, count: usize| {
        WRITES.take();
        let noise: [Tensor<Card, 1>; 2] = [
            step.normal([count], &device),
            step.uniform([count], &device),
        ];
        (noise, WRITES.take())
    };
    let step = StepContext::train(3, 7, 10);
    let (_, writes) = written(&step, 100);
    assert_eq!(writes, 2);
    let (noise, writes) = written(&step, 100_000);
    assert_eq!(writes, 0);
    let values = noise.map(|noise| noise.into_data().to_vec::<f32>().unwrap());
    let mean = |values: &[f32]| values.iter().sum::<f32>() / 1e5;
    assert!(mean(&values[0]).abs() < 0.02 && (mean(&values[1]) - 0.5).abs() < 0.01);
    let again = StepContext::train(3, 7, 10);
    let _ = written(&again, 100);
    let (noise, _) = written(&again, 100_000);
    assert_eq!(
        values,
        noise.map(|noise| noise.into_data().to_vec::<f32>().unwrap())
    );
    let (_, writes) = written(&StepContext::sample(3), 100_000);
    assert_eq!(writes, 2);
}
