//! `vae export`: a model for other programs.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use vae_export::{Format, export};
use vae_variants::Detector;

use crate::commands::{
    score::{self, Wanted},
    using::{DataArgs, ModelArgs, Opened, is_used},
};

/// Write the model as ONNX graphs and as a PyTorch module
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
encoder.onnx, decoder.onnx and score.onnx take and give values in the units of the data, for any number of examples: \
scaler, levels and threshold are inside. model.py has the same as functions of a PyTorch module, whose weights `vae import` \
takes back. Each is computed here and compared with the model; check.py does so elsewhere, on the rows of rows.safetensors.

Examples:
  vae export runs/vae-mnist-mini-1
  vae export run --dataset new.csv --format onnx --out graphs
  python graphs/check.py onnx")]
pub struct ExportArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Form; several are separated by commas
    #[arg(long, value_delimiter = ',', default_value = "onnx,pytorch")]
    pub format: Vec<Form>,
    /// Leave the score out, which learns what is usual from the training data of the run
    #[arg(long)]
    pub no_score: bool,
    /// Folder, new or empty [default: export in the folder of the run]
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace what is in the folder
    #[arg(long)]
    pub force: bool,
}

/// A form in which a model is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// ONNX graphs
    Onnx,
    /// A PyTorch module
    Pytorch,
}

impl Form {
    fn format(self) -> Format {
        match self {
            Self::Onnx => Format::Onnx,
            Self::Pytorch => Format::Pytorch,
        }
    }
}

/// Rows that the result is compared on.
const ROWS: usize = 16;

/// Exports a model.
///
/// # Errors
/// If the model or the data cannot be read, the model has something that the forms do not, or what was exported gives
/// other numbers.
pub fn run(args: &ExportArgs) -> Result<ExitCode> {
    let folder = args
        .out
        .clone()
        .unwrap_or_else(|| args.model.run.join("export"));
    if is_used(&folder) && !args.force {
        bail!(
            "{} is not empty: choose another folder by --out, or replace what is in it by --force",
            folder.display()
        );
    }
    let opened = args.model.open()?;
    let given = opened.data_or_all(&args.data);
    let given = given.context("what is exported is checked on rows")?;
    let detector = match args.no_score {
        true => None,
        false => detector(&opened),
    };
    let (dataset, rows) = given.first(ROWS);
    let formats: Vec<Format> = args.format.iter().map(|form| form.format()).collect();
    let found = export(
        &opened.model,
        detector.as_ref(),
        (&dataset, &rows),
        &formats,
    )?;
    found.write(&folder)?;
    for (name, difference) in &found.graphs {
        opened.note(&format!(
            "{name}: differs from the model by {difference:.0e} of the largest number"
        ));
    }
    opened.say(&format!("{} files", found.files.len()), &folder);
    Ok(ExitCode::SUCCESS)
}

/// The detector that is kept or can be learned.
fn detector(opened: &Opened) -> Option<Detector> {
    match score::detector(opened, &Wanted::default()) {
        Ok(detector) => Some(detector),
        Err(why) => {
            tracing::warn!("the score is left out: {why:#}");
            None
        }
    }
}
