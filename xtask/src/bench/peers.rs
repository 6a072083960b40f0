//! Other programs in Rust: candle, tch and a loop written by hand on Burn (`xtask/bench/peers`), and
//! this workspace's own tch backend. They take minutes to build, so that is done when asked for.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{tch, workspace};

/// Where they are built, apart from the workspace.
const FOLDER: &str = "target/peers";

/// The programs that were built.
pub struct Peers {
    folder: PathBuf,
    /// What those with LibTorch need.
    variables: Vec<(&'static str, OsString)>,
}

impl Peers {
    /// Those that are there.
    pub fn find() -> Result<Self> {
        let variables = match tch::installed_python() {
            Some(_) => tch::Environment::provision()?.variables(),
            None => Vec::new(),
        };
        Ok(Self {
            folder: workspace::root().join(FOLDER).join("release"),
            variables,
        })
    }

    /// Builds what can be built: those with LibTorch only if that is installed.
    pub fn build(&self) -> Result<()> {
        let mut features = vec!["candle"];
        if !self.variables.is_empty() {
            features.extend(["tch", "burn"]);
        }
        let manifest = workspace::root().join("xtask/bench/peers/Cargo.toml");
        let mut peers = workspace::cargo();
        peers.args(["build", "--release", "--target-dir", FOLDER]);
        peers.arg("--manifest-path").arg(manifest);
        self.run(peers.args(["--features", &features.join(",")]))?;
        if !self.variables.is_empty() {
            let mut vae = workspace::cargo();
            vae.args(["build", "--release", "--target-dir", FOLDER]);
            self.run(vae.args(["--package", workspace::VAE_PACKAGE, "--features", "tch"]))?;
        }
        Ok(())
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        let shown = workspace::display(command);
        let status = command.envs(self.variables.iter().cloned()).status();
        let status = status.with_context(|| format!("cannot start `{shown}`"))?;
        if !status.success() {
            bail!("`{shown}` failed ({status}): see its messages above");
        }
        Ok(())
    }

    /// A program, if it was built.
    pub fn command(&self, name: &str) -> Result<Command> {
        let path = self.folder.join(name);
        if !path.is_file() {
            bail!("not built: pass --peers");
        }
        let mut command = Command::new(path);
        command.envs(self.variables.iter().cloned());
        Ok(command)
    }
}
