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
    module::Module,
    tensor::{Tensor, activation::softplus, backend::Backend},
};
use serde::{Deserialize, Serialize};
use vae_core::{
    Autoencoder, Batch, Encoder, Loss, ModelSpec, Objective, OptionInfo, Pacing, Player, Result,
    Schedule, StepContext, Update, Updates, VariantConfig,
    error::check,
    nets::{Activation, EncoderNet, Init, ModelConfig, NormKind},
    ops::squared_error,
};

use crate::{Vae, VaeConfig, vae::is_a_vae};

const LOG_2_PI: f64 = 1.837_877_066_409_345_5;
const EPSILON: f64 = 1e-5;
const DECODER: &str = "decoder";
const DISCRIMINATOR: &str = "discriminator";

/// Options of the VAE-GAN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaeganConfig {
    /// Weight of the reconstruction in the decoder's objective.
    pub gamma: Schedule,
    /// What the decoder plays for.
    pub game: Game,
    /// Loss of the discriminator, in nats, at which neither side wins.
    pub equilibrium: f64,
    /// Distance from the equilibrium at which the side that wins rests.
    pub margin: f64,
}

impl Default for VaeganConfig {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Game {
    /// `-log D` (Goodfellow 2014, section 3): the gradient stays when the discriminator is sure.
    NonSaturating,
    /// `log (1 - D)`, what the discriminator wins: algorithm 1 of Larsen 2016 to the letter.
    Minimax,
}

impl VariantConfig for VaeganConfig {
    const NAME: &'static str = "vaegan";
    const SUMMARY: &'static str =
        "VAE with an adversary, compared in its features; sharper samples";
    const PAPER: &'static str = "Larsen 2016";
    const OPTIONS: &'static [OptionInfo] = &[
        OptionInfo {
            key: "gamma",
            help: "Weight of the reconstruction against the game in the decoder, at least 0. A \
                   number or a schedule",
        },
        OptionInfo {
            key: "game",
            help: "What the decoder plays for: non-saturating, whose gradient stays when the \
                   discriminator is sure, or minimax, as in the paper's algorithm",
        },
        OptionInfo {
            key: "equilibrium",
            help: "Loss of the discriminator in nats at which neither side wins, above 0",
        },
        OptionInfo {
            key: "margin",
            help: "Distance from the equilibrium at which the winner rests, at least 0; 100 for never",
        },
    ];
    const EXAMPLE: &'static str = "--variant vaegan --arch conv";
    // Less momentum, as the other side moves too (Radford 2016), and larger steps: the equilibrium keeps
    // them safe, and the game is slow without.
    const SETTINGS: &'static [(&'static str, &'static str)] =
        &[("train.optimizer.beta1", "0.5"), ("train.lr", "0.002")];

    type Model<B: Backend> = Vaegan<B>;

    fn check(&self) -> Result<()> {
        self.gamma.check_at_least("variant.gamma", 0.0)?;
        let above = self.equilibrium > 0.0 && self.equilibrium.is_finite();
        check("variant.equilibrium", self.equilibrium, above, "above 0")?;
        let inside = self.margin >= 0.0 && self.margin.is_finite();
        check("variant.margin", self.margin, inside, "at least 0")
    }

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Vaegan<B>> {
        let aggressive = spec.objective.aggressive;
        let none = "0 for vaegan, whose game sets the pace";
        check("objective.aggressive", aggressive, aggressive == 0, none)?;
        Ok(Vaegan {
            vae: VaeConfig::default().build(spec, init)?,
            discriminator: EncoderNet::init(&judging(&spec.model), &spec.nets(1), init)?,
            gamma: self.gamma.clone(),
            game: self.game,
            equilibrium: self.equilibrium,
            margin: self.margin,
        })
    }
}

/// The networks of a discriminator: leaky ReLUs (Radford 2016), and no batch normalisation, whose
/// statistics would tell real examples from fake ones, as the two go through it apart.
fn judging(model: &ModelConfig) -> ModelConfig {
    ModelConfig {
        activation: Activation::LeakyRelu,
        norm: match model.norm {
            NormKind::Batch => NormKind::None,
            other => other,
        },
        ..model.clone()
    }
}

/// A VAE-GAN.
#[derive(Module, Debug)]
pub struct Vaegan<B: Backend> {
    vae: Vae<B>,
    /// From an example to one logit: positive if it takes it for real.
    discriminator: EncoderNet<B>,
    #[module(skip)]
    gamma: Schedule,
    #[module(skip)]
    game: Game,
    #[module(skip)]
    equilibrium: f64,
    #[module(skip)]
    margin: f64,
}

is_a_vae!(Vaegan);

impl<B: Backend> Loss<B> for Vaegan<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let examples = batch.len();
        let posterior = self.vae.encode(batch, step);
        let noise = || step.normal(posterior.dims(), &posterior.device());
        let (z, prior) = (posterior.sample(noise()), noise());
        let (vae, judge) = (
            self.vae.clone().no_grad(),
            self.discriminator.clone().no_grad(),
        );
        let image = |vae: &Vae<B>, z| vae.likelihood().mean(vae.nets.decode(z, step));
        let codes = Tensor::cat(vec![z.clone().detach(), prior], 0);
        let fakes = image(&self.vae, codes); // [2 batch, features]

        // The discriminator: on images that stand still.
        let shown = Tensor::cat(vec![batch.target.clone(), fakes.clone().detach()], 0);
        let (features, logits) = self.discriminator.with_features(shown, step); // [3 batch, ...]
        let real_features = normalized(features.detach().narrow(0, 0, examples));
        let real = logits.clone().narrow(0, 0, examples).squeeze_dim::<1>(1);
        let fake = logits.narrow(0, examples, 2 * examples);
        let right = real.clone().greater_elem(0.0).float();
        let right = right + both(fake.clone().lower_elem(0.0).float());
        let discriminator = Player::new(DISCRIMINATOR, "real", softplus(real.neg(), 1.0), 1.0)
            .with_term("fake", both(softplus(fake, 1.0)), 1.0)
            .with_monitor("accuracy", right.div_scalar(2.0));
        let feature_nll = |features: Tensor<B, 2>| {
            let [_, width] = features.dims();
            let squares = squared_error(normalized(features), real_features.clone());
            squares.add_scalar(LOG_2_PI * width as f64).mul_scalar(0.5)
        };

        // The decoder: from codes that stand still, against a discriminator that does.
        let (features, logits) = judge.with_features(fakes.clone(), step);
        let of_decoder = feature_nll(features.narrow(0, 0, examples));
        let gamma = self.gamma.at(step.step, step.total_steps);
        let (logits, weight) = match self.game {
            Game::NonSaturating => (logits.neg(), 2.0),
            Game::Minimax => (logits, -2.0),
        };
        let decoder = Player::new(DECODER, "features", of_decoder, gamma).with_term(
            "game",
            both(softplus(logits, 1.0)),
            weight,
        );

        // The encoder: through a decoder and a discriminator that stand still.
        let (features, _) = judge.with_features(image(&vae, z), step);
        let of_encoder = feature_nll(features);

        let reconstructed = fakes.detach().narrow(0, 0, examples);
        let config = self.vae.objective();
        config
            .add_kl(Objective::new(of_encoder), posterior, 1.0, step)
            .with_monitor(
                "squared_error",
                squared_error(reconstructed, batch.target.clone()),
            )
            .with_player(decoder)
            .with_player(discriminator)
    }

    fn updates(&self) -> Updates {
        let encoder = Update::of("encoder", &self.vae.nets.encoder);
        Updates {
            parts: vec![
                Update::without(DECODER, &self.vae, &encoder),
                Update::of(DISCRIMINATOR, &self.discriminator),
                encoder,
            ],
            pacing: Pacing::Equilibrium {
                adversary: DISCRIMINATOR,
                opponent: DECODER,
                equilibrium: self.equilibrium,
                margin: self.margin,
            },
        }
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
