//! The built-in datasets: they go by name, and are read like files.

use std::path::Path;

use super::idx::{self, IdxPair, find_file};
use crate::bytes::{Bytes, gunzip, sha256};
use crate::catalog::{
    MINI, STANDARD, Standard, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS,
};
use crate::fetch::Fetcher;
use crate::idx::{Idx, datasets};
use crate::{DataConfig, DataError, DatasetInfo, Fingerprint, Progress, Reader, Source};

/// The embedded files, as they are named in MNIST.
const EMBEDDED: [&[u8]; 4] = [
    include_bytes!("../../assets/mnist-mini-train-images-idx3-ubyte.gz"),
    include_bytes!("../../assets/mnist-mini-train-labels-idx1-ubyte.gz"),
    include_bytes!("../../assets/mnist-mini-t10k-images-idx3-ubyte.gz"),
    include_bytes!("../../assets/mnist-mini-t10k-labels-idx1-ubyte.gz"),
];

/// `mnist-mini`, whose path is its name.
pub(crate) struct Embedded;

impl Reader for Embedded {
    fn name(&self) -> &str {
        MINI.name
    }

    fn summary(&self) -> &str {
        MINI.summary
    }

    fn recognises(&self, path: &Path) -> bool {
        path == Path::new(MINI.name)
    }

    fn identify(&self, _: &Path, print: &mut Fingerprint) -> Result<(), DataError> {
        EMBEDDED.iter().for_each(|file| print.text(&sha256(file)));
        Ok(())
    }

    fn open(&self, path: &Path, _: &DataConfig, _: &dyn Progress) -> Result<Source, DataError> {
        let open = |file: usize| Idx::parse(path, gunzip(path, EMBEDDED[file])?);
        let train = (open(0)?, Some(open(1)?));
        let test = (open(2)?, Some(open(3)?));
        let datasets = datasets(train, Some(test), MINI.classes)?;
        Ok(named(MINI, idx::source(path, datasets)))
    }
}

/// Its path is the folder that has the files, or gets them.
impl Reader for Standard {
    fn name(&self) -> &str {
        self.info.name
    }

    fn summary(&self) -> &str {
        self.info.summary
    }

    /// Whether all four files are there, and not those of another built-in dataset, which
    /// have the same names.
    fn recognises(&self, folder: &Path) -> bool {
        let Some((train, _)) = files(folder) else {
            return false;
        };
        let Some(Ok(labels)) = train.labels.as_deref().map(Bytes::open) else {
            return true;
        };
        let hash = sha256(&labels);
        let mut others = STANDARD.iter().filter(|s| s.info.name != self.info.name);
        !others.any(|other| other.files[1].sha256 == hash)
    }

    fn identify(&self, folder: &Path, print: &mut Fingerprint) -> Result<(), DataError> {
        match files(folder) {
            Some((train, test)) => {
                train.identify(print)?;
                test.identify(print)
            }
            None => {
                self.files.iter().for_each(|file| print.text(file.sha256));
                Ok(())
            }
        }
    }

    fn open(
        &self,
        folder: &Path,
        config: &DataConfig,
        progress: &dyn Progress,
    ) -> Result<Source, DataError> {
        if files(folder).is_none() {
            download(self, folder, config, progress)?;
        }
        let (train, test) = files(folder).ok_or_else(|| DataError::Empty {
            path: folder.to_owned(),
            what: "complete set of files after the download",
        })?;
        let source = idx::open(train, Some(test), self.info.classes)?;
        Ok(named(self.info, source))
    }
}

fn named(info: &DatasetInfo, source: Source) -> Source {
    Source {
        name: info.name.to_owned(),
        licence: Some(info.licence.to_owned()),
        origin: info.origin.to_owned(),
        ..source
    }
}

/// All four files, in `folder` or in its folders `train` and `test`.
fn files(folder: &Path) -> Option<(IdxPair, IdxPair)> {
    let pair = |split: &str, images: &str, labels: &str| {
        [folder.to_owned(), folder.join(split)]
            .iter()
            .filter_map(|folder| IdxPair::find(folder, images, labels))
            .find(|pair| pair.labels.is_some())
    };
    let train = pair("train", TRAIN_IMAGES, TRAIN_LABELS)?;
    Some((train, pair("test", TEST_IMAGES, TEST_LABELS)?))
}

/// Downloads the files that `folder` lacks.
fn download(
    standard: &Standard,
    folder: &Path,
    config: &DataConfig,
    progress: &dyn Progress,
) -> Result<(), DataError> {
    let mirrors: Vec<&str> = match &config.mirror {
        Some(mirror) => vec![mirror],
        None => standard.mirrors.to_vec(),
    };
    for file in &standard.files {
        if find_file(folder, file.name).is_none() {
            Fetcher::default().fetch(&mirrors, file, folder, progress)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_one_folder_or_two_packed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str| {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "x").unwrap();
            path(name)
        };
        // Burn's cache: two folders, without .gz.
        let burn = write(&format!("burn/train/{TRAIN_IMAGES}"));
        write(&format!("burn/train/{TRAIN_LABELS}"));
        write(&format!("burn/test/{TEST_IMAGES}"));
        assert!(files(&path("burn")).is_none(), "without the last file");
        write(&format!("burn/test/{TEST_LABELS}"));
        assert_eq!(files(&path("burn")).unwrap().0.images, burn);
        let names = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];
        let packed = names.map(|name| write(&format!("one/{name}.gz")));
        let (train, test) = files(&path("one")).unwrap();
        assert_eq!([train.images, train.labels.unwrap()], packed[..2]);
        assert_eq!([test.images, test.labels.unwrap()], packed[2..]);
    }
}
