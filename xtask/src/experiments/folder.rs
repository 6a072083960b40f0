//! The folder of a trial, and the output folder of an experiment.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use vae_results::{RunFolder, Summary};

use super::plan::Trial;

/// How many lines of the log of a failed trial are shown.
const LOG_LINES: usize = 10;

/// How far a trial is, as its folder tells.
#[derive(Debug, PartialEq)]
pub enum State {
    Finished(Box<Summary>),
    Resumable,
    New,
}

/// What a folder was made for.
#[derive(Serialize, Deserialize)]
struct Identity {
    identity: String,
    seed: u64,
}

/// The files of a trial.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(trials: &Path, trial: &Trial) -> Self {
        Self(trials.join(&trial.folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("log.txt")
    }

    pub fn config(&self) -> PathBuf {
        self.0.join("settings.toml")
    }

    fn identity(&self) -> PathBuf {
        self.0.join("trial.json")
    }

    pub fn state(&self, trial: &Trial) -> State {
        let written = fs::read(self.identity()).ok();
        let written = written.and_then(|text| serde_json::from_slice::<Identity>(&text).ok());
        if written.is_none_or(|written| written.identity != trial.identity) {
            return State::New;
        }
        let run = RunFolder::at(self.run());
        if let Ok(summary) = run.summary() {
            return State::Finished(Box::new(summary));
        }
        match run.has_checkpoint() {
            true => State::Resumable,
            false => State::New,
        }
    }

    /// Removes what an earlier attempt left, and writes down what is to run.
    pub fn begin(&self, trial: &Trial) -> Result<()> {
        let run = self.run();
        match fs::remove_dir_all(&run) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", run.display()));
            }
            _ => {}
        }
        write(&self.config(), &trial.config)?;
        let identity = serde_json::to_string_pretty(&Identity {
            identity: trial.identity.clone(),
            seed: trial.seed,
        })?;
        write(&self.identity(), &format!("{identity}\n"))
    }

    /// The last lines of the log, each after a line break.
    pub fn log_end(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        last.iter().map(|line| format!("\n{line}")).collect()
    }
}

/// Takes the lock of an output folder: for one process at a time, free again when it ends.
pub fn lock(out: &Path) -> Result<File> {
    fs::create_dir_all(out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let path = out.join(".lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `cargo xtask experiments` works in {}: wait until it ends, or choose another \
             folder with --out",
            out.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, text: &str) -> Result<()> {
    vae_results::write_atomically(path, |file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
