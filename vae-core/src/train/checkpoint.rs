//! Checkpoints: one file with everything a run needs to go on exactly where it stood.
//!
//! Layout: the magic `VAECKPT2`, the header's length (u64, little endian), the header (JSON), the
//! parameters and optimizer states (MessagePack by Burn's recorder), and the SHA-256 of all before.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{
    module::AutodiffModule,
    record::{FullPrecisionSettings, NamedMpkBytesRecorder, Recorder},
    tensor::backend::AutodiffBackend,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Meter, ModuleOptimizer};
use crate::{
    error::{Error, Result},
    files::write_atomically,
};

const MAGIC: &[u8; 8] = b"VAECKPT2";
/// Of an earlier version, whose records may have another structure.
const EARLIER: &[u8; 8] = b"VAECKPT1";
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

/// What a checkpoint holds: parameters, optimizer states, and where the run stands.
pub(super) struct Loaded<B: AutodiffBackend, M: AutodiffModule<B>> {
    pub model: M,
    /// To be loaded into optimizers.
    pub optimizers: Vec<OptimizerRecord<B, M>>,
    pub state: State,
}

type OptimizerRecord<B, M> = <ModuleOptimizer<M, B> as burn::optim::Optimizer<M, B>>::Record;

/// Brings the record of an earlier version, in MessagePack, to the structure of today's model.
pub type Upgrade = fn(&[u8]) -> Result<Vec<u8>, String>;

#[derive(Serialize, Deserialize)]
struct Header {
    model: String,
    state: State,
    payload: u64,
}

/// A folder with the checkpoints `last.ckpt` and `best.ckpt` of one run.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    folder: PathBuf,
    model: String,
    upgrade: Option<Upgrade>,
}

impl CheckpointStore {
    /// Uses `folder`, which is made at the first write. `model` says what is trained, e.g. the
    /// variant's name; a checkpoint of something else is refused.
    pub fn new(folder: impl Into<PathBuf>, model: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            model: model.into(),
            upgrade: None,
        }
    }

    /// Reads checkpoints of earlier versions too, as `upgrade` changes them.
    #[must_use]
    pub fn with_upgrade(self, upgrade: Upgrade) -> Self {
        Self {
            upgrade: Some(upgrade),
            ..self
        }
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
    pub(super) fn save<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        path: &Path,
        model: &M,
        optimizers: Vec<OptimizerRecord<B, M>>,
        state: &State,
    ) -> Result<()> {
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let payload =
            Recorder::<B>::record(&recorder, (model.clone().into_record(), optimizers), ())
                .map_err(|error| Error::corrupt(path, format!("cannot be encoded: {error}")))?;
        let header = serde_json::to_vec(&Header {
            model: self.model.clone(),
            state: state.clone(),
            payload: payload.len() as u64,
        })
        .map_err(|error| Error::corrupt(path, format!("cannot be encoded: {error}")))?;

        fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
        write_atomically(path, |file| {
            let mut hash = Sha256::new();
            let length = (header.len() as u64).to_le_bytes();
            for part in [&MAGIC[..], &length, &header, &payload] {
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
    pub(super) fn load<B: AutodiffBackend, M: AutodiffModule<B>>(
        &self,
        path: &Path,
        model: M,
        device: &B::Device,
    ) -> Result<Loaded<B, M>> {
        let Contents {
            header,
            payload,
            is_earlier,
        } = read(path)?;
        let payload = match self.upgrade {
            Some(upgrade) if is_earlier => upgrade(&payload)
                .map_err(|why| Error::corrupt(path, format!("is of an earlier version: {why}")))?,
            _ => payload,
        };
        if header.model != self.model {
            return Err(Error::corrupt(
                path,
                format!(
                    "is a checkpoint of another model: {}, where {} is to be trained",
                    header.model, self.model
                ),
            ));
        }
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let (parameters, optimizers): (M::Record, Vec<_>) =
            Recorder::<B>::load(&recorder, payload, device).map_err(|error| {
                Error::corrupt(path, format!("does not fit the model: {error}"))
            })?;
        Ok(Loaded {
            model: model.load_record(parameters),
            optimizers,
            state: header.state,
        })
    }
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
    let is_earlier = bytes.starts_with(EARLIER);
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
