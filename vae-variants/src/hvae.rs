//! The ladder VAE (Sønderby 2016, "Ladder variational autoencoders"): a VAE with several levels of
//! codes, `p(x|z_1) p(z_1|z_2) ... p(z_L)`, whose posterior goes down the same way as it draws. Encoder
//! and the networks above it go up first, each from the features of a level to the Gaussian `N(m, v)` and
//! the features of the next; those of the first are of the encoder. Then from the top down, with
//! `N(m_p, v_p) = p(z_l|z_{l+1})` at the code just drawn, the two Gaussians of a level are weighed by
//! their precisions:
//!
//! `q(z_l|.) = N((m / v + m_p / v_p) / (1 / v + 1 / v_p), 1 / (1 / v + 1 / v_p))`,
//! and at the top `q(z_L|x) = N(m, v)`.
//!
//! The loss is the negative ELBO, whose KL is a sum over the levels, each in closed form given the code
//! above. The logarithm of `v_p` has a smooth lower bound of -12, so that the standard deviation is above
//! `exp(-6)`, as that of a likelihood is; nothing else needs a bound. There is no VampPrior, as what the
//! encoder says of a pseudo-input is about the first level, not the top.

mod ladder;
#[cfg(test)]
mod tests;

use std::iter::successors;

use burn::tensor::{Tensor, backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Code, CodeKind, CodeShape, Distribution, Draws, Kl, Method, ModelSpec, Objective, Parts,
    Posterior, PriorKind, Result, Sampler, StepContext, VariantConfig, draw_with_kl,
    draw_with_log_ratio,
    error::check,
    nets::{Arch, Init, Mlp, ModelConfig},
};
use vae_data::DataShape;

pub use ladder::Ladder;
use ladder::{given_above, top_of};

/// What is logged of each level.
const KL: [&str; 8] = [
    "kl_1", "kl_2", "kl_3", "kl_4", "kl_5", "kl_6", "kl_7", "kl_8",
];

/// The ladder VAE. With it, `objective.free_bits` are the nats that each level may use free of charge, on
/// batch average, and not each unit: a level that is not used yet costs nothing, however wide it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Hvae {
    /// Levels of codes, from 2 to 8. Each may use objective.free_bits nats free of charge.
    #[garde(range(min = 2, max = KL.len()))]
    #[schemars(extend("x-bound" = "from 2 to 8: one level is --variant vae"))]
    pub levels: usize,
    /// Width of each level's code from the data's side up, at least 1 each. Unset: model.latent, and
    /// then half of the level below.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1)), extend("x-unset" = "by model.latent"))]
    pub widths: Option<Vec<usize>>,
    /// Width of the hidden layer between two levels (none with model.arch = "linear") and of the
    /// features that a level hands up, at least 1.
    #[garde(range(min = 1))]
    pub level_hidden: usize,
}

impl Default for Hvae {
    fn default() -> Self {
        Self {
            levels: 2,
            widths: None,
            level_hidden: 128,
        }
    }
}

impl Hvae {
    /// The widths in force.
    fn widths(&self, model: &ModelConfig) -> Vec<usize> {
        let halves = || successors(Some(model.latent), |width| Some((width / 2).max(1)));
        let widths = self.widths.clone();
        widths.unwrap_or_else(|| halves().take(self.levels).collect())
    }
}

impl VariantConfig for Hvae {
    const NAME: &'static str = "hvae";
    const SUMMARY: &'static str = "ladder VAE: several levels of codes, inferred from the top down";
    const PAPER: &'static str = "Sønderby 2016";
    const EXAMPLE: &'static str = "--variant hvae --latent 32 --levels 2";
    // Without a warm-up the upper levels never come into use (Sønderby 2016).
    const SETTINGS: &'static [(&'static str, &'static str)] = &[(
        "objective.kl_schedule",
        r#"{ kind = "linear", to = 1, until = 0.3 }"#,
    )];

    type Method<B: Backend> = Ladder<B>;

    const PRIORS: &'static [PriorKind] = &[PriorKind::Normal, PriorKind::Mixture, PriorKind::Flow];

    fn check_together(&self) -> Result<()> {
        if let Some(widths) = &self.widths {
            let levels = self.levels;
            let fits = widths.len() == levels && widths.iter().all(|&width| width >= 1);
            let bound = format!("{levels} numbers of at least 1, as many as variant.levels");
            check("variant.widths", format!("{widths:?}"), fits, &bound)?;
        }
        Ok(())
    }

    fn code(&self, model: &ModelConfig, _shape: &DataShape) -> Result<CodeShape> {
        let widths = self.widths(model);
        Ok(CodeShape {
            kind: CodeKind::Distribution,
            latent: widths[0],
            prior: widths[self.levels - 1],
            extra: self.level_hidden,
        })
    }

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        let steps = spec.objective.aggressive;
        let bound = "0 for hvae: the mutual information that ends the encoder's lead is not known for \
                     several levels";
        check("objective.aggressive", steps, steps == 0, bound)
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Ladder<B>> {
        let widths = self.widths(&spec.model);
        let features = self.level_hidden;
        let hidden = match spec.model.arch {
            Arch::Linear => Vec::new(),
            _ => vec![features],
        };
        let mut net = |inputs, outputs| Mlp::init(&spec.model, inputs, &hidden, outputs, init);
        let (top, between) = widths[1..].split_last().expect("at least two levels");
        let up = between.iter().map(|width| 2 * width + features);
        let up = up.chain([2 * top]);
        Ok(Ladder {
            up: up.map(|outputs| net(features, outputs)).collect(),
            down: widths
                .windows(2)
                .map(|pair| net(pair[1], 2 * pair[0]))
                .collect(),
            widths,
            features,
        })
    }
}

impl<B: Backend> Method<B> for Ladder<B> {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let bottom_up = self.bottom_up(parts, batch, step);
        let top = top_of(&bottom_up);
        let prior = parts.prior(step, &batch.input.device());
        let posterior = Posterior::Gaussian(top.clone());
        let (z, kl) = draw_with_kl(&posterior, &prior, top.noise(1, step));
        let (mut of_levels, mut of_units) =
            (vec![kl.value.clone()], vec![prior.kl_per_dimension(top)]);
        let z = self.descend(z, &bottom_up, step, |posterior, prior| {
            let kl = prior.kl_per_dimension(&posterior);
            let kl = kl.expect("Gaussians have one in closed form"); // [batch, width]
            of_levels.push(kl.clone().sum_dim(1).squeeze_dim(1));
            of_units.push(Some(kl));
            posterior.at(posterior.noise(1, step))
        });
        of_levels.reverse();
        of_units.reverse();

        let nll = parts
            .likelihood_of(z, batch, step)
            .nll(batch.target.clone());
        // A level's KL is that to the code drawn above: only the top one's can be in closed form.
        let exact_levels = usize::from(!kl.is_estimate);
        let estimates = &KL[..of_levels.len() - exact_levels];
        let kl = of_levels.iter().cloned().reduce(|sum, kl| sum + kl);
        let kl = Kl::estimate(kl.expect("at least two levels"));
        let per_level = || Some(Tensor::stack(of_levels.clone(), 1)); // [batch, levels]
        let objective = (parts.objective()).add_kl(Objective::new(nll), kl, per_level, 1.0, step);
        let monitors = KL.into_iter().zip(of_levels.clone());
        let objective = monitors.fold(objective, |objective, (name, kl)| {
            objective.with_monitor(name, kl)
        });
        let objective = objective.with_estimates(estimates);
        if step.is_training() {
            return objective;
        }
        let of_units: Option<Vec<_>> = of_units.into_iter().collect();
        objective
            .with_kl_per_unit(of_units.map(|levels| Tensor::cat(levels, 1)))
            .with_codes(Code::Levels(self.at_means(&bottom_up, step)))
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        Code::Levels(self.at_means(&self.bottom_up(parts, batch, step), step))
    }

    /// From the prior of the top level down.
    fn sample(
        &self,
        parts: &impl Parts<B>,
        count: usize,
        step: &StepContext,
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let z = parts.prior(step, device).sample(count, step);
        let down = self.down.iter().rev();
        down.fold(z, |z, down| given_above(down, z, step).sample(1, step))
    }

    fn draws<'a>(
        &'a self,
        parts: &'a impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Option<Sampler<'a, B>> {
        let bottom_up = self.bottom_up(parts, batch, step);
        let prior = parts.prior(step, &batch.input.device());
        let top = Posterior::Gaussian(top_of(&bottom_up).clone());
        Some(Box::new(move |count, step| {
            let bottom_up = bottom_up.iter().map(|level| level.repeat(count));
            let bottom_up: Vec<_> = bottom_up.collect();
            let (z, mut log_ratio) = draw_with_log_ratio(&top, &prior, count, step);
            let z = self.descend(z, &bottom_up, step, |posterior, prior| {
                let posterior = Posterior::Gaussian(posterior);
                let (z, of_level) = draw_with_log_ratio(&posterior, &prior, 1, step);
                log_ratio = log_ratio.clone() + of_level;
                z
            });
            Draws { z, log_ratio }
        }))
    }
}
