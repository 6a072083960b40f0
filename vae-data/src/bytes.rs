//! File contents: mapped into memory, or decompressed.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::Deref;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::DataError;

/// The bytes of a file. A mapped file must not be shortened while it is in use.
pub(crate) enum Bytes {
    /// In memory.
    Owned(Vec<u8>),
    /// Left on disk; the system reads the pages that are touched.
    Mapped(Mmap),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

impl Bytes {
    /// Opens a file: gzip is decompressed, anything else is mapped.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io("open", path))?;
        let len = file
            .metadata()
            .map_err(DataError::io("inspect", path))?
            .len();
        if len == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the map is read-only and private to this process; as with any mapped
        // file, nobody may shorten the file meanwhile, which the documentation states.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io("map", path))?;
        if map.starts_with(&[0x1f, 0x8b]) {
            return gunzip(path, &map).map(Self::Owned);
        }
        Ok(Self::Mapped(map))
    }
}

/// Decompresses gzip data that was read from `path`.
pub(crate) fn gunzip(path: &Path, compressed: &[u8]) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    match MultiGzDecoder::new(compressed).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(DataError::format(
            path,
            "a whole gzip file",
            format!("one that breaks after {} bytes ({error})", bytes.len()),
        )),
    }
}

/// Compresses as gzip, as small as can be, without a time or a name, so that equal
/// bytes give equal files.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    // Writing into a vector does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_files_are_mapped_and_gzip_is_decompressed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plain");
        std::fs::write(&path, b"hello").unwrap();
        let plain = Bytes::open(&path).unwrap();
        assert!(matches!(plain, Bytes::Mapped(_)) && &*plain == b"hello");
        std::fs::write(&path, gzip(b"hello")).unwrap();
        let packed = Bytes::open(&path).unwrap();
        assert!(matches!(packed, Bytes::Owned(_)) && &*packed == b"hello");
        std::fs::write(&path, b"").unwrap();
        assert!(Bytes::open(&path).unwrap().is_empty());
        let error = Bytes::open(&dir.path().join("none")).err().unwrap();
        assert!(error.to_string().contains("cannot open"), "{error}");
    }

    #[test]
    fn damaged_gzip_is_named() {
        let mut packed = gzip(&[7; 1000]);
        packed.truncate(packed.len() - 9);
        let error = gunzip(Path::new("x.gz"), &packed).unwrap_err().to_string();
        assert!(error.starts_with("x.gz: expected a whole gzip file"));
    }

    #[test]
    fn sha256_of_nothing_is_known() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
    }
}
