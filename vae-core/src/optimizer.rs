//! Optimizers and gradient clipping.

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{
        Shape, Tensor, TensorData, TensorMetadata, TensorPrimitive,
        backend::{AutodiffBackend, Backend},
        ops::FloatTensor,
    },
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_data::bounds::{BELOW_1, finite};

use crate::{
    error::{Result, check_bounds},
    ops::{self, AdamStep, MomentumStep, RmsPropStep},
};

/// The rule that turns gradients into parameter updates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Adam (Kingma & Ba 2015, algorithm 1); weight decay is added to the gradient.
    Adam {
        /// Decay rate of the first moment.
        #[serde(default = "beta1")]
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        beta1: f64,
        /// Decay rate of the second moment.
        #[serde(default = "beta2")]
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        beta2: f64,
        /// Added to the root of the second moment.
        #[serde(default = "epsilon")]
        #[garde(range(min = 0.0), custom(finite))]
        epsilon: f64,
        /// Strength of the L2 penalty's gradient.
        #[serde(default)]
        #[garde(range(min = 0.0), custom(finite))]
        weight_decay: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).
    AdamW {
        /// Decay rate of the first moment.
        #[serde(default = "beta1")]
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        beta1: f64,
        /// Decay rate of the second moment.
        #[serde(default = "beta2")]
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        beta2: f64,
        /// Added to the root of the second moment.
        #[serde(default = "epsilon")]
        #[garde(range(min = 0.0), custom(finite))]
        epsilon: f64,
        /// Share of each parameter, times the learning rate, that is taken off in a step.
        #[serde(default = "weight_decay")]
        #[garde(range(min = 0.0), custom(finite))]
        weight_decay: f64,
    },
    /// Stochastic gradient descent with momentum (PyTorch's form, without dampening).
    Sgd {
        /// Share of the last update that is kept.
        #[serde(default = "momentum")]
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        momentum: f64,
        /// Strength of the L2 penalty's gradient.
        #[serde(default)]
        #[garde(range(min = 0.0), custom(finite))]
        weight_decay: f64,
    },
    /// RMSProp (Tieleman & Hinton 2012), not centred.
    RmsProp {
        /// Decay rate of the mean square.
        #[serde(default = "rho")]
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        rho: f64,
        /// Added to the root of the mean square.
        #[serde(default = "epsilon")]
        #[garde(range(min = 0.0), custom(finite))]
        epsilon: f64,
    },
}

fn beta1() -> f64 {
    0.9
}
fn beta2() -> f64 {
    0.999
}
fn epsilon() -> f64 {
    1e-8
}
fn weight_decay() -> f64 {
    0.01
}
fn momentum() -> f64 {
    0.9
}
fn rho() -> f64 {
    0.99
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam {
            beta1: beta1(),
            beta2: beta2(),
            epsilon: epsilon(),
            weight_decay: 0.0,
        }
    }
}

impl OptimizerConfig {
    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) naming the first that is out of bounds.
    pub fn check(&self) -> Result<()> {
        check_bounds("train.optimizer", self)
    }
}

/// An optimizer of the parameters of a module, with what it remembers of each.
#[derive(Debug, Clone)]
pub struct Optimizer<B: AutodiffBackend> {
    config: OptimizerConfig,
    memories: HashMap<ParamId, Memory<B::InnerBackend>>,
}

impl<B: AutodiffBackend> Optimizer<B> {
    /// Uses the given rule.
    pub fn new(config: OptimizerConfig) -> Self {
        let memories = HashMap::new();
        Self { config, memories }
    }

    /// Moves the parameters that have gradients.
    #[must_use]
    pub fn step<M: Module<B>>(&mut self, lr: f64, module: M, gradients: GradientsParams) -> M {
        module.map(&mut Move {
            optimizer: self,
            lr,
            gradients,
        })
    }

    /// What it remembers of each parameter that has a name.
    pub(crate) fn recall(&self, names: &Names) -> BTreeMap<String, StoredMemory> {
        let memories = names.iter().map(|(name, id)| (name, self.memories.get(id)));
        memories
            .filter_map(|(name, memory)| Some((name.clone(), memory?.store())))
            .collect()
    }

    /// Remembers what [`Optimizer::recall`] gave. Names that are no parameters are left out.
    pub(crate) fn remember(
        &mut self,
        mut stored: BTreeMap<String, StoredMemory>,
        names: &Names,
        device: &B::Device,
    ) {
        let memories = names.iter().filter_map(|(name, id)| {
            let memory = stored.remove(name)?;
            Some((*id, memory.restore::<B::InnerBackend>(device)))
        });
        self.memories = memories.collect();
    }
}

/// Names of parameters, as in files.
pub(crate) type Names = Vec<(String, ParamId)>;

/// What an optimizer remembers of one parameter.
#[derive(Debug, Clone)]
pub struct Memory<B: Backend> {
    /// Steps taken.
    time: usize,
    /// First moment (Adam) or last update (momentum).
    first: Option<FloatTensor<B>>,
    /// Second moment.
    second: Option<FloatTensor<B>>,
}

/// A [`Memory`] outside of a backend.
#[derive(Debug)]
pub(crate) struct StoredMemory {
    pub time: usize,
    pub first: Option<TensorData>,
    pub second: Option<TensorData>,
}

impl<B: Backend> Memory<B> {
    fn store(&self) -> StoredMemory {
        let data = |tensor: &FloatTensor<B>| {
            let shape = tensor.shape();
            let flat = B::float_reshape(tensor.clone(), Shape::new([shape.num_elements()]));
            let flat = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(flat));
            TensorData {
                shape,
                ..flat.into_data()
            }
        };
        StoredMemory {
            time: self.time,
            first: self.first.as_ref().map(data),
            second: self.second.as_ref().map(data),
        }
    }
}

impl StoredMemory {
    fn restore<B: Backend>(self, device: &B::Device) -> Memory<B> {
        let tensor = |data| B::float_from_data(data, device);
        Memory {
            time: self.time,
            first: self.first.map(tensor),
            second: self.second.map(tensor),
        }
    }
}

struct Move<'a, B: AutodiffBackend> {
    optimizer: &'a mut Optimizer<B>,
    lr: f64,
    gradients: GradientsParams,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Move<'_, B> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let (id, tensor, mapper) = parameter.consume();
        let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let is_required = tensor.is_require_grad();
        let Optimizer { config, memories } = &mut *self.optimizer;
        let (moved, memory) = config.step(self.lr, tensor.inner(), gradient, memories.remove(&id));
        memories.insert(id, memory);
        let moved = Tensor::from_inner(moved).set_require_grad(is_required);
        Param::from_mapped_value(id, moved, mapper)
    }
}

impl OptimizerConfig {
    /// One parameter after a step, and what is to be remembered of it.
    pub fn step<B: Backend, const D: usize>(
        &self,
        lr: f64,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        memory: Option<Memory<B>>,
    ) -> (Tensor<B, D>, Memory<B>) {
        let remembered = |tensor| Tensor::<B, D>::from_primitive(TensorPrimitive::Float(tensor));
        let (time, first, second) = match memory {
            Some(memory) => (memory.time + 1, memory.first, memory.second),
            None => (1, None, None),
        };
        let start = || gradient.zeros_like();
        let first = || first.map_or_else(start, remembered);
        let second = || second.map_or_else(start, remembered);
        let (parameter, first, second) = match *self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            }
            | Self::AdamW {
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                let [decay, decoupled_decay] = match self {
                    Self::AdamW { .. } => [0.0, weight_decay],
                    _ => [weight_decay, 0.0],
                };
                let step = AdamStep {
                    lr,
                    beta1,
                    beta2,
                    epsilon,
                    decay,
                    decoupled_decay,
                    time,
                };
                let state = [parameter, first(), second()];
                let [parameter, first, second] = ops::adam(state, gradient, &step);
                (parameter, Some(first), Some(second))
            }
            Self::Sgd {
                momentum,
                weight_decay: decay,
            } => {
                let step = MomentumStep {
                    lr,
                    momentum,
                    decay,
                    time,
                };
                let [parameter, update] = ops::momentum([parameter, first()], gradient, &step);
                (parameter, Some(update), None)
            }
            Self::RmsProp { rho, epsilon } => {
                let step = RmsPropStep {
                    lr,
                    rho,
                    epsilon,
                    time,
                };
                let [parameter, square] = ops::rms_prop([parameter, second()], gradient, &step);
                (parameter, None, Some(square))
            }
        };
        let kept = |tensor: Tensor<B, D>| tensor.into_primitive().tensor();
        let (first, second) = (first.map(kept), second.map(kept));
        let memory = Memory {
            time,
            first,
            second,
        };
        (parameter, memory)
    }
}

/// Limits every entry of every gradient to `[-limit, limit]`.
pub(crate) fn clip_by_value<B: AutodiffBackend, M: Module<B>>(
    gradients: GradientsParams,
    module: &M,
    limit: f64,
) -> GradientsParams {
    rewritten(gradients, module, &mut Rewrite::<B>::Clamp(limit))
}

/// The same gradients, and of each the sum of its squares, not read yet. `[1]` each
pub(crate) fn with_squares<B: AutodiffBackend, M: Module<B>>(
    gradients: GradientsParams,
    module: &M,
) -> (GradientsParams, Vec<Tensor<B::InnerBackend, 1>>) {
    let mut squares = Rewrite::<B>::Squares(Vec::new());
    let gradients = rewritten(gradients, module, &mut squares);
    match squares {
        Rewrite::Squares(squares) => (gradients, squares),
        _ => unreachable!("it stays what it is"),
    }
}

/// All gradients times `scale`.
pub(crate) fn scaled<B: AutodiffBackend, M: Module<B>>(
    gradients: GradientsParams,
    module: &M,
    scale: f64,
) -> GradientsParams {
    rewritten(gradients, module, &mut Rewrite::<B>::Scale(scale))
}

/// What a pass over the gradients does.
enum Rewrite<B: AutodiffBackend> {
    Clamp(f64),
    Scale(f64),
    Squares(Vec<Tensor<B::InnerBackend, 1>>),
}

struct Rewriter<'a, B: AutodiffBackend> {
    from: GradientsParams,
    to: GradientsParams,
    what: &'a mut Rewrite<B>,
}

fn rewritten<B: AutodiffBackend, M: Module<B>>(
    gradients: GradientsParams,
    module: &M,
    what: &mut Rewrite<B>,
) -> GradientsParams {
    let mut rewriter = Rewriter {
        from: gradients,
        to: GradientsParams::new(),
        what,
    };
    module.visit(&mut rewriter);
    rewriter.to
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Rewriter<'_, B> {
    /// A parameter that the module holds twice is found once.
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
        let id = parameter.id;
        let Some(gradient) = self.from.remove::<B::InnerBackend, D>(id) else {
            return;
        };
        let gradient = match self.what {
            Rewrite::Clamp(limit) => gradient.clamp(-*limit, *limit),
            Rewrite::Scale(scale) => gradient.mul_scalar(*scale),
            Rewrite::Squares(sums) => {
                sums.push(gradient.clone().square().sum());
                gradient
            }
        };
        self.to.register(id, gradient);
    }
}
