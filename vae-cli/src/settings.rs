//! The settings of a run, and the layers they come from.

mod check;
mod layers;
mod merge;
mod presets;
mod schema;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use vae_core::{ObjectiveConfig, nets::ModelConfig, train::TrainConfig};
use vae_data::{Binarize, DataConfig};
use vae_variants::Variant;

pub use layers::{LayerArgs, Override};
pub use presets::PRESETS;
pub use schema::{Choice, fields, flatten, is_switch, names};
pub use vae_variants::{Backend, Ops};

/// Everything a run depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seed of all randomness.
    pub seed: u64,
    /// What computes.
    pub backend: Backend,
    /// How `flex` and `ndarray` compute.
    pub ops: Ops,
    /// Threads; 0 means one for each core.
    pub threads: usize,
    /// Folder of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<PathBuf>,
    /// Folder of a run whose encoder turns the data into codes, on which the model is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes_of: Option<PathBuf>,
    /// The variant and its options.
    pub variant: Variant,
    /// The data.
    pub data: DataConfig,
    /// Networks and likelihood.
    pub model: ModelConfig,
    /// The KL term.
    pub objective: ObjectiveConfig,
    /// The training.
    pub train: TrainConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 42,
            backend: Backend::default(),
            ops: Ops::default(),
            threads: 0,
            out: None,
            codes_of: None,
            variant: Variant::Vae(vae_variants::Vae::default()),
            data: DataConfig::default(),
            model: ModelConfig::default(),
            objective: ObjectiveConfig::default(),
            train: TrainConfig::default(),
        }
    }
}

impl Settings {
    /// How the values that the model is trained on become binary: codes do not.
    pub fn binarize(&self) -> Binarize {
        match self.codes_of {
            Some(_) => Binarize::None,
            None => self.data.binarize,
        }
    }
}

/// Settings in force, and where each comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The settings, checked.
    pub settings: Settings,
    /// For each dotted key of the serialised settings, the layer that set it.
    pub layers: BTreeMap<String, String>,
}

/// Puts all layers together: defaults, those of the variant, preset, `vae.toml` of the working folder, `--config` files,
/// environment, flags.
///
/// # Errors
/// The first thing that is wrong in any layer, with its key, value, bound and layer.
pub fn resolve(args: &LayerArgs) -> Result<Resolved> {
    resolve_in(args, Path::new(""), std::env::vars_os())
}

/// Puts together the settings in the file of an earlier run and the flags, without any other layer.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_run(config: &Path, args: &LayerArgs) -> Result<Resolved> {
    let file = layers::file(config, &config.display().to_string())?;
    settle(vec![file, layers::overrides(args)])
}

/// [`resolve`] in another folder and environment.
fn resolve_in(
    args: &LayerArgs,
    folder: &Path,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Resolved> {
    let mut all = vec![layers::user_file(folder)?];
    for path in &args.configs {
        let label = format!("--config {}", path.display());
        all.push(layers::file(&folder.join(path), &label)?);
    }
    all.push(layers::environment(environment)?);
    all.push(layers::overrides(args));
    if let Some(preset) = layers::take_preset(&mut all)? {
        all.insert(0, preset);
    }
    let defaults = [layers::of_codes(&all), layers::of_variant(&all)].concat();
    all.insert(0, defaults);
    settle(all)
}

fn settle(all: Vec<Vec<layers::Entry>>) -> Result<Resolved> {
    let mut merged = merge::Merged::default();
    for layer in all {
        merged.add(layer)?;
    }
    let resolved = merged.finish()?;
    resolved.check()?;
    Ok(resolved)
}

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
