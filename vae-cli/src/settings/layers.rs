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
    pub flags: Vec<Entry>,
}

/// One setting of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Dotted key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Whether the value is a text that may stand for another value, as on the command line.
    pub is_text: bool,
    /// The layer, for messages, e.g. `flag --beta`.
    pub source: String,
}

impl Entry {
    /// A setting given as text.
    pub fn text(
        key: impl Into<String>,
        text: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            value: Value::String(text.into()),
            is_text: true,
            source: source.into(),
        }
    }

    /// A setting with its value.
    pub fn value(key: impl Into<String>, value: Value, source: impl Into<String>) -> Self {
        Self {
            value,
            is_text: false,
            ..Self::text(key, "", source)
        }
    }
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
    let invalid = |error| anyhow!("{label} is not valid TOML: {error}");
    let document = Document::parse(text).map_err(invalid)?;
    let table = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let mut entries = Vec::new();
    for (key, value) in schema::flatten("", table) {
        let source = match document.line(&key) {
            Some(line) => format!("{label} (line {line})"),
            None => label.to_owned(),
        };
        if text::holds_date(&value) {
            bail!("`{key}` is {value}, but no setting takes a date or time; set by {source}");
        }
        entries.push(Entry::value(key, value, source));
    }
    Ok(entries)
}

/// The `VAE_…` environment variables.
pub fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let own = !OTHER_VARIABLES.contains(&name.as_ref());
        let Some(key) = name.strip_prefix(PREFIX).filter(|_| own) else {
            continue;
        };
        let source = format!("environment variable {name}");
        let Ok(text) = value.into_string() else {
            bail!("{source} is not UTF-8 text");
        };
        let key = key.to_lowercase().replace("__", ".");
        entries.push(Entry::text(key, text, source));
    }
    entries.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(entries)
}

/// The defaults that go with the variant which `layers` choose in the end, and with codes in place of data,
/// whose dimensions differ in scale.
pub fn defaults(layers: &[Vec<Entry>]) -> Vec<Entry> {
    let last = |key| layers.iter().flatten().rev().find(|entry| entry.key == key);
    let likelihood = |_| {
        Entry::text(
            "model.likelihood",
            "gaussian-pixel",
            "default with codes_of",
        )
    };
    let of_codes = last("codes_of").map(likelihood);
    let name = last(VARIANT).and_then(|entry| entry.value.as_str());
    let all = Variant::all().into_iter().map(|variant| variant.info());
    let of_variant = all.filter(|info| Some(info.name) == name).flat_map(|info| {
        let source = format!("default of {}", info.name);
        let settings = info.settings.iter();
        settings.map(move |(key, text)| Entry::text(*key, *text, &source))
    });
    of_codes.into_iter().chain(of_variant).collect()
}

/// Takes the choice of a preset out of all layers and reads the preset: its name and what it says.
pub fn take_preset(layers: &mut [Vec<Entry>]) -> Result<Option<(String, Vec<Entry>)>> {
    let layers = layers.iter_mut();
    let chosen = layers
        .flat_map(|layer| layer.extract_if(.., |entry| entry.key == PRESET))
        .last();
    let Some(Entry { value, source, .. }) = chosen else {
        return Ok(None);
    };
    let name = value.as_str().map_or(value.to_string(), str::to_owned);
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
    Ok(Some((name, entries)))
}
