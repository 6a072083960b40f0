//! Whether PyTorch's model is that of `vae`: whether both have as many parameters.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Programs, cases::Case};
use crate::workspace::display;

/// Parameters that a step does not touch: the prior over the indices of `vq` is trained later.
const LATER: &str = "method.prior.";

/// The numbers of parameters of `vae` and of PyTorch.
pub fn parameters(case: &Case, programs: &Programs, folder: &Path) -> Result<[u64; 2]> {
    let run = folder.join(case.name);
    let mut train = case.vae(&programs.vae, "train", "--work", folder)?;
    train.args(["--max-steps", "1", "--limit", "2000", "--threads", "1"]);
    answer(train.arg("--out").arg(&run))?;
    let mut info = Command::new(&programs.vae);
    let info = answer(info.arg("info").arg(&run).args(["--format", "json"]))?;
    let info: Value = serde_json::from_str(&info).context("unclear answer of `vae info`")?;
    let layers = info["layers"].as_array().into_iter().flatten();
    let timed = layers.filter(|layer| {
        let name = layer["name"].as_str().unwrap_or_default();
        !name.starts_with(LATER)
    });
    let ours = timed.filter_map(|layer| layer["parameters"].as_u64()).sum();
    let counted = answer(&mut case.torch(programs, &["--count"], folder)?)?;
    let counted: Value = serde_json::from_str(&counted).context("unclear answer of PyTorch")?;
    let theirs = counted["parameters"].as_u64();
    Ok([ours, theirs.context("PyTorch counts no parameters")?])
}

/// What a program says.
fn answer(command: &mut Command) -> Result<String> {
    let shown = display(command);
    let output = command.stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {said}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
