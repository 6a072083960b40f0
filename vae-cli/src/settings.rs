//! The settings of a run, and the layers they come from.

mod check;
mod layers;
mod merge;
mod presets;
pub mod schema;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{ObjectiveConfig, nets::ModelConfig, train::TrainConfig};
use vae_data::{Binarize, DataConfig};
use vae_variants::{Purpose, Variant};

pub use layers::{Entry, LayerArgs};
pub use presets::PRESETS;
pub use vae_variants::{Backend, Ops};

/// Everything a run depends on. Keys, flags, their help and `vae config --schema` follow from these types: a
/// setting is one field with its documentation, its default and its bound.
///
/// Keywords of the schema say what else a flag needs: `x-flag` is its name where that is not the key's last
/// part, `x-heading` the heading above it, `x-value` what its value is called, `x-unset` what holds where
/// there is no default, `x-bound` what a value must be, and `x-common` puts it into the short help.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct Settings {
    /// Seed of all randomness.
    pub seed: u64,
    /// What computes, see `vae backends`.
    pub backend: Backend,
    /// How flex and ndarray compute: with fused kernels, or with plain tensor operations to check them. To compare a
    /// graphics card with them, reference has it draw no noise of its own.
    pub ops: Ops,
    /// Threads; 0 means one for each core.
    #[garde(range(max = 1024))]
    #[schemars(extend("x-bound" = "from 0 to 1024; 0 means one for each core"))]
    pub threads: usize,
    /// Folder of the run, new or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-value" = "DIR",
        "x-bound" = "a path",
        "x-unset" = "a new folder in runs/",
        "x-common" = true
    ))]
    pub out: Option<PathBuf>,
    /// Train on the codes that the encoder of an earlier run gives for the data, instead of on the data.
    /// Those of a VAE are drawn anew in each epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-heading" = "Data",
        "x-value" = "RUN",
        "x-bound" = "a path",
        "x-unset" = "the data themselves"
    ))]
    pub codes_of: Option<PathBuf>,
    /// What to train, see `vae variants`.
    #[schemars(extend("x-flag" = "variant", "x-common" = true))]
    pub variant: Variant,
    /// What to train on.
    #[schemars(extend("x-heading" = "Data"))]
    pub data: DataConfig,
    /// Networks, likelihood, prior and posterior.
    #[schemars(extend("x-heading" = "Model"))]
    pub model: ModelConfig,
    /// The KL term.
    #[schemars(extend("x-heading" = "Objective"))]
    pub objective: ObjectiveConfig,
    /// How long and how to train.
    #[schemars(extend("x-heading" = "Training"))]
    pub train: TrainConfig,
    /// A field that tests add. They find it everywhere. Nothing else names it.
    #[cfg(test)]
    #[garde(range(min = 1, max = 9))]
    pub added_by_tests: usize,
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
            #[cfg(test)]
            added_by_tests: 4,
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
    /// The preset that was asked for.
    pub preset: Option<String>,
}

impl Resolved {
    /// What the preset says that the model is trained for.
    pub fn purpose(&self) -> Purpose {
        match self.preset.as_deref() {
            Some("anomaly") => Purpose::Anomalies,
            Some("synthesis") => Purpose::Synthesis,
            _ => Purpose::General,
        }
    }
}

/// Puts all layers together: defaults, those of the variant, preset, `vae.toml` of the working folder, `--config` files,
/// environment, flags.
///
/// # Errors
/// The first thing that is wrong in any layer, with its key, value, bound and layer.
pub fn resolve(args: &LayerArgs) -> Result<Resolved> {
    resolve_on(args, &[])
}

/// [`resolve`] with the settings that suit the data, key and value, right over the defaults.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_on(args: &LayerArgs, of_data: &[(&str, String)]) -> Result<Resolved> {
    resolve_in(args, of_data, Path::new(""), std::env::vars_os())
}

/// Puts together the settings in the file of an earlier run and the flags, without any other layer.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_run(config: &Path, args: &LayerArgs) -> Result<Resolved> {
    let file = layers::file(config, &config.display().to_string())?;
    settle(vec![file, args.flags.clone()])
}

/// [`resolve`] in another folder and environment.
fn resolve_in(
    args: &LayerArgs,
    of_data: &[(&str, String)],
    folder: &Path,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Resolved> {
    let mut all = vec![layers::user_file(folder)?];
    for path in &args.configs {
        let label = format!("--config {}", path.display());
        all.push(layers::file(&folder.join(path), &label)?);
    }
    all.push(layers::environment(environment)?);
    all.push(args.flags.clone());
    let preset = layers::take_preset(&mut all)?;
    let name = preset.map(|(name, entries)| {
        all.insert(0, entries);
        name
    });
    all.insert(0, layers::defaults(&all));
    let of_data = of_data.iter();
    let of_data =
        of_data.map(|(key, text)| Entry::text(*key, text.as_str(), "default for these data"));
    all.insert(0, of_data.collect());
    let resolved = settle(all)?;
    Ok(Resolved {
        preset: name,
        ..resolved
    })
}

fn settle(all: Vec<Vec<Entry>>) -> Result<Resolved> {
    let mut merged = merge::Merged::new();
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
mod schema_tests;
#[cfg(test)]
mod tests;
