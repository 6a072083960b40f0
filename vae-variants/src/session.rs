//! A training on a backend that is chosen when the program runs.

use std::sync::{Arc, atomic::AtomicBool};

use burn::tensor::backend::Backend as Burn;
use burn_autodiff::Autodiff;
use vae_core::{
    Result,
    train::{CheckpointStore, Observer, Outcome, State, Trainer},
};
use vae_data::Batcher;

use crate::{
    Backend, Description, Model, Recipe, Trained,
    backend::{self, Job},
};

/// A training that is ready to run: by [`Recipe::session`].
pub struct Session<'a> {
    training: &'a Batcher,
    validation: Option<&'a Batcher>,
    trainer: Box<dyn AnyTrainer>,
}

impl Recipe {
    /// Prepares to train a fresh model on `backend`.
    ///
    /// # Errors
    /// Those of [`Recipe::trainer`], and [`Error::Setting`](vae_core::Error::Setting) if this build lacks
    /// the backend.
    pub fn session(&self, backend: Backend) -> Result<Session<'_>> {
        Ok(Session {
            training: self.training(),
            validation: self.validation(),
            trainer: backend::on(backend, Starting(self))?,
        })
    }

    /// Trains a fresh model on `backend` from start to end.
    ///
    /// # Errors
    /// Those of [`Recipe::session`] and of [`Trainer::run`].
    pub fn train(&self, backend: Backend, observer: &mut dyn Observer) -> Result<Outcome<Trained>> {
        self.session(backend)?.run(observer)
    }
}

impl Session<'_> {
    /// Writes checkpoints to `store`, and goes on from its last one if there is one.
    ///
    /// # Errors
    /// [`Error::Corrupt`](vae_core::Error::Corrupt) or [`Error::Io`](vae_core::Error::Io) if the checkpoint
    /// cannot be used.
    pub fn with_checkpoints(self, store: CheckpointStore) -> Result<Self> {
        Ok(Self {
            trainer: self.trainer.with_checkpoints(store)?,
            ..self
        })
    }

    /// Ends the run after the running step when `stop` becomes true.
    #[must_use]
    pub fn with_stop_flag(self, stop: Arc<AtomicBool>) -> Self {
        Self {
            trainer: self.trainer.with_stop_flag(stop),
            ..self
        }
    }

    /// Leaves out the evaluation after each epoch, as where only steps are to be timed.
    #[must_use]
    pub fn without_validation(self) -> Self {
        Self {
            validation: None,
            ..self
        }
    }

    /// Where the run stands.
    pub fn state(&self) -> &State {
        self.trainer.state()
    }

    /// Steps and epochs of the whole run, if nothing ends a stage early.
    pub fn total(&self) -> (u64, usize) {
        self.trainer.total(self.training)
    }

    /// Trains until the settings, early stopping or the stop flag end it.
    ///
    /// # Errors
    /// Those of [`Trainer::run`].
    pub fn run(self, observer: &mut dyn Observer) -> Result<Outcome<Trained>> {
        self.trainer.run(self.training, self.validation, observer)
    }
}

/// A trainer of any backend.
trait AnyTrainer {
    fn with_checkpoints(self: Box<Self>, store: CheckpointStore) -> Result<Box<dyn AnyTrainer>>;
    fn with_stop_flag(self: Box<Self>, stop: Arc<AtomicBool>) -> Box<dyn AnyTrainer>;
    fn state(&self) -> &State;
    fn total(&self, training: &Batcher) -> (u64, usize);
    fn run(
        self: Box<Self>,
        training: &Batcher,
        validation: Option<&Batcher>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<Trained>>;
}

struct On<B: Burn> {
    trainer: Trainer<Autodiff<B>, Model<Autodiff<B>>>,
    description: Description,
    device: B::Device,
}

struct Starting<'a>(&'a Recipe);

impl Job for Starting<'_> {
    type Output = Box<dyn AnyTrainer>;

    fn run<B: Burn>(self, device: B::Device) -> Result<Self::Output> {
        let trainer = self.0.trainer::<Autodiff<B>>(&device)?;
        Ok(Box::new(On {
            trainer,
            description: self.0.description().clone(),
            device,
        }))
    }
}

impl<B: Burn> AnyTrainer for On<B> {
    fn with_checkpoints(self: Box<Self>, store: CheckpointStore) -> Result<Box<dyn AnyTrainer>> {
        Ok(Box::new(Self {
            trainer: self.trainer.with_checkpoints(store).resume()?,
            ..*self
        }))
    }

    fn with_stop_flag(self: Box<Self>, stop: Arc<AtomicBool>) -> Box<dyn AnyTrainer> {
        Box::new(Self {
            trainer: self.trainer.with_stop_flag(stop),
            ..*self
        })
    }

    fn state(&self) -> &State {
        self.trainer.state()
    }

    fn total(&self, training: &Batcher) -> (u64, usize) {
        self.trainer.total(training)
    }

    fn run(
        self: Box<Self>,
        training: &Batcher,
        validation: Option<&Batcher>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<Trained>> {
        let Self {
            trainer,
            description,
            device,
        } = *self;
        let outcome = trainer.run(training, validation, observer)?;
        let model = Trained::of(outcome.model, &description, device);
        Ok(Outcome {
            model: model.at(outcome.position),
            state: outcome.state,
            ending: outcome.ending,
            position: outcome.position,
        })
    }
}
