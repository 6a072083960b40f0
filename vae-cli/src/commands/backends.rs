//! `vae backends`: what can compute.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::options::Format;
use crate::settings::Backend;

/// List the backends, and how to get them
#[derive(Debug, Args)]
#[command(after_help = "Next: vae --backend NAME trains on one of those in this build.")]
pub struct BackendsArgs {
    /// Form of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Lists the backends, whether this build has them and how to get them.
///
/// # Errors
/// If the output cannot be written.
pub fn run(args: &BackendsArgs) -> Result<ExitCode> {
    let mut out = stdout();
    if args.format == Format::Json {
        let all = Backend::ALL.map(|backend| {
            json!({
                "name": backend.name(),
                "summary": backend.summary(),
                "in_this_build": backend.is_built(),
                "how_to_get": backend.how_to_get(),
            })
        });
        serde_json::to_writer_pretty(&mut out, &all)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{:<8}  {:<13}  what it is", "name", "in this build")?;
    for backend in Backend::ALL {
        let built = if backend.is_built() { "yes" } else { "no" };
        writeln!(out, "{backend:<8}  {built:<13}  {}", backend.summary())?;
    }
    let missing: Vec<_> = Backend::ALL
        .into_iter()
        .filter(|backend| !backend.is_built())
        .collect();
    if !missing.is_empty() {
        writeln!(out, "\nTo build with another one:")?;
    }
    for backend in missing {
        writeln!(out, "  {backend:<6}  {}", backend.how_to_get())?;
    }
    Ok(ExitCode::SUCCESS)
}
