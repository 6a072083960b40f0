//! The file that describes experiments, and the grid it spans.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use toml::{Table, Value};

use super::settings::{at_key, lay_over, nest};
use super::vae::Vae;

const BUILT_IN: &str = include_str!("../../experiments/variants.toml");

/// The key of the setting that chooses a variant.
const VARIANT: &str = "variant.name";

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    base: Option<PathBuf>,
    seeds: Option<Vec<u64>>,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    grid: Table,
    #[serde(default)]
    trial: Vec<Table>,
}

/// Experiments to run: one point per row of the table, each with every seed.
#[derive(Debug)]
pub struct Experiment {
    pub name: String,
    pub seeds: Vec<u64>,
    /// The settings that all points share.
    pub common: Table,
    axes: Vec<Axis>,
    trials: Vec<Table>,
}

#[derive(Debug)]
struct Axis {
    key: String,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// Every variant that the `vae` binary knows.
    AllVariants,
    Listed(Vec<Value>),
}

impl Experiment {
    /// The experiments that run when no file is named.
    pub fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN, Path::new(".")).context("in the built-in experiments")
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the experiments file {}: name an existing file, or none for the \
                 built-in experiments",
                path.display()
            )
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, folder: &Path) -> Result<Self> {
        let written: Written = toml::from_str(text)?;
        check_name(&written.name)?;
        let mut common = match &written.base {
            Some(base) => read_base(&folder.join(base))?,
            None => Table::new(),
        };
        let settings = nest(written.settings);
        refuse_seed("settings", &settings)?;
        lay_over(&mut common, settings);

        let seeds = match (
            written.seeds,
            common.get("seed").and_then(Value::as_integer),
        ) {
            (Some(seeds), _) => seeds,
            (None, Some(seed)) => vec![u64::try_from(seed).context("seed: must not be negative")?],
            (None, None) => vec![1],
        };
        check_seeds(&seeds)?;

        let mut axes = Vec::new();
        read_axes("", written.grid, &mut axes)?;
        // The variant varies slowest; the rest in alphabetical order, whatever order
        // the TOML library keeps.
        axes.sort_by_key(|axis| (!axis.key.starts_with("variant"), axis.key.clone()));

        let trials: Vec<Table> = written.trial.into_iter().map(nest).collect();
        for (index, trial) in trials.iter().enumerate() {
            refuse_seed(&format!("trial {}", index + 1), trial)?;
        }
        Ok(Self {
            name: written.name,
            seeds,
            common,
            axes,
            trials,
        })
    }

    /// The settings of every point of the grid, then those of the single trials.
    pub fn points(&self, vae: &Vae) -> Result<Vec<Table>> {
        let mut points = Vec::new();
        if !self.axes.is_empty() || self.trials.is_empty() {
            points.push(Table::new());
        }
        for axis in &self.axes {
            let values = match &axis.values {
                Values::Listed(values) => values.clone(),
                Values::AllVariants => vae.variants()?.into_iter().map(Value::String).collect(),
            };
            points = points
                .into_iter()
                .flat_map(|point| {
                    values
                        .iter()
                        .map(move |value| (point.clone(), value.clone()))
                })
                .map(|(mut point, value)| {
                    lay_over(&mut point, at_key(&axis.key, value));
                    point
                })
                .collect();
        }
        points.extend(self.trials.iter().cloned());
        Ok(points)
    }
}

/// Refuses an empty list of seeds and seeds given twice.
pub fn check_seeds(seeds: &[u64]) -> Result<()> {
    if seeds.is_empty() {
        bail!("seeds: the list is empty; give at least one seed, as in `seeds = [1]`");
    }
    for (index, seed) in seeds.iter().enumerate() {
        if seeds[..index].contains(seed) {
            bail!("seeds: {seed} is listed twice; list each seed once");
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(allowed) {
        bail!(
            "name: `{name}` cannot name a folder; use letters, digits, `-`, `_` and `.`, \
             as in `name = \"beta-sweep\"`"
        );
    }
    Ok(())
}

fn read_base(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "base: cannot read {} (the path is relative to this file)",
            path.display()
        )
    })?;
    toml::from_str(&text).with_context(|| format!("base: {}", path.display()))
}

fn refuse_seed(place: &str, settings: &Table) -> Result<()> {
    if settings.contains_key("seed") {
        bail!("{place}: sets `seed`; list seeds once for all trials, as in `seeds = [1, 2]`");
    }
    Ok(())
}

fn read_axes(prefix: &str, grid: Table, axes: &mut Vec<Axis>) -> Result<()> {
    for (key, value) in grid {
        let key = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        let values = match value {
            Value::Table(inner) => {
                read_axes(&key, inner, axes)?;
                continue;
            }
            Value::Array(values) if values.is_empty() => {
                bail!("grid.{key}: the list is empty; give at least one value, or remove the key")
            }
            Value::Array(values) => {
                let nested = values.into_iter().map(|value| match value {
                    Value::Table(table) => Value::Table(nest(table)),
                    other => other,
                });
                Values::Listed(nested.collect())
            }
            Value::String(all) if all == "all" && key == VARIANT => Values::AllVariants,
            other => bail!(
                "grid.{key}: `{other}` is no list; write `{key} = [{other}]`, or move it to \
                 [settings] (only `{VARIANT}` may be \"all\")"
            ),
        };
        if key == "seed" {
            bail!("grid.seed: list seeds at the top of the file, as in `seeds = [1, 2]`");
        }
        axes.push(Axis { key, values });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Experiment> {
        Experiment::parse(text, Path::new("."))
    }

    fn points(text: &str) -> Vec<Table> {
        let no_vae = Vae::new(PathBuf::from("no-such-vae"));
        parse(text)
            .and_then(|experiment| experiment.points(&no_vae))
            .expect("valid experiments")
    }

    fn table(text: &str) -> Table {
        toml::from_str(text).expect("valid TOML")
    }

    #[test]
    fn expands_the_grid_with_the_variant_slowest() {
        let found = points(
            "name = 'x'\n[grid]\nmodel.latent = [1, 2]\nvariant = [{name='vae'}, {name='beta', beta=4}]",
        );
        let expected = [
            "variant = {name='vae'}\nmodel = {latent=1}",
            "variant = {name='vae'}\nmodel = {latent=2}",
            "variant = {name='beta', beta=4}\nmodel = {latent=1}",
            "variant = {name='beta', beta=4}\nmodel = {latent=2}",
        ];
        assert_eq!(found, expected.map(table));
    }

    #[test]
    fn quoted_and_bare_dotted_keys_are_the_same() {
        let bare = points("name = 'x'\n[grid]\ntrain.optimizer.lr = [0.1, 0.2]");
        let quoted = points("name = 'x'\n[grid]\n'train.optimizer.lr' = [0.1, 0.2]");
        assert_eq!(bare, quoted);
    }

    #[test]
    fn single_trials_come_after_the_grid_or_stand_alone() {
        let trial = "[[trial]]\nvariant.name = 'ae'";
        assert_eq!(points(&format!("name = 'x'\n{trial}")).len(), 1);
        let both = points(&format!("name = 'x'\n[grid]\na = [1, 2]\n{trial}"));
        assert_eq!(both.len(), 3);
        assert_eq!(both[2], table("variant = {name='ae'}"));
        assert_eq!(points("name = 'x'"), [Table::new()]);
    }

    #[test]
    fn the_files_of_this_crate_are_valid() {
        let built_in = Experiment::built_in().expect("valid");
        assert_eq!(built_in.seeds, [1]);
        let example = include_str!("../../experiments/beta-sweep.toml");
        assert_eq!(points(example).len(), 7);
    }

    #[test]
    fn mistakes_are_named_with_what_to_do() {
        let mistakes = [
            ("name = 'a b'", "name: `a b` cannot name a folder"),
            ("name = 'x'\nseeds = []", "seeds: the list is empty"),
            ("name = 'x'\nseeds = [1, 1]", "seeds: 1 is listed twice"),
            (
                "name = 'x'\n[grid]\na.b = []",
                "grid.a.b: the list is empty",
            ),
            (
                "name = 'x'\n[grid]\na.b = 3",
                "grid.a.b: `3` is no list; write `a.b = [3]`",
            ),
            (
                "name = 'x'\n[grid]\nseed = [3]",
                "grid.seed: list seeds at the top",
            ),
            ("name = 'x'\n[settings]\nseed = 3", "settings: sets `seed`"),
            ("name = 'x'\n[[trial]]\nseed = 3", "trial 1: sets `seed`"),
            ("name = 'x'\nsede = [1]", "unknown field `sede`"),
            (
                "name = 'x'\nbase = 'no.toml'",
                "base: cannot read ./no.toml",
            ),
        ];
        for (text, expected) in mistakes {
            let error = format!("{:#}", parse(text).expect_err(text));
            assert!(error.contains(expected), "{error}");
        }
    }
}
