//! Models of the codes that another model gives (`codes_of`): the data become codes, and what such a
//! model says of codes is shown decoded.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use burn::tensor::backend::Backend;
use vae_core::{Batch, Encoder, StepContext, files::write_atomically};
use vae_data::{Batcher, Data, DataShape, Features, Progress, Subset};
use vae_variants::{Description, Model, load};

use crate::{
    backend::{self, Job},
    inference::{BATCH, decode, to_vec},
    settings::Settings,
};

/// Where a run keeps the model whose codes it learned.
const FOLDER: &str = "codes-of";
/// Its files, in the order in which they are copied.
const FILES: [&str; 2] = ["model.json", "model.safetensors"];

/// Loads the data of `settings`; as codes, if it asks for that.
///
/// # Errors
/// If the data or the model cannot be read, or do not fit each other.
pub fn load_data(settings: &Settings, progress: &dyn Progress) -> Result<Data> {
    let data = vae_data::load(&settings.data, settings.seed, progress)?;
    match &settings.codes_of {
        None => Ok(data),
        Some(run) => {
            let job = Encoding {
                run,
                data,
                settings,
            };
            backend::run(settings.backend, job)
                .with_context(|| format!("`codes_of` is {}, which cannot be used", run.display()))
        }
    }
}

struct Encoding<'a> {
    run: &'a Path,
    data: Data,
    settings: &'a Settings,
}

impl Job for Encoding<'_> {
    type Output = Data;

    fn run<B: Backend>(self, device: B::Device) -> Result<Data> {
        let (model, description) = load::<B>(self.run, &device)?;
        let name = description.variant.info().name;
        if description.variant.is_conditional() {
            bail!("the codes of a {name} model depend on the labels; take one without condition");
        }
        if description.shape != self.data.shape {
            bail!(
                "it was trained on examples of shape {}, and those of {} have shape {}",
                description.shape,
                self.data.name,
                self.data.shape
            );
        }
        let chosen = self.settings.data.binarize;
        if chosen != description.binarize {
            bail!(
                "it was trained with --binarize {}, and --binarize is {chosen}: codes need the same",
                description.binarize
            );
        }
        let attributes = self.data.attribute_scaler.as_deref().cloned();
        let data = self.data.rescaled(description.scaler.clone(), attributes)?;
        let codes =
            |subset: &Subset| encode(&model, &description, subset, self.settings.seed, &device);
        let [train, validation, test] = [&data.train, &data.validation, &data.test].map(codes);
        let latent = vae_core::Autoencoder::<B>::latent(&model);
        Ok(data.replaced(DataShape::flat(latent), [train?, validation?, test?])?)
    }
}

/// The codes of some examples.
fn encode<B: Backend>(
    model: &Model<B>,
    description: &Description,
    subset: &Subset,
    seed: u64,
    device: &B::Device,
) -> Result<Features> {
    let batches = Batcher::sequential(subset.clone(), BATCH, seed).binarize(description.binarize);
    let (mut means, mut deviations) = (Vec::new(), None);
    for (number, host) in batches.epoch(0, 0).enumerate() {
        let batch = Batch::<B>::from_host(host?, device);
        let step = StepContext::evaluate(seed, number as u64, 0, 1);
        let code = model.encode(&batch, &step);
        means.extend(to_vec(code.mean()));
        if let Some(gaussian) = code.gaussian() {
            let of_batch = to_vec(gaussian.deviation());
            deviations.get_or_insert_with(Vec::new).extend(of_batch);
        }
    }
    Ok(Features { means, deviations })
}

/// The model that the folder of a run keeps, if the copy is whole.
pub fn kept(run: &Path) -> Option<PathBuf> {
    let folder = run.join(FOLDER);
    FILES
        .iter()
        .all(|name| folder.join(name).exists())
        .then_some(folder)
}

/// Copies the model in the folder `from` into the folder of a run, unless that has it.
///
/// # Errors
/// If a file cannot be read or written.
pub fn keep(from: &Path, run: &Path) -> Result<()> {
    if kept(run).is_some() {
        return Ok(());
    }
    let folder = run.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    for name in FILES {
        let path = from.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        write_atomically(&folder.join(name), |file| file.write_all(&bytes))?;
    }
    Ok(())
}

/// How what a model says of examples is shown: as it is, or if they are codes, decoded.
pub struct Shown<B: Backend> {
    /// What is shown.
    pub description: Description,
    decoder: Option<Model<B>>,
}

impl<B: Backend> Shown<B> {
    /// For the model described by `description` in the folder `run`.
    ///
    /// # Errors
    /// If it was trained on codes and their model cannot be read.
    pub fn open(run: &Path, description: &Description, device: &B::Device) -> Result<Self> {
        let Some(folder) = kept(run) else {
            return Ok(Self {
                description: description.clone(),
                decoder: None,
            });
        };
        let (model, of_data) = load::<B>(&folder, device)?;
        Ok(Self {
            description: Description {
                classes: description.classes.clone(),
                ..of_data
            },
            decoder: Some(model),
        })
    }

    /// The data that these values stand for.
    pub fn data(&self, values: Vec<f32>, device: &B::Device) -> Vec<f32> {
        match &self.decoder {
            Some(model) => decode(model, &values, None, device),
            None => values,
        }
    }
}
