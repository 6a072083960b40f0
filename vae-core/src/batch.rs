//! A batch of examples on a device.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use vae_data::HostBatch;

use crate::distribution::select_rows;

/// One batch of examples. Every row is one example with its features flattened.
#[derive(Debug, Clone)]
pub struct Batch<B: Backend> {
    /// What the encoder is to see, corrupted where the variant asks for it; NaN where a cell of a table is
    /// missing: see [`Likelihood::encoder_view`](crate::Likelihood::encoder_view). `[batch, features]`
    pub input: Tensor<B, 2>,
    /// What the decoder is to reproduce, never corrupted; NaN where a cell of a table is missing.
    /// `[batch, features]`
    pub target: Tensor<B, 2>,
    /// One-hot class followed by standardised attributes. `[batch, classes + attributes]`
    pub condition: Option<Tensor<B, 2>>,
    /// Class index of each example, or [`vae_data::UNLABELLED`]. They stay on the host, where they decide which
    /// examples are computed with.
    pub labels: Option<Vec<i32>>,
    /// Whether the target is NaN anywhere.
    pub has_gaps: bool,
}

impl<B: Backend> Batch<B> {
    /// A batch whose input is its own target and that has no labels.
    ///
    /// # Shapes
    /// - `input`: `[batch, features]`
    pub fn unlabelled(input: Tensor<B, 2>) -> Self {
        Self {
            target: input.clone(),
            input,
            condition: None,
            labels: None,
            has_gaps: false,
        }
    }

    /// Copies a host batch to the device.
    pub fn from_host(host: HostBatch, device: &B::Device) -> Self {
        let len = host.len;
        let rows = |values: Vec<f32>| {
            let width = values.len() / len.max(1);
            Tensor::<B, 2>::from_data(TensorData::new(values, [len, width]), device)
        };
        let has_gaps = host.target.iter().any(|value| value.is_nan());
        let target = rows(host.target);
        Self {
            input: host.corrupted.map_or_else(|| target.clone(), rows),
            target,
            condition: host.condition.map(rows),
            labels: host.labels,
            has_gaps,
        }
    }

    /// The examples at `positions`, in that order.
    ///
    /// # Panics
    /// If one is not below [`Batch::len`].
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let rows = |of: &Tensor<B, 2>| select_rows(of, positions);
        let labels = self.labels.as_ref();
        let labels = labels.map(|labels| positions.iter().map(|&i| labels[i]).collect());
        Self {
            input: rows(&self.input),
            target: rows(&self.target),
            condition: self.condition.as_ref().map(rows),
            labels,
            has_gaps: self.has_gaps,
        }
    }

    /// What a reconstruction differs by from the target: 0 where that is missing.
    ///
    /// # Shapes
    /// - `reconstructed`, output: `[batch, features]`
    pub fn error(&self, reconstructed: Tensor<B, 2>) -> Tensor<B, 2> {
        let error = reconstructed - self.target.clone();
        match self.has_gaps {
            true => error.mask_fill(self.target.clone().is_nan(), 0.0),
            false => error,
        }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.input.dims()[0]
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
