//! A program that times a round of steps for each line it is sent.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::memory;
use crate::workspace::display;

/// Between two turns, so that threads which still spin come to rest.
const PAUSE: Duration = Duration::from_millis(60);

/// What a program says of one round.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Round {
    /// Milliseconds of the median step.
    pub median_ms: f64,
    /// Milliseconds of the fastest step.
    pub min_ms: f64,
    /// Milliseconds of the matrix products alone, where the program measures them.
    pub floor_ms: Option<f64>,
}

/// A running program, warm and waiting.
pub struct Runner {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    shown: String,
    /// From the start of the program to the end of its first step.
    pub first_step: Duration,
    /// The most memory that the program had at any time before its last turn, in MiB.
    pub peak_memory: Option<f64>,
}

impl Runner {
    /// Starts the program and waits until it is warm.
    pub fn start(mut command: Command) -> Result<Self> {
        let shown = display(&command);
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("`{shown}` has no pipes");
        };
        let mut runner = Self {
            child,
            input,
            output: BufReader::new(output),
            shown,
            first_step: Duration::ZERO,
            peak_memory: None,
        };
        runner.read("first_step")?;
        runner.first_step = started.elapsed();
        runner.read("ready")?;
        Ok(runner)
    }

    /// One turn.
    pub fn round(&mut self) -> Result<Round> {
        std::thread::sleep(PAUSE);
        // After its last turn the program may be gone.
        self.peak_memory = memory::peak(self.child.id()).or(self.peak_memory);
        writeln!(self.input).with_context(|| format!("`{}` has ended", self.shown))?;
        let found = self.read("median_ms")?;
        serde_json::from_value(found).with_context(|| format!("unclear answer of `{}`", self.shown))
    }

    /// The next object with the given key.
    fn read(&mut self, key: &str) -> Result<Value> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && value.get(key).is_some()
            {
                return Ok(value);
            }
            line.clear();
        }
        bail!("`{}` ended early: see its messages above", self.shown);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It has nothing left to do and nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
