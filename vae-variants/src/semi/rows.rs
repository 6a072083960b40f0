//! A batch of which only some examples have labels, as the networks of [`Semi`] see it.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_core::{Batch, repeat_rows};

use super::Semi;

/// The labels of a batch.
pub fn labels<B: Backend>(batch: &Batch<B>) -> Vec<Option<usize>> {
    match &batch.label {
        Some(labels) => {
            let labels = labels.to_data();
            let labels = labels.iter::<i64>();
            labels.map(|label| usize::try_from(label).ok()).collect()
        }
        None => vec![None; batch.len()],
    }
}

/// The rows that the networks see of a batch: each labelled example once, under its class; then all
/// others under the first class, all under the second, and so on.
pub struct Rows<B: Backend> {
    pub batch: Batch<B>,
    labelled: usize,
    others: usize,
    classes: usize,
}

impl<B: Backend> Rows<B> {
    pub fn of(model: &Semi<B>, labelled: &Batch<B>, labels: &[usize], others: &Batch<B>) -> Self {
        let (examples, device) = (others.len(), others.input.device());
        let hot = model.one_hot(labels, &device);
        let mut conditions = vec![model.with_classes(labelled, hot)];
        for class in 0..model.classes {
            let hot = model.one_hot(&vec![class; examples], &device);
            conditions.push(model.with_classes(others, hot));
        }
        let rows = |of: fn(&Batch<B>) -> &Tensor<B, 2>| {
            let repeated = repeat_rows(of(others).clone(), model.classes);
            joined(vec![of(labelled).clone(), repeated])
        };
        Self {
            batch: Batch {
                input: rows(|batch| &batch.input),
                target: rows(|batch| &batch.target),
                condition: Some(joined(conditions)),
                label: None,
            },
            labelled: labels.len(),
            others: examples,
            classes: model.classes,
        }
    }

    /// For each example the mean over its rows, under the probabilities of the classes.
    ///
    /// # Shapes
    /// - `values`: `[rows, width]`
    /// - `probabilities`: `[others, classes]`
    /// - output: `[batch, width]`, labelled examples first
    pub fn mean(&self, values: Tensor<B, 2>, probabilities: &Tensor<B, 2>) -> Tensor<B, 2> {
        let [rows, width] = values.dims();
        let labelled = part(&values, 0, self.labelled);
        if self.others == 0 {
            return labelled;
        }
        let under = values.narrow(0, self.labelled, rows - self.labelled);
        let under = under.reshape([self.classes, self.others, width]);
        let weights = probabilities.clone().transpose().unsqueeze_dim::<3>(2);
        joined(vec![labelled, (under * weights).sum_dim(0).squeeze_dim(0)])
    }

    /// The row of each example under its class. Labelled examples come first.
    pub fn under(&self, classes_of_others: &[usize]) -> Vec<usize> {
        let others = classes_of_others.iter().enumerate();
        let others = others.map(|(i, class)| self.labelled + class * self.others + i);
        (0..self.labelled).chain(others).collect()
    }
}

/// `count` rows from `start` on, which may be none.
pub fn part<B: Backend>(rows: &Tensor<B, 2>, start: usize, count: usize) -> Tensor<B, 2> {
    if count == 0 {
        return Tensor::empty([0, rows.dims()[1]], &rows.device());
    }
    rows.clone().narrow(0, start, count)
}

/// All rows, one tensor after the other; those without rows are left out.
pub fn joined<B: Backend, const D: usize>(mut parts: Vec<Tensor<B, D>>) -> Tensor<B, D> {
    parts.retain(|part| part.dims()[0] > 0);
    Tensor::cat(parts, 0)
}

/// Puts values into the order of the batch, where value `i` belongs to example `order[i]`.
pub fn in_order<B: Backend>(values: Tensor<B, 1>, order: &[usize]) -> Tensor<B, 1> {
    if order.is_sorted() {
        return values;
    }
    let mut places = vec![0; order.len()];
    for (place, example) in order.iter().enumerate() {
        places[*example] = place as i32;
    }
    let places = TensorData::new(places, [order.len()]);
    let places = Tensor::from_data(places, &values.device());
    values.select(0, places)
}
