//! The semi-supervised VAE (Kingma 2014, "Semi-supervised learning with deep generative models", model
//! M2): a VAE conditioned on the class `y`, and a classifier `q(y|x)` for the examples whose class is
//! not known. With `L(x, y) = -log p(x|y,z) - log p(y) + KL(q(z|x,y) || N(0, I))`, `z` drawn from
//! `q(z|x,y)` and a uniform `p(y)`, an example contributes
//!
//! - `L(x, y)` if its class is known (eq. 6),
//! - `sum_y q(y|x) (L(x, y) + log q(y|x))` if it is not, summed over all classes (eq. 7),
//!
//! and the classifier is also trained on the known classes, `-alpha log q(y|x)` (eq. 9), as it would
//! otherwise learn nothing from them.

mod rows;

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, activation::log_softmax, backend::Backend},
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Code, Distribution, Error, Kl, Likelihood, Method, ModelSpec, Objective, Parts, Player,
    Posterior, Result, Schedule, StepContext, VariantConfig, draw_with_kl, kl_per_unit,
    nets::{EncoderNet, Init},
    select_rows,
};
use vae_data::bounds::{ABOVE_0, BELOW_1, finite};

use rows::{Rows, labels};

/// Options of the semi-supervised VAE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Semi {
    /// Weight of the classification loss in nats, averaged over the labelled examples of a batch, at
    /// least 0. A number or a schedule.
    #[garde(dive)]
    pub alpha: Schedule,
    /// Share of each batch that labelled examples are to have where the data have fewer, above 0 and
    /// below 1; they are repeated.
    #[garde(range(min = ABOVE_0, max = BELOW_1), custom(finite))]
    pub labelled_share: f64,
    /// Also train a classifier that sees the labelled examples only, to compare with.
    pub baseline: bool,
}

impl Default for Semi {
    fn default() -> Self {
        Self {
            alpha: Schedule::Constant(50.0),
            labelled_share: 0.1,
            baseline: true,
        }
    }
}

impl VariantConfig for Semi {
    const NAME: &'static str = "semi";
    const SUMMARY: &'static str = "VAE that learns to classify from few labels and many examples";
    const PAPER: &'static str = "Kingma 2014 (M2)";
    const EXAMPLE: &'static str = "--variant semi --labels 100";

    type Method<B: Backend> = Classifiers<B>;

    const METHOD_FIRST: bool = true;

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        if spec.classes < 2 {
            return Err(Error::Unfit(format!(
                "the semi variant needs at least 2 classes, and the data have {}: name the column of \
                 the class with --label, sort images into one folder per class, or choose another \
                 --variant",
                spec.classes
            )));
        }
        Ok(())
    }

    fn build<B: Backend>(
        &self,
        spec: &ModelSpec,
        init: &mut Init<'_, B>,
    ) -> Result<Classifiers<B>> {
        let mut classifier = || EncoderNet::init(&spec.model, &spec.nets(spec.classes), init);
        let (main, baseline) = (
            classifier()?,
            self.baseline.then(&mut classifier).transpose()?,
        );
        Ok(Classifiers {
            classifier: main,
            baseline,
            alpha: self.alpha.clone(),
            classes: spec.classes,
            attributes: spec.condition - spec.classes,
        })
    }

    fn labelled_share(&self) -> Option<f64> {
        Some(self.labelled_share)
    }

    fn is_conditional(&self) -> bool {
        true
    }
}

/// What a semi-supervised VAE trains beside its parts, which are `q(z|x,y)` and `p(x|y,z)`.
#[derive(Module, Debug)]
pub struct Classifiers<B: Backend> {
    /// The logits of `q(y|x)`.
    classifier: EncoderNet<B>,
    /// The same, trained on the labelled examples only.
    baseline: Option<EncoderNet<B>>,
    #[module(skip)]
    alpha: Schedule,
    #[module(skip)]
    classes: usize,
    #[module(skip)]
    attributes: usize,
}

impl<B: Backend> Classifiers<B> {
    /// Rows of zeros with a 1 at the class. `[classes.len(), self.classes]`
    fn one_hot(&self, classes: &[usize], device: &B::Device) -> Tensor<B, 2> {
        let mut rows = vec![0.0f32; classes.len() * self.classes];
        for (row, class) in rows.chunks_exact_mut(self.classes).zip(classes) {
            row[*class] = 1.0;
        }
        Tensor::from_data(TensorData::new(rows, [classes.len(), self.classes]), device)
    }

    /// The condition of the examples of `batch` with other classes: their attributes stay, or are average.
    ///
    /// # Shapes
    /// - `classes`: `[batch, classes]`
    /// - output: `[batch, classes + attributes]`
    fn with_classes(&self, batch: &Batch<B>, classes: Tensor<B, 2>) -> Tensor<B, 2> {
        if self.attributes == 0 {
            return classes;
        }
        let attributes = match &batch.condition {
            Some(given) => given.clone().narrow(1, self.classes, self.attributes),
            None => Tensor::zeros([batch.len(), self.attributes], &classes.device()),
        };
        Tensor::cat(vec![classes, attributes], 1)
    }

    /// The class of each example, one-hot: its label, or else the most probable one. Nothing is read for it.
    ///
    /// # Shapes
    /// - output: `[batch, classes]`
    fn classes_of(
        &self,
        parts: &impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let (labels, device) = (labels(batch), batch.input.device());
        if labels.iter().all(Option::is_some) {
            let labels: Vec<usize> = labels.into_iter().flatten().collect();
            return self.one_hot(&labels, &device);
        }
        let seen = parts.likelihood().encoder_view(batch.input.clone());
        let guesses = self.classifier.forward(seen, step).argmax(1);
        let classes = Tensor::arange(0..self.classes as i64, &device).unsqueeze_dim::<2>(0);
        let shape = [labels.len(), self.classes];
        let guessed = guesses.expand(shape).equal(classes.expand(shape)).float();
        if labels.iter().all(Option::is_none) {
            return guessed;
        }
        let known: Vec<usize> = labels
            .iter()
            .map(|label| label.unwrap_or_default())
            .collect();
        let is_open = labels
            .iter()
            .map(|label| f32::from(u8::from(label.is_none())));
        let is_open = TensorData::new(is_open.collect::<Vec<f32>>(), [labels.len(), 1]);
        let is_open = Tensor::<B, 2>::from_data(is_open, &device);
        let known = self.one_hot(&known, &device) * is_open.clone().neg().add_scalar(1.0);
        known + guessed * is_open
    }

    /// What a classifier with these logits is charged for the labelled examples, and which of them it
    /// gets right. `[labelled]` each
    fn judge(&self, logits: Tensor<B, 2>, labels: &[usize]) -> (Tensor<B, 1>, Tensor<B, 1>) {
        let hot = self.one_hot(labels, &logits.device());
        let loss = (log_softmax(logits.clone(), 1) * hot.clone())
            .sum_dim(1)
            .neg();
        let right = logits.argmax(1).equal(hot.argmax(1)).float();
        (loss.squeeze_dim(1), right.squeeze_dim(1))
    }
}

/// The label of each example, or else its class of the largest logit.
fn most_probable<B: Backend>(labels: &[Option<usize>], logits: Tensor<B, 2>) -> Vec<usize> {
    let guesses = logits.argmax(1).into_data();
    let guesses = guesses.iter::<i64>().map(|guess| guess as usize);
    let classes = labels.iter().zip(guesses);
    classes
        .map(|(label, guess)| label.unwrap_or(guess))
        .collect()
}

impl<B: Backend> Method<B> for Classifiers<B> {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let labels = labels(batch);
        let seen = parts.likelihood().encoder_view(batch.input.clone());
        let logits = self.classifier.forward(seen.clone(), step); // [batch, classes]
        let rows = Rows::of(self, batch, &labels, logits.clone());

        let posterior = parts.posterior(&rows.batch, step);
        let [_, latent] = posterior.dims();
        // Drawn for every class, so that it does not matter which are left out.
        let noise = step.normal([batch.len() * self.classes, latent], &logits.device());
        let prior = parts.prior(step, &logits.device());
        let (z, kl) = draw_with_kl(&posterior, &prior, rows.select(noise));
        let target = rows.batch.target.clone();
        let nll = parts.likelihood_of(z, &rows.batch, step).nll(target); // [rows]

        let mean = |values: Tensor<B, 1>| rows.mean(values.unsqueeze_dim(1)).squeeze_dim(1);
        let kl = Kl {
            value: mean(kl.value),
            ..kl
        };
        let per_unit = || Some(rows.mean(kl_per_unit(&posterior, &prior)?));
        let mut objective = (parts.objective())
            .add_kl(Objective::new(mean(nll)), kl, per_unit, 1.0, step)
            .with_term("class_kl", rows.class_kl.clone(), 1.0);
        let known: Vec<usize> = (0..labels.len()).filter(|i| labels[*i].is_some()).collect();
        if !known.is_empty() {
            let classes: Vec<usize> = labels.iter().flatten().copied().collect();
            let (loss, right) = self.judge(select_rows(&logits, &known), &classes);
            let alpha = self.alpha.at(step.step, step.total_steps);
            objective = objective
                .with_term("classification", loss.mean(), alpha)
                .with_monitor_of_some("accuracy", right);
            if let Some(baseline) = &self.baseline {
                let labelled = select_rows(&seen, &known);
                let (loss, right) = self.judge(baseline.forward(labelled, step), &classes);
                let baseline = Player::new("baseline", "classification", loss, 1.0);
                objective = objective.with_player(baseline.with_monitor("accuracy", right));
            }
        }
        if step.is_training() {
            return objective;
        }
        let codes: Posterior<B> = posterior.select(&rows.under(&most_probable(&labels, logits)));
        objective
            .with_kl_per_unit(kl_per_unit(&codes, &prior))
            .with_codes(codes)
    }

    /// Under the class of each example, or the most probable one where that is not known.
    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        let batch = Batch {
            condition: self.condition(parts, batch, step),
            ..batch.clone()
        };
        parts.posterior(&batch, step).into()
    }

    fn condition(
        &self,
        parts: &impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Option<Tensor<B, 2>> {
        Some(self.with_classes(batch, self.classes_of(parts, batch, step)))
    }
}
