//! The training loop.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use burn::{
    module::AutodiffModule,
    optim::{GradientsAccumulator, GradientsParams},
    tensor::{Tensor, backend::AutodiffBackend},
};
use vae_data::Batcher;

use super::{
    CheckpointStore, EpochReport, Evaluation, Meter, Observer, Optimizer, Readings, State,
    StepReport, TrainConfig, checkpoint::Loaded, evaluate,
};
use crate::{
    Batch, Code, Loss, Objective, Pace, StepContext,
    error::{Error, Result},
    files::{parameter_names, parameters_from_bytes, parameters_to_bytes},
    optimizer::{clip_by_value, scaled, with_squares},
    readings::Unread,
    step::Position,
    updates::Owners,
};

/// The part of the training in which no example is left out: a model that knows nothing yet finds all unlikely.
const TRIM_FROM: f64 = 0.2;
const HELD: &str = "the model is out only while an optimizer runs";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All epochs or steps are done.
    Finished,
    /// The validation loss stopped improving.
    StoppedEarly,
    /// The stop flag was set; the run can be resumed.
    Interrupted,
}

/// A trained model.
#[derive(Debug)]
pub struct Outcome<M> {
    /// The model to use: the best one if early stopping is on, else the last.
    pub model: M,
    /// Where the run stands.
    pub state: State,
    /// How it ended.
    pub ending: Ending,
    /// Where its main training ended.
    pub position: Position,
}

/// Trains a model.
///
/// ```no_run
/// # use vae_core::{Loss, Result, train::{TrainConfig, Trainer}};
/// # use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
/// # fn run<B: AutodiffBackend, M>(model: M, batches: vae_data::Batcher) -> Result<()>
/// # where M: AutodiffModule<B> + Loss<B>, M::InnerModule: Loss<B::InnerBackend> {
/// let outcome = Trainer::<B, M>::new(model, TrainConfig::default(), 42, Default::default())?
///     .run(&batches, None, &mut ())?;
/// # Ok(()) }
/// ```
pub struct Trainer<B: AutodiffBackend, M: AutodiffModule<B>> {
    /// Taken out only while an optimizer moves the parameters, so that it holds the sole copy.
    model: Option<M>,
    updates: Vec<Part<B>>,
    owners: Owners,
    pace: Box<dyn Pace>,
    config: TrainConfig,
    seed: u64,
    device: B::Device,
    state: State,
    checkpoints: Option<CheckpointStore>,
    /// The parameters of the best model so far, where early stopping asks for it and no store has it.
    best: Option<Vec<u8>>,
    stop: Arc<AtomicBool>,
}

/// The gradients of an update, and of each the sum of its squares.
type Clippable<B> = (
    GradientsParams,
    Vec<Tensor<<B as AutodiffBackend>::InnerBackend, 1>>,
);

/// An optimizer.
struct Part<B: AutodiffBackend> {
    optimizer: Optimizer<B>,
    /// Factor of the learning rate.
    rate: f64,
}

impl<B, M> Trainer<B, M>
where
    B: AutodiffBackend,
    M: AutodiffModule<B> + Loss<B>,
    M::InnerModule: Loss<B::InnerBackend>,
{
    /// Prepares to train `model`.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings are out of bounds.
    pub fn new(model: M, config: TrainConfig, seed: u64, device: B::Device) -> Result<Self> {
        config.check()?;
        let mut trainer = Self {
            model: Some(model),
            updates: Vec::new(),
            owners: Owners::default(),
            pace: Box::new(crate::Together::default()),
            config,
            seed,
            device,
            state: State::default(),
            checkpoints: None,
            best: None,
            stop: Arc::default(),
        };
        trainer.renew_updates();
        Ok(trainer)
    }

    /// Fresh optimizers and a fresh pace, as the model asks for them in this stage.
    fn renew_updates(&mut self) {
        let updates = self.model().updates(self.state.stage);
        let parts = updates.parts.iter().map(|update| Part {
            optimizer: Optimizer::new(update.optimizer.unwrap_or(self.config.optimizer)),
            rate: update.rate,
        });
        let owners = Owners::new(&updates.parts, self.model());
        (self.updates, self.owners, self.pace) = (parts.collect(), owners, updates.pace);
    }

    /// Writes checkpoints to `store`.
    #[must_use]
    pub fn with_checkpoints(mut self, store: CheckpointStore) -> Self {
        self.checkpoints = Some(store);
        self
    }

    /// Ends the run after the running step when `stop` becomes true.
    #[must_use]
    pub fn with_stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Goes on from the last checkpoint of the store, if there is one.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Io`] if the checkpoint cannot be used.
    pub fn resume(mut self) -> Result<Self> {
        let Some(store) = &self.checkpoints else {
            return Ok(self);
        };
        let path = store.last();
        if path.exists() {
            let model = self.model.take().expect(HELD);
            let loaded: Loaded<M> = store.load(&path, model)?;
            (self.model, self.state) = (Some(loaded.model), loaded.state);
            self.renew_updates();
            let damaged = |why: String| Error::corrupt(&path, why);
            if loaded.memories.len() != self.updates.len() {
                return Err(damaged("has the optimizers of another model".into()));
            }
            let names = parameter_names(self.model());
            for (part, memories) in self.updates.iter_mut().zip(loaded.memories) {
                part.optimizer.remember(memories, &names, &self.device);
            }
            if !self.state.pace.is_null() {
                let recalled = self.pace.recall(&self.state.pace);
                recalled.map_err(|error| damaged(error.to_string()))?;
            }
        }
        Ok(self)
    }

    fn model(&self) -> &M {
        self.model.as_ref().expect(HELD)
    }

    /// Where the run stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Trains until the settings, early stopping or the stop flag end it.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a term is no longer finite, else an error of the data, of writing a
    /// checkpoint, or of the observer.
    pub fn run(
        mut self,
        batches: &Batcher,
        validation: Option<&Batcher>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<M::InnerModule>> {
        let stages = self.model().later_stages();
        loop {
            let ending = self.run_stage(batches, validation, observer)?;
            if ending == Ending::Interrupted || self.state.stage == stages.len() {
                return self.finish(ending, batches);
            }
            self.next_stage(stages[self.state.stage].name, observer)?;
        }
    }

    /// Steps of a stage.
    fn steps_of(&self, stage: usize, batches: &Batcher) -> u64 {
        let epochs = match stage {
            0 => self.config.epochs,
            stage => self.model().later_stages()[stage - 1].epochs,
        };
        let config = TrainConfig {
            epochs,
            ..self.config.clone()
        };
        config.total_steps(batches.batches_per_epoch())
    }

    /// Steps and epochs of the whole run, if nothing ends a stage early.
    pub fn total(&self, batches: &Batcher) -> (u64, usize) {
        let per_epoch = batches.batches_per_epoch() as u64;
        let stages = 0..=self.model().later_stages().len();
        let steps = stages.map(|stage| self.steps_of(stage, batches));
        steps.fold((0, 0), |(all, epochs), steps| {
            (all + steps, epochs + steps.div_ceil(per_epoch) as usize)
        })
    }

    /// What is trained, where the main training is over.
    fn stage_name(&self) -> Option<&'static str> {
        let later = self.model().later_stages();
        Some(later[self.state.stage.checked_sub(1)?].name)
    }

    /// Where the running stage stands.
    fn position(&self, batches: &Batcher) -> Position {
        let stage = self.state.stage;
        Position {
            step: self.state.step - self.state.stage_start,
            total_steps: self.steps_of(stage, batches),
            stage,
            examples: batches.subset_len() as u64,
        }
    }

    /// Ends a stage: the model to keep is the best one if early stopping is on, else the last. A
    /// checkpoint keeps the choice, as the best of the next stage takes the place of this one's.
    fn next_stage(&mut self, name: &str, observer: &mut dyn Observer) -> Result<()> {
        if let Some(best) = self.best()? {
            self.model = Some(best);
        }
        if self.state.stage == 0 {
            self.state.main_steps = Some(self.state.step);
            self.state.main_best = self.state.best;
        }
        self.state = State {
            stage: self.state.stage + 1,
            stage_start: self.state.step,
            best: None,
            bad_epochs: 0,
            stopped_early: false,
            pace: serde_json::Value::Null,
            ..std::mem::take(&mut self.state)
        };
        self.renew_updates();
        tracing::info!("training the {name}");
        self.checkpoint(false, observer)
    }

    /// Trains until the end of the running stage.
    fn run_stage(
        &mut self,
        batches: &Batcher,
        validation: Option<&Batcher>,
        observer: &mut dyn Observer,
    ) -> Result<Ending> {
        let per_epoch = batches.batches_per_epoch();
        let start = self.position(batches);
        let stage = self.stage_name();
        let total = start.total_steps + self.state.stage_start;
        while self.state.step < total && !self.state.stopped_early {
            let epoch = self.state.epoch;
            let (mut started, mut examples, mut worked) = (Instant::now(), 0, 0.0);
            for host in batches.epoch(epoch, self.state.batch) {
                let host = host?;
                let length = host.len;
                let batch = Batch::from_host(host, &self.device);
                let position = Position {
                    step: self.state.step - self.state.stage_start,
                    ..start
                };
                let readings = self.step(&batch, position)?;
                examples += length;
                self.state.step += 1;
                self.state.batch += 1;
                self.state.examples += length as u64;
                self.state.meter.add(&readings, length);
                observer.step(&StepReport {
                    epoch: epoch + 1,
                    batch: self.state.batch,
                    batches: per_epoch,
                    step: self.state.step,
                    total_steps: total,
                    stage,
                    examples: length,
                    readings: &readings,
                });
                let ends_epoch = self.state.batch == per_epoch || self.state.step == total;
                if ends_epoch {
                    break;
                }
                let interrupted = self.stop.load(Ordering::Relaxed);
                let due = self
                    .config
                    .checkpoint_steps
                    .is_some_and(|every| self.state.step.is_multiple_of(every));
                if interrupted || due {
                    let elapsed = started.elapsed().as_secs_f64();
                    self.state.seconds += elapsed;
                    worked += elapsed;
                    self.checkpoint(false, observer)?;
                    started = Instant::now();
                }
                if interrupted {
                    return Ok(Ending::Interrupted);
                }
            }
            let elapsed = started.elapsed().as_secs_f64();
            self.state.seconds += elapsed;
            let speed = examples as f64 / (worked + elapsed).max(1e-9);
            self.end_epoch(validation, self.position(batches), speed, observer)?;
            let is_last =
                self.state.step == total && self.state.stage == self.model().later_stages().len();
            if self.stop.load(Ordering::Relaxed) && !is_last {
                return Ok(Ending::Interrupted);
            }
        }
        Ok(if self.state.stopped_early {
            Ending::StoppedEarly
        } else {
            Ending::Finished
        })
    }

    /// One training step.
    fn step(&mut self, batch: &Batch<B>, position: Position) -> Result<Readings> {
        let context = StepContext::train_at(self.seed, position);
        if self.state.step == 0 {
            let model = self.model.take().expect(HELD);
            let first = StepContext::evaluate_at(self.seed, 0, position);
            self.model = Some(model.prepare(batch, &first));
        }
        let lr = self.config.lr.at(position.step, position.total_steps);
        let objective = self.model().loss(batch, &context);
        let readings = Unread::of(&objective.inner());
        let codes = objective.codes.clone().map(Code::detach);
        let objective = self.trimmed(objective, position)?;
        let gradients = self.clippable(self.gradients(objective));
        let squares = gradients.iter().flat_map(|(_, squares)| squares.clone());
        // Whatever the device can do without the host is queued by now: it is waited for once. The parameters are
        // still those before the step.
        let (readings, squares) = readings.read(squares.collect());
        readings.check_finite(self.state.step + 1, || self.advice())?;
        let moves = self.pace.moves(readings.loss(), &readings.signals);
        let mut squares = squares.into_iter();
        for (index, (mut gradients, unread)) in gradients.into_iter().enumerate() {
            let squares: f64 = squares.by_ref().take(unread.len()).sum();
            if !moves[index] {
                continue;
            }
            if let Some(limit) = self.config.clip_norm {
                let norm = squares.sqrt();
                if !norm.is_finite() {
                    return Err(Error::NonFinite {
                        step: self.state.step + 1,
                        term: "gradient norm".into(),
                        value: norm,
                        advice: self.advice(),
                    });
                }
                if norm > limit {
                    gradients = scaled::<B, M>(gradients, self.model(), limit / norm);
                }
            }
            let model = self.model.take().expect(HELD);
            let part = &mut self.updates[index];
            self.model = Some(part.optimizer.step(lr * part.rate, model, gradients));
        }
        let model = self.model.take().expect(HELD);
        self.model = Some(model.after_step(codes, &context));
        Ok(readings)
    }

    /// The objective without the examples that the settings leave out.
    fn trimmed(&self, objective: Objective<B>, position: Position) -> Result<Objective<B>> {
        let Some(trim) = self.config.trim else {
            return Ok(objective);
        };
        if !objective.portions.is_empty() {
            let bound =
                "left out with a variant whose gradient is computed in portions, such as iwae";
            return Err(Error::setting("train.trim", trim, bound));
        }
        let begins = TRIM_FROM * position.total_steps as f64;
        Ok(match position.step as f64 >= begins {
            true => objective.trimmed(trim),
            false => objective,
        })
    }

    /// The gradient of an objective with respect to the parameters of each update. Consumes the
    /// objective, which holds copies of parameters.
    fn gradients(&self, objective: Objective<B>) -> Vec<GradientsParams> {
        let split = |total: Tensor<B, 1>| self.owners.split::<B>(total.backward(), self.model());
        let first = split(objective.joint_total());
        if objective.portions.is_empty() {
            return first;
        }
        let sums = self.updates.iter().map(|_| GradientsAccumulator::new());
        let mut sums: Vec<_> = sums.collect();
        let mut add = |gradients: Vec<GradientsParams>| {
            for (sum, gradients) in sums.iter_mut().zip(gradients) {
                sum.accumulate(self.model(), gradients);
            }
        };
        add(first);
        let Objective { portions, .. } = objective; // the rest of it goes here
        for portion in portions {
            add(split(portion.total()));
        }
        sums.iter_mut().map(GradientsAccumulator::grads).collect()
    }

    /// The gradients of each update, each entry limited, and what their norms are made of, where the settings ask for
    /// it; nothing is read.
    fn clippable(&self, gradients: Vec<GradientsParams>) -> Vec<Clippable<B>> {
        let clippable = gradients.into_iter().map(|mut gradients| {
            if let Some(limit) = self.config.clip_value {
                gradients = clip_by_value::<B, M>(gradients, self.model(), limit);
            }
            match self.config.clip_norm {
                Some(_) => with_squares::<B, M>(gradients, self.model()),
                None => (gradients, Vec::new()),
            }
        });
        clippable.collect()
    }

    /// Evaluates, reports and writes the checkpoints of a finished epoch.
    fn end_epoch(
        &mut self,
        validation: Option<&Batcher>,
        position: Position,
        samples_per_second: f64,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let evaluation: Option<Evaluation> = validation
            .map(|batches| {
                let model = self.model().valid();
                evaluate(&model, batches, self.seed, position, &self.device)
            })
            .transpose()?;
        if let Some(evaluation) = &evaluation {
            self.pace.after_epoch(evaluation);
        }
        let model = self.model.take().expect(HELD);
        self.model = Some(model.after_epoch(evaluation.as_ref()));
        let loss = evaluation.as_ref().and_then(|e| e.readings.get("loss"));
        let is_best = loss.is_some_and(|loss| match self.state.best {
            None => true,
            Some((best, _)) => loss < best - self.config.min_delta,
        });
        if is_best {
            self.state.best = loss.map(|loss| (loss, self.state.step));
            self.state.bad_epochs = 0;
        } else if loss.is_some() {
            self.state.bad_epochs += 1;
        }
        self.state.stopped_early = self
            .config
            .patience
            .is_some_and(|patience| self.state.bad_epochs >= patience);

        let train = self.state.meter.mean();
        observer.epoch(&EpochReport {
            epoch: self.state.epoch + 1,
            step: self.state.step,
            stage: self.stage_name(),
            train: &train,
            validation: evaluation.as_ref(),
            lr: (self.config.lr).at(position.step.saturating_sub(1), position.total_steps),
            seconds: self.state.seconds,
            samples_per_second,
            is_best,
            rests: &self.pace.rests(),
        })?;
        self.state.epoch += 1;
        self.state.batch = 0;
        self.state.meter = Meter::default();
        self.checkpoint(is_best, observer)
    }

    /// Writes `best.ckpt` first: if the run dies between the two, `last.ckpt` leads to it again.
    fn checkpoint(&mut self, is_best: bool, observer: &mut dyn Observer) -> Result<()> {
        self.state.pace = self.pace.memory();
        let Some(store) = &self.checkpoints else {
            if is_best && self.config.patience.is_some() {
                self.best = Some(parameters_to_bytes(&self.model().valid())?);
            }
            return Ok(());
        };
        let paths = is_best.then(|| store.best()).into_iter();
        for path in paths.chain([store.last()]) {
            let optimizers = self.updates.iter().map(|part| &part.optimizer);
            store.save(&path, self.model(), optimizers, &self.state)?;
            observer.checkpoint(&path, self.state.step);
        }
        Ok(())
    }

    /// The best model of this stage, where early stopping asks for it and there is one.
    fn best(&mut self) -> Result<Option<M>> {
        if self.config.patience.is_none() || self.state.best.is_none() {
            return Ok(None);
        }
        let last = self.model().clone();
        let Some(store) = &self.checkpoints else {
            let best = self
                .best
                .take()
                .map(|bytes| parameters_from_bytes(last, bytes, Path::new("the best model"), &[]));
            return best.transpose();
        };
        let best: Loaded<M> = store.load(&store.best(), last)?;
        Ok(Some(best.model))
    }

    fn finish(mut self, ending: Ending, batches: &Batcher) -> Result<Outcome<M::InnerModule>> {
        let best = match ending {
            Ending::Interrupted => None,
            _ => self.best()?,
        };
        let position = match self.state.main_steps {
            None => self.position(batches),
            Some(step) => Position {
                step,
                total_steps: self.config.total_steps(batches.batches_per_epoch()),
                stage: 0,
                examples: batches.subset_len() as u64,
            },
        };
        Ok(Outcome {
            model: best.as_ref().unwrap_or(self.model()).valid(),
            state: self.state,
            ending,
            position,
        })
    }

    fn advice(&self) -> String {
        match self.checkpoints.as_ref().map(CheckpointStore::last) {
            Some(path) if path.exists() => {
                format!("the last good checkpoint is {}", path.display())
            }
            _ => "there is no checkpoint yet".into(),
        }
    }
}
