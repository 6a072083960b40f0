//! Runs the binary in a temporary folder with an environment of its own.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod served;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder to work in.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes `mixed.csv`, 600 rows of numbers, categories and dates with gaps, and `counts.csv`, 600 of counts.
    pub fn write_tables(&self) {
        let (mut mixed, mut counts) = ("size,color,more,day\n".to_owned(), "a,b,c,d\n".to_owned());
        for i in 0..600_u32 {
            let wave = f64::from(i * i % 31).sin();
            let color = ["red", "green", "NA", "blue", "red"][(i % 5) as usize];
            let more = match i % 4 {
                0 => String::new(),
                _ => format!("{:.3}", wave + f64::from(i % 5)),
            };
            mixed += &format!("{wave:.3},{color},{more},2024-01-{:02}\n", 1 + i % 28);
            counts += &format!("{},{},{},{}\n", i % 5, i * i % 31, (i % 5) * (i % 7), i % 2);
        }
        self.write("mixed.csv", mixed);
        self.write("counts.csv", counts);
    }

    /// Copies a folder of `tests/fixtures` into the folder `to`.
    pub fn copy(&self, fixture: &str, to: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
        let mut folders = vec![(from.join(fixture), self.join(to))];
        while let Some((from, to)) = folders.pop() {
            std::fs::create_dir_all(&to).unwrap();
            for entry in std::fs::read_dir(from).unwrap() {
                let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
                if path.is_dir() {
                    folders.push((path, to.join(name)));
                } else {
                    std::fs::copy(path, to.join(name)).unwrap();
                }
            }
        }
    }

    /// `vae ARGS` in this folder; the arguments are split at spaces.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vae"));
        command
            .current_dir(self.path())
            .args(args.split_whitespace());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("VAE_") || text == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs to the end and expects success.
    pub fn run(&self, args: &str) -> Output {
        let output = self.command(args).output().unwrap();
        assert!(
            output.status.success(),
            "vae {args}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Runs to the end, expects a failure without a panic, and gives its message.
    pub fn fail(&self, args: &str) -> String {
        let output = self.command(args).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success(),
            "vae {args} should fail\n{message}"
        );
        assert!(
            output.status.code().is_some(),
            "vae {args} was killed\n{message}"
        );
        assert!(!message.contains("panicked"), "vae {args}\n{message}");
        message
    }

    pub fn json(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The lines of a `metrics.jsonl`.
    pub fn metrics(&self, run: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.join(run).join("metrics.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.join(name)).unwrap()
    }
}

/// Expects two files with the same bytes, without printing them.
#[track_caller]
pub fn assert_same_bytes(place: &Place, left: &str, right: &str) {
    assert!(
        place.bytes(left) == place.bytes(right),
        "{left} and {right} differ"
    );
}

/// Expects each of `parts` in `message`.
#[track_caller]
pub fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no `{part}` in:\n{message}");
    }
}

/// Small and quick settings.
pub const SMALL: &str =
    "--hidden 24 --latent 4 --limit 600 --epochs 2 --batch-size 50 --threads 1 --seed 5";
