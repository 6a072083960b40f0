//! The importance weighted autoencoder (Burda 2016): a VAE trained on the tighter bound
//! `E_{z_1..z_K ~ q(z|x)} [log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x)]` (eq. 8). With one sample that is
//! the ELBO, whose KL is then computed in closed form, as the plain VAE does.

use burn::{module::Module, tensor::backend::Backend};
use serde::{Deserialize, Serialize};
use vae_core::{
    Batch, BoundGradient, Loss, ModelSpec, Objective, OptionInfo, Result, StepContext, Updates,
    VariantConfig, error::check, importance_weighted, nets::Init,
};

use crate::{Vae, VaeConfig, vae::is_a_vae};

/// Options of the importance weighted autoencoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IwaeConfig {
    /// Codes drawn for each example, K.
    pub samples: usize,
    /// How the gradient is estimated.
    pub gradient: BoundGradient,
}

impl Default for IwaeConfig {
    fn default() -> Self {
        Self {
            samples: 50,
            gradient: BoundGradient::Standard,
        }
    }
}

impl VariantConfig for IwaeConfig {
    const NAME: &'static str = "iwae";
    const SUMMARY: &'static str = "VAE trained on the importance weighted bound";
    const PAPER: &'static str = "Burda 2016; doubly reparameterized: Tucker 2019";
    const OPTIONS: &'static [OptionInfo] = &[
        OptionInfo {
            key: "samples",
            help: "Codes drawn for each example, at least 1; with 1 it is the plain VAE",
        },
        OptionInfo {
            key: "gradient",
            help: "Estimator of the gradient: standard, or doubly-reparameterized, which grows \
                   better for the encoder with more samples",
        },
    ];
    const EXAMPLE: &'static str = "--variant iwae --samples 50";

    type Model<B: Backend> = Iwae<B>;

    fn check(&self) -> Result<()> {
        check(
            "variant.samples",
            self.samples,
            self.samples >= 1,
            "at least 1",
        )
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Iwae<B>> {
        if self.samples > 1 {
            let none = "0 with variant.samples above 1, whose bound has no KL of its own";
            let bits = spec.objective.free_bits;
            check("objective.free_bits", bits, bits == 0.0, none)?;
            let left_out =
                "left out with variant.samples above 1, whose bound has no KL of its own";
            let capacity = spec.objective.capacity.is_none();
            check("objective.capacity", "set", capacity, left_out)?;
        }
        Ok(Iwae {
            vae: VaeConfig::default().build(spec, init)?,
            samples: self.samples,
            gradient: self.gradient,
        })
    }
}

/// An importance weighted autoencoder.
#[derive(Module, Debug)]
pub struct Iwae<B: Backend> {
    vae: Vae<B>,
    #[module(skip)]
    samples: usize,
    #[module(skip)]
    gradient: BoundGradient,
}

is_a_vae!(Iwae);

impl<B: Backend> Loss<B> for Iwae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        if self.samples == 1 {
            return self.vae.loss(batch, step);
        }
        let weight = self.vae.objective().kl_weight(step);
        let bound = (self.samples, self.gradient);
        importance_weighted(&self.vae, batch, bound, weight, step)
    }

    fn updates(&self) -> Updates {
        self.vae.updates()
    }
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use vae_core::{LikelihoodConfig, LikelihoodKind, ObjectiveConfig, nets::ModelConfig};
    use vae_data::DataShape;

    use super::*;

    fn spec(objective: &str) -> ModelSpec {
        ModelSpec {
            model: ModelConfig {
                latent: 3,
                hidden: Some(vec![8]),
                ..ModelConfig::default()
            },
            likelihood: LikelihoodConfig::new(LikelihoodKind::Bernoulli),
            objective: serde_json::from_str::<ObjectiveConfig>(objective).unwrap(),
            shape: DataShape::flat(6),
            classes: 0,
            condition: 0,
        }
    }

    fn build<C: VariantConfig>(config: C, spec: &ModelSpec) -> Result<C::Model<Flex>> {
        config.build(spec, &mut Init::new(1, &Default::default()))
    }

    fn with(samples: usize) -> IwaeConfig {
        IwaeConfig {
            samples,
            ..IwaeConfig::default()
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
        let vae = build(VaeConfig::default(), &spec).unwrap();
        let expected = values(vae.loss(&batch, &step.clone()));
        let iwae = |samples| build(with(samples), &spec).unwrap();
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
            assert!(build(with(1), &spec).is_ok());
            let error = build(with(2), &spec).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
