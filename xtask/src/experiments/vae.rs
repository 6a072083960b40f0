//! Calls of the `vae` binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// The `vae` binary.
pub struct Vae {
    program: PathBuf,
}

/// What `vae config` says of a trial: all that its results depend on.
#[derive(Deserialize)]
pub struct Resolved {
    pub settings: Value,
    pub version: String,
    pub data: String,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
}

impl Vae {
    pub fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// The names of all variants.
    pub fn variants(&self) -> Result<Vec<String>> {
        let mut command = Command::new(&self.program);
        command.args(["variants", "--format", "json"]);
        let output = self.output(&mut command)?;
        let variants: Vec<Variant> = serde_json::from_str(&output)
            .context("`vae variants --format json` printed no list of variants with names")?;
        Ok(variants.into_iter().map(|variant| variant.name).collect())
    }

    /// Checks and completes the settings in a file.
    pub fn resolve(&self, config: &Path) -> Result<Resolved> {
        let mut command = Command::new(&self.program);
        command
            .args(["config", "--format", "json", "--config"])
            .arg(config);
        let output = self.output(&mut command)?;
        serde_json::from_str(&output).context(
            "`vae config --format json` printed no object with `settings`, `version` and `data`",
        )
    }

    /// A training that writes a new run folder.
    pub fn train(&self, config: &Path, run: &Path, threads: usize) -> Command {
        let mut command = self.quiet_train(threads);
        command.arg("--config").arg(config).arg("--out").arg(run);
        command
    }

    /// A training that goes on from the last checkpoint of a run folder.
    pub fn resume(&self, run: &Path, threads: usize) -> Command {
        let mut command = self.quiet_train(threads);
        command.arg("--resume").arg(run);
        command
    }

    fn quiet_train(&self, threads: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["train", "--quiet", "--threads", &threads.to_string()]);
        command
    }

    fn output(&self, command: &mut Command) -> Result<String> {
        let output = command.stdin(Stdio::null()).output().with_context(|| {
            format!(
                "cannot start {}: name an existing `vae` with --vae, or leave the option out to \
                 build it",
                self.program.display()
            )
        })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!("{}", message.trim().trim_start_matches("error: "));
        }
        String::from_utf8(output.stdout).context("vae printed text that is not UTF-8")
    }
}
