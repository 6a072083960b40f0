//! The optimizers of a training step: which parameters each moves, how, and in which steps.

use std::{collections::HashMap, fmt::Debug};

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId, list_param_ids},
    optim::GradientsParams,
    tensor::{
        Tensor,
        backend::{AutodiffBackend, Backend},
    },
};
use serde_json::Value;

use crate::{evaluation::Evaluation, optimizer::OptimizerConfig};

/// The optimizers of a training step.
#[derive(Debug)]
pub struct Updates {
    /// Each with the parameters it moves.
    pub parts: Vec<Update>,
    /// In which steps they move.
    pub pace: Box<dyn Pace>,
}

/// Which parameters an optimizer moves.
#[derive(Debug, Clone)]
pub enum Moved {
    /// All of the model.
    All,
    /// These.
    Only(Vec<ParamId>),
    /// All of the model but these.
    AllBut(Vec<ParamId>),
}

/// An optimizer: which parameters it moves, and how.
#[derive(Debug, Clone)]
pub struct Update {
    /// What it moves, in a word.
    pub name: &'static str,
    /// The parameters to move.
    pub moved: Moved,
    /// The rule, if it is another than that of the settings.
    pub optimizer: Option<OptimizerConfig>,
    /// Factor of the learning rate.
    pub rate: f64,
}

/// In which steps the optimizers move. What it decides is a function of what it has been told since the
/// training began, so that a resumed run decides as one without a break.
pub trait Pace: Debug {
    /// Which of the updates move in this step, in their order; `loss` is what is minimised, `signals`
    /// are the objective's, each averaged over the batch.
    fn moves(&mut self, loss: f64, signals: &[f64]) -> Vec<bool>;

    /// Takes note of an evaluation at the end of an epoch.
    fn after_epoch(&mut self, evaluation: &Evaluation) {
        let _ = evaluation;
    }

    /// What it remembers, for a checkpoint.
    fn memory(&self) -> Value {
        Value::Null
    }

    /// Remembers what [`Pace::memory`] gave.
    ///
    /// # Errors
    /// If that is something else.
    fn recall(&mut self, memory: &Value) -> serde_json::Result<()> {
        let _ = memory;
        Ok(())
    }

    /// Of updates that compete: for how many steps up to now each has rested, by name: so long the
    /// other has been losing.
    fn rests(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// All updates move in every step.
#[derive(Debug, Default)]
pub struct Together(usize);

impl Pace for Together {
    fn moves(&mut self, _loss: f64, _signals: &[f64]) -> Vec<bool> {
        vec![true; self.0]
    }
}

impl Updates {
    /// One optimizer for every parameter.
    pub fn joint() -> Self {
        Self::together(vec![Update::new("model", Moved::All)])
    }

    /// Optimizers that all move in every step.
    pub fn together(parts: Vec<Update>) -> Self {
        Self {
            pace: Box::new(Together(parts.len())),
            parts,
        }
    }
}

impl Update {
    /// An optimizer of some parameters, with the rule of the settings.
    pub fn new(name: &'static str, moved: Moved) -> Self {
        Self {
            name,
            moved,
            optimizer: None,
            rate: 1.0,
        }
    }

    /// An optimizer of the parameters of `part` only.
    pub fn of<B: Backend>(name: &'static str, part: &impl Module<B>) -> Self {
        Self::new(name, Moved::Only(list_param_ids(part)))
    }

    /// With a rule of its own.
    #[must_use]
    pub fn with_optimizer(self, optimizer: OptimizerConfig) -> Self {
        Self {
            optimizer: Some(optimizer),
            ..self
        }
    }

    /// With `rate` times the learning rate of the settings.
    #[must_use]
    pub fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// The parameters that it moves of a model.
    pub fn parameters<B: Backend>(&self, model: &impl Module<B>) -> Vec<ParamId> {
        match &self.moved {
            Moved::All => list_param_ids(model),
            Moved::Only(these) => these.clone(),
            Moved::AllBut(others) => {
                let mut all = list_param_ids(model);
                all.retain(|id| !others.contains(id));
                all
            }
        }
    }
}

/// Which of the updates moves each parameter, by its number.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    of: HashMap<ParamId, usize>,
    updates: usize,
}

impl Owners {
    /// Where several updates move a parameter, the first does.
    pub fn new<B: Backend>(updates: &[Update], model: &impl Module<B>) -> Self {
        let mut of = HashMap::new();
        for (number, update) in updates.iter().enumerate() {
            for parameter in update.parameters(model) {
                of.entry(parameter).or_insert(number);
            }
        }
        Self {
            of,
            updates: updates.len(),
        }
    }

    /// The gradients for each update.
    pub fn split<B: AutodiffBackend>(
        &self,
        mut gradients: B::Gradients,
        model: &impl Module<B>,
    ) -> Vec<GradientsParams> {
        let parts = (0..self.updates).map(|_| GradientsParams::new());
        let mut split = Split::<B> {
            owners: self,
            gradients: &mut gradients,
            parts: parts.collect(),
        };
        model.visit(&mut split);
        split.parts
    }
}

struct Split<'a, B: AutodiffBackend> {
    owners: &'a Owners,
    gradients: &'a mut B::Gradients,
    parts: Vec<GradientsParams>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Split<'_, B> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<B, D>>) {
        let Some(&owner) = self.owners.of.get(&parameter.id) else {
            return;
        };
        if let Some(gradient) = parameter.val().grad_remove(self.gradients) {
            self.parts[owner].register(parameter.id, gradient);
        }
    }
}
