//! IDX files, one by one or in a folder that is laid out like MNIST.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes::Bytes;
use crate::catalog::{TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
use crate::idx::{self, Idx};
use crate::memory::Pixels;
use crate::{DataConfig, DataError, Dataset, Fingerprint, Progress, Reader, Source};

pub(crate) struct IdxFiles;

impl Reader for IdxFiles {
    fn name(&self) -> &str {
        "an IDX file"
    }

    fn summary(&self) -> &str {
        "as MNIST's, compressed or not; labels are found beside the images"
    }

    fn recognises(&self, path: &Path) -> bool {
        let begins = |bytes: Bytes| bytes.starts_with(&[0, 0]);
        in_folder(path).is_some() || path.is_file() && Bytes::open(path).is_ok_and(begins)
    }

    fn identify(&self, path: &Path, print: &mut Fingerprint) -> Result<(), DataError> {
        let (train, test) = pairs(path);
        train.identify(print)?;
        test.map_or(Ok(()), |test| test.identify(print))
    }

    fn open(&self, path: &Path, _: &DataConfig, _: &dyn Progress) -> Result<Source, DataError> {
        let (train, test) = pairs(path);
        open(train, test, &[])
    }
}

/// A file of images and, if there is one, its file of labels.
#[derive(Debug, PartialEq)]
pub(crate) struct IdxPair {
    pub images: PathBuf,
    pub labels: Option<PathBuf>,
}

impl IdxPair {
    /// The files of these names in `folder`, compressed or not, if the images are there.
    pub fn find(folder: &Path, images: &str, labels: &str) -> Option<Self> {
        Some(Self {
            images: find_file(folder, images)?,
            labels: find_file(folder, labels),
        })
    }

    pub fn identify(&self, print: &mut Fingerprint) -> Result<(), DataError> {
        print.file(&self.images)?;
        match &self.labels {
            Some(labels) => print.file(labels)?,
            None => print.text(""),
        }
        Ok(())
    }
}

/// `name` or `name.gz` in `folder`.
pub(crate) fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let files = [folder.join(name), folder.join(format!("{name}.gz"))];
    files.into_iter().find(|file| file.is_file())
}

/// Files to train with and perhaps to test with.
fn pairs(path: &Path) -> (IdxPair, Option<IdxPair>) {
    in_folder(path).unwrap_or_else(|| {
        let labels = labels_beside(path);
        let images = path.to_owned();
        (IdxPair { images, labels }, None)
    })
}

/// Those of a folder that is laid out like MNIST.
fn in_folder(folder: &Path) -> Option<(IdxPair, Option<IdxPair>)> {
    let train = IdxPair::find(folder, TRAIN_IMAGES, TRAIN_LABELS)?;
    Some((train, IdxPair::find(folder, TEST_IMAGES, TEST_LABELS)))
}

/// The file of labels that belongs to a file of images: `images` becomes `labels`, and
/// `idx3` becomes `idx1`.
fn labels_beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    if !name.contains("images") {
        return None;
    }
    let name = name.replace("images", "labels").replace("idx3", "idx1");
    find_file(images.parent()?, name.trim_end_matches(".gz"))
}

/// Opens files; `classes` are the names of their classes, if they are known.
pub(crate) fn open(
    train: IdxPair,
    test: Option<IdxPair>,
    classes: &[&str],
) -> Result<Source, DataError> {
    let open = |pair: &IdxPair| {
        let labels = pair.labels.as_deref().map(Idx::open).transpose()?;
        Ok::<_, DataError>((Idx::open(&pair.images)?, labels))
    };
    let test = test.as_ref().map(open).transpose()?;
    let datasets = idx::datasets(open(&train)?, test, classes)?;
    Ok(source(&train.images, datasets))
}

/// Pixels from `path`.
pub(crate) fn source(path: &Path, (train, test): (Pixels, Option<Pixels>)) -> Source {
    Source {
        test: test.map(|test| Arc::new(test) as Arc<dyn Dataset>),
        pixels: true,
        ..Source::of_path(path, Arc::new(train))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_beside_images() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let images = path("some-images-idx3-ubyte");
        std::fs::write(&images, [0, 0, 8, 1, 0, 0, 0, 0]).unwrap();
        std::fs::write(path("some-labels-idx1-ubyte.gz"), "x").unwrap();
        assert!(IdxFiles.recognises(&images));
        let (train, test) = pairs(&images);
        assert_eq!(train.labels, Some(path("some-labels-idx1-ubyte.gz")));
        assert_eq!(test, None);
    }
}
