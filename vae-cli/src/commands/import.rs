//! `vae import`: weights that another program has changed.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use vae_export::import;
use vae_variants::{ModelBytes, is_model};

use crate::commands::using::is_used;

/// Take weights of a PyTorch module back into a model
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The file must have the tensors of the model, by their names: what safetensors.torch.save_file(model.state_dict(), FILE) \
writes of the module of `vae export`.

Examples:
  vae export run --out exported
  vae import run tuned.safetensors --out tuned
  vae reconstruct tuned --dataset new.csv")]
pub struct ImportArgs {
    /// Folder of the run, or of a saved model, of the same architecture
    pub run: PathBuf,
    /// The weights (.safetensors)
    #[arg(value_name = "WEIGHTS")]
    pub weights: PathBuf,
    /// Folder of the new model, new or empty
    #[arg(short, long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Makes a model of other weights.
///
/// # Errors
/// If a file cannot be read, or the weights do not fit.
pub fn run(args: &ImportArgs) -> Result<ExitCode> {
    if is_used(&args.out) {
        bail!(
            "{} is not empty: choose another folder by --out",
            args.out.display()
        );
    }
    if !is_model(&args.run) {
        bail!("{} holds no model", args.run.display());
    }
    let model = ModelBytes::read(&args.run)?;
    let weights = std::fs::read(&args.weights)
        .with_context(|| format!("{} cannot be read", args.weights.display()))?;
    let model = import(model, &weights, &args.weights)?;
    model.write(&args.out)?;
    eprintln!("the model written to {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
