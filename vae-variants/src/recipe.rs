//! How a described model is trained: on batches as its variant wants them. `vae train` trains in no other
//! way, so that what a program trains is the same, byte for byte.

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use vae_core::{
    Autoencoder, Error, Parts, Result,
    train::{Observer, Outcome, TrainConfig, Trainer},
};
use vae_data::{Batcher, Binarize, Corruption, Data, Subset};

use crate::{Defaults, Description, Model, Purpose, Variant};

/// Examples per batch of an evaluation.
const EVALUATION_BATCH: usize = 512;

/// A model, the data it is trained and evaluated on, and the settings of the training.
#[derive(Clone)]
pub struct Recipe {
    description: Description,
    config: TrainConfig,
    seed: u64,
    training: Batcher,
    validation: Option<Batcher>,
    test: Option<Batcher>,
}

impl Recipe {
    /// A model of a variant on these data, trained with the defaults of both: see [`Variant::defaults_on`].
    ///
    /// # Errors
    /// Those of [`Description::new`] and [`Recipe::new`].
    pub fn of(variant: impl Into<Variant>, data: &Data, seed: u64) -> Result<Self> {
        Self::of_purpose(Purpose::General, variant, data, seed)
    }

    /// As [`Recipe::of`], with the defaults for a purpose.
    ///
    /// # Errors
    /// Those of [`Recipe::of`].
    pub fn of_purpose(
        purpose: Purpose,
        variant: impl Into<Variant>,
        data: &Data,
        seed: u64,
    ) -> Result<Self> {
        let variant = variant.into();
        let Defaults {
            model,
            objective,
            train,
        } = variant.defaults_for(purpose, data);
        let description = Description::new(variant, model, objective, data, Binarize::None)?;
        Self::new(description, data, train, seed)
    }

    /// Batches of the three splits of `data`, made binary as `description` says, with the corruption and the
    /// share of labelled examples of its variant; those of the training split in random order.
    ///
    /// # Errors
    /// [`Error::Data`] if a batch is larger than the training split.
    pub fn new(
        description: Description,
        data: &Data,
        config: TrainConfig,
        seed: u64,
    ) -> Result<Self> {
        let corruption = description.corruption();
        let binarize = description.binarize;
        let training = Batcher::new(data.train.clone(), config.batch_size, seed)?;
        let training = match description.variant.labelled_share() {
            Some(share) => training.labelled_share(share),
            None => training,
        };
        let evaluated = |subset: &Subset| {
            let batches = Batcher::sequential(subset.clone(), EVALUATION_BATCH, seed);
            (!subset.is_empty()).then(|| batches.binarize(binarize).corrupt(corruption))
        };
        Ok(Self {
            training: training.shuffled().binarize(binarize).corrupt(corruption),
            validation: evaluated(&data.validation),
            test: evaluated(&data.test),
            description,
            config,
            seed,
        })
    }

    /// Prepares batches in threads of their own beside a step that takes `threads`: few of them.
    #[must_use]
    pub fn beside(self, threads: usize) -> Self {
        let workers = (threads / 4).clamp(1, 4);
        Self {
            training: self.training.workers(workers),
            validation: self.validation.map(|batches| batches.workers(workers)),
            test: self.test.map(|batches| batches.workers(workers)),
            ..self
        }
    }

    /// How the model is built.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The batches that are trained on.
    pub fn training(&self) -> &Batcher {
        &self.training
    }

    /// The validation split, if there is one.
    pub fn validation(&self) -> Option<&Batcher> {
        self.validation.as_ref()
    }

    /// The test split, if there is one; its input corrupted as in the training.
    pub fn test(&self) -> Option<&Batcher> {
        self.test.as_ref()
    }

    /// The test split with clean input, where the training corrupts it.
    pub fn clean_test(&self) -> Option<Batcher> {
        self.description.corruption()?;
        Some(self.test.clone()?.corrupt(None))
    }

    /// The trainer of a fresh model, to be given a store of checkpoints or a flag that stops it; it runs on
    /// [`Recipe::training`] and [`Recipe::validation`].
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Unfit`] if the settings do not fit each other or the data.
    pub fn trainer<B: AutodiffBackend>(&self, device: &B::Device) -> Result<Trainer<B, Model<B>>> {
        self.trainer_of(self.description.build(self.seed, device)?, device)
    }

    /// The trainer of a model with parts that are not ours; see [`Description::build_with`].
    ///
    /// # Errors
    /// As [`Recipe::trainer`].
    pub fn trainer_of<B, A>(
        &self,
        model: Model<B, A>,
        device: &B::Device,
    ) -> Result<Trainer<B, Model<B, A>>>
    where
        B: AutodiffBackend,
        A: Parts<B> + AutodiffModule<B>,
        A::InnerModule: Parts<B::InnerBackend>,
    {
        if let (Some(samples), false) = (self.config.nll_samples, model.gives_likelihood()) {
            let name = self.description.variant.info().name;
            let bound = format!(
                "left out with {name}, which gives no likelihood of the data: its code has no distribution \
                 to draw from"
            );
            return Err(Error::setting("train.nll_samples", samples, bound));
        }
        let aggressive = self.description.objective.aggressive;
        for (key, is_set) in [
            ("train.patience", self.config.patience.is_some()),
            ("objective.aggressive", aggressive > 0),
        ] {
            if is_set && self.validation.is_none() {
                let bound = "left out where there is no validation split (data.validation = 0)";
                return Err(Error::setting(key, "set", bound));
            }
        }
        Trainer::new(model, self.config.clone(), self.seed, device.clone())
    }

    /// Trains a fresh model from start to end.
    ///
    /// # Errors
    /// Those of [`Recipe::trainer`] and of [`Trainer::run`].
    pub fn run<B: AutodiffBackend>(
        &self,
        device: &B::Device,
        observer: &mut dyn Observer,
    ) -> Result<Outcome<Model<B::InnerBackend>>> {
        let trainer = self.trainer::<B>(device)?;
        trainer.run(&self.training, self.validation(), observer)
    }
}

impl Description {
    /// What is done to the encoder's input, in the range of the training data.
    pub fn corruption(&self) -> Option<Corruption> {
        let corruption = self.variant.corruption()?;
        Some(corruption.with_range(self.range()))
    }
}
