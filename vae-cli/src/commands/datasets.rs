//! `vae datasets`: what can be trained on.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::options::Format;

/// List the datasets, and the files that can be read
#[derive(Debug, Args)]
#[command(after_help = "Next: vae --dataset NAME trains on one, vae --dataset PATH on a file.")]
pub struct DatasetsArgs {
    /// Form of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Lists the built-in datasets and the files that can be read.
///
/// # Errors
/// If the output cannot be written.
pub fn run(args: &DatasetsArgs) -> Result<ExitCode> {
    datasets(args.format, &mut stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn datasets(format: Format, out: &mut dyn Write) -> Result<()> {
    let all = vae_data::builtin();
    if format == Format::Json {
        let all: Vec<_> = all
            .iter()
            .map(|info| {
                json!({
                    "name": info.name,
                    "summary": info.summary,
                    "train": info.train,
                    "test": info.test,
                    "shape": info.shape,
                    "classes": info.classes,
                    "download": info.download,
                    "licence": info.licence,
                    "origin": info.origin,
                })
            })
            .collect();
        serde_json::to_writer_pretty(&mut *out, &all)?;
        writeln!(out)?;
        return Ok(());
    }
    for (index, info) in all.iter().enumerate() {
        let default = if index == 0 { " (the default)" } else { "" };
        let [channels, height, width] = info.shape;
        let download = match info.download {
            0 => "embedded in the program".to_owned(),
            bytes => format!(
                "{:.1} MB to download where it is not found",
                bytes as f64 / 1e6
            ),
        };
        writeln!(out, "{:<14}  {}{default}", info.name, info.summary)?;
        writeln!(
            out,
            "                {} examples to train, {} to test; {channels}x{height}x{width}; {} classes",
            info.train,
            info.test,
            info.classes.len()
        )?;
        writeln!(out, "                {download}")?;
        writeln!(out, "                {}; {}", info.licence, info.origin)?;
        writeln!(out)?;
    }
    writeln!(
        out,
        "--dataset also takes a path, relative to the working folder or --data-dir:"
    )?;
    for reader in vae_data::readers() {
        writeln!(out, "  {:<20}  {}", reader.name(), reader.summary())?;
    }
    Ok(())
}
