//! A detector as a file: its references in safetensors, the rest as JSON in their metadata.

use std::{collections::HashMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use vae_core::{Error, Result, files::write_atomically};

use super::{Detector, detector::State};

const STATE: &str = "detector";
const REFERENCES: &str = "references";

impl Detector {
    /// What the file of a detector is called, beside those of its model.
    pub const FILE: &'static str = "detector.safetensors";

    /// Writes it.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes().map_err(|why| corrupt(path, why))?;
        write_atomically(path, |file| file.write_all(&bytes))
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Corrupt`] if it is damaged.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        let remedy = |why| corrupt(path, format!("{why}; remove it, and it is made anew"));
        Self::from_bytes(&bytes).map_err(remedy)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let state = serde_json::to_string(&self.state).map_err(text)?;
        let rows = self.references.iter().flat_map(|value| value.to_le_bytes());
        let rows: Vec<u8> = rows.collect();
        let shape = vec![self.references.len() / self.state.width, self.state.width];
        let view = TensorView::new(Dtype::F32, shape, &rows).map_err(text)?;
        let metadata = HashMap::from([(STATE.to_owned(), state)]);
        safetensors::serialize([(REFERENCES, view)], Some(metadata)).map_err(text)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(text)?;
        let state = metadata.metadata().as_ref().and_then(|all| all.get(STATE));
        let state = state.ok_or("it is no detector of anomalies")?;
        let state: State = serde_json::from_str(state).map_err(text)?;
        let arrays = SafeTensors::deserialize(bytes).map_err(text)?;
        let view = arrays.tensor(REFERENCES).map_err(text)?;
        let gaussian = state.gaussian.as_ref().map_or(state.width, |of| of.width());
        let fits = view.dtype() == Dtype::F32 && view.shape().get(1) == Some(&state.width);
        if !fits || gaussian != state.width {
            return Err("its parts do not fit each other".into());
        }
        let (values, _) = view.data().as_chunks::<4>();
        Ok(Self {
            references: values
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            state,
        })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn corrupt(path: &Path, why: String) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        why,
    }
}
