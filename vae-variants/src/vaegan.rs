//! The VAE-GAN (Larsen 2016): a VAE whose decoder is also the generator of an adversarial game, and
//! whose reconstruction is compared in the features of the discriminator instead of pixel by pixel.
//! With `x~` the reconstruction, `x_p` the decoded prior sample and `Dis_l` the discriminator's features
//! (eq. 5 to 9 and algorithm 1),
//!
//! - the encoder minimises `KL + L_features`, `L_features = -log N(Dis_l(x) | Dis_l(x~), I)`,
//! - the decoder `gamma L_features - log Dis(x~) - log Dis(x_p)`,
//! - the discriminator `- log Dis(x) - (log(1 - Dis(x~)) + log(1 - Dis(x_p))) / 2`.
//!
//! No other gradient flows: the discriminator does not learn from the reconstruction, nor the encoder
//! from the game. Three things are said in the authors' programs or in later work, not in the algorithm:
//! the discriminator's two kinds of fakes weigh together as much as the real examples, or no loss would
//! be near the equilibrium for both; the features are normalised, as the batch normalisation of those
//! programs does; and the decoder's game is the non-saturating one unless [`Game::Minimax`] is chosen.

use burn::{
    module::{Module, ParamId, list_param_ids},
    tensor::{Tensor, activation::softplus, backend::Backend},
};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vae_core::{
    Batch, Distribution, Error, Likelihood, Method, ModelSpec, Moved, Objective,
    Pace, Parts, Player, Result, Schedule, StepContext, Update, Updates, VariantConfig,
    draw_with_kl,
    error::check,
    kl_per_unit,
    nets::{Activation, Arch, EncoderNet, Init, ModelConfig, Networks, NormKind},
    ops::squared_error,
};
use vae_data::bounds::{ABOVE_0, finite};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
const EPSILON: f64 = 1e-5;
const DECODER: &str = "decoder";
const DISCRIMINATOR: &str = "discriminator";

/// Options of the VAE-GAN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct Vaegan {
    /// Weight of the reconstruction against the game in the decoder, at least 0. A number or a
    /// schedule.
    #[garde(dive)]
    pub gamma: Schedule,
    /// What the decoder plays for. The gradient of the non-saturating game stays when the discriminator is
    /// sure; minimax is the paper's algorithm.
    pub game: Game,
    /// Loss of the discriminator in nats at which neither side wins, above 0.
    #[garde(range(min = ABOVE_0), custom(finite))]
    pub equilibrium: f64,
    /// Distance from the equilibrium at which the winner rests, at least 0; 100 for never.
    #[garde(range(min = 0.0), custom(finite))]
    pub margin: f64,
}

impl Default for Vaegan {
    fn default() -> Self {
        Self {
            gamma: Schedule::Constant(1.0),
            game: Game::NonSaturating,
            equilibrium: 0.68,
            margin: 0.4,
        }
    }
}

/// What the decoder minimises against the discriminator, where `D` takes its image for real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Game {
    /// `-log D` (Goodfellow 2014, section 3): the gradient stays when the discriminator is sure.
    NonSaturating,
    /// `log (1 - D)`, what the discriminator wins: algorithm 1 of Larsen 2016 to the letter.
    Minimax,
}

impl VariantConfig for Vaegan {
    const NAME: &'static str = "vaegan";
    const SUMMARY: &'static str =
        "VAE with an adversary, compared in its features; sharper samples";
    const PAPER: &'static str = "Larsen 2016";
    const EXAMPLE: &'static str = "--variant vaegan --arch conv";
    // Less momentum, as the other side moves too (Radford 2016), and larger steps: the equilibrium keeps
    // them safe, and the game is slow without.
    const SETTINGS: &'static [(&'static str, &'static str)] =
        &[("train.optimizer.beta1", "0.5"), ("train.lr", "0.002")];

    type Method<B: Backend> = Adversary<B>;

    fn fits(&self, spec: &ModelSpec) -> Result<()> {
        if spec.likelihood.kind.is_of_columns() {
            return Err(Error::Unfit(
                "vaegan judges examples as a whole, and a table with categories or missing cells has none that \
                 its decoder could be taken for: choose another --variant"
                    .into(),
            ));
        }
        let aggressive = spec.objective.aggressive;
        let none = "0 for vaegan, whose game sets the pace";
        check("objective.aggressive", aggressive, aggressive == 0, none)
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Adversary<B>> {
        Ok(Adversary {
            discriminator: EncoderNet::init(&judging(&spec.model), &spec.nets(1), init)?,
            options: self.clone(),
        })
    }
}

/// The networks of a discriminator: plain convolutions with leaky ReLUs (Radford 2016), and no batch
/// normalisation, whose statistics would tell real examples from fake ones, as the two go through it
/// apart.
fn judging(model: &ModelConfig) -> ModelConfig {
    ModelConfig {
        arch: match model.arch {
            Arch::Resnet => Arch::Conv,
            other => other,
        },
        activation: Activation::LeakyRelu,
        norm: match model.norm {
            NormKind::Batch => NormKind::None,
            other => other,
        },
        ..model.clone()
    }
}

/// What a VAE-GAN trains beside its parts.
#[derive(Module, Debug)]
pub struct Adversary<B: Backend> {
    /// From an example to one logit: positive if it takes it for real.
    discriminator: EncoderNet<B>,
    #[module(skip)]
    options: Vaegan,
}

impl<B: Backend> Method<B> for Adversary<B> {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let examples = batch.len();
        let posterior = parts.posterior(batch, step);
        let prior = parts.prior(step, &batch.input.device());
        let (z, kl) = draw_with_kl(&posterior, &prior, posterior.noise(1, step));
        let drawn = prior.sample(examples, step);
        let still = parts.clone().no_grad();
        let judge = self.discriminator.clone().no_grad();
        let codes = Tensor::cat(vec![z.clone().detach(), drawn.detach()], 0);
        let fakes = image(parts, codes, step); // [2 batch, features]

        // The discriminator: on images that stand still.
        let shown = Tensor::cat(vec![batch.target.clone(), fakes.clone().detach()], 0);
        let (features, logits) = self.discriminator.with_features(shown, step); // [3 batch, ...]
        let real_features = normalized(features.detach().narrow(0, 0, examples));
        let real = logits.clone().narrow(0, 0, examples).squeeze_dim::<1>(1);
        let fake = logits.narrow(0, examples, 2 * examples);
        let right = real.clone().greater_elem(0.0).float();
        let right = right + both(fake.clone().lower_elem(0.0).float());
        let real = softplus(real.neg(), 1.0);
        let fake = both(softplus(fake, 1.0));
        let discriminator = Player::new(DISCRIMINATOR, "real", real.clone(), 1.0)
            .with_term("fake", fake.clone(), 1.0)
            .with_monitor("accuracy", right.div_scalar(2.0));
        let feature_nll = |features: Tensor<B, 2>| {
            let [_, width] = features.dims();
            let squares = squared_error(normalized(features), real_features.clone());
            squares.add_scalar(LOG_2_PI * width as f64).mul_scalar(0.5)
        };

        // The decoder: from codes that stand still, against a discriminator that does.
        let (features, logits) = judge.with_features(fakes.clone(), step);
        let of_decoder = feature_nll(features.narrow(0, 0, examples));
        let gamma = self.options.gamma.at(step.step, step.total_steps);
        let (logits, weight) = match self.options.game {
            Game::NonSaturating => (logits.neg(), 2.0),
            Game::Minimax => (logits, -2.0),
        };
        let decoder = Player::new(DECODER, "features", of_decoder, gamma).with_term(
            "game",
            both(softplus(logits, 1.0)),
            weight,
        );

        // The encoder: through a decoder and a discriminator that stand still.
        let (features, _) = judge.with_features(image(&still, z, step), step);
        let of_encoder = Objective::new(feature_nll(features));

        let reconstructed = fakes.detach().narrow(0, 0, examples);
        let squares = squared_error(reconstructed, batch.target.clone());
        let per_unit = || kl_per_unit(&posterior, &prior);
        (parts.objective())
            .add_kl(of_encoder, kl, per_unit, 1.0, step)
            .with_codes(posterior)
            .with_monitor("squared_error", squares)
            .with_player(decoder)
            .with_player(discriminator)
            .with_signal(real.detach())
            .with_signal(fake.detach())
    }

    fn updates(&self, parts: &impl Parts<B>, _stage: usize) -> Updates {
        let encoder = Moved::Only(encoder_side(parts));
        let mut decoder = list_param_ids(parts);
        decoder.retain(|id| !encoder_side(parts).contains(id));
        Updates {
            parts: vec![
                Update::new(DECODER, Moved::Only(decoder)),
                Update::of(DISCRIMINATOR, &self.discriminator),
                Update::new("encoder", encoder),
            ],
            pace: Box::new(Equilibrium {
                at: self.options.equilibrium,
                margin: self.options.margin,
                rests: [0; 2],
            }),
        }
    }
}

/// What the encoder's objective moves: the encoder, and what reshapes posterior and prior.
fn encoder_side<B: Backend>(parts: &impl Parts<B>) -> Vec<ParamId> {
    let mut ids = parts.networks().encoder_parameters();
    ids.extend(list_param_ids(parts.prior_part()));
    ids.extend(parts.flow().map(list_param_ids).unwrap_or_default());
    ids
}

/// What the decoder makes of codes.
fn image<B: Backend>(parts: &impl Parts<B>, z: Tensor<B, 2>, step: &StepContext) -> Tensor<B, 2> {
    let parameters = parts.networks().decode(z, step);
    parts.likelihood().distribution(parameters).mean()
}

/// Keeps the discriminator and its opponent near an equilibrium, as the authors' programs do: the
/// discriminator rests while its loss on real or on fake examples is below `at - margin`, and the
/// decoder while either is above `at + margin`; if both were to rest, both move.
#[derive(Debug)]
struct Equilibrium {
    /// Loss in nats at which neither wins; `ln 2` if the discriminator tells nothing apart.
    at: f64,
    margin: f64,
    /// For how many steps up to now discriminator and decoder have rested.
    rests: [u64; 2],
}

impl Pace for Equilibrium {
    /// The signals are the discriminator's losses on real and on fake examples.
    fn moves(&mut self, _loss: f64, signals: &[f64]) -> Vec<bool> {
        let [real, fake] = *signals else {
            unreachable!("the loss gives two signals");
        };
        let discriminator = real.min(fake) < self.at - self.margin;
        let decoder = real.max(fake) > self.at + self.margin;
        let rest = [discriminator && !decoder, decoder && !discriminator];
        for (steps, rests) in self.rests.iter_mut().zip(rest) {
            *steps = if rests { *steps + 1 } else { 0 };
        }
        let [discriminator, decoder] = rest;
        vec![!decoder, !discriminator, true]
    }

    fn memory(&self) -> Value {
        json!({ "rests": self.rests() })
    }

    fn recall(&mut self, memory: &Value) -> serde_json::Result<()> {
        let rests = Vec::<(String, u64)>::deserialize(&memory["rests"])?;
        for (name, steps) in rests {
            self.rests[usize::from(name == DECODER)] = steps;
        }
        Ok(())
    }

    fn rests(&self) -> Vec<(&'static str, u64)> {
        vec![(DISCRIMINATOR, self.rests[0]), (DECODER, self.rests[1])]
    }
}

/// Each example's features with mean 0 and variance 1 (Ba 2016, eq. 3), so that the unit variance of their
/// likelihood means as much for any network and at any time of the training.
///
/// # Shapes
/// - `features` and output: `[batch, features]`
fn normalized<B: Backend>(features: Tensor<B, 2>) -> Tensor<B, 2> {
    let centered = features.clone() - features.mean_dim(1);
    let variance = centered.clone().powi_scalar(2).mean_dim(1);
    centered / variance.add_scalar(EPSILON).sqrt()
}

/// For each example the mean over its reconstruction and its prior sample.
///
/// # Shapes
/// - `values`: `[2 batch, 1]`, reconstructions first
/// - output: `[batch]`
fn both<B: Backend>(values: Tensor<B, 2>) -> Tensor<B, 1> {
    let examples = values.dims()[0] / 2;
    let rows = values.reshape([2, examples]);
    rows.mean_dim(0).squeeze_dim(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, around 0.7 with a margin of 0.4: the discriminator rests below 0.3, the decoder above
    /// 1.1.
    #[test]
    fn who_wins_rests() {
        let new = || Equilibrium {
            at: 0.7,
            margin: 0.4,
            rests: [0; 2],
        };
        let mut pace = new();
        for (real, fake, decoder, discriminator) in [
            (0.7, 0.7, true, true),
            (0.2, 0.7, true, false),
            (0.7, 0.1, true, false),
            (0.7, 1.2, false, true),
            (1.3, 0.7, false, true),
            (0.2, 1.2, true, true),
            (0.2, 0.2, true, false),
        ] {
            let moves = pace.moves(0.0, &[real, fake]);
            assert_eq!(moves, [decoder, discriminator, true], "{real} {fake}");
        }
        assert_eq!(pace.rests(), [(DISCRIMINATOR, 1), (DECODER, 0)]);
        let mut again = new();
        again.recall(&pace.memory()).unwrap();
        assert_eq!(again.rests(), pace.rests());
    }
}
