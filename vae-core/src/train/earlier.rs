//! Checkpoints of earlier versions, which were records of Burn in MessagePack.

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::ParamId,
    tensor::{DType, TensorData},
};
use burn_store::{KeyRemapper, TensorSnapshot};
use rmpv::Value;

use super::checkpoint::Memories;
use crate::{
    files::{Renaming, tensors_to_bytes},
    optimizer::StoredMemory,
};

/// The parameters, as [`parameters_from_bytes`](crate::files::parameters_from_bytes) reads them, and
/// what the optimizers remember, all under today's names.
///
/// # Errors
/// If the records are not what they should be.
pub(super) fn read(
    mut payload: &[u8],
    renamed: Renaming<'_>,
) -> Result<(Vec<u8>, Vec<Memories>), String> {
    let all = rmpv::decode::read_value(&mut payload).map_err(|error| error.to_string())?;
    records(&all, renamed).unwrap_or_else(|| Err("its records have an unknown structure".into()))
}

type Records = Result<(Vec<u8>, Vec<Memories>), String>;

fn records(all: &Value, renamed: Renaming<'_>) -> Option<Records> {
    let [model, optimizers] = &field(all, "item")?.as_array()?[..] else {
        return None;
    };
    let mut found = Vec::new();
    parameters(model, &mut Vec::new(), &mut found)?;
    let remapper = KeyRemapper::from_patterns(renamed.to_vec()).ok()?;
    let found = remapper.remap(found).0;
    let name = |snapshot: &TensorSnapshot| Some((snapshot.tensor_id?, snapshot.full_path()));
    let names: HashMap<ParamId, String> = found.iter().filter_map(name).collect();
    let memories = optimizers.as_array()?.iter();
    let memories: Option<Vec<Memories>> = memories.map(|of| remembered(of, &names)).collect();
    let tensor = |snapshot: &TensorSnapshot| Some((snapshot.full_path(), snapshot.to_data().ok()?));
    let tensors: Option<BTreeMap<String, TensorData>> = found.iter().map(tensor).collect();
    let bytes = tensors_to_bytes(tensors?).map_err(|error| error.to_string());
    let memories = memories?;
    Some(bytes.map(|bytes| (bytes, memories)))
}

/// Adds the parameters in the record of a module. Its fields are the keys of maps; so are the names of
/// the kinds of an enum, which are no part of a parameter's name.
fn parameters(of: &Value, path: &mut Vec<String>, found: &mut Vec<TensorSnapshot>) -> Option<()> {
    if let (Some(id), Some(data)) = (field(of, "id"), field(of, "param")) {
        let id = ParamId::try_deserialize(id.as_str()?)?;
        found.push(TensorSnapshot::from_data(
            tensor(data)?,
            path.clone(),
            Vec::new(),
            id,
        ));
        return Some(());
    }
    let entries: Vec<(String, &Value)> = match of {
        Value::Map(fields) => {
            let named = fields
                .iter()
                .map(|(key, of)| Some((key.as_str()?.to_owned(), of)));
            named.collect::<Option<_>>()?
        }
        Value::Array(parts) => (0..)
            .map(|place: usize| place.to_string())
            .zip(parts)
            .collect(),
        _ => return Some(()),
    };
    for (key, of) in entries {
        let is_kind = key.starts_with(char::is_uppercase);
        path.extend((!is_kind).then_some(key));
        parameters(of, path, found)?;
        path.truncate(path.len() - usize::from(!is_kind));
    }
    Some(())
}

fn remembered(of: &Value, names: &HashMap<ParamId, String>) -> Option<Memories> {
    let entries = of.as_map()?.iter();
    let memories = entries.map(|(id, of)| {
        let name = names.get(&ParamId::try_deserialize(id.as_str()?)?)?;
        let (_, of) = field(of, "V1")?.as_map()?.first()?;
        let memory = StoredMemory {
            time: field(of, "time")?.as_u64()? as usize,
            first: field(of, "first").and_then(tensor),
            second: field(of, "second").and_then(tensor),
        };
        Some((name.clone(), memory))
    });
    memories.collect()
}

fn tensor(of: &Value) -> Option<TensorData> {
    let shape = field(of, "shape")?.as_array()?.iter();
    let shape: Option<Vec<usize>> = shape.map(|size| Some(size.as_u64()? as usize)).collect();
    let bytes = field(of, "bytes")?.as_slice()?.to_vec();
    let is_float = field(of, "dtype")?.as_str()? == "F32";
    is_float.then_some(())?;
    Some(TensorData::from_bytes_vec(bytes, shape?, DType::F32))
}

fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let mut entries = of.as_map()?.iter();
    let found = entries.find(|(key, _)| key.as_str() == Some(name));
    found.map(|(_, value)| value)
}
