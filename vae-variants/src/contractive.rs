//! The contractive autoencoder (Rifai 2011, eq. 4 and 5): the reconstruction term plus
//! `contraction * |dh/dx|_F^2`, the squared Frobenius norm of the encoder's Jacobian, which makes
//! the code insensitive to small changes of the input.
//!
//! The norm is exact for dense encoders; elsewhere (convolutions, normalisation, dropout) it is
//! estimated without bias up to O(epsilon) from one random direction `v ~ N(0, I)`:
//! `E|J v|^2 = |J|_F^2`, with `J v` by a finite difference.

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
    nets::{Activation, Init, ModelConfig, Networks},
};
use vae_data::DataShape;

use crate::deterministic::{decoded, point};

/// Length of the step of the finite difference, per feature.
const EPSILON: f64 = 1e-2;

/// How the Jacobian's norm is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Estimator {
    /// Exact where possible, else estimated.
    Auto,
    /// Exact, or an error.
    Exact,
    /// Estimated from one random direction.
    Stochastic,
}

/// The contractive autoencoder.
#[derive(Module, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Contractive {
    /// Weight of the encoder's squared Jacobian norm, at least 0. A number or a schedule.
    #[garde(dive)]
    pub contraction: Schedule,
    /// How the norm is computed.
    pub jacobian: Estimator,
    /// Activation of the code. The paper's is the sigmoid; the identity lets narrow codes start to
    /// learn sooner.
    pub code_activation: Activation,
}

impl Default for Contractive {
    fn default() -> Self {
        Self {
            contraction: Schedule::Constant(0.1),
            jacobian: Estimator::Auto,
            code_activation: Activation::Identity,
        }
    }
}

impl VariantConfig for Contractive {
    const NAME: &'static str = "contractive";
    const SUMMARY: &'static str = "autoencoder whose code resists small changes of the input";
    const PAPER: &'static str = "Rifai 2011";
    const EXAMPLE: &'static str = "--variant contractive --contraction 0.1 --activation tanh";
    const PRIORS: &'static [PriorKind] = &[];

    type Method<B: Backend> = Self;

    fn code(&self, model: &ModelConfig, _shape: &DataShape) -> Result<CodeShape> {
        Ok(point(model))
    }

    fn build<B: Backend>(&self, _spec: &ModelSpec, _init: &mut Init<'_, B>) -> Result<Self> {
        Ok(self.clone())
    }
}

impl Contractive {
    fn code_of<B: Backend>(&self, output: Tensor<B, 2>) -> Tensor<B, 2> {
        self.code_activation.forward(output)
    }

    /// The code and the squared Frobenius norm of its Jacobian. `[batch, latent]` and `[batch]`
    fn code_and_jacobian<B: Backend>(
        &self,
        parts: &impl Parts<B>,
        input: Tensor<B, 2>,
        step: &StepContext,
    ) -> (Tensor<B, 2>, Tensor<B, 1>) {
        let networks = parts.networks();
        if self.jacobian != Estimator::Stochastic
            && let Some(exact) = networks.jacobian(input.clone(), self.code_activation)
        {
            return exact;
        }
        let direction = step.normal(input.dims(), &input.device());
        let moved = input.clone() + direction.mul_scalar(EPSILON);
        // Both passes draw the same dropout masks.
        let twin = step.clone();
        let code = self.code_of(networks.encode(input, step));
        let change = self.code_of(networks.encode(moved, &twin)) - code.clone();
        let change = change.div_scalar(EPSILON);
        (code, change.square().sum_dim(1).squeeze_dim(1))
    }
}

impl<B: Backend> Method<B> for Contractive {
    fn check(&self, parts: &impl Parts<B>) -> Result<()> {
        let fits = self.jacobian != Estimator::Exact || parts.networks().has_exact_jacobian();
        let bound = "auto or stochastic for convolutions, normalisation or dropout";
        check("variant.jacobian", "exact", fits, bound)
    }

    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let (code, norm) =
            self.code_and_jacobian(parts, parts.encoder_input(batch.input.clone(), None), step);
        let weight = self.contraction.at(step.step, step.total_steps);
        decoded(parts, code, batch, step).with_term("contraction", norm, weight)
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        self.code_of(parts.encode(batch, step)).into()
    }

    fn is_generative(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_flex::Flex;
    use vae_core::{
        Assembly, Encoder, LikelihoodConfig, LikelihoodKind, Model, ObjectiveConfig,
        nets::EncoderNet,
    };

    const FEATURES: usize = 5;

    fn model(
        hidden: &[usize],
        activation: Activation,
        code_activation: Activation,
        jacobian: Estimator,
    ) -> Model<Flex, Contractive> {
        let config = ModelConfig {
            latent: 3,
            hidden: Some(hidden.to_vec()),
            activation,
            ..Default::default()
        };
        let spec = ModelSpec {
            code: point(&config),
            model: config,
            likelihood: LikelihoodConfig::new(LikelihoodKind::Gaussian),
            objective: ObjectiveConfig::default(),
            shape: DataShape::flat(FEATURES),
            classes: 0,
            condition: 0,
            is_conditional: false,
        };
        let method = Contractive {
            jacobian,
            code_activation,
            ..Default::default()
        };
        let device = Default::default();
        let parts = Assembly::build(&spec, &mut Init::new(11, &device)).unwrap();
        Model::new(parts, method).unwrap()
    }

    fn code(model: &Model<Flex, Contractive>, input: Tensor<Flex, 2>) -> Tensor<Flex, 2> {
        let step = StepContext::train(0, 0, 1);
        model.encode(&Batch::unlabelled(input), &step).mean()
    }

    fn code_and_norm(
        model: &Model<Flex, Contractive>,
        input: Tensor<Flex, 2>,
        step: &StepContext,
    ) -> (Tensor<Flex, 2>, Tensor<Flex, 1>) {
        model.method.code_and_jacobian(&model.parts, input, step)
    }

    fn input() -> Tensor<Flex, 2> {
        StepContext::train(5, 0, 1).normal([2, FEATURES], &Default::default())
    }

    /// Central differences of the code in every input direction.
    fn by_differences(model: &Model<Flex, Contractive>) -> Vec<f64> {
        let h = 1e-2;
        let mut norms = vec![0.0; 2];
        for feature in 0..FEATURES {
            let mut direction = vec![0.0_f32; FEATURES];
            direction[feature] = h;
            let direction =
                Tensor::<Flex, 1>::from_data(direction.as_slice(), &Default::default()).unsqueeze();
            let up = code(model, input() + direction.clone());
            let down = code(model, input() - direction);
            let slope: Vec<f32> = (up - down).into_data().to_vec().unwrap();
            for (i, d) in slope.iter().enumerate() {
                norms[i / 3] += f64::from(d / (2.0 * h)).powi(2);
            }
        }
        norms
    }

    /// Every depth and every smooth activation, in hidden layers and on the code.
    #[test]
    fn exact_norm_matches_finite_differences() {
        let smooth = [
            Activation::Identity,
            Activation::Gelu,
            Activation::Silu,
            Activation::Tanh,
            Activation::Sigmoid,
        ];
        for hidden in [&[][..], &[7], &[7, 4], &[6, 9, 4]] {
            for activation in smooth {
                for code_activation in smooth {
                    let model = model(hidden, activation, code_activation, Estimator::Exact);
                    let (found, norm) =
                        code_and_norm(&model, input(), &StepContext::train(0, 0, 1));
                    assert!((found - code(&model, input())).abs().max().into_scalar() < 1e-6);
                    let exact: Vec<f32> = norm.into_data().to_vec().unwrap();
                    for (a, b) in exact.iter().zip(by_differences(&model)) {
                        let error = (f64::from(*a) - b).abs();
                        assert!(
                            error < 2e-3 * b.max(1e-2),
                            "{hidden:?} {activation:?} {code_activation:?}: {a} against {b}"
                        );
                    }
                }
            }
        }
    }

    /// With dropout the two passes must drop the same units: the norm then is of the size of the
    /// exact one, not of the masks' difference over epsilon.
    #[test]
    fn dropout_does_not_swamp_the_estimate() {
        let step = StepContext::train(3, 0, 1);
        let mut model = model(
            &[7],
            Activation::Tanh,
            Activation::Sigmoid,
            Estimator::Stochastic,
        );
        let (_, plain) = code_and_norm(&model, input(), &step);
        let EncoderNet::Mlp(net) = &mut model.parts.networks.encoder else {
            panic!("the model is dense");
        };
        net.set_dropout(0.3);
        let (_, dropped) = code_and_norm(&model, input(), &step);
        let (plain, dropped): (f32, f32) =
            (plain.mean().into_scalar(), dropped.mean().into_scalar());
        assert!(
            dropped < 20.0 * plain,
            "{dropped} with dropout, {plain} without"
        );
    }

    /// The mean of 4,000 draws against the exact norm.
    #[test]
    fn stochastic_estimate_is_unbiased() {
        let exact = model(
            &[7],
            Activation::Tanh,
            Activation::Sigmoid,
            Estimator::Exact,
        );
        let drawn = model(
            &[7],
            Activation::Tanh,
            Activation::Sigmoid,
            Estimator::Stochastic,
        );
        let rows = 4000;
        let one = input().narrow(0, 0, 1);
        let (_, expected) = code_and_norm(&exact, one.clone(), &StepContext::train(0, 0, 1));
        let (_, estimates) = code_and_norm(
            &drawn,
            one.repeat_dim(0, rows),
            &StepContext::train(0, 0, 1),
        );
        let (mean, expected): (f32, f32) = (estimates.mean().into_scalar(), expected.into_scalar());
        assert!(
            (mean / expected - 1.0).abs() < 0.06,
            "mean {mean}, exact {expected}"
        );
    }
}
