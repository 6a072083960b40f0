//! Weights from elsewhere.

use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use vae_core::{Error, Result};
use vae_variants::{Backend, ModelBytes, Trained};

/// The same model with other weights: `weights` is the content of a file of safetensors with the tensors of the model.
///
/// # Errors
/// [`Error::Corrupt`] with the name of the first tensor that does not fit.
pub fn import(model: ModelBytes, weights: &[u8], path: &Path) -> Result<ModelBytes> {
    let corrupt = |why: String| Error::Corrupt {
        path: path.to_owned(),
        why,
    };
    if weights.starts_with(b"PK\x03\x04") || weights.starts_with(&[0x80, 0x02]) {
        return Err(corrupt(
            "is a pickle of PyTorch, which may run any program when it is read: write the weights by \
             safetensors.torch.save_file(model.state_dict(), FILE)"
                .to_owned(),
        ));
    }
    let parameters = replaced(&model.parameters, weights).map_err(corrupt)?;
    let model = ModelBytes {
        parameters,
        ..model
    };
    // It must be one that can be used.
    Trained::from_bytes(model.clone(), Backend::Flex)?;
    Ok(model)
}

fn replaced(old: &[u8], new: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let not_whole = |error| format!("is no file of safetensors: {error}");
    let found = SafeTensors::deserialize(new).map_err(not_whole)?;
    let own = |error| format!("the weights of the model cannot be read: {error}");
    let (_, metadata) = SafeTensors::read_metadata(old).map_err(own)?;
    let old = SafeTensors::deserialize(old).map_err(own)?;
    let mut names: Vec<&str> = old.names();
    names.sort_unstable();
    let mut views = Vec::with_capacity(names.len());
    for name in &names {
        let old = old.tensor(name).map_err(own)?;
        let new = found
            .tensor(name)
            .map_err(|_| match nearest(&found, name) {
                Some(near) => {
                    format!("has no tensor `{name}`, which the model has; it has `{near}`")
                }
                None => format!("has no tensor `{name}`, which the model has"),
            })?;
        check(name, &old, &new)?;
        views.push((*name, new));
    }
    let mut extra = found.names();
    extra.sort_unstable();
    if let Some(extra) = extra
        .into_iter()
        .find(|name| names.binary_search(name).is_err())
    {
        return Err(format!("has the tensor `{extra}`, which the model has not"));
    }
    let metadata = metadata.metadata().clone();
    safetensors::serialize(views, metadata).map_err(|error| error.to_string())
}

fn check(
    name: &str,
    old: &TensorView<'_>,
    new: &TensorView<'_>,
) -> std::result::Result<(), String> {
    if old.shape() != new.shape() {
        return Err(format!(
            "`{name}` has the shape {:?}, and must have {:?}",
            new.shape(),
            old.shape()
        ));
    }
    if old.dtype() != new.dtype() {
        return Err(format!(
            "`{name}` has numbers of type {:?}, and must have {:?}",
            new.dtype(),
            old.dtype()
        ));
    }
    if new.dtype() == Dtype::F32 {
        let (values, _) = new.data().as_chunks::<4>();
        let mut values = values.iter().map(|bytes| f32::from_le_bytes(*bytes));
        if let Some(bad) = values.find(|value| !value.is_finite()) {
            return Err(format!(
                "`{name}` has the number {bad}; weights must be finite"
            ));
        }
    }
    Ok(())
}

/// A tensor whose name ends alike.
fn nearest<'a>(found: &SafeTensors<'a>, name: &str) -> Option<String> {
    let common = |other: &str| {
        let both = name.bytes().rev().zip(other.bytes().rev());
        both.take_while(|(a, b)| a == b).count()
    };
    let names = found.names().into_iter();
    let best = names.max_by_key(|other| common(other))?;
    (common(best) > 0).then(|| best.to_owned())
}
