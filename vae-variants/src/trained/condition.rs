//! What a conditional model decodes under.

use vae_core::Result;

use super::{Examples, Trained, engine::Under};
use crate::Description;

/// Class and attributes that a conditional model decodes under, in the model's own scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(pub(super) Vec<f32>);

impl Condition {
    /// Which place of the row is the class: that of the 1, where there is one.
    pub fn class(&self) -> Option<usize> {
        self.0.iter().position(|value| *value == 1.0)
    }

    pub(super) fn under(&self) -> Under<'_> {
        Under::One(&self.0)
    }
}

impl Trained {
    /// The condition of each class with average attributes; one with average attributes where there are no
    /// classes; none for an unconditional model.
    pub fn conditions(&self) -> Vec<Condition> {
        let Description {
            classes,
            attributes,
            ..
        } = &self.description;
        if !self.description.variant.is_conditional() {
            return Vec::new();
        }
        let average = vec![0.0; classes.len() + attributes.len()];
        if classes.is_empty() {
            return vec![Condition(average)];
        }
        let of_class = |class: usize| {
            let mut row = average.clone();
            row[class] = 1.0;
            Condition(row)
        };
        (0..classes.len()).map(of_class).collect()
    }

    /// The condition of a class, by its name or else its index, with average attributes; nothing if the
    /// model is not conditional or has no such class.
    pub fn condition(&self, class: &str) -> Option<Condition> {
        let classes = &self.description.classes;
        let by_name = classes.iter().position(|name| name == class);
        let index =
            by_name.or_else(|| class.parse().ok().filter(|index| *index < classes.len()))?;
        self.conditions().into_iter().nth(index)
    }

    /// What the code of each example is decoded under, batch after batch: its class and attributes, or what
    /// the model takes for its class; none for an unconditional model.
    pub fn conditions_of<'a>(
        &'a self,
        examples: &Examples<'a>,
    ) -> impl Iterator<Item = Result<Vec<Condition>>> + 'a {
        let is_conditional = self.description.variant.is_conditional();
        let batches = is_conditional.then(|| self.batches(examples));
        batches.into_iter().flatten().map(|batch| {
            let (host, step) = batch?;
            let count = host.len;
            let rows = self.model.condition(host, &step).unwrap_or_default();
            let width = rows.len() / count.max(1);
            let rows = rows.chunks(width.max(1));
            Ok(rows.map(|row| Condition(row.to_vec())).collect())
        })
    }
}
