//! Files that are either whole or absent, and the parameters of a model as such a file.

use std::{collections::BTreeMap, io::Write, path::Path};

use burn::{
    module::Module,
    tensor::{DType, TensorData, backend::Backend},
};
use burn_store::{ModuleSnapshot, SafetensorsStore};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{
    error::{Error, Result},
    optimizer::Names,
};

/// Writes a file under a temporary name in the same folder, flushes it to the disk and renames it,
/// so that `path` is always either the old file or the whole new one.
///
/// # Errors
/// [`Error::Io`] naming `path`.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    vae_results::write_atomically(path, |file| write(file)).map_err(Error::io(path))
}

/// Writes what [`parameters_to_bytes`] gives.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn save_parameters<B: Backend, M: Module<B>>(model: &M, path: &Path) -> Result<()> {
    let bytes = parameters_to_bytes(model)?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// A model's parameters in the safetensors format. Names are the fields' paths, such as
/// `parts.networks.encoder.head.weight`; a dense weight is `[inputs, outputs]`, the transpose of
/// PyTorch's.
///
/// # Errors
/// [`Error::Corrupt`] if a parameter is of a type that the format does not have.
pub fn parameters_to_bytes<B: Backend, M: Module<B>>(model: &M) -> Result<Vec<u8>> {
    // One entry of metadata: with several, their order and so the file would vary.
    let mut store = SafetensorsStore::from_bytes(None)
        .skip_enum_variants(true)
        .clear_metadata()
        .metadata("format", "pt");
    let written = model.save_into(&mut store);
    written.and_then(|()| store.get_bytes()).map_err(|error| {
        Error::corrupt(
            Path::new("the model"),
            format!("cannot be encoded: {error}"),
        )
    })
}

/// The names that [`parameters_to_bytes`] gives.
pub(crate) fn parameter_names<B: Backend>(model: &impl Module<B>) -> Names {
    let parameters = model.collect(None, None, true).into_iter();
    let name = |of: burn_store::TensorSnapshot| Some((of.full_path(), of.tensor_id?));
    parameters.filter_map(name).collect()
}

/// Tensors in the safetensors format.
///
/// # Errors
/// [`Error::Corrupt`] if one is not of 32-bit numbers.
pub(crate) fn tensors_to_bytes(tensors: BTreeMap<String, TensorData>) -> Result<Vec<u8>> {
    let problem = |error: String| Error::corrupt(Path::new("the model"), error);
    let views = tensors.iter().map(|(name, data)| match data.dtype {
        DType::F32 => TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes())
            .map(|view| (name, view))
            .map_err(|error| problem(format!("cannot be encoded: {error}"))),
        other => Err(problem(format!("has {other:?} numbers in {name}"))),
    });
    let views: Vec<_> = views.collect::<Result<_>>()?;
    let written = safetensors::serialize(views, None);
    written.map_err(|error| problem(format!("cannot be encoded: {error}")))
}

/// What [`tensors_to_bytes`] wrote.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn tensors_from_bytes(bytes: &[u8]) -> Result<BTreeMap<String, TensorData>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = file.iter().map(|(name, view)| match view.dtype() {
        Dtype::F32 => {
            let shape = view.shape().to_vec();
            let data = TensorData::from_bytes_vec(view.data().to_vec(), shape, DType::F32);
            Ok((name.to_owned(), data))
        }
        other => Err(format!("{name} has {other:?} numbers")),
    });
    tensors.collect()
}

/// Regular expressions of names, and what takes the place of a match, one after another.
pub type Renaming<'a> = &'a [(&'a str, &'a str)];

/// Reads parameters in the form of [`parameters_to_bytes`] into a model of the same structure, whose names
/// are those in the bytes after `renamed`. Errors say that they come from `path`.
///
/// # Errors
/// [`Error::Corrupt`] if they are damaged, or not those of the model.
pub fn parameters_from_bytes<B: Backend, M: Module<B>>(
    mut model: M,
    bytes: Vec<u8>,
    path: &Path,
    renamed: Renaming<'_>,
) -> Result<M> {
    let mut store = SafetensorsStore::from_bytes(Some(bytes))
        .skip_enum_variants(true)
        .validate(false)
        .allow_partial(true);
    for (from, to) in renamed {
        store = store.with_key_remapping(*from, *to);
    }
    let result = model.load_from(&mut store).map_err(|error| {
        Error::corrupt(path, format!("is not a whole safetensors file: {error}"))
    })?;
    if let Some(error) = result.errors.first() {
        return Err(Error::corrupt(
            path,
            format!("does not fit the model: {error}"),
        ));
    }
    if let Some((name, _)) = result.missing.first() {
        return Err(Error::corrupt(path, format!("lacks the parameter {name}")));
    }
    if let Some(name) = result.unused.first() {
        return Err(Error::corrupt(
            path,
            format!("has the parameter {name}, which the model lacks"),
        ));
    }
    Ok(model)
}
