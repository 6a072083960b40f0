//! The importance weighted autoencoder (Burda 2016): a VAE trained on the tighter bound
//! `E_{z_1..z_K ~ q(z|x)} [log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x)]` (eq. 8). With one sample that is
//! the ELBO, whose KL is then computed in closed form, as the plain VAE does.

use burn::{module::Module, tensor::backend::Backend};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, BoundGradient, Method, ModelSpec, Objective, Parts, PosteriorKind, Result, StepContext,
    VariantConfig,
    error::{Error, check},
    importance_weighted, negative_elbo,
    nets::Init,
};

/// The importance weighted autoencoder.
#[derive(Module, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Iwae {
    /// Codes drawn for each example, K, at least 1; with 1 it is the plain VAE.
    #[garde(range(min = 1))]
    pub samples: usize,
    /// Estimator of the gradient. The doubly reparameterised one grows better for the encoder with more
    /// samples.
    pub gradient: BoundGradient,
}

impl Default for Iwae {
    fn default() -> Self {
        Self {
            samples: 50,
            gradient: BoundGradient::Standard,
        }
    }
}

impl VariantConfig for Iwae {
    const NAME: &'static str = "iwae";
    const SUMMARY: &'static str = "VAE trained on the importance weighted bound";
    const PAPER: &'static str = "Burda 2016; doubly reparameterized: Tucker 2019";
    const EXAMPLE: &'static str = "--variant iwae --samples 50";

    type Method<B: Backend> = Self;

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        if self.samples > 1 {
            let none = "0 with variant.samples above 1, whose bound has no KL of its own";
            let bits = spec.objective.free_bits;
            check("objective.free_bits", bits, bits == 0.0, none)?;
            let left_out =
                "left out with variant.samples above 1, whose bound has no KL of its own";
            let capacity = spec.objective.capacity.is_none();
            check("objective.capacity", "set", capacity, left_out)?;
        }
        let doubly = self.gradient == BoundGradient::DoublyReparameterized;
        if doubly && spec.model.posterior() == PosteriorKind::Flow {
            let bound = "standard with model.posterior = \"flow\", whose density of a given code takes \
                         as many passes as a code is wide";
            let name = "doubly-reparameterized";
            return Err(Error::setting("variant.gradient", name, bound));
        }
        Ok(())
    }

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }
}

impl<B: Backend> Method<B> for Iwae {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        if self.samples == 1 {
            return negative_elbo(parts, batch, 1.0, step);
        }
        let weight = parts.objective().kl_weight(step);
        importance_weighted(parts, batch, (self.samples, self.gradient), weight, step)
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use vae_core::{
        Assembly, CodeKind, CodeShape, LikelihoodConfig, LikelihoodKind, Loss, Model,
        ObjectiveConfig, nets::ModelConfig,
    };
    use vae_data::DataShape;

    use super::*;
    use crate::Vae;

    fn spec(objective: &str) -> ModelSpec {
        let model = ModelConfig {
            latent: 3,
            hidden: Some(vec![8]),
            ..ModelConfig::default()
        };
        ModelSpec {
            code: CodeShape::row(CodeKind::Distribution, &model),
            model,
            likelihood: LikelihoodConfig::new(LikelihoodKind::Bernoulli),
            objective: serde_json::from_str::<ObjectiveConfig>(objective).unwrap(),
            shape: DataShape::flat(6),
            classes: 0,
            condition: 0,
            is_conditional: false,
        }
    }

    fn build<M: Method<Flex>>(method: M, spec: &ModelSpec) -> Model<Flex, M> {
        let parts = Assembly::build(spec, &mut Init::new(1, &Default::default()));
        Model::new(parts.unwrap(), method).unwrap()
    }

    fn with(samples: usize) -> Iwae {
        Iwae {
            samples,
            ..Iwae::default()
        }
    }

    #[test]
    fn one_sample_is_the_plain_vae() {
        let spec = spec("{}");
        let step = StepContext::train(5, 0, 1);
        let batch = Batch::unlabelled(step.uniform([40, 6], &Default::default()));
        let values = |objective: Objective<Flex>| -> Vec<f32> {
            objective.per_example().into_data().to_vec().unwrap()
        };
        let vae = build(Vae::default(), &spec);
        let expected = values(vae.loss(&batch, &step.clone()));
        let iwae = |samples| build(with(samples), &spec);
        assert_eq!(values(iwae(1).loss(&batch, &step.clone())), expected);
        assert_ne!(values(iwae(2).loss(&batch, &step)), expected);
    }

    #[test]
    fn free_bits_and_capacity_need_a_kl_of_their_own() {
        for (objective, expected) in [
            (r#"{"free_bits": 0.5}"#, "`objective.free_bits` is 0.5"),
            (r#"{"capacity": 5.0}"#, "`objective.capacity` is set"),
        ] {
            let spec = spec(objective);
            assert!(with(1).fits(&spec).is_ok());
            let error = with(2).fits(&spec).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
