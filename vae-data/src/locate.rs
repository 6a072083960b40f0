//! Where the data of a configuration is.

use std::path::{Path, PathBuf};

use crate::bytes::{Bytes, sha256};
use crate::catalog::{
    STANDARD, Standard, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, standard,
};
use crate::folder::is_called_as_image;
use crate::text::{nearest, quoted};
use crate::{DataConfig, DataError, builtin};

/// A file of images and, if there is one, its file of labels.
#[derive(Debug, PartialEq)]
pub(crate) struct IdxPair {
    pub images: PathBuf,
    pub labels: Option<PathBuf>,
}

/// What kind of data there is, and where.
#[derive(Debug)]
pub(crate) enum Located {
    /// `mnist-mini`.
    Embedded,
    /// A built-in dataset whose files are at hand: training, test.
    Standard(&'static Standard, IdxPair, IdxPair),
    /// A built-in dataset that must be downloaded into this folder.
    Missing(&'static Standard, PathBuf),
    /// IDX files: training and perhaps test.
    Idx(IdxPair, Option<IdxPair>),
    /// A folder of images.
    Folder(PathBuf),
    /// A `.npy` file.
    Npy(PathBuf),
    /// A `.npz` file.
    Npz(PathBuf),
    /// A `.csv` or `.tsv` file.
    Table(PathBuf),
}

/// The cache folders of a user and of the system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// Such as `~/.cache`.
    caches: Vec<PathBuf>,
    /// Such as `/usr/share/datasets`.
    system: Option<PathBuf>,
}

impl Places {
    /// Those of whoever runs the program.
    pub fn of_user() -> Self {
        let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().map(|home| home.join(".cache"));
        let mut caches: Vec<PathBuf> = xdg.filter(|p| p.is_absolute()).into_iter().collect();
        caches.extend(home);
        caches.dedup();
        let system = Some(PathBuf::from("/usr/share/datasets"));
        Self { caches, system }
    }

    /// Folders that may hold `standard`, the likeliest first.
    fn folders(&self, standard: &Standard, data_dir: Option<&Path>) -> Vec<PathBuf> {
        let name = standard.info.name;
        let mut folders = Vec::new();
        if let Some(dir) = data_dir {
            folders.extend(standard.folders.iter().map(|folder| dir.join(folder)));
            folders.push(dir.to_owned());
        }
        folders.extend(self.caches.iter().map(|cache| cache.join("vae").join(name)));
        let burn = |cache: &PathBuf| cache.join("burn-dataset").join(name);
        folders.extend(self.caches.iter().map(burn));
        folders.extend(self.system.iter().map(|system| system.join(name)));
        folders
    }

    /// The folder that `standard` is downloaded to.
    fn download(&self, standard: &Standard, data_dir: Option<&Path>) -> PathBuf {
        let name = standard.info.name;
        match (data_dir, self.caches.first()) {
            (Some(dir), _) => dir.join(name),
            (None, Some(cache)) => cache.join("vae").join(name),
            (None, None) => PathBuf::from("data").join(name),
        }
    }
}

/// Finds the data that `config` asks for.
pub(crate) fn locate(config: &DataConfig, places: &Places) -> Result<Located, DataError> {
    let name = config.dataset.as_str();
    let data_dir = config.data_dir.as_deref();
    if name == "mnist-mini" {
        return Ok(Located::Embedded);
    }
    if let Some(standard) = standard(name) {
        for folder in places.folders(standard, data_dir) {
            if let Some((train, test)) = standard_files(&folder)
                && !is_another(standard, &train)
            {
                tracing::debug!(dataset = name, folder = %folder.display(), "found");
                return Ok(Located::Standard(standard, train, test));
            }
        }
        return Ok(Located::Missing(
            standard,
            places.download(standard, data_dir),
        ));
    }
    let path = Path::new(name);
    let in_data_dir = data_dir.map(|dir| dir.join(path));
    if path.exists() {
        locate_path(path)
    } else if let Some(path) = in_data_dir.filter(|path| path.exists()) {
        locate_path(&path)
    } else {
        let names: Vec<&str> = builtin().iter().map(|info| info.name).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("give a path, or one of {}", quoted(names)),
        };
        Err(DataError::UnknownDataset {
            name: name.to_owned(),
            hint,
        })
    }
}

fn locate_path(path: &Path) -> Result<Located, DataError> {
    if path.is_dir() {
        return Ok(match idx_folder(path) {
            Some((train, test)) => Located::Idx(train, test),
            None => Located::Folder(path.to_owned()),
        });
    }
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let path = path.to_owned();
    if is_called_as_image(&path) {
        let expected = "a dataset: a folder of images, not one image";
        return Err(DataError::format(path, expected, "an image"));
    }
    Ok(match extension.to_ascii_lowercase().as_str() {
        "npy" => Located::Npy(path),
        "npz" => Located::Npz(path),
        "csv" | "tsv" | "tab" => Located::Table(path),
        _ => {
            // Anything else must be IDX, whatever it is called.
            if !Bytes::open(&path)?.starts_with(&[0, 0]) {
                return Err(DataError::format(
                    path,
                    "an IDX, .npy, .npz, .csv or .tsv file, or a folder of images",
                    "something else",
                ));
            }
            let labels = labels_beside(&path);
            let images = path;
            Located::Idx(IdxPair { images, labels }, None)
        }
    })
}

/// `name` or `name.gz` in `folder`.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let files = [folder.join(name), folder.join(format!("{name}.gz"))];
    files.into_iter().find(|file| file.is_file())
}

/// All four files, in `folder` or in its folders `train` and `test`.
pub(crate) fn standard_files(folder: &Path) -> Option<(IdxPair, IdxPair)> {
    let pair = |split: &str, images: &str, labels: &str| {
        [folder.to_owned(), folder.join(split)]
            .iter()
            .find_map(|f| {
                Some(IdxPair {
                    images: find_file(f, images)?,
                    labels: Some(find_file(f, labels)?),
                })
            })
    };
    let train = pair("train", TRAIN_IMAGES, TRAIN_LABELS)?;
    Some((train, pair("test", TEST_IMAGES, TEST_LABELS)?))
}

/// Whether the training labels are those of another built-in dataset, whose files have
/// the same names.
fn is_another(wanted: &Standard, train: &IdxPair) -> bool {
    let Some(Ok(labels)) = train.labels.as_deref().map(Bytes::open) else {
        return false;
    };
    let hash = sha256(&labels);
    STANDARD
        .iter()
        .any(|standard| standard.info.name != wanted.info.name && standard.files[1].sha256 == hash)
}

/// The IDX files of a folder that is laid out like MNIST.
fn idx_folder(folder: &Path) -> Option<(IdxPair, Option<IdxPair>)> {
    let pair = |images: &str, labels: &str| {
        Some(IdxPair {
            images: find_file(folder, images)?,
            labels: find_file(folder, labels),
        })
    };
    let train = pair(TRAIN_IMAGES, TRAIN_LABELS)?;
    Some((train, pair(TEST_IMAGES, TEST_LABELS)))
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

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];

    fn config(dataset: &str, data_dir: Option<&Path>) -> DataConfig {
        DataConfig {
            data_dir: data_dir.map(Path::to_owned),
            ..DataConfig::of(dataset)
        }
    }

    #[test]
    fn standard_files_are_found_where_tools_put_them() {
        let dir = tempfile::tempdir().unwrap();
        let write = |folder: &str, names: &[&str]| {
            let folder = dir.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            for name in names {
                std::fs::write(folder.join(name), "x").unwrap();
            }
        };
        let places = Places {
            caches: vec![dir.path().join("cache")],
            system: Some(dir.path().join("system")),
        };
        let find =
            |name: &str, data_dir: Option<&Path>| match locate(&config(name, data_dir), &places)
                .unwrap()
            {
                Located::Standard(_, train, _) => Ok(train.images),
                Located::Missing(_, folder) => Err(folder),
                other => panic!("{other:?}"),
            };
        let mine = dir.path().join("mine");
        assert_eq!(find("mnist", Some(&mine)), Err(mine.join("mnist")));
        assert_eq!(find("mnist", None), Err(dir.path().join("cache/vae/mnist")));
        // Burn's cache: two folders, without .gz.
        write("cache/burn-dataset/mnist/train", &NAMES[..2]);
        write("cache/burn-dataset/mnist/test", &NAMES[2..]);
        let burn = dir.path().join("cache/burn-dataset/mnist/train");
        assert_eq!(find("mnist", None), Ok(burn.join(TRAIN_IMAGES)));
        write("system/fashion-mnist", &NAMES);
        let system = dir.path().join("system/fashion-mnist");
        assert_eq!(find("fashion-mnist", None), Ok(system.join(TRAIN_IMAGES)));
        // The user's folder goes first, but only if all four files are there.
        write(
            "mine",
            &NAMES.map(|n| format!("{n}.gz")).each_ref().map(|n| &**n)[..3],
        );
        assert_eq!(find("mnist", Some(&mine)), Ok(burn.join(TRAIN_IMAGES)));
        write("mine", &[&format!("{TEST_LABELS}.gz")]);
        let gz = mine.join(format!("{TRAIN_IMAGES}.gz"));
        assert_eq!(find("mnist", Some(&mine)), Ok(gz));
    }

    #[test]
    fn labels_are_found_beside_images() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("some-images-idx3-ubyte"), [0, 0, 8, 1, 0, 0, 0, 0]).unwrap();
        std::fs::write(path("some-labels-idx1-ubyte.gz"), "x").unwrap();
        // Found by a relative name in the data folder, too.
        let config = config("some-images-idx3-ubyte", Some(dir.path()));
        let Located::Idx(train, None) = locate(&config, &Places::default()).unwrap() else {
            panic!("not IDX");
        };
        assert_eq!(train.labels, Some(path("some-labels-idx1-ubyte.gz")));
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        let error = |name: &str| {
            let located = locate(&config(name, None), &Places::default());
            located.unwrap_err().to_string()
        };
        assert!(error("fashion_mnist").contains("did you mean `fashion-mnist`?"));
        assert!(error("no/such/file.csv").contains("`mnist-mini`, `mnist`"));
    }
}
