//! Sparse autoencoders, with one of three ways to keep most units of the code off:
//! - `kl`: sigmoid units whose batch mean is pulled to a target rho,
//!   `weight * sum_j KL(rho || mean_j)` (Ng 2011, "Sparse autoencoder", CS294A notes);
//! - `l1`: ReLU units, `weight * sum_j |h_j|`;
//! - `top-k`: the k largest units of a linear code are kept, the others set to 0
//!   (Makhzani & Frey 2013, "k-Sparse Autoencoders", algorithm 1).

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, Code, CodeShape, Method, ModelSpec, Objective, Parts, PriorKind, Result, Schedule,
    StepContext, VariantConfig,
    error::check,
    nets::{Activation, Init, ModelConfig},
    ops::{activate, keep_largest},
};
use vae_data::{
    DataShape,
    bounds::{ABOVE_0, BELOW_1, finite},
};

use crate::deterministic::{decoded, point};

/// A sigmoid unit counts as on above this.
const ON: f64 = 0.5;
/// Keeps the batch means of the `kl` penalty off 0 and 1.
const EPSILON: f64 = 1e-6;

/// How units are kept off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sparsity {
    /// Batch means pulled to rho.
    Kl,
    /// Penalty on the sum of the units.
    L1,
    /// Only the k largest units are kept.
    TopK,
}

/// The sparse autoencoder.
#[derive(Module, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Sparse {
    /// How units are kept off.
    pub sparsity: Sparsity,
    /// Weight of the kl or l1 penalty, at least 0. A number or a schedule.
    #[garde(dive)]
    pub sparsity_weight: Schedule,
    /// Target mean activation of each unit for kl, between 0 and 1.
    #[garde(range(min = ABOVE_0, max = BELOW_1), custom(finite))]
    pub rho: f64,
    /// Units kept by top-k, from 1 to the latent width.
    #[garde(range(min = 1))]
    pub k: usize,
}

impl Default for Sparse {
    fn default() -> Self {
        Self {
            sparsity: Sparsity::Kl,
            sparsity_weight: Schedule::Constant(1.0),
            rho: 0.1,
            k: 5,
        }
    }
}

impl VariantConfig for Sparse {
    const NAME: &'static str = "sparse";
    const SUMMARY: &'static str = "autoencoder with few active units: KL target, L1 or top-k";
    const PAPER: &'static str = "Ng 2011; Makhzani & Frey 2013";
    const EXAMPLE: &'static str = "--variant sparse --sparsity top-k --k 10 --latent 100";
    const PRIORS: &'static [PriorKind] = &[];

    type Method<B: Backend> = Self;

    fn code(&self, model: &ModelConfig, _shape: &DataShape) -> Result<CodeShape> {
        Ok(point(model))
    }

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        let latent = spec.model.latent;
        let fits = self.sparsity != Sparsity::TopK || self.k <= latent;
        let bound = format!("at most model.latent, {latent}");
        check("variant.k", self.k, fits, &bound)
    }

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }
}

impl Sparse {
    fn units<B: Backend>(
        &self,
        parts: &impl Parts<B>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let code = parts.encode(batch, step);
        match self.sparsity {
            Sparsity::Kl => activate(code, Activation::Sigmoid),
            Sparsity::L1 => activate(code, Activation::Relu),
            Sparsity::TopK => keep_largest(code, self.k),
        }
    }
}

/// `sum_j KL(rho || mean_j)` of the batch means in nats. `[1]`
fn kl_to_target<B: Backend>(code: Tensor<B, 2>, rho: f64) -> Tensor<B, 1> {
    let mean = code.mean_dim(0).clamp(EPSILON, 1.0 - EPSILON); // [1, latent]
    let negative_entropy = rho * rho.ln() + (1.0 - rho) * (1.0 - rho).ln();
    let cross_entropy = mean.clone().log().mul_scalar(-rho)
        + mean.neg().add_scalar(1.0).log().mul_scalar(rho - 1.0);
    cross_entropy
        .add_scalar(negative_entropy)
        .sum_dim(1)
        .squeeze_dim(1)
}

impl<B: Backend> Method<B> for Sparse {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let code = self.units(parts, batch, step);
        let weight = self.sparsity_weight.at(step.step, step.total_steps);
        let active = match self.sparsity {
            Sparsity::Kl => code.clone().greater_elem(ON),
            Sparsity::L1 | Sparsity::TopK => code.clone().not_equal_elem(0.0),
        };
        let active = active.float();
        let share = active.clone().mean_dim(1).squeeze_dim(1);
        let objective = decoded(parts, code.clone(), batch, step)
            .with_active(active)
            .with_monitor("active_fraction", share);
        match self.sparsity {
            Sparsity::Kl => objective.with_term("sparsity", kl_to_target(code, self.rho), weight),
            Sparsity::L1 => {
                objective.with_term("sparsity", code.abs().sum_dim(1).squeeze_dim(1), weight)
            }
            Sparsity::TopK => objective,
        }
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        self.units(parts, batch, step).into()
    }

    fn is_generative(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;

    /// By hand: means 0.5 and 0.2 against rho 0.2; the second is 0, the first
    /// 0.2 ln(0.2/0.5) + 0.8 ln(0.8/0.5) = 0.192745.
    #[test]
    fn kl_target_by_hand() {
        let device = Default::default();
        let code = Tensor::<Flex, 2>::from_data([[0.9, 0.1], [0.1, 0.3]], &device);
        let value: f32 = kl_to_target(code, 0.2).into_scalar();
        assert!((value - 0.192_745).abs() < 1e-5, "{value}");
    }
}
