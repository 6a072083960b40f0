//! `vae info`: what a run or a model is.

use std::{
    io::{Write, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;
use vae_results::{RunFolder, Summary};
use vae_variants::Description;

use crate::{closing::scores_table, options::Format, watch::thousands};

/// Say what a run or a saved model is
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  vae info runs/vae-mnist-mini-1
  vae info runs/vae-mnist-mini-1 --format json")]
pub struct InfoArgs {
    /// Folder of the run, or of a saved model
    pub run: PathBuf,
    /// Form of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Prints the variant, the networks layer by layer, the data and the scores.
///
/// # Errors
/// If the folder holds no model.
pub fn run(args: &InfoArgs) -> Result<ExitCode> {
    let description = Description::read(&args.run)?;
    let tensors = description.tensors()?;
    let summary = RunFolder::at(&args.run).summary().ok();
    let parameters: usize = tensors.iter().map(|(_, dims)| count(dims)).sum();
    let mut out = stdout().lock();
    match args.format {
        Format::Json => {
            let layers = tensors.iter().map(
                |(name, dims)| json!({"name": name, "shape": dims, "parameters": count(dims)}),
            );
            let all = json!({
                "model": description,
                "parameters": parameters,
                "layers": layers.collect::<Vec<_>>(),
                "summary": summary,
            });
            serde_json::to_writer_pretty(&mut out, &all)?;
            writeln!(out)?;
        }
        Format::Text => text(
            &mut out,
            &description,
            &tensors,
            parameters,
            summary.as_ref(),
        )?,
    }
    Ok(ExitCode::SUCCESS)
}

fn count(dims: &[usize]) -> usize {
    dims.iter().product()
}

fn text(
    out: &mut dyn Write,
    description: &Description,
    tensors: &[(String, Vec<usize>)],
    parameters: usize,
    summary: Option<&Summary>,
) -> Result<()> {
    let info = description.variant.info();
    writeln!(out, "{}: {}", info.name, info.summary)?;
    writeln!(out, "paper: {}", info.paper)?;
    let options = serde_json::to_value(&description.variant)?;
    let options = options.as_object().into_iter().flatten();
    for (key, value) in options.filter(|(key, _)| *key != "name") {
        writeln!(out, "  variant.{key} = {value}")?;
    }
    writeln!(
        out,
        "written by version {}, format {}",
        description.version, description.format
    )?;
    writeln!(
        out,
        "\ndata: {}, examples of {}",
        description.dataset, description.shape
    )?;
    if let Some(table) = &description.table {
        let numbers = table
            .kinds()
            .iter()
            .filter(|kind| !kind.is_category())
            .count();
        writeln!(
            out,
            "  {} columns, {numbers} of numbers or dates, {} of categories",
            table.kinds().len(),
            table.kinds().len() - numbers
        )?;
    }
    if !description.classes.is_empty() {
        writeln!(out, "  classes: {}", description.classes.join(", "))?;
    }
    if !description.attributes.is_empty() {
        writeln!(out, "  attributes: {}", description.attributes.join(", "))?;
    }
    let likelihood = serde_json::to_value(description.likelihood.kind)?;
    let likelihood = likelihood.as_str().unwrap_or_default();
    writeln!(
        out,
        "\nlatent: {}; likelihood: {likelihood}; binarize: {}",
        description.model.latent, description.binarize
    )?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["parameters of", "shape", "numbers"]);
    for (name, dims) in tensors {
        let shape = dims.iter().map(usize::to_string).collect::<Vec<_>>();
        table.add_row([
            name.clone(),
            shape.join(" x "),
            thousands(count(dims) as f64).to_string(),
        ]);
    }
    table.add_row(["all", "", &thousands(parameters as f64).to_string()]);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(out)?;
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    match summary {
        Some(summary) => writeln!(
            out,
            "\n{} after {} epochs, {} steps\n\n{}",
            summary.ending,
            summary.epochs,
            thousands(summary.steps as f64),
            scores_table(summary)
        )?,
        None => writeln!(out, "\nno scores: this is no finished run")?,
    }
    Ok(())
}
