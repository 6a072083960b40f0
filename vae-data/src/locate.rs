//! Where the data of a configuration is.

use std::path::{Path, PathBuf};

use crate::bytes::Bytes;
use crate::catalog::{MINI, Standard, standard};
use crate::reader::Embedded;
use crate::text::{nearest, one_of, quoted};
use crate::{DataConfig, DataError, Reader, builtin};

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

/// Finds the data that `config` asks for, and which of the `readers` reads it.
pub(crate) fn locate<'a>(
    config: &DataConfig,
    readers: &[&'a dyn Reader],
    places: &Places,
) -> Result<(&'a dyn Reader, PathBuf), DataError> {
    let name = config.dataset.as_str();
    let data_dir = config.data_dir.as_deref();
    if name == MINI.name {
        return Ok((&Embedded, PathBuf::from(name)));
    }
    if let Some(standard) = standard(name) {
        let folders = places.folders(standard, data_dir);
        let found = folders.into_iter().find(|f| standard.recognises(f));
        tracing::debug!(dataset = name, ?found);
        let folder = found.unwrap_or_else(|| places.download(standard, data_dir));
        return Ok((standard, folder));
    }
    let in_data_dir = data_dir.map(|dir| dir.join(name));
    let paths = [Some(PathBuf::from(name)), in_data_dir];
    if let Some(path) = paths.into_iter().flatten().find(|path| path.exists()) {
        return match readers.iter().find(|reader| reader.recognises(&path)) {
            Some(&reader) => Ok((reader, path)),
            None => Err(not_recognised(&path, readers)),
        };
    }
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

/// Why no reader takes a file.
fn not_recognised(path: &Path, readers: &[&dyn Reader]) -> DataError {
    // If it cannot even be opened, that is the reason.
    match Bytes::open(path) {
        Err(error) => error,
        Ok(_) => {
            let expected = one_of(readers.iter().map(|reader| reader.name()));
            DataError::format(path, expected, "something else")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS};
    use crate::readers;

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
        let find = |name: &str, data_dir: Option<&Path>| {
            let (reader, folder) = locate(&config(name, data_dir), readers(), &places).unwrap();
            assert_eq!(reader.name(), name);
            let there = reader.recognises(&folder);
            if there { Ok(folder) } else { Err(folder) }
        };
        let mine = dir.path().join("mine");
        assert_eq!(find("mnist", Some(&mine)), Err(mine.join("mnist")));
        assert_eq!(find("mnist", None), Err(dir.path().join("cache/vae/mnist")));
        // Burn's cache: two folders, without .gz.
        write("cache/burn-dataset/mnist/train", &NAMES[..2]);
        write("cache/burn-dataset/mnist/test", &NAMES[2..]);
        let burn = dir.path().join("cache/burn-dataset/mnist");
        assert_eq!(find("mnist", None), Ok(burn.clone()));
        write("system/fashion-mnist", &NAMES);
        let system = dir.path().join("system/fashion-mnist");
        assert_eq!(find("fashion-mnist", None), Ok(system));
        // The user's folder goes first, but only if all four files are there.
        write(
            "mine",
            &NAMES.map(|n| format!("{n}.gz")).each_ref().map(|n| &**n)[..3],
        );
        assert_eq!(find("mnist", Some(&mine)), Ok(burn));
        write("mine", &[&format!("{TEST_LABELS}.gz")]);
        assert_eq!(find("mnist", Some(&mine)), Ok(mine));
    }

    #[test]
    fn relative_paths_are_found_in_the_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("some.csv"), "x").unwrap();
        let config = config("some.csv", Some(dir.path()));
        let (reader, path) = locate(&config, readers(), &Places::default()).unwrap();
        assert_eq!(
            (reader.name(), path),
            ("a CSV file", dir.path().join("some.csv"))
        );
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        let error = |name: &str| {
            let located = locate(&config(name, None), readers(), &Places::default());
            located.err().unwrap().to_string()
        };
        assert!(error("fashion_mnist").contains("did you mean `fashion-mnist`?"));
        assert!(error("no/such/file.csv").contains("`mnist-mini`, `mnist`"));
    }
}
