//! The folder of one run: who may write to it, and its files.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vae_core::files::write_atomically;

use crate::settings::Settings;

/// The settings of the run, in full.
pub const CONFIG: &str = "config.toml";

/// A run folder that this process alone writes to, for as long as the value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

/// What a run notes at its start, to be compared when it is resumed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of the program.
    pub version: String,
    /// Fingerprint of the data.
    pub data: String,
}

impl RunFolder {
    /// Makes a new folder: `settings.out`, or the first free `runs/<variant>-<dataset>-<number>`.
    ///
    /// # Errors
    /// If the folder holds anything already or cannot be made.
    pub fn create(settings: &Settings) -> Result<Self> {
        let path = match &settings.out {
            Some(out) => {
                fs::create_dir_all(out).with_context(|| cannot_write(out))?;
                let used = fs::read_dir(out).with_context(|| cannot_write(out))?.next();
                if used.is_some() {
                    bail!(
                        "{} already holds files, and two runs never share a folder: choose \
                         another --out, or go on with that run by --resume {}",
                        out.display(),
                        out.display()
                    );
                }
                out.clone()
            }
            None => Self::next_free(settings)?,
        };
        let folder = Self::lock(path)?;
        if folder.config().exists() {
            bail!("{} is taken by another run", folder.path.display());
        }
        let settings = Settings {
            out: None,
            ..settings.clone()
        };
        let text = toml::to_string(&settings).context("the settings cannot be written as TOML")?;
        folder.write(CONFIG, text.as_bytes())?;
        Ok(folder)
    }

    fn next_free(settings: &Settings) -> Result<PathBuf> {
        let runs = Path::new("runs");
        fs::create_dir_all(runs).with_context(|| cannot_write(runs))?;
        let dataset = Path::new(&settings.data.dataset)
            .file_stem()
            .map_or_else(|| "data".into(), |stem| stem.to_string_lossy().into_owned());
        let variant = settings.variant.info().name;
        for number in 1_u32.. {
            let path = runs.join(format!("{variant}-{dataset}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| cannot_write(&path)),
            }
        }
        bail!("{} has no free number left", runs.display())
    }

    /// Opens the folder of an earlier run.
    ///
    /// # Errors
    /// If it is not a run folder, or another process is writing to it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).is_file() {
            bail!("{} is not a run folder: it has no {CONFIG}", path.display());
        }
        let folder = Self::lock(path.to_owned())?;
        folder.remove_partial_files()?;
        Ok(folder)
    }

    /// The settings of the run.
    pub fn config(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    fn lock(path: PathBuf) -> Result<Self> {
        let file = path.join(".lock");
        let lock = File::create(&file).with_context(|| cannot_write(&file))?;
        if lock.try_lock().is_err() {
            bail!("another process is writing to {}", path.display());
        }
        Ok(Self { path, _lock: lock })
    }

    /// Temporary files of a process that was killed.
    fn remove_partial_files(&self) -> Result<()> {
        for folder in [self.path.clone(), self.checkpoints()] {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_name().to_string_lossy().starts_with(".partial-") {
                    fs::remove_file(entry.path()).with_context(|| cannot_write(&entry.path()))?;
                }
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Whether the run has written its summary.
    pub fn is_finished(&self) -> bool {
        self.path.join("summary.json").exists()
    }

    /// Writes a file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        write_atomically(&path, |file| file.write_all(content))?;
        Ok(())
    }

    /// Writes a JSON file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.write(name, &text)
    }

    /// Notes the origin at the start of a run.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn note_origin(&self, origin: &Origin) -> Result<()> {
        self.write_json("origin.json", origin)
    }

    /// Checks that a resumed run sees what it saw at its start.
    ///
    /// # Errors
    /// If data or version differ, or the note cannot be read.
    pub fn check_origin(&self, now: &Origin) -> Result<()> {
        let path = self.path.join("origin.json");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let then: Origin = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged", path.display()))?;
        if then.data != now.data {
            bail!(
                "the data have changed since {} began, so it cannot go on exactly; start a new run",
                self.path.display()
            );
        }
        if then.version != now.version {
            tracing::warn!(
                "{} began with version {}, this is {}: the result may differ from an \
                 uninterrupted run",
                self.path.display(),
                then.version,
                now.version
            );
        }
        Ok(())
    }

    /// Adds a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append_metrics(&self, row: &Value) -> vae_core::Result<()> {
        let path = self.path.join("metrics.jsonl");
        let io = |source| vae_core::Error::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io)?;
        file.write_all(format!("{row}\n").as_bytes()).map_err(io)?;
        file.sync_data().map_err(io)
    }

    /// The evaluations so far.
    ///
    /// # Errors
    /// If `metrics.jsonl` cannot be read.
    pub fn metrics(&self) -> Result<Vec<Value>> {
        let path = self.path.join("metrics.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", path.display()));
            }
        };
        // A killed run may leave half a line at the end.
        Ok(text
            .lines()
            .map_while(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// The evaluations of the main training so far, without those of what is trained after it.
    ///
    /// # Errors
    /// If `metrics.jsonl` cannot be read.
    pub fn main_metrics(&self) -> Result<Vec<Value>> {
        let mut rows = self.metrics()?;
        rows.retain(|row| row.get("stage").is_none());
        Ok(rows)
    }

    /// Drops the evaluations after `step`, which a resumed run makes again.
    ///
    /// # Errors
    /// If `metrics.jsonl` cannot be read or written.
    pub fn rewind_metrics(&self, step: u64) -> Result<()> {
        let rows = self.metrics()?;
        let kept = rows
            .iter()
            .take_while(|row| row["step"].as_u64().is_some_and(|at| at <= step));
        let text: String = kept.map(|row| format!("{row}\n")).collect();
        self.write("metrics.jsonl", text.as_bytes())
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write to {}", path.display())
}
