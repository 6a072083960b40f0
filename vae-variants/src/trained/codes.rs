//! Codes as plain numbers.

use burn::tensor::backend::Backend;
use vae_core::Code;

use super::engine::to_vec;

/// The codes of some examples, row after row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Codes {
    /// The row that the decoder takes where no sampling is wanted. `[examples, latent]`
    pub mean: Vec<f32>,
    /// A code drawn from the posterior, where that was asked for ([`Examples::drawn`](super::Examples::drawn)):
    /// the mean where the code has no distribution. `[examples, latent]`
    pub drawn: Option<Vec<f32>>,
    /// Natural logarithm of the variance, where the code is one diagonal Gaussian. `[examples, latent]`
    pub log_variance: Option<Vec<f32>>,
    /// Each level from the data's side up, where the code has several; the first is the one that is decoded.
    pub levels: Vec<Level>,
    /// Entries of the codebook, where the code is such. `[examples, cells]`
    pub indices: Option<Vec<u32>>,
}

/// A level of a hierarchical code: a diagonal Gaussian.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// `[examples, width]`
    pub mean: Vec<f32>,
    /// Natural logarithm of the variance. `[examples, width]`
    pub log_variance: Vec<f32>,
}

impl Codes {
    pub(super) fn of<B: Backend>(code: &Code<B>) -> Self {
        let levels = match code {
            Code::Levels(levels) => levels.as_slice(),
            _ => &[],
        };
        let levels = levels.iter().map(|level| Level {
            mean: to_vec(level.mean()),
            log_variance: to_vec(level.log_variance()),
        });
        let indices = match code {
            Code::Grid(grid) => Some(grid.indices.to_data()),
            _ => None,
        };
        Self {
            mean: to_vec(code.mean()),
            drawn: None,
            log_variance: code.gaussian().map(|of| to_vec(of.log_variance())),
            levels: levels.collect(),
            indices: indices.map(|data| data.iter::<i64>().map(|index| index as u32).collect()),
        }
    }

    /// The standard deviations, where the code is one diagonal Gaussian. `[examples, latent]`
    pub fn deviation(&self) -> Option<Vec<f32>> {
        let logarithms = self.log_variance.as_ref()?.iter();
        Some(logarithms.map(|of| (0.5 * of).exp()).collect())
    }

    /// Adds the codes of further examples.
    pub fn extend(&mut self, more: Self) {
        let is_first = self.mean.is_empty();
        if is_first {
            *self = more;
            return;
        }
        self.mean.extend(more.mean);
        extend(&mut self.drawn, more.drawn);
        extend(&mut self.log_variance, more.log_variance);
        extend(&mut self.indices, more.indices);
        for (level, more) in self.levels.iter_mut().zip(more.levels) {
            level.mean.extend(more.mean);
            level.log_variance.extend(more.log_variance);
        }
    }
}

fn extend<T>(of: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
    if let (Some(of), Some(more)) = (of, more) {
        of.extend(more);
    }
}
