//! Reading each layer of settings into entries.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use toml::Value;
use vae_variants::Variant;

use super::presets::PRESETS;
use super::schema::{self, VARIANT};
use super::text::{self, Document};

/// Name of the settings file that is looked for in the working folder.
pub const USER_FILE: &str = "vae.toml";
/// The key that chooses a preset in a settings file or variable.
const PRESET: &str = "preset";
/// The key by which a layer asks for codes.
const CODES_OF: &str = "codes_of";
/// Start of the names of environment variables that are settings.
const PREFIX: &str = "VAE_";
/// Variables with that start that are not.
const OTHER_VARIABLES: [&str; 2] = ["VAE_CI_CACHE", "VAE_TCH_DIR"];

/// The settings of the command line, for [`resolve`](super::resolve).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerArgs {
    /// `--config` files, in order.
    pub configs: Vec<PathBuf>,
    /// Settings given as flags, in order.
    pub flags: Vec<Override>,
}

/// A setting given as a flag.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Dotted key.
    pub key: String,
    /// The value as written.
    pub text: String,
    /// The flag, e.g. `flag --beta`.
    pub source: String,
}

/// One setting of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Dotted key.
    pub key: String,
    /// The value.
    pub raw: Raw,
    /// The layer, for messages.
    pub source: String,
}

/// A value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    /// From a file.
    Value(Value),
    /// From the command line or the environment: a TOML value, or else a text.
    Text(String),
}

/// `vae.toml` of a folder; no entries if there is none.
pub fn user_file(folder: &Path) -> Result<Vec<Entry>> {
    let path = folder.join(USER_FILE);
    if path.symlink_metadata().is_ok() {
        file(&path, USER_FILE)
    } else {
        Ok(Vec::new())
    }
}

/// A settings file, called `label` in messages.
pub fn file(path: &Path, label: &str) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {label}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let (line, _) = text::position(&String::from_utf8_lossy(error.as_bytes()), valid);
        anyhow!("{label} is not UTF-8 text: line {line} holds other bytes; save the file as UTF-8")
    })?;
    parse(&text, label)
}

fn parse(text: &str, label: &str) -> Result<Vec<Entry>> {
    let mut document =
        Document::parse(text).map_err(|error| anyhow!("{label} is not valid TOML: {error}"))?;
    let table = std::mem::take(&mut document.table);
    let mut entries = Vec::new();
    for (key, value) in schema::flatten("", table) {
        let source = match document.line(&key) {
            Some(line) => format!("{label} (line {line})"),
            None => label.to_owned(),
        };
        if text::holds_date(&value) {
            bail!("`{key}` is {value}, but no setting takes a date or time; set by {source}");
        }
        entries.push(Entry {
            key,
            raw: Raw::Value(value),
            source,
        });
    }
    Ok(entries)
}

/// The `VAE_…` environment variables.
pub fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else {
            continue;
        };
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let source = format!("environment variable {name}");
        let Ok(text) = value.into_string() else {
            bail!("{source} is not UTF-8 text");
        };
        entries.push(Entry {
            key: key.to_lowercase().replace("__", "."),
            raw: Raw::Text(text),
            source,
        });
    }
    entries.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(entries)
}

/// The settings given as flags.
pub fn overrides(args: &LayerArgs) -> Vec<Entry> {
    let entry = |flag: &Override| Entry {
        key: flag.key.clone(),
        raw: Raw::Text(flag.text.clone()),
        source: flag.source.clone(),
    };
    args.flags.iter().map(entry).collect()
}

/// The defaults that go with the variant which `layers` choose in the end.
pub fn of_variant(layers: &[Vec<Entry>]) -> Vec<Entry> {
    let choices = layers.iter().flatten().rev();
    let name = choices
        .filter(|entry| entry.key == VARIANT)
        .find_map(|entry| match &entry.raw {
            Raw::Text(name) => Some(name.as_str()),
            Raw::Value(name) => name.as_str(),
        });
    let all = Variant::all().into_iter().map(|variant| variant.info());
    let chosen = all.filter(|info| Some(info.name) == name);
    let settings = chosen.flat_map(|info| info.settings.iter().map(move |pair| (info.name, pair)));
    settings
        .map(|(name, (key, text))| Entry {
            key: (*key).to_owned(),
            raw: Raw::Text((*text).to_owned()),
            source: format!("default of {name}"),
        })
        .collect()
}

/// The defaults that go with codes in place of data, if `layers` ask for them: the dimensions of codes
/// differ in scale.
pub fn of_codes(layers: &[Vec<Entry>]) -> Vec<Entry> {
    let asked = layers.iter().flatten().any(|entry| entry.key == CODES_OF);
    let likelihood = asked.then(|| Entry {
        key: "model.likelihood".into(),
        raw: Raw::Text("gaussian-pixel".into()),
        source: format!("default with {CODES_OF}"),
    });
    likelihood.into_iter().collect()
}

/// Takes the choice of a preset out of all layers and reads the preset.
pub fn take_preset(layers: &mut [Vec<Entry>]) -> Result<Option<Vec<Entry>>> {
    let mut chosen = None;
    for layer in layers {
        for entry in layer.extract_if(.., |entry| entry.key == PRESET) {
            chosen = Some(entry);
        }
    }
    let Some(Entry { raw, source, .. }) = chosen else {
        return Ok(None);
    };
    let name = match raw {
        Raw::Value(Value::String(name)) | Raw::Text(name) => name,
        Raw::Value(value) => value.to_string(),
    };
    let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else {
        let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        let hint = schema::hint(&name, &names);
        bail!(
            "`preset` is {name}, but must be one of {}{hint}; set by {source}",
            names.join(", ")
        );
    };
    let mut entries = parse(preset.text, "preset")?;
    for entry in &mut entries {
        entry.source = format!("preset {name}");
    }
    Ok(Some(entries))
}
