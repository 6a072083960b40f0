//! The KL term and the settings that shape it, shared by every variant with a Gaussian posterior.

use burn::tensor::{Tensor, backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_data::bounds::finite;

use crate::{
    Batch, Objective, Parts, Schedule, StepContext, Updates,
    distribution::{Distribution, Kl, Posterior, draw_with_kl},
    encoder_leads::EncoderLeads,
    error::{Result, check, check_bounds},
    nets::Networks,
};

/// The `[objective]` settings: how the KL term enters the objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ObjectiveConfig {
    /// Factor of the KL term, on top of the variant's own weight: a number or a schedule, e.g.
    /// '{ kind = "linear", to = 1, until = 0.25 }' to warm up.
    #[garde(dive)]
    pub kl_schedule: Schedule,
    /// Nats that each latent dimension, or each level of hvae, may use free of charge on batch average,
    /// at least 0 (Kingma 2016, section C.8).
    #[garde(range(min = 0.0), custom(finite))]
    #[schemars(extend("x-value" = "NATS"))]
    pub free_bits: f64,
    /// Target of the KL in nats, a number or a schedule. The term becomes
    /// `capacity_weight * |KL - capacity|` (Burgess 2018, eq. 8).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    #[schemars(extend("x-unset" = "none"))]
    pub capacity: Option<Schedule>,
    /// Weight of the KL's distance from `capacity`, at least 0; gamma in Burgess 2018.
    #[garde(range(min = 0.0), custom(finite))]
    pub capacity_weight: f64,
    /// Against a collapse: at first the encoder moves alone, for up to N steps, before each step of the
    /// decoder, until it has caught up; 0 for no such lead, 100 in He 2019, 20 for small data.
    pub aggressive: u64,
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            kl_schedule: Schedule::Constant(1.0),
            free_bits: 0.0,
            capacity: None,
            capacity_weight: 100.0,
            aggressive: 0,
        }
    }
}

impl ObjectiveConfig {
    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) naming the first that is out of bounds.
    pub fn check(&self) -> Result<()> {
        check_bounds("objective", self)?;
        if self.capacity.is_some() {
            check(
                "objective.free_bits",
                self.free_bits,
                self.free_bits == 0.0,
                "0 with objective.capacity, which sets its own target",
            )?;
        }
        Ok(())
    }

    /// What the schedule multiplies the variant's own KL weight with.
    pub fn kl_weight(&self, step: &StepContext) -> f64 {
        self.kl_schedule.at(step.step, step.total_steps)
    }

    /// Adds a KL with the variant's `weight` to an objective. The plain KL is always reported as `kl`;
    /// where free bits or a capacity change what is minimised, that is the term and the plain KL a
    /// monitor. `per_unit` gives its parts, where it has some: for free bits, and for the diagnostics of
    /// an evaluation. Where free bits are for larger parts than those, it gives the larger ones, and
    /// [`Objective::with_kl_per_unit`] then the others.
    ///
    /// # Shapes
    /// - `per_unit`: gives `[batch, units]`
    ///
    /// # Panics
    /// If there are free bits and `per_unit` gives nothing; such settings are refused before.
    pub fn add_kl<B: Backend>(
        &self,
        objective: Objective<B>,
        kl: Kl<B>,
        per_unit: impl Fn() -> Option<Tensor<B, 2>>,
        weight: f64,
        step: &StepContext,
    ) -> Objective<B> {
        let weight = weight * self.kl_weight(step);
        let objective = match step.is_training() {
            true => objective,
            false => objective.with_kl_per_unit(per_unit()),
        };
        let objective = match kl.is_estimate {
            true => objective.with_estimates(&["kl", "charged_kl", "capacity_distance"]),
            false => objective,
        };
        let kl = kl.value;
        if let Some(capacity) = &self.capacity {
            let capacity = capacity.at(step.step, step.total_steps);
            let distance = kl.clone().mean().sub_scalar(capacity).abs();
            objective
                .with_term("capacity_distance", distance, self.capacity_weight)
                .with_monitor("kl", kl)
        } else if self.free_bits > 0.0 {
            let charged =
                per_unit() // [batch, units]
                    .expect("free bits are refused where the KL has no parts")
                    .mean_dim(0) // [1, latent]
                    .clamp_min(self.free_bits)
                    .sum_dim(1)
                    .squeeze_dim(1); // [1]
            objective
                .with_term("charged_kl", charged, weight)
                .with_monitor("kl", kl)
        } else {
            objective.with_term("kl", kl, weight)
        }
    }
}

impl ObjectiveConfig {
    /// The optimizers of a model with these parts.
    pub fn updates<B: Backend>(&self, parts: &impl Parts<B>) -> Updates {
        match self.aggressive {
            0 => Updates::joint(),
            most => EncoderLeads::updates(parts.networks().encoder_parameters(), most),
        }
    }
}

/// The negative ELBO, estimated with one reparameterised sample:
/// `-log p(x|z) + weight * KL(q(z|x) || p(z))`, with the KL shaped by the settings
/// (Kingma & Welling 2014, eq. 7). The KL is in closed form where prior and posterior allow it, else an
/// estimate from the same sample.
pub fn negative_elbo<B: Backend>(
    parts: &impl Parts<B>,
    batch: &Batch<B>,
    weight: f64,
    step: &StepContext,
) -> Objective<B> {
    let posterior = parts.posterior(batch, step);
    let prior = parts.prior(step, &batch.input.device());
    let (z, kl) = draw_with_kl(&posterior, &prior, posterior.noise(1, step));
    let nll = parts
        .likelihood_of(z, batch, step)
        .nll(batch.target.clone());
    let per_unit = || kl_per_unit(&posterior, &prior);
    (parts.objective())
        .add_kl(Objective::new(nll), kl, per_unit, weight, step)
        .with_codes(posterior)
}

/// The parts of `KL(posterior || prior)` in nats that belong to each dimension, where it is a sum of
/// such.
///
/// # Shapes
/// - output: `[batch, latent]`
pub fn kl_per_unit<B: Backend>(
    posterior: &Posterior<B>,
    prior: &impl Distribution<B>,
) -> Option<Tensor<B, 2>> {
    prior.kl_per_dimension(posterior.gaussian()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DiagonalGaussian, StandardNormal};
    use burn_flex::Flex;

    fn total(config: &ObjectiveConfig, weight: f64, step: u64) -> f64 {
        config.check().unwrap();
        let device = Default::default();
        // Per-dimension KLs of mean^2 / 2: rows (0.5, 0.02) and (2.0, 0.0).
        let posterior = DiagonalGaussian::<Flex>::new(
            Tensor::from_data([[1.0, 0.2], [2.0, 0.0]], &device),
            Tensor::zeros([2, 2], &device),
        );
        let objective = Objective::new(Tensor::from_data([10.0, 20.0], &device));
        let context = StepContext::train(0, step, 10);
        let prior = StandardNormal::new(2, device);
        let per_unit = || prior.kl_per_dimension(&posterior);
        let kl = Kl::exact(prior.kl(&posterior).unwrap());
        let objective = config.add_kl(objective, kl, per_unit, weight, &context);
        f64::from(objective.total().into_scalar())
    }

    /// By hand: mean reconstruction 15, mean KL (0.52 + 2) / 2 = 1.26.
    #[test]
    fn plain_and_weighted() {
        let config = ObjectiveConfig::default();
        assert!((total(&config, 1.0, 0) - 16.26).abs() < 1e-5);
        assert!((total(&config, 4.0, 0) - 20.04).abs() < 1e-5);
    }

    /// By hand: dimension means 1.25 and 0.01; the second is charged as 0.1.
    #[test]
    fn free_bits() {
        let config = ObjectiveConfig {
            free_bits: 0.1,
            ..Default::default()
        };
        assert!((total(&config, 1.0, 0) - 16.35).abs() < 1e-5);
    }

    /// By hand: halfway the target is 2.5, at distance 1.24, times 10.
    #[test]
    fn capacity() {
        let config: ObjectiveConfig = serde_json::from_str(
            r#"{"capacity": {"kind": "linear", "to": 5.0}, "capacity_weight": 10.0}"#,
        )
        .unwrap();
        assert!((total(&config, 1.0, 5) - 27.4).abs() < 1e-4);
    }

    /// By hand: at 3 of 10 steps of a warm-up until the middle the weight is 0.6.
    #[test]
    fn warm_up() {
        let config: ObjectiveConfig =
            serde_json::from_str(r#"{"kl_schedule": {"kind": "linear", "to": 1.0, "until": 0.5}}"#)
                .unwrap();
        assert!((total(&config, 1.0, 3) - (15.0 + 0.6 * 1.26)).abs() < 1e-5);
    }
}
