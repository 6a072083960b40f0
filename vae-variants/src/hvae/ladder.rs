//! The networks between the levels of a ladder VAE, and the way up and down.

use burn::{
    module::Module,
    tensor::{Tensor, activation::log_sigmoid, backend::Backend},
};
use vae_core::{Batch, DiagonalGaussian, Parts, StepContext, nets::Mlp, ops::soft_floor};

/// The least logarithm of a variance that a level gives the one below.
const MIN_LOG_VARIANCE: f64 = -12.0;

/// What a ladder VAE trains beside its parts: the networks between its levels, from the data's side up.
#[derive(Module, Debug)]
pub struct Ladder<B: Backend> {
    /// From the features of a level to mean and log-variance of the next, and its features.
    pub(super) up: Vec<Mlp<B>>,
    /// From the code of a level to mean and log-variance of the one below it, before their bound.
    pub(super) down: Vec<Mlp<B>>,
    /// Of the codes.
    #[module(skip)]
    pub(super) widths: Vec<usize>,
    /// Width of the features.
    #[module(skip)]
    pub(super) features: usize,
}

impl<B: Backend> Ladder<B> {
    /// What encoder and networks say of each level before anything is known of the one above.
    pub(super) fn bottom_up(
        &self,
        parts: &impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Vec<DiagonalGaussian<B>> {
        let mut output = parts.encode(batch, step); // [batch, 2 * width + features]
        let mut levels = Vec::with_capacity(self.widths.len());
        for (level, width) in self.widths.iter().enumerate() {
            let gaussian = output.clone().narrow(1, 0, 2 * width);
            levels.push(DiagonalGaussian::from_parameters(gaussian));
            if let Some(up) = self.up.get(level) {
                let features = output.narrow(1, 2 * width, self.features);
                output = up.forward(features, step);
            }
        }
        levels
    }

    /// Goes down from the code `z` of the top level: `draw` makes the code of each level below it of its
    /// posterior and `p(z_l|z_{l+1})`. The code of the first level.
    ///
    /// # Shapes
    /// - `z`: `[batch, width of the top level]`
    /// - output: `[batch, latent]`
    pub(super) fn descend(
        &self,
        z: Tensor<B, 2>,
        bottom_up: &[DiagonalGaussian<B>],
        step: &StepContext,
        mut draw: impl FnMut(DiagonalGaussian<B>, DiagonalGaussian<B>) -> Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let below = self.down.iter().zip(bottom_up).rev();
        below.fold(z, |z, (down, bottom_up)| {
            let prior = given_above(down, z, step);
            draw(weighed(bottom_up, &prior), prior)
        })
    }

    /// The posterior of each level where every level above it is at its mean.
    pub(super) fn at_means(
        &self,
        bottom_up: &[DiagonalGaussian<B>],
        step: &StepContext,
    ) -> Vec<DiagonalGaussian<B>> {
        let top = top_of(bottom_up);
        let mut levels = vec![top.clone()];
        self.descend(top.mean(), bottom_up, step, |posterior, _| {
            let mean = posterior.mean();
            levels.push(posterior);
            mean
        });
        levels.reverse();
        levels
    }
}

/// `q(z_L|x)`
pub(super) fn top_of<B: Backend>(bottom_up: &[DiagonalGaussian<B>]) -> &DiagonalGaussian<B> {
    bottom_up.last().expect("at least two levels")
}

/// `p(z_l|z_{l+1})`
pub(super) fn given_above<B: Backend>(
    down: &Mlp<B>,
    z: Tensor<B, 2>,
    step: &StepContext,
) -> DiagonalGaussian<B> {
    let given = DiagonalGaussian::from_parameters(down.forward(z, step));
    let log_variance = soft_floor(given.log_variance(), MIN_LOG_VARIANCE);
    DiagonalGaussian::new(given.mean(), log_variance)
}

/// Both Gaussians' product, normalised. The share of `a` in the sum of the precisions is
/// `sigmoid(log v_b - log v_a)`, and the variance that share of `v_a`: nothing overflows, whatever the
/// variances are.
pub(super) fn weighed<B: Backend>(
    a: &DiagonalGaussian<B>,
    b: &DiagonalGaussian<B>,
) -> DiagonalGaussian<B> {
    let log_share = log_sigmoid(b.log_variance() - a.log_variance());
    let mean = b.mean() + log_share.clone().exp() * (a.mean() - b.mean());
    DiagonalGaussian::new(mean, a.log_variance() + log_share)
}
