//! `vae completions`: scripts that complete the command line.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use clap_complete::{Shell, generate};

use crate::options::command;

/// Write a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vae completions bash > ~/.local/share/bash-completion/completions/vae
  vae completions zsh > ~/.zfunc/_vae
  vae completions fish > ~/.config/fish/completions/vae.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Writes the completion script of a shell.
///
/// # Errors
/// If the output cannot be written.
pub fn run(args: &CompletionsArgs) -> Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut command(), "vae", &mut script);
    stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
