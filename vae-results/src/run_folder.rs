//! The folder of one run: its files, and who may write to it.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    ops::Deref,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, MetricsRow, Result, Summary,
    files::{PARTIAL, remove_partial, write_atomically},
};

/// The folder of a run, to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// What a run notes at its start, to be compared when it is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the program.
    pub version: String,
    /// Fingerprint of the data.
    pub data: String,
}

impl RunFolder {
    /// The settings of the run, in full.
    pub const CONFIG: &str = "config.toml";
    /// Written last: how the run ended.
    pub const SUMMARY: &str = "summary.json";
    /// A line for each epoch.
    pub const METRICS: &str = "metrics.jsonl";
    /// What the run saw at its start.
    pub const ORIGIN: &str = "origin.json";
    /// The folder of the model whose codes the run learned.
    pub const CODES_OF: &str = "codes-of";

    /// The folder at `path`, whatever is in it.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings of the run.
    pub fn config(&self) -> PathBuf {
        self.path.join(Self::CONFIG)
    }

    /// Where the checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Where the model is whose codes the run learned.
    pub fn codes_of(&self) -> PathBuf {
        self.path.join(Self::CODES_OF)
    }

    /// Whether the run has written its summary.
    pub fn is_finished(&self) -> bool {
        self.path.join(Self::SUMMARY).exists()
    }

    /// Whether there is anything to go on from.
    pub fn has_checkpoint(&self) -> bool {
        let entries = fs::read_dir(self.checkpoints()).into_iter().flatten();
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| !name.to_string_lossy().starts_with(PARTIAL))
    }

    /// How the run ended.
    ///
    /// # Errors
    /// [`Error::Read`] if it has not, [`Error::Corrupt`] if the file is not a summary.
    pub fn summary(&self) -> Result<Summary> {
        self.read_json(Self::SUMMARY)
    }

    /// What the run saw at its start.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Corrupt`] if there is no such note.
    pub fn origin(&self) -> Result<Origin> {
        self.read_json(Self::ORIGIN)
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path.join(name);
        let bytes = fs::read(&path).map_err(Error::read(&path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Corrupt {
            path,
            why: error.to_string(),
        })
    }

    /// The epochs so far. A killed run may leave half a line at the end, which is left out.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read, [`Error::Corrupt`] if another line than the last is damaged.
    pub fn metrics(&self) -> Result<Vec<MetricsRow>> {
        let path = self.path.join(Self::METRICS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(Error::read(&path))?,
        };
        let mut rows = Vec::new();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            match serde_json::from_str(line) {
                Ok(row) => rows.push(row),
                Err(_) if lines.peek().is_none() => {}
                Err(error) => {
                    let why = format!("line {}: {error}", number + 1);
                    return Err(Error::Corrupt { path, why });
                }
            }
        }
        Ok(rows)
    }

    /// The epochs of the main training so far, without those of what is trained after it.
    ///
    /// # Errors
    /// As [`RunFolder::metrics`].
    pub fn main_metrics(&self) -> Result<Vec<MetricsRow>> {
        let mut rows = self.metrics()?;
        rows.retain(|row| row.stage.is_none());
        Ok(rows)
    }
}

/// A run folder that this process alone writes to, for as long as the value lives.
#[derive(Debug)]
pub struct RunWriter {
    folder: RunFolder,
    _lock: File,
}

impl Deref for RunWriter {
    type Target = RunFolder;

    fn deref(&self) -> &RunFolder {
        &self.folder
    }
}

impl RunWriter {
    /// Makes the folder `path` for a new run with the settings `config`.
    ///
    /// # Errors
    /// [`Error::Used`] if it holds anything already, [`Error::Locked`] or [`Error::Write`] if it cannot be
    /// written.
    pub fn create(path: &Path, config: &str) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::write(path))?;
        let mut entries = fs::read_dir(path).map_err(Error::write(path))?;
        if entries.next().is_some() {
            return Err(Error::Used(path.to_owned()));
        }
        Self::begin(path, config)
    }

    /// Makes the first free folder `<parent>/<stem>-<number>` for a new run with the settings `config`.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written.
    pub fn create_numbered(parent: &Path, stem: &str, config: &str) -> Result<Self> {
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        let mut number = 1_u64;
        loop {
            let path = parent.join(format!("{stem}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Self::begin(&path, config),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(Error::Write { path, source }),
            }
        }
    }

    fn begin(path: &Path, config: &str) -> Result<Self> {
        let folder = Self::lock(path)?;
        // Another process may have been quicker.
        if folder.config().exists() {
            return Err(Error::Used(path.to_owned()));
        }
        folder.write(RunFolder::CONFIG, config.as_bytes())?;
        Ok(folder)
    }

    /// Opens the folder of an earlier run, to go on with it.
    ///
    /// # Errors
    /// [`Error::NoRun`] if it is not a run folder, [`Error::Locked`] if another process writes to it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(RunFolder::CONFIG).is_file() {
            return Err(Error::NoRun(path.to_owned()));
        }
        let folder = Self::lock(path)?;
        remove_partial(folder.path())?;
        remove_partial(&folder.checkpoints())?;
        Ok(folder)
    }

    fn lock(path: &Path) -> Result<Self> {
        let file = path.join(".lock");
        let lock = File::create(&file).map_err(Error::write(&file))?;
        if lock.try_lock().is_err() {
            return Err(Error::Locked(path.to_owned()));
        }
        Ok(Self {
            folder: RunFolder::at(path),
            _lock: lock,
        })
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path().join(name);
        write_atomically(&path, |file| file.write_all(content)).map_err(Error::write(&path))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value).expect("every field has a form in JSON");
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Notes what the run saw at its start.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written.
    pub fn write_origin(&self, origin: &Origin) -> Result<()> {
        self.write_json(RunFolder::ORIGIN, origin)
    }

    /// Writes how the run ended.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written.
    pub fn write_summary(&self, summary: &Summary) -> Result<()> {
        self.write_json(RunFolder::SUMMARY, summary)
    }

    /// Adds an epoch.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written.
    pub fn append_metrics(&self, row: &MetricsRow) -> Result<()> {
        let path = self.path().join(RunFolder::METRICS);
        let append = || {
            let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
            file.write_all(line(row).as_bytes())?;
            file.sync_data()
        };
        append().map_err(Error::write(&path))
    }

    /// Drops the epochs after `step`, which a resumed run makes again.
    ///
    /// # Errors
    /// Those of [`RunFolder::metrics`], and [`Error::Write`] if the file cannot be written.
    pub fn rewind_metrics(&self, step: u64) -> Result<()> {
        let rows = self.metrics()?;
        let kept = rows.iter().take_while(|row| row.step <= step);
        let text: String = kept.map(line).collect();
        self.write(RunFolder::METRICS, text.as_bytes())
    }
}

fn line(row: &MetricsRow) -> String {
    serde_json::to_string(row).expect("every field has a form in JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: usize, step: u64) -> MetricsRow {
        MetricsRow {
            epoch,
            step,
            seconds: 0.5,
            samples_per_second: 100.0,
            lr: 1e-3,
            best: true,
            train: [("loss", 0.1 + 0.2)].into_iter().collect(),
            validation: None,
            weights: [("kl", 1.0)].into_iter().collect(),
            latent: None,
            stage: (epoch == 3).then(|| "prior".to_owned()),
            estimates: Vec::new(),
        }
    }

    #[test]
    fn metrics_come_back_and_are_rewound() {
        let place = tempfile::tempdir().unwrap();
        let folder = RunWriter::create(&place.path().join("run"), "seed = 1\n").unwrap();
        for (epoch, step) in [(1, 10), (2, 20), (3, 30)] {
            folder.append_metrics(&row(epoch, step)).unwrap();
        }
        assert_eq!(folder.metrics().unwrap()[1], row(2, 20));
        assert_eq!(folder.main_metrics().unwrap().len(), 2);
        // Half a line of a run that was killed.
        let path = folder.path().join(RunFolder::METRICS);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"epoch\": 4, \"st")).unwrap();
        assert_eq!(folder.metrics().unwrap().len(), 3);
        folder.rewind_metrics(20).unwrap();
        assert_eq!(folder.metrics().unwrap(), [row(1, 10), row(2, 20)]);
        // A damaged line in the middle is no end of the run.
        fs::write(&path, format!("{{\"epoch\": 1}}\n{text}")).unwrap();
        let error = folder.metrics().unwrap_err().to_string();
        assert!(
            error.contains("metrics.jsonl is damaged: line 1: missing field"),
            "{error}"
        );
    }

    #[test]
    fn one_process_writes_to_a_folder_and_no_other_run() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let error = RunWriter::open(&path).unwrap_err().to_string();
        assert!(
            error.ends_with("is not a run folder: it has no config.toml"),
            "{error}"
        );
        let folder = RunWriter::create(&path, "").unwrap();
        assert!(matches!(RunWriter::open(&path), Err(Error::Locked(_))));
        assert!(matches!(RunWriter::create(&path, ""), Err(Error::Used(_))));
        drop(folder);
        fs::create_dir(path.join("checkpoints")).unwrap();
        fs::write(path.join("checkpoints/.partial-x"), "").unwrap();
        let folder = RunWriter::open(&path).unwrap();
        assert!(!path.join("checkpoints/.partial-x").exists() && !folder.has_checkpoint());

        let numbered = || RunWriter::create_numbered(place.path(), "vae-x", "").unwrap();
        assert_eq!(numbered().path(), place.path().join("vae-x-1"));
        assert_eq!(numbered().path(), place.path().join("vae-x-2"));
    }
}
