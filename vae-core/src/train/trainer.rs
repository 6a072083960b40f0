//! The training loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use burn::{
    module::AutodiffModule,
    optim::{GradientsAccumulator, GradientsParams, Optimizer as _},
    tensor::{Tensor, backend::AutodiffBackend},
};
use vae_data::Batcher;

use super::{
    CheckpointStore, EpochReport, Evaluation, ModuleOptimizer, Observer, Optimizer, Readings,
    State, StepReport, TrainConfig, evaluate,
    optimizer::{clip_by_norm, clip_by_value, gradients_of},
};
use crate::{
    Batch, Loss, Objective, StepContext, Update,
    error::{Error, Result},
};

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
    optimizers: Vec<ModuleOptimizer<M, B>>,
    config: TrainConfig,
    seed: u64,
    device: B::Device,
    state: State,
    checkpoints: Option<CheckpointStore>,
    stop: Arc<AtomicBool>,
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
        let optimizers = model
            .updates()
            .parts
            .iter()
            .map(|_| ModuleOptimizer::from(Optimizer::new(config.optimizer)))
            .collect();
        Ok(Self {
            model: Some(model),
            optimizers,
            config,
            seed,
            device,
            state: State::default(),
            checkpoints: None,
            stop: Arc::default(),
        })
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
            let (model, optimizers, state) =
                store.load(&path, model, self.config.optimizer, &self.device)?;
            (self.model, self.optimizers, self.state) = (Some(model), optimizers, state);
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
        let per_epoch = batches.batches_per_epoch();
        let total = self.config.total_steps(per_epoch);
        while self.state.step < total && !self.state.stopped_early {
            let epoch = self.state.epoch;
            let (mut started, mut examples, mut worked) = (Instant::now(), 0, 0.0);
            for host in batches.epoch(epoch, self.state.batch) {
                let host = host?;
                let length = host.len;
                let batch = Batch::from_host(host, &self.device);
                let readings = self.step(&batch, total)?;
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
                    return self.finish(Ending::Interrupted);
                }
            }
            let elapsed = started.elapsed().as_secs_f64();
            self.state.seconds += elapsed;
            let speed = examples as f64 / (worked + elapsed).max(1e-9);
            self.end_epoch(validation, total, speed, observer)?;
            if self.stop.load(Ordering::Relaxed) && self.state.step < total {
                return self.finish(Ending::Interrupted);
            }
        }
        let ending = if self.state.stopped_early {
            Ending::StoppedEarly
        } else {
            Ending::Finished
        };
        self.finish(ending)
    }

    /// One training step.
    fn step(&mut self, batch: &Batch<B>, total: u64) -> Result<Readings> {
        let context = StepContext::train(self.seed, self.state.step, total);
        let lr = self.config.lr.at(self.state.step, total);
        let objective = self.model().loss(batch, &context);
        let readings = Readings::of(&objective.inner());
        readings.check_finite(self.state.step + 1, || self.advice())?;
        let updates = self.model().updates();
        let pace = &mut self.state.pace;
        let moves = updates.pacing.moves(&updates.parts, &readings, pace);
        let gradients = self.gradients(objective, &updates.parts);
        for (index, mut gradients) in gradients.into_iter().enumerate() {
            if !moves[index] {
                continue;
            }
            if let Some(limit) = self.config.clip_value {
                clip_by_value::<B, M>(&mut gradients, self.model(), limit);
            }
            if let Some(limit) = self.config.clip_norm {
                let norm = clip_by_norm::<B, M>(&mut gradients, self.model(), limit);
                if !norm.is_finite() {
                    return Err(Error::NonFinite {
                        step: self.state.step + 1,
                        term: "gradient norm".into(),
                        value: norm,
                        advice: self.advice(),
                    });
                }
            }
            let model = self.model.take().expect(HELD);
            self.model = Some(self.optimizers[index].step(lr, model, gradients));
        }
        Ok(readings)
    }

    /// The gradient of an objective with respect to the parameters of each update. Consumes the
    /// objective, which holds copies of parameters.
    fn gradients(&self, objective: Objective<B>, parts: &[Update]) -> Vec<GradientsParams> {
        let split = |total: Tensor<B, 1>| -> Vec<GradientsParams> {
            let mut all = total.backward();
            let parts = parts.iter();
            parts
                .map(|part| gradients_of(&mut all, self.model(), part.parameters.as_deref()))
                .collect()
        };
        let first = split(objective.joint_total());
        if objective.portions.is_empty() {
            return first;
        }
        let mut sums: Vec<_> = parts.iter().map(|_| GradientsAccumulator::new()).collect();
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

    /// Evaluates, reports and writes the checkpoints of a finished epoch.
    fn end_epoch(
        &mut self,
        validation: Option<&Batcher>,
        total: u64,
        samples_per_second: f64,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let at = (self.state.step, total);
        let evaluation: Option<Evaluation> = validation
            .map(|batches| evaluate(&self.model().valid(), batches, self.seed, at, &self.device))
            .transpose()?;
        if let Some(evaluation) = &evaluation {
            let pacing = self.model().updates().pacing;
            pacing.after_epoch(evaluation, &mut self.state.pace);
        }
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
            train: &train,
            validation: evaluation.as_ref(),
            lr: self.config.lr.at(self.state.step.saturating_sub(1), total),
            seconds: self.state.seconds,
            samples_per_second,
            is_best,
            rests: &self.state.pace.rests,
        })?;
        self.state.epoch += 1;
        self.state.batch = 0;
        self.state.meter = super::Meter::default();
        self.checkpoint(is_best, observer)
    }

    /// Writes `best.ckpt` first: if the run dies between the two, `last.ckpt` leads to it again.
    fn checkpoint(&self, is_best: bool, observer: &mut dyn Observer) -> Result<()> {
        let Some(store) = &self.checkpoints else {
            return Ok(());
        };
        let paths = is_best.then(|| store.best()).into_iter();
        for path in paths.chain([store.last()]) {
            store.save(&path, self.model(), &self.optimizers, &self.state)?;
            observer.checkpoint(&path, self.state.step);
        }
        Ok(())
    }

    fn finish(self, ending: Ending) -> Result<Outcome<M::InnerModule>> {
        let mut model = self.model().valid();
        if let (Some(store), Some(_), Some(_)) =
            (&self.checkpoints, self.config.patience, self.state.best)
            && ending != Ending::Interrupted
        {
            let config = self.config.optimizer;
            let last = self.model.expect(HELD);
            let (best, _, _) = store.load(&store.best(), last, config, &self.device)?;
            model = best.valid();
        }
        Ok(Outcome {
            model,
            state: self.state,
            ending,
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
