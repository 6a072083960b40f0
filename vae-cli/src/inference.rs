//! Using a trained model: reconstructions and samples as plain numbers in the model's scale.

use anyhow::{Result, bail};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_core::{Autoencoder, Batch, Decoder, Distribution, Encoder, StepContext};
use vae_data::{Batcher, HostBatch, Subset};
use vae_variants::{Description, Model};

/// Examples encoded or decoded at a time.
pub const BATCH: usize = 512;

/// Examples, what the encoder saw of them, and what the model made of that. Row-major
/// `[count, features]` each.
#[derive(Debug, Clone)]
pub struct Reconstructions {
    /// The clean examples.
    pub target: Vec<f32>,
    /// The corrupted input, for a denoising model.
    pub corrupted: Option<Vec<f32>>,
    /// The mean of the likelihood given the mean code.
    pub reconstructed: Vec<f32>,
}

/// Reconstructs the first `count` examples of `subset`.
///
/// # Errors
/// If the data cannot be read.
pub fn reconstruct<B: Backend>(
    model: &Model<B>,
    description: &Description,
    subset: &Subset,
    count: usize,
    seed: u64,
    device: &B::Device,
) -> Result<Reconstructions> {
    let host = first(description, subset, count, seed)?;
    let (target, corrupted) = (host.target.clone(), host.corrupted.clone());
    let batch = Batch::<B>::from_host(host, device);
    let step = StepContext::evaluate(seed, 0, 0, 1);
    Ok(Reconstructions {
        target,
        corrupted,
        reconstructed: to_vec(model.reconstruct(&batch, &step)),
    })
}

/// The first `count` examples of `subset` as the model is to see them.
fn first(description: &Description, subset: &Subset, count: usize, seed: u64) -> Result<HostBatch> {
    let batcher = Batcher::sequential(subset.first(count), count.max(1), seed)
        .binarize(description.binarize)
        .corrupt(description.corruption());
    match batcher.epoch(0, 0).next().transpose()? {
        Some(host) => Ok(host),
        None => bail!("there are no examples to show"),
    }
}

/// Decodes codes, `[count, latent]`, all under one condition, to the mean of the likelihood.
pub fn decode<B: Backend>(
    model: &Model<B>,
    codes: &[f32],
    condition: Option<&[f32]>,
    device: &B::Device,
) -> Vec<f32> {
    let latent = Autoencoder::<B>::latent(model);
    let step = StepContext::evaluate(0, 0, 0, 1);
    let rows = |values: Vec<f32>, width: usize| {
        let count = values.len() / width;
        Tensor::<B, 2>::from_data(TensorData::new(values, [count, width]), device)
    };
    let mut values = Vec::new();
    for chunk in codes.chunks(BATCH * latent) {
        let z = rows(chunk.to_vec(), latent);
        let condition = condition.map(|row| rows(row.repeat(z.dims()[0]), row.len()));
        let parameters = model.decode(z, condition.as_ref(), &step);
        values.extend(to_vec(model.likelihood(parameters).mean()));
    }
    values
}

/// Style transfer: the first `count` examples of `subset`, and then, for each of `conditions`, what
/// the decoder makes of their codes under it. `[1 + conditions, count, features]`
///
/// # Errors
/// If the data cannot be read.
pub fn restyle<B: Backend>(
    model: &Model<B>,
    description: &Description,
    subset: &Subset,
    conditions: &[Vec<f32>],
    count: usize,
    seed: u64,
    device: &B::Device,
) -> Result<Vec<f32>> {
    let host = first(description, subset, count, seed)?;
    let mut values = host.target.clone();
    let batch = Batch::<B>::from_host(host, device);
    let code = model.encode(&batch, &StepContext::evaluate(seed, 0, 0, 1));
    let codes = to_vec(code.mean());
    for condition in conditions {
        values.extend(decode(model, &codes, Some(condition), device));
    }
    Ok(values)
}

/// Draws `count` new examples for each of `conditions` (one unconditional set if that is empty):
/// codes from the prior, decoded to the mean of the likelihood. Every condition gets the same
/// codes, so that a row shows one class in the styles of the other rows. Nothing for a model without
/// prior.
pub fn sample<B: Backend>(
    model: &Model<B>,
    conditions: &[Vec<f32>],
    count: usize,
    seed: u64,
    device: &B::Device,
) -> Option<Vec<f32>> {
    let codes = to_vec(model.sample(count, &StepContext::sample(seed), device)?);
    if conditions.is_empty() {
        return Some(decode(model, &codes, None, device));
    }
    let conditions = conditions.iter();
    let of_each = conditions.flat_map(|condition| decode(model, &codes, Some(condition), device));
    Some(of_each.collect())
}

/// The condition of each class with average attributes; one row of average attributes where there
/// are no classes; none for an unconditional model.
pub fn conditions(description: &Description) -> Vec<Vec<f32>> {
    if !description.variant.is_conditional() {
        return Vec::new();
    }
    let width = description.classes.len() + description.attributes.len();
    let row = |hot: Option<usize>| {
        let mut row = vec![0.0; width];
        if let Some(hot) = hot {
            row[hot] = 1.0;
        }
        row
    };
    if description.classes.is_empty() {
        vec![row(None)]
    } else {
        (0..description.classes.len())
            .map(|class| row(Some(class)))
            .collect()
    }
}

/// Finds a class by its name, or by its index if no class has that name.
///
/// # Errors
/// If the model is not conditional or has no such class.
pub fn class_index(description: &Description, class: &str) -> Result<usize> {
    let classes = &description.classes;
    if !description.variant.is_conditional() || classes.is_empty() {
        bail!(
            "--class needs a model trained with class labels, but this is a {} model{}",
            description.variant.info().name,
            if classes.is_empty() {
                " without classes"
            } else {
                ""
            }
        );
    }
    let by_name = classes.iter().position(|name| name == class);
    let by_index = || class.parse().ok().filter(|index| *index < classes.len());
    by_name.or_else(by_index).ok_or_else(|| {
        anyhow::anyhow!(
            "--class {class} is not a class of this model: it has {} ({}), or an index from 0 to {}",
            classes.len(),
            classes.join(", "),
            classes.len() - 1
        )
    })
}

/// A tensor's values on the host, in single precision.
pub fn to_vec<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
