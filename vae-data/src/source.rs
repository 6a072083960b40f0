//! Opening of what was located.

use std::path::Path;
use std::sync::Arc;

use crate::bytes::gunzip;
use crate::catalog::{MINI, Standard};
use crate::fetch::Fetcher;
use crate::idx::{self, Idx};
use crate::locate::{IdxPair, Located, standard_files};
use crate::memory::Pixels;
use crate::{
    Color, DataConfig, DataError, Dataset, DatasetInfo, Progress, folder, npy, npz, table,
};

/// Examples to train with and perhaps to test with, before they are split and scaled.
/// See [`crate::Data::from_source`].
#[derive(Clone)]
pub struct Source {
    /// Name for messages.
    pub name: String,
    /// Examples for training and validation; also for testing if `test` is `None`.
    pub train: Arc<dyn Dataset>,
    /// Examples for testing only.
    pub test: Option<Arc<dyn Dataset>>,
    /// Whether values are pixels, which [`crate::Scale::Auto`] leaves as they are.
    pub pixels: bool,
    /// The licence of the data, if known.
    pub licence: Option<String>,
    /// Who made the data, or where it is.
    pub origin: String,
}

impl Source {
    /// A source without a test split; images count as pixels.
    pub fn new(name: impl Into<String>, train: Arc<dyn Dataset>) -> Self {
        Self {
            name: name.into(),
            pixels: train.shape().image().is_some(),
            train,
            test: None,
            licence: None,
            origin: "made by the program".to_owned(),
        }
    }

    /// The same, from a file or folder.
    pub(crate) fn of_path(path: &Path, train: Arc<dyn Dataset>) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            origin: path.display().to_string(),
            ..Self::new(name.to_string_lossy(), train)
        }
    }
}

/// The embedded files, as they are named in MNIST.
pub(crate) const EMBEDDED: [&[u8]; 4] = [
    include_bytes!("../assets/mnist-mini-train-images-idx3-ubyte.gz"),
    include_bytes!("../assets/mnist-mini-train-labels-idx1-ubyte.gz"),
    include_bytes!("../assets/mnist-mini-t10k-images-idx3-ubyte.gz"),
    include_bytes!("../assets/mnist-mini-t10k-labels-idx1-ubyte.gz"),
];

/// Opens the data.
pub(crate) fn open(
    located: Located,
    config: &DataConfig,
    progress: &dyn Progress,
) -> Result<Source, DataError> {
    check_options(&located, config)?;
    match located {
        Located::Embedded => embedded(),
        Located::Standard(standard, train, test) => open_standard(standard, train, test),
        Located::Missing(standard, folder) => {
            let (train, test) = download(standard, &folder, config, progress)?;
            open_standard(standard, train, test)
        }
        Located::Idx(train, test) => open_idx(train, test, &[]),
        Located::Folder(path) => {
            let pixels = folder::read(&path, config, progress)?;
            Ok(Source::of_path(&path, Arc::new(pixels)))
        }
        Located::Npy(path) => npy::open(&path),
        Located::Npz(path) => npz::open(&path),
        Located::Table(path) => {
            let table = table::read(&path, config.label.as_deref(), &config.condition)?;
            Ok(Source::of_path(&path, Arc::new(table)))
        }
    }
}

/// Refuses options that mean nothing for this kind of data.
fn check_options(located: &Located, config: &DataConfig) -> Result<(), DataError> {
    let refuse = |key, value: String, only: &str| {
        let bound = format!("only {only} has a use for it: leave it out for this dataset");
        Err(DataError::setting(key, value, bound))
    };
    if !matches!(located, Located::Table(_)) {
        if let Some(label) = &config.label {
            return refuse("label", label.clone(), "a CSV or TSV file");
        }
        if let Some(column) = config.condition.first() {
            return refuse("condition", column.clone(), "a CSV or TSV file");
        }
    }
    if !matches!(located, Located::Folder(_)) {
        if let Some(size) = config.image_size {
            return refuse("image_size", size.to_string(), "a folder of images");
        }
        if config.color != Color::Auto {
            return refuse("color", config.color.to_string(), "a folder of images");
        }
        if config.skip_bad {
            return refuse("skip_bad", "true".to_owned(), "a folder of images");
        }
    }
    Ok(())
}

fn embedded() -> Result<Source, DataError> {
    let path = Path::new(MINI.name);
    let open = |file: usize| Idx::parse(path, gunzip(path, EMBEDDED[file])?);
    let train = (open(0)?, Some(open(1)?));
    let test = (open(2)?, Some(open(3)?));
    let datasets = idx::datasets(train, Some(test), MINI.classes)?;
    Ok(builtin_source(MINI, from_pixels(path, datasets)))
}

fn open_standard(standard: &Standard, train: IdxPair, test: IdxPair) -> Result<Source, DataError> {
    let source = open_idx(train, Some(test), standard.info.classes)?;
    Ok(builtin_source(standard.info, source))
}

fn open_idx(train: IdxPair, test: Option<IdxPair>, classes: &[&str]) -> Result<Source, DataError> {
    let open = |pair: &IdxPair| {
        let labels = pair.labels.as_deref().map(Idx::open).transpose()?;
        Ok::<_, DataError>((Idx::open(&pair.images)?, labels))
    };
    let test = test.as_ref().map(open).transpose()?;
    let datasets = idx::datasets(open(&train)?, test, classes)?;
    Ok(from_pixels(&train.images, datasets))
}

fn from_pixels(path: &Path, (train, test): (Pixels, Option<Pixels>)) -> Source {
    Source {
        test: test.map(|test| Arc::new(test) as Arc<dyn Dataset>),
        pixels: true,
        ..Source::of_path(path, Arc::new(train))
    }
}

fn builtin_source(info: &DatasetInfo, source: Source) -> Source {
    Source {
        name: info.name.to_owned(),
        licence: Some(info.licence.to_owned()),
        origin: info.origin.to_owned(),
        ..source
    }
}

/// Downloads the files that `folder` lacks.
fn download(
    standard: &Standard,
    folder: &Path,
    config: &DataConfig,
    progress: &dyn Progress,
) -> Result<(IdxPair, IdxPair), DataError> {
    let mirrors: Vec<&str> = match &config.mirror {
        Some(mirror) => vec![mirror],
        None => standard.mirrors.to_vec(),
    };
    let there = |name: &str| {
        let plain = folder.join(name);
        plain.is_file() || plain.with_file_name(format!("{name}.gz")).is_file()
    };
    for file in &standard.files {
        if !there(file.name) {
            Fetcher::default().fetch(&mirrors, file, folder, progress)?;
        }
    }
    standard_files(folder).ok_or(DataError::Empty {
        path: folder.to_owned(),
        what: "complete set of files after the download",
    })
}
