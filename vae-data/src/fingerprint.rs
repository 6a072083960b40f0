//! Recognition of data that was used before.

use std::path::Path;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::bytes::{Bytes, hex};
use crate::folder::ImageFiles;
use crate::locate::{IdxPair, Located, Places, locate};
use crate::source::EMBEDDED;
use crate::{DataConfig, DataError};

/// Files above this many bytes are recognised by size and time, not by content.
const HUGE: u64 = 1 << 30;

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
    config.check()?;
    let mut all = Sha256::new();
    let located = locate(config, &Places::of_user())?;
    match &located {
        Located::Embedded => EMBEDDED.iter().for_each(|file| add(&mut all, &hash(file))),
        Located::Standard(_, train, test) => add_pairs(&mut all, &[train, test])?,
        Located::Missing(standard, _) => {
            let files = &standard.files;
            files.iter().for_each(|file| add(&mut all, file.sha256));
        }
        Located::Idx(train, None) => add_pairs(&mut all, &[train])?,
        Located::Idx(train, Some(test)) => add_pairs(&mut all, &[train, test])?,
        Located::Npy(path) | Located::Npz(path) => add(&mut all, &file_hash(path)?),
        Located::Table(path) => {
            add(&mut all, &file_hash(path)?);
            add(
                &mut all,
                &format!("{:?}", (&config.label, &config.condition)),
            );
        }
        Located::Folder(folder) => {
            for file in ImageFiles::list(folder)?.files {
                let name = file.path.strip_prefix(folder).unwrap_or(&file.path);
                add(&mut all, &name.to_string_lossy().replace('\\', "/"));
                add(&mut all, &file_hash(&file.path)?);
            }
            let options = (config.image_size, config.color, config.skip_bad);
            add(&mut all, &format!("{options:?}"));
        }
    }
    Ok(hex(&all.finalize()))
}

/// Adds a text with its length, so that no two lists of texts are the same.
fn add(all: &mut Sha256, text: &str) {
    all.update((text.len() as u64).to_le_bytes());
    all.update(text);
}

fn add_pairs(all: &mut Sha256, pairs: &[&IdxPair]) -> Result<(), DataError> {
    for pair in pairs {
        add(all, &file_hash(&pair.images)?);
        match &pair.labels {
            Some(labels) => add(all, &file_hash(labels)?),
            None => add(all, ""),
        }
    }
    Ok(())
}

fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of the content, decompressed if it is gzip; of a huge file, its size and
/// time.
fn file_hash(path: &Path) -> Result<String, DataError> {
    let meta = std::fs::metadata(path).map_err(DataError::io("inspect", path))?;
    if meta.len() <= HUGE {
        return Ok(hash(&Bytes::open(path)?));
    }
    let changed = meta.modified().map_err(DataError::io("inspect", path))?;
    let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(format!(
        "{} bytes, changed {}",
        meta.len(),
        since.as_nanos()
    ))
}
