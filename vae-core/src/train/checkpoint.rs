//! Checkpoints: one file with everything a run needs to go on exactly where it stood.
//!
//! Layout: the magic `VAECKPT1`, the header's length (u64, little endian), the header (JSON), the
//! parameters and optimizer states (MessagePack by Burn's recorder), and the SHA-256 of all before.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::{
    module::AutodiffModule,
    optim::Optimizer as _,
    record::{FullPrecisionSettings, NamedMpkBytesRecorder, Recorder},
    tensor::backend::AutodiffBackend,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Meter, ModuleOptimizer, Optimizer, OptimizerConfig};
use crate::{
    Pace,
    error::{Error, Result},
    files::write_atomically,
};

const MAGIC: &[u8; 8] = b"VAECKPT1";
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
    /// Best validation loss and the step it was reached at.
    pub best: Option<(f64, u64)>,
    /// Epochs since the last improvement.
    pub bad_epochs: usize,
    /// Training seconds spent.
    pub seconds: f64,
    /// Training examples processed.
    pub examples: u64,
    /// Whether early stopping ended the run.
    pub stopped_early: bool,
    /// In which steps the updates move.
    #[serde(default)]
    pub pace: Pace,
}

/// What a checkpoint holds: parameters, optimizer states, and where the run stands.
type Loaded<B, M> = (M, Vec<ModuleOptimizer<M, B>>, State);

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
}

impl CheckpointStore {
    /// Uses `folder`, which is made at the first write. `model` says what is trained, e.g. the
    /// variant's name; a checkpoint of something else is refused.
    pub fn new(folder: impl Into<PathBuf>, model: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            model: model.into(),
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
        optimizers: &[ModuleOptimizer<M, B>],
        state: &State,
    ) -> Result<()> {
        let records: Vec<_> = optimizers.iter().map(|o| o.to_record()).collect();
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let payload = Recorder::<B>::record(&recorder, (model.clone().into_record(), records), ())
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
        config: OptimizerConfig,
        device: &B::Device,
    ) -> Result<Loaded<B, M>> {
        let (header, payload) = read(path)?;
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
        let (parameters, records): (M::Record, Vec<_>) =
            Recorder::<B>::load(&recorder, payload, device).map_err(|error| {
                Error::corrupt(path, format!("does not fit the model: {error}"))
            })?;
        let optimizers = records
            .into_iter()
            .map(|record| ModuleOptimizer::from(Optimizer::new(config)).load_record(record))
            .collect();
        Ok((model.load_record(parameters), optimizers, header.state))
    }
}

/// The state in a checkpoint, without its parameters.
impl State {
    /// Reads the state in the checkpoint at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Corrupt`] if it is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(read(path)?.0.state)
    }
}

fn read(path: &Path) -> Result<(Header, Vec<u8>)> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let damaged = |why: &str| {
        Error::corrupt(
            path,
            format!("is not a whole checkpoint: {why}. Remove it to start from another one"),
        )
    };
    let prefix = MAGIC.len() + size_of::<u64>();
    if bytes.len() < prefix + DIGEST || !bytes.starts_with(MAGIC) {
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
    Ok((header, payload.to_vec()))
}
