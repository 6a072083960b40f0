//! The examples of a variant, of networks, of a likelihood and of a prior from outside of this library.

#[path = "../examples/own_likelihood.rs"]
mod own_likelihood;
#[path = "../examples/own_network.rs"]
mod own_network;
#[path = "../examples/own_prior.rs"]
mod own_prior;
#[path = "../examples/own_variant.rs"]
mod own_variant;

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use vae_core::{
    Assembly, Distribution, ModelSpec, Result, StepContext,
    nets::{Init, Pair},
};
use vae_data::{Binarize, DataConfig, NoProgress};
use vae_variants::{Cvae, Description, Vae, Variant, load, save};

use own_network::{Parts, Residual, assemble};

fn description() -> Description {
    let config = DataConfig {
        limit: Some(50),
        ..DataConfig::of("mnist-mini")
    };
    let data = vae_data::load(&config, 1, &NoProgress).unwrap();
    let (variant, model) = (Variant::Vae(Vae::default()), Default::default());
    Description::new(variant, model, Default::default(), &data, Binarize::None).unwrap()
}

/// A file holds no code, so that the library cannot make the networks.
#[test]
fn a_model_with_networks_from_outside_is_refused_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let description = description();
    let model = description.build_with::<Flex, _>(1, &Default::default(), assemble);
    save(&model.unwrap(), &description, folder.path()).unwrap();
    let error = load::<Flex>(folder.path(), &Default::default()).unwrap_err();
    let text = error.to_string();
    for part in ["model.json", "Residual", "`load_with`"] {
        assert!(text.contains(part), "{text}");
    }
}

/// A Gaussian code of 20 numbers takes 40; 28 x 28 pixels take 784.
#[test]
fn networks_of_the_wrong_width_are_refused_before_training() {
    type Of = fn(&ModelSpec, &mut Init<'_, Flex>) -> Result<Parts<Flex>>;
    let encoder: Of = |spec, init| {
        let likelihood = spec.likelihood.init(spec.shape.features(), init.device())?;
        Assembly::with(spec, init, likelihood, |nets, init| {
            let decoder = Residual::new(nets.latent, 784, init);
            Ok(Pair::new(Residual::new(784, 20, init), decoder))
        })
    };
    let decoder: Of = |spec, init| {
        let likelihood = spec.likelihood.init(spec.shape.features(), init.device())?;
        Assembly::with(spec, init, likelihood, |nets, init| {
            let decoder = Residual::new(nets.latent, 100, init);
            Ok(Pair::new(Residual::new(784, nets.code, init), decoder))
        })
    };
    for (assemble, expected) in [
        (
            encoder,
            "the encoder gives 20 numbers for an example, but must give 40",
        ),
        (
            decoder,
            "the decoder gives 100 numbers for an example, but must give 784",
        ),
    ] {
        let error = description()
            .build_with(1, &Default::default(), assemble)
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_variant_outside_the_registry_trains() {
    let (before, after) = own_variant::train(1000, 4).unwrap();
    assert!(after < 0.6 * before, "test loss from {before} to {after}");
}

/// Trained, saved, loaded and evaluated in every variant.
#[test]
fn networks_from_outside_train_in_every_variant() {
    for variant in Variant::all() {
        let name = variant.info().name;
        // A game takes its time.
        let epochs = if name == "vaegan" { 40 } else { 4 };
        let (before, after) = own_network::train(variant, 1000, epochs).unwrap();
        assert!(after < 0.85 * before, "{name}: from {before} to {after}");
    }
}

/// In every variant that has a prior over codes, but those that need classes. What is drawn has the
/// scale that was learned.
#[test]
fn a_prior_from_outside_trains_in_every_variant() {
    for variant in Variant::all() {
        let info = variant.info();
        if info.priors.is_empty() || variant.is_conditional() {
            continue;
        }
        let ([before, after], codes) = own_prior::train(variant, 1000, 4).unwrap();
        let name = info.name;
        // A game is not about the likelihood.
        let limit = if name == "vaegan" { 2.0 } else { 0.6 };
        assert!(after < limit * before, "{name}: from {before} to {after}");
        assert!(
            !codes.is_empty() && codes.iter().all(|z| z.is_finite()),
            "{name}"
        );
    }
}

/// The integral over a line is 1, and the mean distance from 0 of what is drawn the scale.
#[test]
fn the_prior_from_outside_is_a_density() {
    let device = Default::default();
    let scale = Tensor::<Flex, 2>::from_data([[0.7]], &device);
    let laplace = own_prior::Laplace { scale };
    let places: Vec<f32> = (-20_000..20_000).map(|i| (i as f32 + 0.5) * 1e-3).collect();
    let places = Tensor::from_data(TensorData::new(places, [40_000, 1]), &device);
    let integral: f32 = laplace.log_prob(places).exp().sum().into_scalar();
    assert!((integral * 1e-3 - 1.0).abs() < 1e-4, "{integral}");
    let drawn = laplace.sample(100_000, &StepContext::sample(1));
    let mean: f32 = drawn.abs().mean().into_scalar();
    assert!((mean - 0.7).abs() < 0.01, "{mean}");
}

#[test]
fn a_prior_of_the_wrong_width_or_without_parts_for_free_bits_is_refused() {
    let spec = description().spec().unwrap();
    let device = Default::default();
    let mut init = Init::<Flex>::new(1, &device);
    let mut with = |spec: &ModelSpec, width| {
        let prior = own_prior::LaplacePrior::new(width, &mut init);
        let parts = Assembly::build(spec, &mut init).unwrap();
        parts.with_prior(spec, prior, &device)
    };
    assert!(with(&spec, 20).is_ok());
    let text = with(&spec, 7).unwrap_err().to_string();
    assert!(
        text.contains("gives codes of 7 numbers, but must give 20"),
        "{text}"
    );
    let mut spec = spec;
    spec.objective.free_bits = 0.5;
    let text = with(&spec, 20).unwrap_err().to_string();
    assert!(text.contains("`objective.free_bits` is 0.5"), "{text}");
}

/// A likelihood of counts; only what has classes is left out, as the counts have none.
#[test]
fn a_likelihood_from_outside_trains_in_every_variant() {
    let needs_classes = |variant: &Variant| variant.is_conditional();
    assert!(needs_classes(&Variant::Cvae(Cvae::default())));
    for variant in Variant::all() {
        if needs_classes(&variant) {
            continue;
        }
        let name = variant.info().name;
        let figures = own_likelihood::train(variant, 1000, 10).unwrap();
        let [before, after] = figures.loss;
        assert!(after < before, "{name}: {figures:?}");
        if let Some(nll) = figures.nll {
            assert!(nll < before && nll > 5.0, "{name}: {nll}");
        }
        assert!(
            figures
                .samples
                .iter()
                .all(|count| count.fract() == 0.0 && *count >= 0.0)
        );
    }
}
