//! `cargo xtask tch`: LibTorch for the tch backend, from the Python package `torch`.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::workspace::{self, display};

/// The release of PyTorch that the tch backend is made for.
const TORCH: &str = "2.9.0";

/// What the environment holds besides: the tests compare with them.
const PACKAGES: [&str; 6] = [
    "numpy",
    "scipy",
    "jsonschema",
    "onnxruntime",
    "safetensors",
    "selenium",
];

/// The arguments of Cargo that test the backend. All packages are selected, so that
/// features are the same as in `cargo test --workspace` and little is built again.
pub const TEST: [&str; 6] = [
    "test",
    "--workspace",
    "--features",
    "vae-cli/tch",
    "--test",
    "backends",
];

/// Written when an environment is complete.
const MARKER: &str = ".vae-complete";

/// The variable that names another folder for the environment.
const FOLDER_VARIABLE: &str = "VAE_TCH_DIR";

/// Prepare LibTorch for the tch backend, and run commands with it
#[derive(Subcommand)]
#[command(after_help = "Examples:
  cargo xtask tch provision        make the environment, print the variables to set
  cargo xtask tch test             test the tch backend
  cargo xtask tch run -- cargo run --features tch -- train --set backend=tch

The environment lives in $VAE_TCH_DIR, or else in vae/torch of the cache folder
($XDG_CACHE_HOME, or ~/.cache).")]
pub enum Task {
    /// Make a Python environment with PyTorch, and print the variables that use it
    #[command(after_help = "Example:\n  eval \"$(cargo xtask tch provision)\"")]
    Provision,
    /// Test the tch backend
    #[command(after_help = "Example:\n  cargo xtask tch test")]
    Test,
    /// Run a command with LibTorch
    #[command(after_help = "Example:\n  cargo xtask tch run -- cargo check --features tch")]
    Run(RunOptions),
}

/// The command to run.
#[derive(Args)]
pub struct RunOptions {
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Runs the task.
pub fn run(task: &Task) -> Result<ExitCode> {
    let environment = Environment::provision()?;
    match task {
        Task::Provision => {
            print!("{}", environment.exports());
            Ok(ExitCode::SUCCESS)
        }
        Task::Test => environment.run(workspace::cargo().args(TEST)),
        Task::Run(options) => {
            let (program, arguments) = options.command.split_first().context("no command")?;
            environment.run(Command::new(program).args(arguments))
        }
    }
}

/// The Python of the environment, if there is one; makes none.
pub fn installed_python() -> Option<PathBuf> {
    let python = folder().ok()?.join("bin/python");
    python.is_file().then_some(python)
}

/// A complete Python environment with PyTorch.
pub struct Environment {
    folder: PathBuf,
    libraries: PathBuf,
}

impl Environment {
    /// Uses the environment that is there, or makes one.
    pub fn provision() -> Result<Self> {
        let folder = folder()?;
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        // Two calls at once must not write into the same environment.
        let lock_path = folder.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&lock_path)
            .with_context(|| format!("cannot write {}", lock_path.display()))?;
        lock.lock()
            .with_context(|| format!("cannot lock {}", lock_path.display()))?;

        let marker = folder.join(MARKER);
        let content = format!("{TORCH} {}\n", PACKAGES.join(" "));
        let complete = fs::read_to_string(&marker).is_ok_and(|text| text == content);
        if !complete {
            if !imports(&folder) {
                make(&folder)?;
            }
            fs::write(&marker, content)
                .with_context(|| format!("cannot write {}", marker.display()))?;
        }
        let libraries = libraries(&folder)?;
        Ok(Self { folder, libraries })
    }

    /// Its Python.
    pub fn python(&self) -> Command {
        python(&self.folder)
    }

    /// The variables that a build and a run with LibTorch need.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let path = if cfg!(target_os = "macos") {
            "DYLD_LIBRARY_PATH"
        } else {
            "LD_LIBRARY_PATH"
        };
        vec![
            ("LIBTORCH_USE_PYTORCH", "1".into()),
            ("VIRTUAL_ENV", self.folder.clone().into()),
            ("PATH", before("PATH", &self.folder.join("bin"))),
            (path, before(path, &self.libraries)),
        ]
    }

    /// Lines for a shell.
    fn exports(&self) -> String {
        let quoted = |value: &OsString| value.to_string_lossy().replace('\'', r"'\''");
        let line =
            |(name, value): (&str, OsString)| format!("export {name}='{}'\n", quoted(&value));
        self.variables().into_iter().map(line).collect()
    }

    fn run(&self, command: &mut Command) -> Result<ExitCode> {
        let shown = display(command);
        let status = command
            .envs(self.variables())
            .status()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1);
        Ok(ExitCode::from(code))
    }
}

fn folder() -> Result<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = variable(FOLDER_VARIABLE) {
        return std::path::absolute(&folder)
            .with_context(|| format!("{FOLDER_VARIABLE}: cannot use {}", folder.display()));
    }
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.with_context(|| {
        format!("no cache folder is known: set {FOLDER_VARIABLE} to a folder of your choice")
    })?;
    Ok(cache.join("vae").join("torch"))
}

/// A list of paths with one more in front, once.
fn before(variable: &str, first: &Path) -> OsString {
    let old = std::env::var_os(variable).unwrap_or_default();
    let rest = std::env::split_paths(&old).filter(|path| path != first && path != Path::new(""));
    let paths = std::iter::once(first.to_path_buf()).chain(rest);
    std::env::join_paths(paths).unwrap_or_else(|_| first.into())
}

/// Whether the environment has the right PyTorch and the other packages.
fn imports(folder: &Path) -> bool {
    let modules = PACKAGES.join(", ");
    let code = format!("import torch, {modules}; print(torch.__version__.split('+')[0])");
    let output = python(folder)
        .args(["-c", &code])
        .stderr(Stdio::null())
        .output();
    output.is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == TORCH
    })
}

/// Makes an environment, or completes one.
fn make(folder: &Path) -> Result<()> {
    let is_empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty && !folder.join("pyvenv.cfg").exists() {
        bail!(
            "{} is no Python environment: remove it, or set {FOLDER_VARIABLE} to another folder",
            folder.display()
        );
    }
    eprintln!(
        "Installing torch {TORCH} in {} (some minutes, some GB) …",
        folder.display()
    );
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    finish(
        &mut venv,
        "install Python 3 with its `venv` module (Debian: python3-venv)",
    )?;
    let mut pip = python(folder);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        &format!("torch=={TORCH}"),
    ])
    .args(PACKAGES);
    finish(&mut pip, "look at the messages of pip above")?;
    if !imports(folder) {
        bail!(
            "the Python environment {} does not import torch {TORCH}: remove it and try again",
            folder.display()
        );
    }
    Ok(())
}

/// Runs a command whose output goes to standard error, which leaves the printed variables alone.
fn finish(command: &mut Command, advice: &str) -> Result<()> {
    let shown = display(command);
    let status = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot start `{shown}`: {advice}"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status}): {advice}");
    }
    Ok(())
}

fn libraries(folder: &Path) -> Result<PathBuf> {
    let code = "import sysconfig; print(sysconfig.get_path('platlib'))";
    let output = python(folder).args(["-c", code]).output();
    let output = output.with_context(|| format!("cannot start Python in {}", folder.display()))?;
    let libraries = Path::new(String::from_utf8_lossy(&output.stdout).trim())
        .join("torch")
        .join("lib");
    if !libraries.is_dir() {
        bail!(
            "there is no folder {}: remove {} and try again",
            libraries.display(),
            folder.display()
        );
    }
    Ok(libraries)
}

fn python(folder: &Path) -> Command {
    Command::new(folder.join("bin").join("python"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_put_the_environment_first() {
        let environment = Environment {
            folder: PathBuf::from("/e"),
            libraries: PathBuf::from("/e/torch/lib"),
        };
        let exports = environment.exports();
        assert!(exports.starts_with("export LIBTORCH_USE_PYTORCH='1'\nexport VIRTUAL_ENV='/e'\n"));
        assert!(exports.contains("export PATH='/e/bin"), "{exports}");
        assert!(exports.contains("LIBRARY_PATH='/e/torch/lib"), "{exports}");
    }

    #[test]
    fn a_folder_that_is_no_environment_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("precious"), "x").expect("writable");
        let error = make(folder.path())
            .expect_err("not a Python environment")
            .to_string();
        assert!(error.contains("is no Python environment"), "{error}");
    }
}
