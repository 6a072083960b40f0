//! The importance weighted bound, and its gradient in portions.

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use super::{Codes, LogSum, portions};
use crate::{Autoencoder, Batch, DiagonalGaussian, Encoder, Objective, Portion, StepContext};

/// How the gradient of the importance weighted bound is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundGradient {
    /// The bound's own gradient (Burda 2016, eq. 14). Its signal-to-noise ratio for the encoder
    /// falls as the number of samples grows (Rainforth 2018).
    #[default]
    Standard,
    /// The encoder's part doubly reparameterised (Tucker 2019, eq. 8): unbiased too, and its
    /// signal-to-noise ratio grows with the number of samples.
    DoublyReparameterized,
}

/// The importance weighted bound (Burda 2016, eq. 8) on `log p(x)`, negated: the expectation of
/// `-log(1/K sum_k w_k)` with `w_k = p(x|z_k) (p(z_k) / q(z_k|x))^kl_weight` and `K = samples` codes
/// of each example. Memory does not grow with `K`: beyond some thousand codes at a time, the weights
/// are computed first and the gradient follows in [portions](Objective::portions).
///
/// The objective's `reconstruction` is the mean of `-log p(x|z_k)` weighted by each code's share in the
/// sum: that of the codes which the bound takes for the posterior's (Cremer 2017). Its term
/// `importance` is the rest of the bound; the KL is a monitor.
///
/// # Panics
/// If `samples` is 0.
pub fn importance_weighted<B, M>(
    model: &M,
    batch: &Batch<B>,
    (samples, gradient): (usize, BoundGradient),
    kl_weight: f64,
    step: &StepContext,
) -> Objective<B>
where
    B: Backend,
    M: Autoencoder<B> + Encoder<B, Code = DiagonalGaussian<B>>,
{
    assert!(samples > 0, "at least one sample");
    let start = step.clone();
    let posterior = model.encode(batch, step);
    let counts = portions(samples, posterior.dims()[0]);
    // Else the weights come first, from a pass without gradient.
    let at_once = counts.len() == 1 && gradient == BoundGradient::Standard;
    let (decoder, origin) = if at_once {
        (model.clone(), posterior.clone())
    } else {
        (model.clone().no_grad(), posterior.detach())
    };

    let mut steps = Vec::with_capacity(counts.len());
    let mut weighed = Vec::with_capacity(counts.len());
    for &count in &counts {
        // The gradient's pass draws the same noise and dropout from here.
        steps.push(step.clone());
        let codes = Codes::draw(&origin, count, step);
        weighed.push(codes.weigh(&decoder, batch, kl_weight, step));
    }
    let logs = weighed.iter().map(|w| w.log_weights.clone().detach());
    let sum = logs.clone().map(LogSum::of).reduce(LogSum::add);
    let sum = sum.expect("at least one sample");
    let shares = logs.map(|logs| sum.shares(logs)).collect::<Vec<_>>();
    let nll = weighed.iter().map(|w| w.nll.clone().detach());
    let nll = nll
        .zip(&shares)
        .map(|(nll, share)| (nll * share.clone()).sum_dim(0));
    let nll = nll
        .reduce(|sum, nll| sum + nll)
        .expect("at least one sample");
    let reconstruction = nll.squeeze_dim::<1>(0);
    let rest = sum.log_mean(samples).neg() - reconstruction.clone();

    let mut passes = shares.into_iter().zip(steps).map(|(shares, step)| Pass {
        shares,
        step,
        gradient,
        kl_weight,
    });
    let first = passes.next().expect("at least one sample");
    let rest = match weighed.pop() {
        Some(weighed) if at_once => with_gradient_of(rest, first.of_weights(weighed.log_weights)),
        _ if step.is_training() => {
            with_gradient_of(rest, first.surrogate(model, batch, &posterior))
        }
        _ => rest,
    };
    let objective = Objective::new(reconstruction)
        .with_term("importance", rest, 1.0)
        .with_monitor("kl", posterior.kl())
        .with_codes(posterior);
    if !step.is_training() {
        return objective;
    }
    passes.fold(objective, |objective, pass| {
        let (model, batch, start) = (model.clone(), batch.clone(), start.clone());
        objective.with_portion(Portion::new(move || {
            let posterior = model.encode(&batch, &start.clone());
            pass.surrogate(&model, &batch, &posterior)
        }))
    })
}

/// `value`, which is constant, with the gradient of `surrogate`.
fn with_gradient_of<B: Backend>(value: Tensor<B, 1>, surrogate: Tensor<B, 1>) -> Tensor<B, 1> {
    value + (surrogate.clone() - surrogate.detach())
}

/// A pass over some of the codes whose share in the sum of all weights is known.
struct Pass<B: Backend> {
    /// Constant. `[count, batch]`
    shares: Tensor<B, 2>,
    /// Where the noise begins.
    step: StepContext,
    gradient: BoundGradient,
    kl_weight: f64,
}

impl<B: Backend> Pass<B> {
    /// What has the gradient of the negated bound, as far as it goes through these codes. `[batch]`
    fn surrogate<M: Autoencoder<B>>(
        &self,
        model: &M,
        batch: &Batch<B>,
        posterior: &DiagonalGaussian<B>,
    ) -> Tensor<B, 1> {
        let [count, rows] = self.shares.dims();
        let step = self.step.clone();
        let codes = Codes::draw(posterior, count, &step);
        match self.gradient {
            BoundGradient::Standard => {
                let weighed = codes.weigh(model, batch, self.kl_weight, &step);
                self.of_weights(weighed.log_weights)
            }
            BoundGradient::DoublyReparameterized => {
                // The decoder's gradient has the share, the code's the square of it.
                let shares = self.shares.clone().reshape([count * rows, 1]);
                let fixed = codes.z.clone().detach();
                let z = fixed.clone() + (codes.z.clone() - fixed) * shares;
                let nll = codes.nll(model, batch, z, &step);
                let path = codes.log_ratio_along_the_path().mul_scalar(self.kl_weight);
                let of_each = self.shares.clone() * nll - self.shares.clone().square() * path;
                of_each.sum_dim(0).squeeze_dim(0)
            }
        }
    }

    /// As [`Pass::surrogate`], from the logarithms of the weights. `[count, batch]`
    fn of_weights(&self, log_weights: Tensor<B, 2>) -> Tensor<B, 1> {
        let of_each = self.shares.clone() * log_weights;
        of_each.sum_dim(0).squeeze_dim::<1>(0).neg()
    }
}
