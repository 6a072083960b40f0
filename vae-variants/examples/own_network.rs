//! Networks of your own in any variant: a residual encoder and a residual decoder.
//!
//! ```text
//! cargo run -p vae-variants --example own_network
//! ```

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::silu, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Assembly, BuiltinLikelihood, ModelSpec, Result,
    nets::{Init, ModelConfig, Network, Pair},
    train::{TrainConfig, evaluate},
};
use vae_data::{Binarize, DataConfig, NoProgress, load};
use vae_variants::{Dae, Description, Iwae, Model, Recipe, Vae, Vaegan, Variant, load_with, save};

/// `x W + b`, then steps `h + silu(h W_i)`, then `h W' + b'`.
#[derive(Module, Debug)]
pub struct Residual<B: Backend> {
    inwards: Param<Tensor<B, 2>>,
    steps: Vec<Param<Tensor<B, 2>>>,
    outwards: Param<Tensor<B, 2>>,
    bias: Param<Tensor<B, 1>>,
}

impl<B: Backend> Residual<B> {
    /// With random weights.
    pub fn new(inputs: usize, outputs: usize, init: &mut Init<'_, B>) -> Self {
        let width = 64;
        Self {
            inwards: init.uniform([inputs, width], inputs),
            steps: (0..2)
                .map(|_| init.uniform([width, width], width))
                .collect(),
            outwards: init.uniform([width, outputs], width),
            bias: init.constant([outputs], 0.0),
        }
    }
}

impl<B: Backend> Network<B> for Residual<B> {
    fn forward(&self, x: Tensor<B, 2>, _step: &vae_core::StepContext) -> Tensor<B, 2> {
        let h = x.matmul(self.inwards.val());
        let step = |h: Tensor<B, 2>, weight: &Param<Tensor<B, 2>>| {
            h.clone() + silu(h.matmul(weight.val()))
        };
        let h = self.steps.iter().fold(h, step);
        h.matmul(self.outwards.val()) + self.bias.val().unsqueeze()
    }
}

/// Encoder and decoder.
pub type Networks<B> = Pair<B, Residual<B>, Residual<B>>;
/// The parts with these networks.
pub type Parts<B> = Assembly<B, Networks<B>>;

/// What makes the networks, for the widths that the variant needs.
pub fn assemble<B: Backend>(spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Parts<B>> {
    let likelihood: BuiltinLikelihood<B> =
        spec.likelihood.init(spec.shape.features(), init.device())?;
    Assembly::with(spec, init, likelihood, |nets, init| {
        let outputs = nets.output.features() * nets.parameters_per_feature;
        Ok(Pair::new(
            Residual::new(nets.input.features(), nets.code, init),
            Residual::new(nets.latent, outputs, init),
        ))
    })
}

/// Trains `variant` with these networks on part of the embedded digits, saves and loads it, and draws
/// from it; gives the squared error or loss of the test digits before and after.
pub fn train(variant: Variant, examples: usize, epochs: usize) -> Result<(f64, f64)> {
    let config = DataConfig {
        limit: Some(examples),
        ..DataConfig::of("mnist-mini")
    };
    let (data, device) = (load(&config, 1, &NoProgress)?, Default::default());
    let config = ModelConfig {
        latent: 8,
        ..ModelConfig::default()
    };
    let description = Description::new(variant, config, Default::default(), &data, Binarize::None)?;
    let model = description.build_with::<Autodiff<Flex>, _>(1, &device, assemble)?;
    let config = TrainConfig {
        epochs,
        ..TrainConfig::default()
    };
    let recipe = Recipe::new(description.clone(), &data, config, 1)?;
    let trainer = recipe.trainer_of(model, &device)?;
    let outcome = trainer.run(recipe.training(), None, &mut ())?;
    let test = recipe.test().expect("a test split");
    let before = description.build_with(1, &device, assemble)?;

    let folder = tempfile::tempdir().expect("a folder for temporary files");
    save(&outcome.model, &description, folder.path())?;
    let (loaded, _) = load_with(folder.path(), &device, assemble)?;
    let loss = |model: &Model<Flex, Parts<Flex>>| {
        let scores = evaluate(model, test, 1, outcome.position, &device)?;
        let figures = ["squared_error", "loss"].map(|name| scores.readings.get(name));
        Ok::<_, vae_core::Error>(figures.into_iter().flatten().next().unwrap_or(f64::NAN))
    };
    Ok((loss(&before)?, loss(&loaded)?))
}

#[allow(dead_code, reason = "the test of this example calls `train` itself")]
fn main() -> Result<()> {
    for (variant, epochs) in [
        (Variant::Vae(Vae::default()), 3),
        (Variant::Iwae(Iwae::default()), 3),
        // A game takes its time.
        (Variant::Vaegan(Vaegan::default()), 10),
        (Variant::Dae(Dae::default()), 3),
    ] {
        let name = variant.info().name;
        let (before, after) = train(variant, 10_000, epochs)?;
        println!("{name}: {before:.1} before, {after:.1} after {epochs} epochs");
    }
    Ok(())
}
