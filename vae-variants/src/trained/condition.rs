//! What a conditional model decodes under.

use super::{Trained, engine::Under};
use crate::Description;

/// Class and attributes that a conditional model decodes under, in the model's own scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(pub(super) Vec<f32>);

impl Condition {
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
}
