//! Recognition of data that was used before.

use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::bytes::{Bytes, hex, sha256};
use crate::locate::{Places, locate};
use crate::{DataConfig, DataError, Reader, readers};

/// Files above this many bytes are recognised by size and time, not by content.
const HUGE: u64 = 1 << 30;

/// SHA-256 over what the examples of a dataset are made of.
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds a text with its length, so that no two lists of texts are the same.
    pub fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// Adds the content of a file, decompressed if it is gzip; of a file above 1 GiB, its
    /// size and its time of change.
    ///
    /// # Errors
    /// [`DataError::Io`] or [`DataError::Format`] if it cannot be read.
    pub fn file(&mut self, path: &Path) -> Result<(), DataError> {
        self.text(&of_file(path)?);
        Ok(())
    }
}

/// What [`Fingerprint::file`] adds.
pub(crate) fn of_file(path: &Path) -> Result<String, DataError> {
    let meta = std::fs::metadata(path).map_err(DataError::io("inspect", path))?;
    if meta.len() <= HUGE {
        return Ok(sha256(&Bytes::open(path)?));
    }
    let changed = meta.modified().map_err(DataError::io("inspect", path))?;
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = since.as_nanos();
    Ok(format!("{} bytes, changed {since}", meta.len()))
}

/// SHA-256, in hexadecimal, of the data that [`crate::load`] would give before it is
/// split and scaled: the examples, and which columns or channels are taken from them.
///
/// Files of images count by their name within the folder and their content; other
/// files by their content alone, so that they may be moved, and IDX files may be
/// compressed or not. A file above 1 GiB counts by its size and its time of change. A
/// built-in dataset that is not there yet has the fingerprint of its standard files.
///
/// # Errors
/// As [`crate::load`], for a dataset that cannot be found or read.
pub fn fingerprint(config: &DataConfig) -> Result<String, DataError> {
    fingerprint_with(&[], config)
}

/// As [`fingerprint`], for data that [`crate::load_with`] loads.
///
/// # Errors
/// Those of [`fingerprint`].
pub fn fingerprint_with(own: &[&dyn Reader], config: &DataConfig) -> Result<String, DataError> {
    config.check()?;
    let all = [own, readers()].concat();
    let (reader, path) = locate(config, &all, &Places::of_user())?;
    let mut print = Fingerprint(Sha256::new());
    reader.identify(&path, &mut print)?;
    let options = reader.options().iter();
    let options: Vec<String> = options
        .filter_map(|option| option.identity(config))
        .collect();
    if !options.is_empty() {
        print.text(&format!("({})", options.join(", ")));
    }
    Ok(hex(&print.0.finalize()))
}
