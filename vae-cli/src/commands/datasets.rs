//! `vae datasets`: what can be trained on.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;
use vae_data::{ColumnContent, DataConfig, NoProgress};

use crate::options::Format;

/// List the datasets and the files that can be read, or say what is in a table
#[derive(Debug, Args)]
#[command(after_help = "Next: vae --dataset NAME trains on one, vae --dataset PATH on a file.")]
pub struct DatasetsArgs {
    /// A file with a table, whose columns are shown
    path: Option<String>,
    /// Column with the class
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Columns of numbers that are names
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    categorical: Vec<String>,
    /// Columns that are left out
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    drop: Vec<String>,
    /// Form of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Lists the built-in datasets and the files that can be read, or the columns of a table.
///
/// # Errors
/// If the table cannot be read or the output cannot be written.
pub fn run(args: &DatasetsArgs) -> Result<ExitCode> {
    match &args.path {
        Some(path) => columns(path, args, &mut stdout())?,
        None => datasets(args.format, &mut stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn columns(path: &str, args: &DatasetsArgs, out: &mut dyn Write) -> Result<()> {
    let config = DataConfig {
        label: args.label.clone(),
        categorical: args.categorical.clone(),
        drop: args.drop.clone(),
        ..DataConfig::of(path)
    };
    let report = vae_data::describe(&config, &NoProgress)?;
    if args.format == Format::Json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        return Ok(writeln!(out)?);
    }
    if report.columns.is_empty() {
        bail!("{path} is no table: it has {} images", report.rows);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["column", "for", "type", "values", "missing"]);
    for column in &report.columns {
        let (kind, values) = match &column.content {
            ColumnContent::Number { min, max } => ("number", format!("{min} to {max}")),
            ColumnContent::Date { first, last } => ("date", format!("{first} to {last}")),
            ColumnContent::Category { levels, frequent } => {
                let share =
                    |(level, share): &(String, f64)| format!("{level} {:.0} %", 100.0 * share);
                let shares: Vec<String> = frequent.iter().map(share).collect();
                let more = if *levels > frequent.len() {
                    ", …"
                } else {
                    ""
                };
                ("category", format!("{levels}: {}{more}", shares.join(", ")))
            }
            ColumnContent::Unread => ("", String::new()),
        };
        let missing = match column.missing {
            0.0 => String::new(),
            share => format!("{:.1} %", 100.0 * share),
        };
        let role = column.role.name();
        table.add_row([&column.name, role, kind, &values, &missing]);
    }
    writeln!(out, "{table}")?;
    writeln!(out, "{} rows", report.rows)?;
    Ok(())
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
