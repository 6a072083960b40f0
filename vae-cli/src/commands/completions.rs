//! `vae completions`: scripts that complete the command line.

use std::io::Write;

use anyhow::Result;
use clap_complete::{Shell, generate};

use crate::options::command;

/// Writes the completion script of a shell.
///
/// # Errors
/// If the output cannot be written.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<()> {
    let mut script = Vec::new();
    generate(shell, &mut command(), "vae", &mut script);
    out.write_all(&script)?;
    Ok(())
}
