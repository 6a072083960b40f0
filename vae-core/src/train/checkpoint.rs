//! Checkpoints: one file with everything a run needs to go on exactly where it stood.
//!
//! Layout: the magic `VAECKPT3`, the header's length (u64, little endian), the header (JSON), the
//! parameters and what the optimizers remember (both safetensors), and the SHA-256 of all before.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        TensorData,
        backend::{AutodiffBackend, Backend},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Meter, Optimizer, earlier};
use crate::{
    error::{Error, Result},
    files::{
        Renaming, parameter_names, parameters_from_bytes, parameters_to_bytes, tensors_from_bytes,
        tensors_to_bytes, write_atomically,
    },
    optimizer::StoredMemory,
};

const MAGIC: &[u8; 8] = b"VAECKPT3";
/// Of earlier versions, whose parameters may have other names.
const EARLIER: [&[u8; 8]; 2] = [b"VAECKPT1", b"VAECKPT2"];
const DIGEST: usize = 32;

/// Where a run stands, apart from parameters and optimizer states. Noise and data order are pure
/// functions of the seed and these counters, so no generator state is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done.
    pub step: u64,
    /// Epochs done.
    pub epoch: usize,
    /// Batches done in the running epoch.
    pub batch: usize,
    /// Sums over the running epoch.
    pub meter: Meter,
    /// Best validation loss of this stage and the step it was reached at.
    pub best: Option<(f64, u64)>,
    /// Epochs since the last improvement.
    pub bad_epochs: usize,
    /// Training seconds spent.
    pub seconds: f64,
    /// Training examples processed.
    pub examples: u64,
    /// Whether early stopping ended the run.
    pub stopped_early: bool,
    /// What decides in which steps the updates move remembers: [`Pace::memory`](crate::Pace).
    #[serde(default)]
    pub pace: Value,
    /// What is trained: 0 in the main training, see [`Loss::later_stages`](crate::Loss).
    #[serde(default)]
    pub stage: usize,
    /// Steps done when this stage began.
    #[serde(default)]
    pub stage_start: u64,
    /// Steps of the main training, once it is over.
    #[serde(default)]
    pub main_steps: Option<u64>,
    /// [`State::best`] of the main training, once it is over.
    #[serde(default)]
    pub main_best: Option<(f64, u64)>,
}

/// What a checkpoint holds.
pub(super) struct Loaded<M> {
    pub model: M,
    pub memories: Vec<Memories>,
    pub state: State,
}

/// What an optimizer remembers of each parameter, by the parameter's name.
pub(super) type Memories = BTreeMap<String, StoredMemory>;

#[derive(Serialize, Deserialize)]
struct Header {
    model: String,
    state: State,
    payload: u64,
    /// Bytes of the payload that are parameters.
    #[serde(default)]
    parameters: usize,
    /// Steps that each optimizer has taken with each parameter.
    #[serde(default)]
    times: Vec<BTreeMap<String, usize>>,
}

/// A folder with the checkpoints `last.ckpt` and `best.ckpt` of one run.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    folder: PathBuf,
    model: String,
    renamed: Renaming<'static>,
}

impl CheckpointStore {
    /// Uses `folder`, which is made at the first write. `model` says what is trained, e.g. the
    /// variant's name; a checkpoint of something else is refused.
    pub fn new(folder: impl Into<PathBuf>, model: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            model: model.into(),
            renamed: &[],
        }
    }

    /// Reads checkpoints of earlier versions too, whose parameters had other names.
    #[must_use]
    pub fn with_renamed(self, renamed: Renaming<'static>) -> Self {
        Self { renamed, ..self }
    }

    /// The checkpoint to resume from.
    pub fn last(&self) -> PathBuf {
        self.folder.join("last.ckpt")
    }

    /// The checkpoint with the best validation loss.
    pub fn best(&self) -> PathBuf {
        self.folder.join("best.ckpt")
    }

    /// Writes a checkpoint to a temporary name, flushes it to the disk and renames it.
    pub(super) fn save<'a, B: AutodiffBackend>(
        &self,
        path: &Path,
        model: &impl AutodiffModule<B>,
        optimizers: impl Iterator<Item = &'a Optimizer<B>>,
        state: &State,
    ) -> Result<()> {
        // Batch normalisation collects its running means first.
        let model = model.valid();
        let names = parameter_names(&model);
        let memories = optimizers.map(|optimizer| optimizer.recall(&names));
        let (times, memories) = split(memories.collect());
        let (parameters, memories) = (parameters_to_bytes(&model)?, tensors_to_bytes(memories)?);
        let header = serde_json::to_vec(&Header {
            model: self.model.clone(),
            state: state.clone(),
            payload: (parameters.len() + memories.len()) as u64,
            parameters: parameters.len(),
            times,
        })
        .map_err(|error| Error::corrupt(path, format!("cannot be encoded: {error}")))?;

        fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
        write_atomically(path, |file| {
            let mut hash = Sha256::new();
            let length = (header.len() as u64).to_le_bytes();
            for part in [&MAGIC[..], &length, &header, &parameters, &memories] {
                hash.update(part);
                file.write_all(part)?;
            }
            file.write_all(&hash.finalize())
        })
    }

    /// Reads a checkpoint into a freshly built model.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Corrupt`] if it is damaged or of another model.
    pub(super) fn load<B: Backend, M: Module<B>>(
        &self,
        path: &Path,
        model: M,
    ) -> Result<Loaded<M>> {
        let Contents {
            header,
            mut payload,
            is_earlier,
        } = read(path)?;
        if header.model != self.model {
            return Err(Error::corrupt(
                path,
                format!(
                    "is a checkpoint of another model: {}, where {} is to be trained",
                    header.model, self.model
                ),
            ));
        }
        let (parameters, memories) = if is_earlier {
            let unknown = |why| Error::corrupt(path, format!("is of an earlier version: {why}"));
            earlier::read(&payload, self.renamed).map_err(unknown)?
        } else {
            let whole = header.parameters <= payload.len();
            let damaged =
                |why: &str| Error::corrupt(path, format!("has no whole optimizers: {why}"));
            let memories = whole.then(|| payload.split_off(header.parameters));
            let memories = memories.ok_or_else(|| damaged("the file is too short"))?;
            let tensors = tensors_from_bytes(&memories).map_err(|error| damaged(&error))?;
            (payload, joined(header.times, tensors))
        };
        Ok(Loaded {
            model: parameters_from_bytes(model, parameters, path, &[])?,
            memories,
            state: header.state,
        })
    }
}

/// Tensors under names.
type Tensors = BTreeMap<String, TensorData>;

/// The number of steps and the tensors of what optimizers remember.
fn split(memories: Vec<Memories>) -> (Vec<BTreeMap<String, usize>>, Tensors) {
    let mut tensors = Tensors::new();
    let mut times = Vec::new();
    for (optimizer, memories) in memories.into_iter().enumerate() {
        let mut of_this = BTreeMap::new();
        for (name, memory) in memories {
            for (which, tensor) in [("first", memory.first), ("second", memory.second)] {
                tensors.extend(tensor.map(|tensor| (key(optimizer, &name, which), tensor)));
            }
            of_this.insert(name, memory.time);
        }
        times.push(of_this);
    }
    (times, tensors)
}

/// What [`split`] took apart.
fn joined(times: Vec<BTreeMap<String, usize>>, mut tensors: Tensors) -> Vec<Memories> {
    let optimizers = times.into_iter().enumerate();
    let memories = optimizers.map(|(optimizer, times)| {
        let memory = times.into_iter().map(|(name, time)| {
            let mut tensor = |which| tensors.remove(&key(optimizer, &name, which));
            let (first, second) = (tensor("first"), tensor("second"));
            let memory = StoredMemory {
                time,
                first,
                second,
            };
            (name, memory)
        });
        memory.collect()
    });
    memories.collect()
}

fn key(optimizer: usize, name: &str, which: &str) -> String {
    format!("{optimizer}.{name}.{which}")
}

/// The state in a checkpoint, without its parameters.
impl State {
    /// Reads the state in the checkpoint at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Corrupt`] if it is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(read(path)?.header.state)
    }
}

/// What a checkpoint file says.
struct Contents {
    header: Header,
    payload: Vec<u8>,
    is_earlier: bool,
}

fn read(path: &Path) -> Result<Contents> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let damaged = |why: &str| {
        Error::corrupt(
            path,
            format!("is not a whole checkpoint: {why}. Remove it to start from another one"),
        )
    };
    let prefix = MAGIC.len() + size_of::<u64>();
    let is_earlier = EARLIER.iter().any(|magic| bytes.starts_with(*magic));
    if bytes.len() < prefix + DIGEST || !(bytes.starts_with(MAGIC) || is_earlier) {
        return Err(damaged("its start is not that of a checkpoint"));
    }
    let (body, digest) = bytes.split_at(bytes.len() - DIGEST);
    if Sha256::digest(body).as_slice() != digest {
        return Err(damaged("its checksum does not match its content"));
    }
    let length: [u8; 8] = body[MAGIC.len()..prefix].try_into().unwrap_or_default();
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    let rest = &body[prefix..];
    if length > rest.len() {
        return Err(damaged("its header is longer than the file"));
    }
    let (header, payload) = rest.split_at(length);
    let header: Header =
        serde_json::from_slice(header).map_err(|error| damaged(&error.to_string()))?;
    if header.payload != payload.len() as u64 {
        return Err(damaged("its parameters are cut short"));
    }
    Ok(Contents {
        header,
        payload: payload.to_vec(),
        is_earlier,
    })
}
