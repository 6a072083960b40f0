//! The settings that a variant has, and that data bring, where nothing else is asked for.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use vae_core::{ObjectiveConfig, nets::ModelConfig, train::TrainConfig};
use vae_data::Data;

use crate::Variant;

/// Settings of model, objective and training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Defaults {
    /// Networks and likelihood.
    pub model: ModelConfig,
    /// The KL term.
    pub objective: ObjectiveConfig,
    /// The training.
    pub train: TrainConfig,
}

impl Variant {
    /// The defaults of this variant, some of which suit it alone: those of
    /// [`VariantConfig::SETTINGS`](vae_core::VariantConfig::SETTINGS).
    pub fn defaults(&self) -> Defaults {
        self.defaults_over(Vec::new())
    }

    /// Its defaults on these data, some of which suit such data: see [`settings_of`].
    pub fn defaults_on(&self, data: &Data) -> Defaults {
        self.defaults_for(Purpose::General, data)
    }

    /// Its defaults on these data, for some purpose.
    pub fn defaults_for(&self, purpose: Purpose, data: &Data) -> Defaults {
        self.defaults_over(settings_of(
            data,
            TrainConfig::default().batch_size,
            purpose,
        ))
    }

    fn defaults_over(&self, of_data: Vec<(&'static str, String)>) -> Defaults {
        const KNOWN: &str = "tests read the defaults of every variant, and those of tables";
        let mut all = Table::try_from(Defaults::default()).expect(KNOWN);
        let own = self.info().settings.iter();
        let own = own.map(|(key, value)| (*key, (*value).to_owned()));
        for (key, value) in of_data.into_iter().chain(own) {
            let own = toml::from_str(&format!("{key} = {value}")).expect(KNOWN);
            lay_over(&mut all, own);
        }
        all.try_into().expect(KNOWN)
    }
}

/// What a model is trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing in particular.
    General,
    /// To draw tables like the one that it is trained on.
    Synthesis,
    /// To find anomalies, also among the examples that it is trained on: see [`Trained::score`].
    ///
    /// [`Trained::score`]: crate::Trained::score
    Anomalies,
}

/// Steps that a table is trained for to find anomalies in it.
const ANOMALY_STEPS: usize = 1_500;

/// Steps that images are trained for to find anomalies among them.
const IMAGE_STEPS: usize = 3_000;

/// What finds anomalies in tables: few steps of a small network, whose likelihood and whose loss let rows that are
/// far off move it little, and a code of half as many numbers as a row has.
fn settings_for_anomalies(data: &Data, steps: usize) -> Vec<(&'static str, String)> {
    let trim = ("train.trim", "0.1".into());
    if data.shape.image().is_some() {
        let epochs = IMAGE_STEPS.div_ceil(steps).to_string();
        return vec![
            trim,
            ("model.latent", "32".into()),
            ("train.epochs", epochs),
        ];
    }
    vec![
        trim,
        ("model.hidden", "[64]".into()),
        ("model.activation", r#""tanh""#.into()),
        (
            "model.latent",
            (data.shape.features() / 2).max(1).to_string(),
        ),
        ("model.likelihood", r#""student-t""#.into()),
        ("objective.kl_schedule", WARM_UP.into()),
        ("train.lr", FALLING.into()),
        ("train.epochs", ANOMALY_STEPS.div_ceil(steps).to_string()),
    ]
}

const WARM_UP: &str = r#"{ kind = "linear", from = 0, to = 1, until = 0.3 }"#;
const FALLING: &str = r#"{ kind = "cosine", from = 0.003, to = 0 }"#;

/// Steps that a table is trained for, if these are no more passes over it than [`MOST_EPOCHS`].
const TABLE_STEPS: usize = 8_000;
const MOST_EPOCHS: usize = 200;

/// The settings that suit data, key and value in TOML, over which those of the variant go. A table with
/// categories, dates or gaps has few numbers to a row and often few rows: more passes, a learning rate that
/// falls from a higher one, and a KL term that is warmed up, so that dimensions of the code are in use before it
/// bears down on them. Few examples of any kind make one batch. None for other data.
pub fn settings_of(
    data: &Data,
    batch_size: usize,
    purpose: Purpose,
) -> Vec<(&'static str, String)> {
    let examples = data.train.len();
    let mut all = Vec::new();
    if examples < batch_size {
        all.push(("train.batch_size", examples.max(1).to_string()));
    }
    let steps = (examples / batch_size.max(1)).max(1);
    if purpose == Purpose::Anomalies {
        all.extend(settings_for_anomalies(data, steps));
        return all;
    }
    let is_flat = data.shape.image().is_none();
    if data.table.is_none() && !(purpose == Purpose::Synthesis && is_flat) {
        return all;
    }
    if purpose == Purpose::Synthesis {
        all.push(("model.likelihood", r#""per-column""#.into()));
    }
    let least = TrainConfig::default().epochs;
    let epochs = TABLE_STEPS.div_ceil(steps).clamp(least, MOST_EPOCHS);
    all.extend([
        ("objective.kl_schedule", WARM_UP.into()),
        ("train.lr", FALLING.into()),
        ("train.epochs", epochs.to_string()),
    ]);
    all
}

/// Puts `own` into `all`. A table that says its kind takes the place of what was there.
fn lay_over(all: &mut Table, own: Table) {
    for (key, value) in own {
        match (all.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(own)) if !own.contains_key("kind") => {
                lay_over(inner, own);
            }
            (_, value) => {
                all.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use vae_core::{Moving, Schedule};
    use vae_data::{ColumnKind, DataConfig, DataShape, MemoryDataset, Source};

    use super::*;
    use crate::{Hvae, Vaegan};

    fn table(rows: usize, kind: Option<ColumnKind>) -> Data {
        let set = MemoryDataset::new(
            DataShape::flat(1),
            (0..rows).map(|i| (i % 2) as f32).collect(),
        );
        let set = set.unwrap().with_columns(vec!["x".into()]).unwrap();
        let set = match kind {
            Some(kind) => set.with_kinds(vec![kind]).unwrap(),
            None => set,
        };
        Data::from_source(
            Source::new("table", std::sync::Arc::new(set)),
            &DataConfig::default(),
            1,
        )
        .unwrap()
    }

    #[test]
    fn a_table_is_trained_longer_and_warmed_up() {
        let levels = ["no", "yes"].map(str::to_owned).to_vec();
        let mixed = |rows| {
            table(
                rows,
                Some(ColumnKind::Category {
                    levels: levels.clone(),
                }),
            )
        };
        let of = |variant: Variant, rows| variant.defaults_on(&mixed(rows));
        let vae = |rows| of(Variant::from(crate::Vae::default()), rows);
        assert_eq!(vae(400).train.epochs, MOST_EPOCHS);
        // 16,200 rows are 126 batches of 128: 64 passes make 8,064 steps.
        let Defaults {
            train, objective, ..
        } = vae(20_000);
        let examples = mixed(20_000).train.len();
        assert_eq!((examples, train.epochs), (16_200, 64));
        let middle = (train.lr.at(500, 1000), objective.kl_schedule.at(150, 1000));
        assert!(
            (middle.0 - 0.0015).abs() < 1e-9 && (middle.1 - 0.5).abs() < 1e-9,
            "{middle:?}"
        );
        // A variant's own go over those of the data.
        let vaegan = of(Variant::from(Vaegan::default()), 400);
        let own = Variant::from(Vaegan::default()).defaults();
        assert_eq!(
            (vaegan.train.lr, vaegan.train.epochs),
            (own.train.lr, MOST_EPOCHS)
        );
        let numbers = table(400, None);
        let plain = Variant::from(crate::Vae::default());
        assert_eq!(plain.defaults_on(&numbers), plain.defaults());
        let few = plain.defaults_on(&table(80, None)).train;
        assert_eq!(
            (few.batch_size, few.epochs),
            (table(80, None).train.len(), 20)
        );
    }

    #[test]
    fn only_what_a_variant_asks_for_is_another() {
        for variant in Variant::all() {
            let is_plain = variant.info().settings.is_empty();
            assert_eq!(variant.defaults() == Defaults::default(), is_plain);
        }
        let Defaults { train, .. } = Variant::from(Vaegan::default()).defaults();
        let text = toml::to_string(&train).unwrap();
        assert!(
            text.contains("lr = 0.002") && text.contains("beta1 = 0.5"),
            "{text}"
        );
        assert!(text.contains("kind = \"adam\""), "{text}");
        let Defaults { objective, .. } = Variant::from(Hvae::default()).defaults();
        let schedule = objective.kl_schedule;
        assert!(
            matches!(schedule, Schedule::Moving(Moving::Linear { .. })),
            "{schedule:?}"
        );
    }
}
