//! What the networks of [`Semi`] see of a batch: examples under classes.

use burn::tensor::{
    IndexingUpdateOp, Int, Tensor, TensorData, activation::log_softmax, backend::Backend,
};
use vae_core::{Batch, is_card, select_rows};

use super::Classifiers;

/// Classes of a smaller probability are left out: what they add to a mean over the classes is below
/// its rounding error.
const NO_SHARE: f32 = 1e-8;

/// The labels of a batch.
pub fn labels<B: Backend>(batch: &Batch<B>) -> Vec<Option<usize>> {
    match &batch.labels {
        Some(labels) => {
            let labels = labels.iter();
            labels.map(|&label| usize::try_from(label).ok()).collect()
        }
        None => vec![None; batch.len()],
    }
}

/// Examples under classes, a row each: a labelled example under its class, the others under every class
/// that the classifier holds possible.
pub struct Rows<B: Backend> {
    /// What the networks see. `[rows, ...]`
    pub batch: Batch<B>,
    /// Example and class of each row, as `example * classes + class`.
    places: Vec<usize>,
    /// Example of each row. `[rows]`
    of: Tensor<B, 1, Int>,
    examples: usize,
    classes: usize,
    /// How much a row counts in the mean of its example. `[rows, 1]`
    weights: Tensor<B, 2>,
    /// `KL(q(y|x) || p(y))` in nats; for a labelled example `-log p(y)`. `[batch]`
    pub class_kl: Tensor<B, 1>,
}

impl<B: Backend> Rows<B> {
    /// # Shapes
    /// - `logits`: `[batch, classes]`
    pub fn of(
        model: &Classifiers<B>,
        batch: &Batch<B>,
        labels: &[Option<usize>],
        logits: Tensor<B, 2>,
    ) -> Self {
        let (examples, classes, device) = (batch.len(), model.classes, logits.device());
        let log_q = log_softmax(logits, 1);
        let q = log_q.clone().exp();
        // A graphics card computes them sooner than it can be asked which they are.
        let seen: Option<Vec<f32>> =
            (!is_card::<B>(&device)).then(|| q.to_data().iter::<f32>().collect());
        let possible = |place: &usize| match labels[place / classes] {
            Some(label) => place % classes == label,
            None => seen.as_ref().is_none_or(|seen| seen[*place] >= NO_SHARE),
        };
        let places: Vec<usize> = (0..examples * classes).filter(possible).collect();
        let (of, under): (Vec<_>, Vec<_>) =
            places.iter().map(|p| (p / classes, p % classes)).unzip();
        let of_batch = batch.select(&of);
        let hot = model.one_hot(&under, &device);
        let indices: Vec<i32> = of.iter().map(|&example| example as i32).collect();

        // 1 for an example without label.
        let open: Vec<f32> = labels
            .iter()
            .map(|l| f32::from(u8::from(l.is_none())))
            .collect();
        let open = Tensor::<B, 2>::from_data(TensorData::new(open, [examples, 1]), &device);
        let of_row = select_rows(&open, &of);
        let weights = select_rows(&q.clone().reshape([examples * classes, 1]), &places);
        let weights = weights * of_row.clone() + of_row.neg().add_scalar(1.0);
        let entropy = (q * log_q).sum_dim(1) * open;
        Self {
            batch: Batch {
                condition: Some(model.with_classes(&of_batch, hot)),
                ..of_batch
            },
            weights,
            of: Tensor::from_data(TensorData::new(indices, [places.len()]), &device),
            class_kl: entropy
                .squeeze_dim::<1>(1)
                .add_scalar((classes as f64).ln()),
            places,
            examples,
            classes,
        }
    }

    /// Of numbers for each example under each class those of the rows.
    ///
    /// # Shapes
    /// - `all`: `[batch * classes, width]`
    /// - output: `[rows, width]`
    pub fn select(&self, all: Tensor<B, 2>) -> Tensor<B, 2> {
        select_rows(&all, &self.places)
    }

    /// For each example the mean over its rows, under the probabilities of their classes.
    ///
    /// # Shapes
    /// - `values`: `[rows, width]`
    /// - output: `[batch, width]`
    pub fn mean(&self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        let [_, width] = values.dims();
        let sums = Tensor::zeros([self.examples, width], &values.device());
        let values = values * self.weights.clone();
        sums.select_assign(0, self.of.clone(), values, IndexingUpdateOp::Add)
    }

    /// The row of each example under this class of it.
    pub fn under(&self, classes: &[usize]) -> Vec<usize> {
        let places = classes.iter().enumerate();
        let places = places.map(|(example, class)| example * self.classes + class);
        places
            .map(|place| self.places.partition_point(|p| *p < place))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use vae_core::{
        CodeKind, CodeShape, LikelihoodConfig, LikelihoodKind, ModelSpec, VariantConfig,
        nets::{Init, ModelConfig},
    };
    use vae_data::DataShape;

    use super::*;
    use crate::Semi;

    /// By hand: `q` of logits 0, -30 and ln 3 is 1/4, 2e-14 and 3/4; that of equal ones 1/3 each.
    #[test]
    fn impossible_classes_are_left_out_of_the_mean() {
        let device = Default::default();
        let spec = ModelSpec {
            model: ModelConfig {
                hidden: Some(vec![4]),
                ..ModelConfig::default()
            },
            likelihood: LikelihoodConfig::new(LikelihoodKind::Gaussian),
            objective: Default::default(),
            shape: DataShape::flat(2),
            classes: 3,
            condition: 3,
            is_conditional: true,
            code: CodeShape::row(CodeKind::Distribution, &ModelConfig::default()),
        };
        let model = Semi::default().build(&spec, &mut Init::new(1, &device));
        let model: Classifiers<Flex> = model.unwrap();
        let batch = Batch::unlabelled(Tensor::from_data(
            [[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]],
            &device,
        ));
        let logits = [
            [0.0, -30.0, 3.0f32.ln()],
            [9.0, 5.0, -70.0],
            [2.0, 2.0, 2.0],
        ];
        let labels = [None, Some(1), None];
        let rows = Rows::of(&model, &batch, &labels, Tensor::from_data(logits, &device));
        let values = |tensor: Tensor<Flex, 2>| -> Vec<f32> { tensor.into_data().to_vec().unwrap() };
        assert_eq!(rows.places, [0, 2, 4, 6, 7, 8]);
        assert_eq!(
            values(rows.batch.input.clone()),
            [0.0, 0.1, 0.0, 0.1, 1.0, 1.1, 2.0, 2.1, 2.0, 2.1, 2.0, 2.1]
        );
        // Values 10 * example + class.
        let all = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0, 20.0, 21.0, 22.0];
        let all = Tensor::<Flex, 1>::from_data(all, &device).unsqueeze_dim(1);
        let means = values(rows.mean(rows.select(all)));
        let kl: Vec<f32> = rows.class_kl.to_data().to_vec().unwrap();
        let close = |found: &[f32], expected: [f32; 3]| {
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-5, "{found:?}, not {expected:?}");
            }
        };
        close(&means, [1.5, 11.0, 21.0]);
        let (quarter, three) = (0.25f32, 0.75f32);
        let entropy = -quarter * quarter.ln() - three * three.ln();
        close(&kl, [3.0f32.ln() - entropy, 3.0f32.ln(), 0.0]);
        assert_eq!(rows.under(&[2, 1, 0]), [1, 2, 3]);
    }
}
