//! What must hold for every variant of the registry.

use burn::{
    module::{AutodiffModule, Module, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use serde_json::json;
use vae_core::{
    Autoencoder, Batch, Code, Decoder, Encoder, LikelihoodKind, Loss, ObjectiveConfig,
    PosteriorKind, PriorKind, StepContext,
    nets::{Arch, ModelConfig},
    train::{TrainConfig, Trainer},
};
use vae_data::{
    Batcher, Binarize, Data, DataConfig, DataShape, MemoryDataset, Source, fill_uniform, rng,
};
use vae_variants::{Description, Model, Variant, load, save};

type Ad = Autodiff<Flex>;

const SIZE: (usize, usize) = (11, 9);
const PIXELS: usize = SIZE.0 * SIZE.1;

/// 32 images of one bright row each, with the row as class; an odd size on purpose.
pub fn data() -> Data {
    let (height, width) = SIZE;
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for example in 0..32 {
        let class = example % 3;
        labels.push(class as i32);
        for y in 0..height {
            for x in 0..width {
                let on = y == 2 * class || (x + y + example) % 11 == 0;
                values.push(f32::from(u8::from(on)));
            }
        }
    }
    let shape = DataShape::new([1, height, width]).unwrap();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let set = MemoryDataset::new(shape, values)
        .unwrap()
        .with_labels(classes, labels)
        .unwrap();
    let config = DataConfig {
        validation: 0.0,
        test: 0.0,
        ..DataConfig::default()
    };
    let mut source = Source::new("rows", std::sync::Arc::new(set));
    source.pixels = true;
    Data::from_source(source, &config, 1).unwrap()
}

pub fn describe(variant: &Variant, arch: Arch) -> Description {
    let model = ModelConfig {
        arch,
        latent: 6,
        hidden: (arch != Arch::Linear).then(|| vec![24]),
        channels: vec![4, 6],
        ..ModelConfig::default()
    };
    let objective = ObjectiveConfig::default();
    Description::new(variant.clone(), model, objective, &data(), Binarize::None).unwrap()
}

fn batch() -> Batch<Flex> {
    let batcher = Batcher::sequential(data().train, 32, 0);
    let host = batcher.epoch(0, 0).next().unwrap().unwrap();
    Batch::from_host(host, &Default::default())
}

#[test]
fn options_are_exactly_the_fields() {
    let schema = vae_data::bounds::schema::<Variant>();
    let alternatives = schema["oneOf"].as_array().unwrap();
    for variant in Variant::all() {
        let info = variant.info();
        let value = serde_json::to_value(&variant).unwrap();
        let mut fields: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        fields.retain(|field| *field != "name");
        let schema = (alternatives.iter())
            .find(|schema| schema["properties"]["name"]["const"] == info.name)
            .unwrap();
        let options = schema["properties"].as_object().unwrap();
        for (key, option) in options.iter().filter(|(key, _)| *key != "name") {
            let help = option["description"].as_str();
            assert!(help.is_some_and(|help| !help.is_empty()), "{key}");
        }
        let mut options: Vec<&str> = options.keys().map(String::as_str).collect();
        options.retain(|option| *option != "name");
        // What is not set is not written, but can be.
        options.retain(|option| {
            let null = json!({"name": info.name, *option: null});
            fields.contains(option) || serde_json::from_value::<Variant>(null).is_err()
        });
        fields.sort_unstable();
        options.sort_unstable();
        assert_eq!(fields, options, "{}", info.name);
        assert_eq!(value["name"], info.name);
        let back: Variant = serde_json::from_value(value).unwrap();
        assert_eq!(back, variant);
        assert!(info.example.contains(&format!("--variant {}", info.name)));
    }
}

#[test]
fn unknown_options_are_refused() {
    for variant in Variant::all() {
        let name = variant.info().name;
        let text = format!(r#"{{"name": "{name}", "no_such_option": 1}}"#);
        assert!(serde_json::from_str::<Variant>(&text).is_err(), "{name}");
    }
}

/// Shapes, finite values and a gradient step that helps, with every kind of network.
#[test]
fn each_overfits_a_tiny_batch() {
    for arch in [Arch::Linear, Arch::Mlp, Arch::Conv, Arch::Resnet] {
        for variant in Variant::all() {
            let name = variant.info().name;
            let mut description = describe(&variant, arch);
            // Less weight on the KL: the point is to fit.
            description.objective.kl_schedule = 0.1.into();
            let model = description.build::<Ad>(3, &Default::default()).unwrap();
            // Networks that compete get there in smaller steps, with less momentum.
            let competes = model.updates(0).parts.len() > 1;
            if competes && arch == Arch::Resnet {
                // A game with a residual decoder takes more steps than a test has.
                continue;
            }
            let config = TrainConfig {
                epochs: if competes { 1200 } else { 150 },
                batch_size: 32,
                lr: if competes { 0.002 } else { 0.01 }.into(),
                optimizer: serde_json::from_value(json!({
                    "kind": "adam", "beta1": if competes { 0.5 } else { 0.9 },
                }))
                .unwrap(),
                ..TrainConfig::default()
            };
            let batcher = Batcher::new(data().train, 32, 5)
                .unwrap()
                .shuffled()
                .corrupt(variant.corruption());
            let start = squared_error(&valid(&model));
            let trainer = Trainer::<Ad, _>::new(model, config, 5, Default::default()).unwrap();
            let outcome = trainer.run(&batcher, None, &mut ()).unwrap();
            let end = squared_error(&outcome.model);
            assert!(end < 0.75 * start, "{name} {arch:?}: from {start} to {end}");
        }
    }
}

/// Every prior and posterior, in every variant that can have it: some steps lower the error and move the
/// parameters of prior and flow.
#[test]
fn priors_and_posteriors_learn_in_every_variant() {
    for variant in Variant::all() {
        let info = variant.info();
        let plain = describe(&variant, Arch::Mlp);
        let start = squared_error(&plain.build(3, &Default::default()).unwrap());
        let priors = info.priors.iter();
        let of_priors = priors.map(|prior| (*prior, PosteriorKind::Gaussian));
        let has_posterior = !info.priors.is_empty() && plain.spec().unwrap().code.extra == 0;
        let flow = has_posterior.then_some((PriorKind::Normal, PosteriorKind::Flow));
        for (prior, posterior) in of_priors.chain(flow) {
            let mut description = plain.clone();
            description.model.prior = Some(prior);
            description.model.posterior = flow.map(|_| posterior);
            description.model.prior_components = Some(5);
            let model = description.build::<Ad>(3, &Default::default()).unwrap();
            let before = (model.parts.prior.valid(), model.parts.flow.valid());
            let config = TrainConfig {
                epochs: 40,
                batch_size: 32,
                lr: 0.003.into(),
                ..TrainConfig::default()
            };
            let batcher = Batcher::new(data().train, 32, 5).unwrap().shuffled();
            let trainer = Trainer::<Ad, _>::new(model, config, 5, Default::default()).unwrap();
            let outcome = trainer.run(&batcher, None, &mut ()).unwrap();
            let after = (&outcome.model.parts.prior, &outcome.model.parts.flow);
            let case = format!("{} {prior:?} {posterior:?}", info.name);
            assert_moved(&before.0, after.0, prior != PriorKind::Normal, &case);
            assert_moved(&before.1, after.1, posterior == PosteriorKind::Flow, &case);
            let end = squared_error(&outcome.model);
            assert!(end < start, "{case}: from {start} to {end}");
            let step = StepContext::sample(3);
            let codes = outcome.model.sample(7, &step, &Default::default());
            assert_eq!(codes.unwrap().dims()[0], 7, "{case}");
        }
    }
}

/// Every parameter of a part has changed, or there is none.
fn assert_moved(before: &impl Module<Flex>, after: &impl Module<Flex>, has: bool, case: &str) {
    #[derive(Default)]
    struct Values(Vec<Vec<f32>>);
    impl ModuleVisitor<Flex> for Values {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<Flex, D>>) {
            self.0.push(parameter.val().into_data().to_vec().unwrap());
        }
    }
    let (mut old, mut new) = (Values::default(), Values::default());
    before.visit(&mut old);
    after.visit(&mut new);
    assert_eq!(!old.0.is_empty(), has, "{case}");
    for (number, (old, new)) in old.0.iter().zip(&new.0).enumerate() {
        assert_ne!(old, new, "{case}: parameter {number} stands still");
    }
}

fn valid(model: &Model<Ad>) -> Model<Flex> {
    model.valid()
}

/// The squared error of the reconstruction: the likelihood of the pixels is not every objective's aim.
fn squared_error(model: &Model<Flex>) -> f32 {
    let (batch, step) = (batch(), StepContext::evaluate(1, 0, 1, 1));
    let error = model.reconstruct(&batch, &step) - batch.target;
    error.square().sum_dim(1).mean().into_scalar()
}

#[test]
fn shapes_hold_for_every_network_and_likelihood() {
    let step = StepContext::evaluate(1, 0, 0, 1);
    for arch in [Arch::Linear, Arch::Mlp, Arch::Conv, Arch::Resnet] {
        for kind in [
            LikelihoodKind::Bernoulli,
            LikelihoodKind::ContinuousBernoulli,
            LikelihoodKind::Gaussian,
            LikelihoodKind::GaussianGlobal,
            LikelihoodKind::GaussianPixel,
        ] {
            for variant in Variant::all() {
                let mut description = describe(&variant, arch);
                description.likelihood.kind = kind;
                let model = description.build::<Flex>(3, &Default::default()).unwrap();
                let batch = batch();
                let code: Code<Flex> = model.encode(&batch, &step);
                let width = match code {
                    // Its width is that of a grid of entries, whatever model.latent is.
                    Code::Grid(_) => model.latent(),
                    _ => 6,
                };
                assert_eq!(code.mean().dims(), [32, width]);
                let decoded = model.decode(code.mean(), batch.condition.as_ref(), &step);
                let width = description.likelihood.parameters_per_feature();
                assert_eq!(decoded.dims(), [32, PIXELS * width]);
                assert_eq!(model.reconstruct(&batch, &step).dims(), [32, PIXELS]);
                let objective = model.loss(&batch, &step);
                assert_eq!(objective.per_example().dims(), [32]);
                assert!(objective.total().into_scalar().is_finite());
                let gives_likelihood = matches!(code, Code::Posterior(_) | Code::Levels(_));
                assert_eq!(model.gives_likelihood(), gives_likelihood);
                let has_prior = gives_likelihood || matches!(code, Code::Grid(_));
                assert_eq!(model.is_generative(), has_prior);
            }
        }
    }
}

#[test]
fn saved_models_load_with_equal_outputs() {
    let step = StepContext::evaluate(1, 0, 0, 1);
    for variant in Variant::all() {
        let folder = tempfile::tempdir().unwrap();
        let description = describe(&variant, Arch::Mlp);
        let model = description.build::<Flex>(9, &Default::default()).unwrap();
        save(&model, &description, folder.path()).unwrap();
        let (loaded, read) = load::<Flex>(folder.path(), &Default::default()).unwrap();
        assert_eq!(read, description);
        let outputs = |model: &Model<Flex>| {
            let values = model.reconstruct(&batch(), &step).into_data();
            values.to_vec::<f32>().unwrap()
        };
        assert_eq!(outputs(&model), outputs(&loaded), "{}", variant.info().name);
    }
}

#[test]
fn a_damaged_or_foreign_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let variants = Variant::all();
    let (first, second) = (
        describe(&variants[0], Arch::Mlp),
        describe(&variants[1], Arch::Mlp),
    );
    let model = first.build::<Flex>(9, &Default::default()).unwrap();
    save(&model, &first, folder.path()).unwrap();
    second.write(folder.path()).unwrap();
    let error = load::<Flex>(folder.path(), &Default::default()).unwrap_err();
    assert!(
        error.to_string().contains("does not fit the model"),
        "{error}"
    );

    first.write(folder.path()).unwrap();
    let file = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let error = load::<Flex>(folder.path(), &Default::default()).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

#[test]
fn the_condition_changes_what_a_conditional_model_decodes() {
    let variant = Variant::all()
        .into_iter()
        .find(Variant::is_conditional)
        .unwrap();
    let step = StepContext::evaluate(1, 0, 0, 1);
    let model = describe(&variant, Arch::Mlp)
        .build::<Flex>(3, &Default::default())
        .unwrap();
    let mut noise = vec![0.0; 6];
    fill_uniform(&mut rng(1, vae_data::Stream::Sample, 0), &mut noise);
    let decode = |class: usize| {
        let mut one_hot = vec![0.0_f32; 3];
        one_hot[class] = 1.0;
        let device = Default::default();
        let z = Tensor::<Flex, 2>::from_data(TensorData::new(noise.clone(), [1, 6]), &device);
        let condition = Tensor::from_data(TensorData::new(one_hot, [1, 3]), &device);
        model
            .decode(z, Some(&condition), &step)
            .into_data()
            .to_vec::<f32>()
            .unwrap()
    };
    assert_ne!(decode(0), decode(1));
}
