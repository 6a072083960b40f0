//! A prior of your own in any variant whose code has a distribution: Laplace distributions with learned
//! scales, whose tails are heavier than those of `N(0, I)`.
//!
//! ```text
//! cargo run -p vae-variants --example own_prior
//! ```

use burn::{
    module::{Module, Param},
    tensor::{Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Assembly, Autoencoder, BuiltinLikelihood, DiagonalGaussian, Distribution, ModelSpec, Prior,
    Result, StepContext,
    nets::{Init, ModelConfig, Nets},
    train::{TrainConfig, evaluate_nll},
};
use vae_data::{Binarize, DataConfig, NoProgress, load};
use vae_variants::{Description, Iwae, Recipe, Vae, Variant, load_with, save};

/// The learned logarithms of the scales. `[latent]`
#[derive(Module, Debug)]
pub struct LaplacePrior<B: Backend> {
    log_scale: Param<Tensor<B, 1>>,
}

impl<B: Backend> LaplacePrior<B> {
    /// Scales of 1.
    pub fn new(latent: usize, init: &mut Init<'_, B>) -> Self {
        Self {
            log_scale: init.constant([latent], 0.0),
        }
    }
}

impl<B: Backend> Prior<B> for LaplacePrior<B> {
    type Distribution = Laplace<B>;

    fn distribution(
        &self,
        _encode: impl Fn(Tensor<B, 2>) -> DiagonalGaussian<B>,
        _device: &B::Device,
    ) -> Laplace<B> {
        let scale = self.log_scale.val().exp().unsqueeze();
        Laplace { scale }
    }
}

/// `prod_i exp(-|z_i| / b_i) / (2 b_i)`: one row, for every code.
#[derive(Debug, Clone)]
pub struct Laplace<B: Backend> {
    /// `[1, latent]`
    pub scale: Tensor<B, 2>,
}

impl<B: Backend> Distribution<B> for Laplace<B> {
    /// By inversion: `-b sign(u) log(1 - 2 |u|)`, where `u` is uniform around 0.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let [_, latent] = self.scale.dims();
        let u: Tensor<B, 2> = step.uniform([count, latent], &self.scale.device());
        let u = u.sub_scalar(0.5);
        let rest = u.clone().abs().mul_scalar(-2.0).add_scalar(1.0);
        u.sign() * rest.clamp_min(f32::MIN_POSITIVE).log().neg() * self.scale.clone()
    }

    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let terms = value.abs() / self.scale.clone() + self.scale.clone().mul_scalar(2.0).log();
        terms.sum_dim(1).squeeze_dim::<1>(1).neg()
    }

    fn mean(&self) -> Tensor<B, 2> {
        self.scale.zeros_like()
    }
}

/// Our networks and likelihoods under this prior.
pub type Parts<B> = Assembly<B, Nets<B>, BuiltinLikelihood<B>, LaplacePrior<B>>;

/// What makes the parts, with a code of the width that the variant needs.
pub fn assemble<B: Backend>(spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Parts<B>> {
    let prior = LaplacePrior::new(spec.code.prior, init);
    Assembly::build(spec, init)?.with_prior(spec, prior, init.device())
}

/// Trains `variant` on part of the embedded digits, saves and loads it; `-log p(x)` of the test digits
/// in nats from 100 samples before and after, and codes drawn from the prior.
pub fn train(variant: Variant, examples: usize, epochs: usize) -> Result<([f64; 2], Vec<f32>)> {
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

    let folder = tempfile::tempdir().expect("a folder for temporary files");
    save(&outcome.model, &description, folder.path())?;
    let (loaded, _) = load_with::<Flex, Parts<Flex>>(folder.path(), &device, assemble)?;
    let before = description.build_with(1, &device, assemble::<Flex>)?;
    let test = recipe.test().expect("a test split");
    let nll = |model| evaluate_nll(model, test, 100, 1, &device);
    let [before, after] = [nll(&before)?, nll(&loaded)?].map(|nll| nll.unwrap_or(f64::NAN));
    let codes = loaded.sample(1000, &StepContext::sample(1), &device);
    let codes = codes.map(|codes| codes.into_data().iter::<f32>().collect());
    Ok(([before, after], codes.unwrap_or_default()))
}

#[allow(dead_code, reason = "the test of this example calls `train` itself")]
fn main() -> Result<()> {
    for variant in [Variant::Vae(Vae::default()), Variant::Iwae(Iwae::default())] {
        let name = variant.info().name;
        let ([before, after], _) = train(variant, 10_000, 3)?;
        println!("{name}: -log p(x) {before:.1} before, {after:.1} after 3 epochs");
    }
    Ok(())
}
