//! Using a trained model: reconstructions and samples as plain numbers in the model's scale.

use anyhow::{Result, bail};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_core::{Autoencoder, Batch, Decoder, StepContext};
use vae_data::{Batcher, Subset, fill_normal, random::Stream, rng};
use vae_variants::{Description, Model};

/// Examples decoded at a time.
const BATCH: usize = 512;

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
    let corruption = description.variant.corruption();
    let first = subset.first(count);
    let batcher = Batcher::sequential(first, count.max(1), seed)
        .binarize(description.binarize)
        .corrupt(corruption.map(|c| c.with_range(description.range())));
    let Some(host) = batcher.epoch(0, 0).next().transpose()? else {
        bail!("there are no examples to reconstruct");
    };
    let (target, corrupted) = (host.target.clone(), host.corrupted.clone());
    let batch = Batch::<B>::from_host(host, device);
    let step = StepContext::evaluate(seed, 0, 0, 1);
    Ok(Reconstructions {
        target,
        corrupted,
        reconstructed: to_vec(model.reconstruct(&batch, &step)),
    })
}

/// Draws `count` new examples for each of `conditions` (one unconditional set if that is empty):
/// codes from `N(0, I)`, decoded to the mean of the likelihood. Every condition gets the same
/// codes, so that a row shows one class in the styles of the other rows.
pub fn sample<B: Backend>(
    model: &Model<B>,
    conditions: &[Vec<f32>],
    count: usize,
    seed: u64,
    device: &B::Device,
) -> Vec<f32> {
    let latent = Autoencoder::<B>::latent(model);
    let mut codes = vec![0.0; count * latent];
    fill_normal(&mut rng(seed, Stream::Sample, 0), &mut codes);
    let step = StepContext::evaluate(seed, 0, 0, 1);
    let mut values = Vec::new();
    let sets: Vec<Option<&Vec<f32>>> = if conditions.is_empty() {
        vec![None]
    } else {
        conditions.iter().map(Some).collect()
    };
    for condition in sets {
        for chunk in codes.chunks(BATCH * latent) {
            let rows = chunk.len() / latent;
            let z =
                Tensor::<B, 2>::from_data(TensorData::new(chunk.to_vec(), [rows, latent]), device);
            let condition = condition.map(|row| {
                let width = row.len();
                let all = row.repeat(rows);
                Tensor::<B, 2>::from_data(TensorData::new(all, [rows, width]), device)
            });
            let parameters = model.decode(z, condition.as_ref(), &step);
            values.extend(to_vec(model.likelihood().mean(parameters)));
        }
    }
    values
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
fn to_vec<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
