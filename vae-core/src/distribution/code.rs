//! What an encoder says of an example.

use burn::tensor::{Int, Tensor, backend::Backend};

use super::{DiagonalGaussian, Distribution, Posterior};
use crate::StepContext;

/// The code of each example of a batch, as its encoder gives it.
#[derive(Debug, Clone)]
pub enum Code<B: Backend> {
    /// A point. `[batch, latent]`
    Point(Tensor<B, 2>),
    /// A distribution.
    Posterior(Posterior<B>),
    /// A distribution in each of several levels, from the data's side up.
    Levels(Vec<DiagonalGaussian<B>>),
    /// Entries of a codebook on a grid.
    Grid(Grid<B>),
}

/// Entries of a codebook, one for each cell of a grid.
#[derive(Debug, Clone)]
pub struct Grid<B: Backend> {
    /// Which entry. `[batch, cells]`
    pub indices: Tensor<B, 2, Int>,
    /// The entries themselves, cell after cell. `[batch, cells * width]`
    pub entries: Tensor<B, 2>,
    /// What the encoder gave for each cell, before the nearest entry took its place.
    /// `[batch, cells * width]`
    pub encoded: Tensor<B, 2>,
    /// Entries in the codebook.
    pub codes: usize,
}

impl<B: Backend> Code<B> {
    /// The row that the decoder takes where no sampling is wanted: the mean code. `[batch, latent]`
    pub fn mean(&self) -> Tensor<B, 2> {
        match self {
            Self::Point(code) => code.clone(),
            Self::Posterior(posterior) => posterior.mean_code(),
            Self::Levels(levels) => levels[0].mean(),
            Self::Grid(grid) => grid.entries.clone(),
        }
    }

    /// A code drawn for each example: the code itself where it has no distribution. `[batch, latent]`
    pub fn draw(&self, step: &StepContext) -> Tensor<B, 2> {
        match self {
            Self::Posterior(posterior) => posterior.sample(1, step),
            Self::Levels(levels) => levels[0].sample(1, step),
            Self::Point(_) | Self::Grid(_) => self.mean(),
        }
    }

    /// The mean of every unit of every level, for diagnostics. `[batch, units]`
    pub fn units(&self) -> Tensor<B, 2> {
        match self {
            Self::Levels(levels) => {
                Tensor::cat(levels.iter().map(DiagonalGaussian::mean).collect(), 1)
            }
            other => other.mean(),
        }
    }

    /// The Gaussian of a code that is one.
    pub fn gaussian(&self) -> Option<&DiagonalGaussian<B>> {
        match self {
            Self::Posterior(posterior) => posterior.gaussian(),
            _ => None,
        }
    }

    /// The same code as a constant: no gradient reaches what it was made of.
    #[must_use]
    pub fn detach(self) -> Self {
        match self {
            Self::Point(code) => Self::Point(code.detach()),
            Self::Posterior(posterior) => Self::Posterior(posterior.detach()),
            Self::Levels(levels) => {
                Self::Levels(levels.iter().map(DiagonalGaussian::detach).collect())
            }
            Self::Grid(grid) => Self::Grid(Grid {
                entries: grid.entries.detach(),
                encoded: grid.encoded.detach(),
                ..grid
            }),
        }
    }
}

impl<B: Backend> From<Posterior<B>> for Code<B> {
    fn from(posterior: Posterior<B>) -> Self {
        Self::Posterior(posterior)
    }
}

impl<B: Backend> From<DiagonalGaussian<B>> for Code<B> {
    fn from(gaussian: DiagonalGaussian<B>) -> Self {
        Self::Posterior(Posterior::Gaussian(gaussian))
    }
}

impl<B: Backend> From<Tensor<B, 2>> for Code<B> {
    fn from(code: Tensor<B, 2>) -> Self {
        Self::Point(code)
    }
}
