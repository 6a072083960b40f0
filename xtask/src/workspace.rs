//! Where the workspace is, how to call Cargo in it, and the binaries that Cargo built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The name of the package that holds the `vae` binary.
pub const VAE_PACKAGE: &str = "vae-cli";

/// The root folder of the workspace.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map(Path::to_path_buf).unwrap_or(manifest)
}

/// A call of the Cargo that runs this task, in the root folder of the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds the `vae` binary and gives its path.
pub fn build_vae(release: bool) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", VAE_PACKAGE, "--bin", "vae"]);
    if release {
        command.arg("--release");
    }
    built_vae(&mut command)?.with_context(|| {
        format!(
            "`{}` built no binary: look for `[[bin]]` in its Cargo.toml",
            display(&command)
        )
    })
}

/// Runs a Cargo command that builds, and gives the path of the `vae` binary if it built that.
pub fn built_vae(command: &mut Command) -> Result<Option<PathBuf>> {
    command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let shown = display(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        bail!(
            "`{shown}` failed ({}): see its messages above",
            output.status
        );
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(vae_executable).next_back())
}

fn vae_executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_vae = message["reason"] == "compiler-artifact"
        && target["name"] == "vae"
        && target["kind"][0] == "bin"
        && message["profile"]["test"] == false;
    if !is_vae {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}

/// A command as one would type it.
pub fn display(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_binary_among_the_messages_of_cargo() {
        let binary = r#"{"reason":"compiler-artifact","target":{"name":"vae","kind":["bin"]},
            "profile":{"test":false},"executable":"/t/debug/vae"}"#;
        assert_eq!(vae_executable(binary), Some(PathBuf::from("/t/debug/vae")));
        let unit_tests = binary.replace("\"test\":false", "\"test\":true");
        assert_eq!(vae_executable(&unit_tests), None);
        assert_eq!(vae_executable("running 3 tests"), None);
    }

    #[test]
    fn displays_a_command_without_the_folder_of_the_program() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["fmt", "--all"]);
        assert_eq!(display(&command), "cargo fmt --all");
    }
}
