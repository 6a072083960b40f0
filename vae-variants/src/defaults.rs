//! The settings that a variant has where nothing else is asked for.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use vae_core::{ObjectiveConfig, nets::ModelConfig, train::TrainConfig};

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
        const KNOWN: &str = "a test reads the defaults of every variant";
        let mut all = Table::try_from(Defaults::default()).expect(KNOWN);
        for (key, value) in self.info().settings {
            let own = toml::from_str(&format!("{key} = {value}")).expect(KNOWN);
            lay_over(&mut all, own);
        }
        all.try_into().expect(KNOWN)
    }
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

    use super::*;
    use crate::{Hvae, Vaegan};

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
