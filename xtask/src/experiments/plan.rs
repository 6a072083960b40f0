//! The trials of an experiment: what each one is, and where it lives.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::file::Experiment;
use super::settings::{json_leaf, lay_over, leaves};
use super::vae::{Resolved, Vae};

/// Settings that do not change what a training computes: no part of a trial's identity.
const NOT_IDENTITY: [&str; 6] = ["out", "threads", "quiet", "resume", "log", "color"];

/// What stands for a value that is not there.
pub const MISSING: &str = "–";

/// All trials, in the order of the table.
pub struct Plan {
    /// The settings that vary, one column each.
    pub columns: Vec<Column>,
    /// The values of these settings, one row per point of the grid.
    pub points: Vec<Vec<String>>,
    pub trials: Vec<Trial>,
    /// How many trials were left out because another one is the same.
    pub duplicates: usize,
    pub version: String,
    pub data: String,
}

/// A setting that varies over the grid.
pub struct Column {
    pub key: String,
    /// The last part of the key, or all of it where that is ambiguous.
    pub label: String,
}

/// One training: a point of the grid with one seed.
pub struct Trial {
    pub point: usize,
    pub seed: u64,
    /// The settings file, complete in itself.
    pub config: String,
    /// A digest of all that the results depend on.
    pub identity: String,
    /// The name of the trial's folder.
    pub folder: String,
}

impl Plan {
    pub fn new(experiment: &Experiment, vae: &Vae) -> Result<Self> {
        let seeds = &experiment.seeds;
        let points = experiment.points(vae)?;
        let mut drafts = Vec::new();
        for (point, settings) in points.iter().enumerate() {
            for &seed in seeds {
                drafts.push(Draft::new(&experiment.common, settings, point, seed)?);
            }
        }
        let resolved = resolve_all(&drafts, &points, vae)?;
        let version = resolved[0].version.clone();
        let data: BTreeSet<&str> = resolved.iter().map(|one| one.data.as_str()).collect();
        let data = data.into_iter().collect::<Vec<_>>().join("`, `");

        let of_point = |point: usize| &resolved[point * seeds.len()].settings;
        let columns = varying_columns(&points, of_point);
        let rows: Vec<Vec<String>> = (0..points.len())
            .map(|point| {
                columns
                    .iter()
                    .map(|column| value(&points, of_point, point, &column.key))
                    .collect()
            })
            .collect();

        let mut seen = BTreeSet::new();
        let mut trials = Vec::new();
        for (draft, resolved) in drafts.into_iter().zip(&resolved) {
            let identity = identity(resolved);
            if seen.insert(identity.clone()) {
                let label = label(&columns, &rows[draft.point], resolved);
                let folder = format!("{label}-seed{}-{}", draft.seed, &identity[..8]);
                let Draft {
                    point,
                    seed,
                    config,
                } = draft;
                trials.push(Trial {
                    point,
                    seed,
                    config,
                    identity,
                    folder,
                });
            }
        }
        let duplicates = resolved.len() - trials.len();
        Ok(Self {
            columns,
            points: rows,
            trials,
            duplicates,
            version,
            data,
        })
    }

    /// Uses the folders that trials already have, under whatever label they were made.
    pub fn find_folders(&mut self, trials_folder: &Path) -> Result<()> {
        if !trials_folder.is_dir() {
            return Ok(());
        }
        for entry in fs::read_dir(trials_folder)
            .with_context(|| format!("cannot list {}", trials_folder.display()))?
        {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let ending = name.rsplit('-').next().unwrap_or_default();
            for trial in &mut self.trials {
                if trial.identity[..8] == *ending {
                    trial.folder.clone_from(&name);
                }
            }
        }
        Ok(())
    }
}

/// A trial of which only the settings as written are known.
struct Draft {
    point: usize,
    seed: u64,
    config: String,
}

impl Draft {
    fn new(common: &Table, settings: &Table, point: usize, seed: u64) -> Result<Self> {
        let mut config = common.clone();
        lay_over(&mut config, settings.clone());
        let number = i64::try_from(seed).with_context(|| {
            format!(
                "seeds: {seed} is too large; the largest seed is {}",
                i64::MAX
            )
        })?;
        config.insert("seed".to_owned(), Value::Integer(number));
        let config = toml::to_string(&config).context("cannot write the settings as TOML")?;
        Ok(Self {
            point,
            seed,
            config,
        })
    }
}

/// Asks `vae config` about every trial, several at once.
fn resolve_all(drafts: &[Draft], points: &[Table], vae: &Vae) -> Result<Vec<Resolved>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<Resolved>)>> = Mutex::default();
    let ask = || {
        while let Some((index, draft)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            drafts.get(index).map(|draft| (index, draft))
        } {
            let file = folder.path().join(format!("trial{index}.toml"));
            let resolved = resolve(&file, draft, &points[draft.point], vae);
            let mut results = results
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            results.push((index, resolved));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(ask);
        }
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, resolved)| resolved).collect()
}

fn resolve(file: &PathBuf, draft: &Draft, point: &Table, vae: &Vae) -> Result<Resolved> {
    fs::write(file, &draft.config).with_context(|| format!("cannot write {}", file.display()))?;
    vae.resolve(file).with_context(|| {
        let mut settings = leaves(point);
        settings.push(("seed".to_owned(), draft.seed.to_string()));
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, text)| format!("{key}={text}"))
            .collect();
        format!("the trial with {} (nothing was run)", settings.join(" "))
    })
}

fn identity(resolved: &Resolved) -> String {
    let mut settings = resolved.settings.clone();
    if let Some(settings) = settings.as_object_mut() {
        settings.retain(|key, _| !NOT_IDENTITY.contains(&key.as_str()));
    }
    let mut hash = Sha256::new();
    hash.update(canonical(&settings));
    hash.update([0]);
    hash.update(&resolved.data);
    hash.update([0]);
    hash.update(&resolved.version);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// JSON text that does not depend on the order of keys.
fn canonical(value: &Json) -> String {
    let entry = |map: &Map<String, Json>, key: &String| {
        format!("{}:{}", Json::String(key.clone()), canonical(&map[key]))
    };
    match value {
        Json::Object(map) => {
            let keys: BTreeSet<&String> = map.keys().collect();
            let entries: Vec<_> = keys.into_iter().map(|key| entry(map, key)).collect();
            format!("{{{}}}", entries.join(","))
        }
        Json::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(canonical).collect::<Vec<_>>().join(",")
            )
        }
        other => other.to_string(),
    }
}

/// The value of a setting at a point: as written, or as resolved, or [`MISSING`].
fn value<'a>(
    points: &[Table],
    resolved: impl Fn(usize) -> &'a Json,
    point: usize,
    key: &str,
) -> String {
    leaves(&points[point])
        .into_iter()
        .find_map(|(name, text)| (name == key).then_some(text))
        .or_else(|| json_leaf(resolved(point), key))
        .unwrap_or_else(|| MISSING.to_owned())
}

fn varying_columns<'a>(
    points: &[Table],
    resolved: impl Fn(usize) -> &'a Json + Copy,
) -> Vec<Column> {
    let keys: BTreeSet<String> = points
        .iter()
        .flat_map(leaves)
        .map(|(key, _)| key)
        .filter(|key| key != "seed")
        .collect();
    let mut keys: Vec<String> = keys
        .into_iter()
        .filter(|key| {
            let texts: BTreeSet<String> = (0..points.len())
                .map(|point| value(points, resolved, point, key))
                .collect();
            texts.len() > 1
        })
        .collect();
    keys.sort_by_key(|key| {
        (
            key != "variant.name",
            !key.starts_with("variant."),
            key.clone(),
        )
    });
    let short: Vec<String> = keys.iter().map(|key| short_name(key)).collect();
    let label = |index: usize| {
        let ambiguous = short.iter().filter(|other| **other == short[index]).count() > 1;
        if ambiguous {
            keys[index].clone()
        } else {
            short[index].clone()
        }
    };
    let labels: Vec<String> = (0..keys.len()).map(label).collect();
    keys.into_iter()
        .zip(labels)
        .map(|(key, label)| Column { key, label })
        .collect()
}

/// `model.latent` is `latent`, `variant.name` is `variant`.
fn short_name(key: &str) -> String {
    let key = key.strip_suffix(".name").unwrap_or(key);
    key.rsplit('.').next().unwrap_or(key).to_owned()
}

/// A readable name, such as `beta-beta4-latent10`.
fn label(columns: &[Column], row: &[String], resolved: &Resolved) -> String {
    let mut parts: Vec<String> = json_leaf(&resolved.settings, "variant.name")
        .into_iter()
        .collect();
    for (column, text) in columns.iter().zip(row) {
        if column.key != "variant.name" && text != MISSING {
            parts.push(format!("{}{text}", short_name(&column.key)));
        }
    }
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' || c == '-' {
            c
        } else {
            '_'
        }
    };
    parts.join("-").chars().map(safe).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(settings: &str) -> Resolved {
        Resolved {
            settings: serde_json::from_str(settings).expect("valid JSON"),
            version: "1".to_owned(),
            data: "d".to_owned(),
        }
    }

    #[test]
    fn identity_is_of_what_the_results_depend_on() {
        let base = identity(&resolved(r#"{"a": 1, "b": {"c": [1, "x"], "d": 2}}"#));
        let same = identity(&resolved(
            r#"{"threads": 2, "out": "x", "b": {"d": 2, "c": [1, "x"]}, "a": 1}"#,
        ));
        assert_eq!(base, same);
        assert_ne!(
            base,
            identity(&resolved(r#"{"a": 2, "b": {"c": [1, "x"], "d": 2}}"#))
        );
        let mut other = resolved(r#"{"a": 1, "b": {"c": [1, "x"], "d": 2}}"#);
        other.version = "2".to_owned();
        assert_ne!(base, identity(&other));
        other.version = "1".to_owned();
        other.data = "e".to_owned();
        assert_ne!(base, identity(&other));
    }

    #[test]
    fn columns_are_the_settings_that_vary() {
        let points = [
            "variant = {name='vae'}\nmodel.latent = 10\ntrain.epochs = 3",
            "variant = {name='beta', beta=4.0}\nmodel.latent = 10\ntrain.epochs = 3",
            "variant = {name='beta'}",
        ]
        .map(|text| toml::from_str::<Table>(text).expect("valid TOML"));
        let settings = [
            r#"{"variant": {"name": "vae"}, "model": {"latent": 10}, "train": {"epochs": 3}}"#,
            r#"{"variant": {"name": "beta", "beta": 4.0}, "model": {"latent": 10}, "train": {"epochs": 3}}"#,
            r#"{"variant": {"name": "beta", "beta": 1.0}, "model": {"latent": 20}, "train": {"epochs": 3}}"#,
        ]
        .map(resolved);
        let of_point = |point: usize| &settings[point].settings;
        let columns = varying_columns(&points, of_point);
        let labels: Vec<&str> = columns.iter().map(|column| column.label.as_str()).collect();
        assert_eq!(labels, ["variant", "beta", "latent"]);
        let row = |point: usize| -> Vec<String> {
            columns
                .iter()
                .map(|column| value(&points, of_point, point, &column.key))
                .collect()
        };
        assert_eq!(row(0), ["vae", MISSING, "10"]);
        assert_eq!(row(1), ["beta", "4", "10"]);
        assert_eq!(row(2), ["beta", "1", "20"]);
        assert_eq!(
            label(&columns, &row(1), &settings[1]),
            "beta-beta4-latent10"
        );
        assert_eq!(label(&columns, &row(0), &settings[0]), "vae-latent10");
    }

    #[test]
    fn ambiguous_labels_are_full_keys() {
        let points = ["a.x = 1\nb.x = 1", "a.x = 2\nb.x = 2"]
            .map(|text| toml::from_str::<Table>(text).expect("valid TOML"));
        let nothing = Json::Null;
        let columns = varying_columns(&points, |_| &nothing);
        let labels: Vec<&str> = columns.iter().map(|column| column.label.as_str()).collect();
        assert_eq!(labels, ["a.x", "b.x"]);
    }
}
