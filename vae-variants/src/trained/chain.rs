//! Models of the codes that another model gives: data become codes on the way in, and codes data on the way
//! out.

use std::sync::Arc;

use vae_core::{Error, Result, StepContext};
use vae_data::{Data, DataShape, Features, HostBatch, Progress, Subset};

use super::{Codes, Examples, Trained, engine::Under};
use crate::Description;

impl Trained {
    /// Turns data into codes, to train another model on: all splits, scaled as this model wants them. Codes
    /// that are Gaussians are drawn anew in each epoch; see [`Subset::replaced`].
    ///
    /// # Errors
    /// [`Error::Unfit`] if the model is conditional or the data have another shape than its own.
    pub fn encode_data(&self, data: Data, seed: u64, progress: &dyn Progress) -> Result<Data> {
        let Description { variant, .. } = &self.description;
        let unfit = |why: String| Err(Error::Unfit(why));
        if variant.is_conditional() {
            return unfit(format!(
                "the codes of a {} model depend on the labels; take one without condition",
                variant.info().name
            ));
        }
        let root = self.data();
        let (shape, attributes) = (&root.shape, data.attribute_scaler.as_deref().cloned());
        let data = match &root.table {
            Some(table) => data.aligned(&root.columns, Some(&Arc::new(table.clone())))?,
            None => data,
        };
        if *shape != data.shape || root.table.as_ref() != data.table.as_deref() {
            return unfit(format!(
                "it was trained on examples of shape {shape}, and those of {} have shape {}",
                data.name, data.shape
            ));
        }
        let data = data.rescaled(root.scaler.clone(), attributes)?;
        let features = |(subset, name): (&Subset, &str)| -> Result<Features> {
            let what = format!("encoding the {name} split");
            let examples = Examples::new(subset.clone(), true).seed(seed);
            let mut codes = Codes::default();
            for more in self.encode(&examples.progress(&what, progress)) {
                codes.extend(more?);
            }
            Ok(Features {
                deviations: codes.deviation(),
                means: codes.mean,
            })
        };
        let splits = [
            (&data.train, "training"),
            (&data.validation, "validation"),
            (&data.test, "test"),
        ];
        let [train, validation, test] = splits.map(features);
        let features = [train?, validation?, test?];
        Ok(data.replaced(DataShape::flat(self.latent()), features)?)
    }

    /// The mean codes in place of the examples of a batch.
    pub(super) fn encoded(&self, host: HostBatch, step: &StepContext) -> HostBatch {
        let input = HostBatch {
            labels: None,
            condition: None,
            ..host.clone()
        };
        let input = match self.codes_of() {
            Some(first) => first.encoded(input, step),
            None => input,
        };
        HostBatch {
            target: self.model.encode(input, step, false).mean,
            ..host
        }
    }

    /// What rows in the model's own scale stand for in the data; of a table rows of its columns. Where they are codes
    /// of another model, with a seed and a number what is drawn from their likelihood, else its mean.
    pub(super) fn in_units_of_data(
        &self,
        mut rows: Vec<f32>,
        drawn: Option<(u64, u64)>,
    ) -> Vec<f32> {
        let description = &self.description;
        if let Some(table) = &description.table {
            let examples = rows.chunks(description.shape.features());
            let mut folded = vec![0.0; examples.len() * description.row_width()];
            for (wide, row) in examples.zip(folded.chunks_mut(description.row_width())) {
                table.fold(wide, row);
            }
            rows = folded;
        }
        if let Some(scaler) = &description.scaler {
            for row in rows.chunks_mut(description.row_width()) {
                scaler.invert(row);
            }
        }
        match self.codes_of() {
            Some(first) => {
                first.in_units_of_data(first.model.decode(&rows, Under::Nothing, drawn), drawn)
            }
            None => rows,
        }
    }
}
