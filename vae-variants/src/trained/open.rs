//! From files and bytes to a model, and back.

use std::path::Path;

use burn::tensor::backend::Backend as Burn;
use sha2::{Digest, Sha256};
use vae_core::{Parts, Position, Result};
use vae_results::RunFolder;

use super::{Trained, engine::On};
use crate::{
    Backend, Description, Model, ModelBytes,
    backend::{self, Job},
};

struct Loading<'a> {
    bytes: ModelBytes,
    folder: &'a Path,
}

impl Job for Loading<'_> {
    type Output = Trained;

    fn run<B: Burn>(self, device: B::Device) -> Result<Trained> {
        let (model, description) = self.bytes.load_from::<B>(self.folder, &device)?;
        Ok(Trained::of(model, &description, device))
    }
}

struct Building<'a> {
    description: &'a Description,
    seed: u64,
}

impl Job for Building<'_> {
    type Output = Trained;

    fn run<B: Burn>(self, device: B::Device) -> Result<Trained> {
        let model = self.description.build::<B>(self.seed, &device)?;
        Ok(Trained::of(model, self.description, device))
    }
}

impl Trained {
    /// Opens the model in `folder`: that of a run, or one with the two files that [`Trained::save`] writes.
    ///
    /// # Errors
    /// [`Error::Io`](vae_core::Error::Io) if a file cannot be read, [`Error::Corrupt`](vae_core::Error::Corrupt) if
    /// one is damaged, of a later version, or of a model with parts that are not ours,
    /// [`Error::Unfit`](vae_core::Error::Unfit) if the model is larger than the memory, and
    /// [`Error::Setting`](vae_core::Error::Setting) if this build lacks the backend.
    pub fn open(folder: &Path, backend: Backend) -> Result<Self> {
        Self::load(ModelBytes::read(folder)?, folder, backend)
    }

    /// Makes a model of bytes in memory.
    ///
    /// # Errors
    /// As [`Trained::open`].
    pub fn from_bytes(bytes: ModelBytes, backend: Backend) -> Result<Self> {
        Self::load(bytes, Path::new(""), backend)
    }

    fn load(mut bytes: ModelBytes, folder: &Path, backend: Backend) -> Result<Self> {
        let codes_of = bytes.codes_of.take();
        let trained = backend::on(backend, Loading { bytes, folder })?;
        match codes_of {
            None => Ok(trained),
            Some(bytes) => {
                let folder = folder.join(RunFolder::CODES_OF);
                Ok(trained.with_codes_of(Self::load(*bytes, &folder, backend)?))
            }
        }
    }

    /// A model with fresh weights: what an untrained one would do, and how fast.
    ///
    /// # Errors
    /// Those of [`Description::build`], and [`Error::Setting`](vae_core::Error::Setting) if this build lacks the
    /// backend.
    pub fn fresh(description: &Description, seed: u64, backend: Backend) -> Result<Self> {
        backend::on(backend, Building { description, seed })
    }

    /// A model that a program has trained, whatever its parts are.
    pub fn of<B, A>(model: Model<B, A>, description: &Description, device: B::Device) -> Self
    where
        B: Burn,
        A: Parts<B> + 'static,
    {
        Self {
            description: description.clone(),
            model: Box::new(On { model, device }),
            codes_of: None,
            // Schedules stand where the training left them.
            position: Position::at(1, 1),
        }
    }

    /// Says that the model was trained on the codes of another one; see [`Trained::encode_data`].
    #[must_use]
    pub fn with_codes_of(self, codes_of: Self) -> Self {
        Self {
            codes_of: Some(Box::new(codes_of)),
            ..self
        }
    }

    pub(crate) fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// The model as bytes, with that whose codes it was trained on.
    ///
    /// # Errors
    /// [`Error::Corrupt`](vae_core::Error::Corrupt) if a parameter is of a type that the format does not have.
    pub fn to_bytes(&self) -> Result<ModelBytes> {
        let of_codes = self.codes_of.as_ref().map(|of| of.to_bytes().map(Box::new));
        Ok(ModelBytes {
            codes_of: of_codes.transpose()?,
            ..self.model.to_bytes(&self.description)?
        })
    }

    /// Writes `model.safetensors` and `model.json` into `folder`, which it makes where there is none, and
    /// into `codes-of` in it the model whose codes it was trained on.
    ///
    /// # Errors
    /// [`Error::Io`](vae_core::Error::Io) if a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        self.to_bytes()?.write(folder)
    }

    /// Tells models apart: SHA-256 of the parameters, in hexadecimal.
    ///
    /// # Errors
    /// As [`Trained::to_bytes`].
    pub fn fingerprint(&self) -> Result<String> {
        let mut all = Some(&self.to_bytes()?);
        let mut hash = Sha256::new();
        while let Some(bytes) = all {
            hash.update(&bytes.parameters);
            all = bytes.codes_of.as_deref();
        }
        Ok(format!("{:x}", hash.finalize()))
    }
}
