//! What is exported gives what the model gives: each export is refused if it does not.

use std::sync::Arc;

use vae_core::{
    LikelihoodKind, PosteriorKind, PriorKind,
    nets::{Activation, Arch, NormKind, Upsample},
};
use vae_data::{
    Binarize, ColumnKind, Data, DataConfig, DataShape, Dataset, MemoryDataset, Scale, Source,
};
use vae_export::{Export, Format, export};
use vae_variants::{Backend, Description, Measure, Trained, Variant, prelude::ModelConfig};

const ALL: [Format; 2] = [Format::Onnx, Format::Pytorch];

/// Numbers between 0 and 1 that follow no simple rule.
fn numbers(count: usize) -> Vec<f32> {
    (0..count)
        .map(|i| ((i * i) as f32 * 0.37).sin() * 0.5 + 0.5)
        .collect()
}

fn labelled(set: MemoryDataset, count: usize) -> MemoryDataset {
    let labels = (0..count).map(|i| (i % 3) as i32).collect();
    set.with_labels(["a", "b", "c"].map(str::to_owned).to_vec(), labels)
        .unwrap()
}

fn table() -> MemoryDataset {
    labelled(
        MemoryDataset::new(DataShape::flat(6), numbers(720)).unwrap(),
        120,
    )
}

fn images() -> MemoryDataset {
    let shape = DataShape::new([2, 9, 12]).unwrap();
    let pixels = numbers(60 * shape.features());
    labelled(MemoryDataset::new(shape, pixels).unwrap(), 60)
}

fn mixed() -> MemoryDataset {
    let kind = ColumnKind::Category {
        levels: ["x", "y", "z"].map(str::to_owned).to_vec(),
    };
    let mut values = numbers(400);
    for (row, values) in values.chunks_mut(4).enumerate() {
        values[1] = (row % 3) as f32;
        values[3] = (row % 7 % 2) as f32;
        if row % 5 == 0 {
            values[row % 4] = f32::NAN;
        }
    }
    let two = ColumnKind::Category {
        levels: ["no", "yes"].map(str::to_owned).to_vec(),
    };
    let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    MemoryDataset::new(DataShape::flat(4), values)
        .unwrap()
        .with_columns(names)
        .unwrap()
        .with_kinds(vec![ColumnKind::Number, kind, ColumnKind::Number, two])
        .unwrap()
}

fn model(
    variant: &str,
    set: MemoryDataset,
    change: impl FnOnce(&mut ModelConfig),
    config: &DataConfig,
) -> (Trained, Arc<MemoryDataset>) {
    let variant: Variant = serde_json::from_str(&format!(r#"{{"name": "{variant}"}}"#)).unwrap();
    let set = Arc::new(set);
    let source = Source::new("numbers", Arc::clone(&set) as Arc<dyn Dataset>);
    let data = Data::from_source(source, config, 1).unwrap();
    let mut networks = ModelConfig {
        hidden: Some(vec![9, 7]),
        latent: 4,
        ..ModelConfig::default()
    };
    change(&mut networks);
    let description = Description::new(
        variant,
        networks,
        Default::default(),
        &data,
        config.binarize,
    )
    .unwrap();
    (Trained::fresh(&description, 3, Backend::Flex).unwrap(), set)
}

fn exported(
    what: &str,
    (model, set): &(Trained, Arc<MemoryDataset>),
    measure: Option<Measure>,
) -> Export {
    let rows: Vec<u32> = (0..7).collect();
    let set = Arc::clone(set) as Arc<dyn Dataset>;
    let detector = measure.map(|measure| {
        let examples = model.examples(Arc::clone(&set)).unwrap();
        let detector = model.fit_detector(&examples, measure, 1).unwrap();
        let scores: Vec<f32> = model
            .score(&detector, &examples)
            .unwrap()
            .flat_map(|batch| batch.unwrap().scores)
            .collect();
        detector.with_threshold(&scores, 0.1, "numbers").unwrap()
    });
    let found = export(model, detector.as_ref(), (&set, &rows), &ALL)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    println!("{what}: {:?}", found.graphs);
    if let Some(folder) = std::env::var_os("KEEP_EXPORTS") {
        found
            .write(&std::path::Path::new(&folder).join(what))
            .unwrap();
    }
    found
}

#[test]
fn every_variant() {
    for variant in Variant::all() {
        let name = variant.info().name;
        let found = exported(
            name,
            &model(name, table(), |_| (), &DataConfig::default()),
            Some(Measure::Combined),
        );
        assert_eq!(found.graphs.len(), 3, "{name}");
        let conv = |networks: &mut ModelConfig| {
            networks.arch = Arch::Conv;
            networks.channels = vec![3, 5];
        };
        exported(
            &format!("{name}-conv"),
            &model(name, images(), conv, &DataConfig::default()),
            Some(Measure::Combined),
        );
    }
}

#[test]
fn networks() {
    let config = DataConfig::default();
    type Change = fn(&mut ModelConfig);
    let changes: [(&str, Change); 8] = [
        ("linear", |of| (of.arch, of.hidden) = (Arch::Linear, None)),
        ("tied", |of| of.tied = true),
        ("layer-norm", |of| of.norm = NormKind::Layer),
        ("batch-norm", |of| of.norm = NormKind::Batch),
        ("dropout", |of| of.dropout = 0.3),
        ("gelu", |of| of.activation = Activation::Gelu),
        ("leaky", |of| of.activation = Activation::LeakyRelu),
        ("sigmoid", |of| of.activation = Activation::Sigmoid),
    ];
    for (what, change) in changes {
        exported(what, &model("vae", table(), change, &config), None);
    }
    let changes: [(&str, Change); 4] = [
        ("conv-norm", |of| of.norm = NormKind::Batch),
        ("conv-layer-norm", |of| of.norm = NormKind::Layer),
        ("conv-resize", |of| of.upsample = Upsample::Resize),
        ("conv-resnet", |of| {
            (of.arch, of.norm) = (Arch::Resnet, NormKind::Batch)
        }),
    ];
    for (what, change) in changes {
        let change = |of: &mut ModelConfig| {
            (of.arch, of.channels) = (Arch::Conv, vec![4, 6]);
            change(of);
        };
        exported(
            what,
            &model("vae", images(), change, &config),
            Some(Measure::Combined),
        );
    }
}

#[test]
fn priors_posteriors_and_likelihoods() {
    let config = DataConfig::default();
    for prior in [PriorKind::Mixture, PriorKind::Vamp, PriorKind::Flow] {
        let change = |of: &mut ModelConfig| {
            (of.prior, of.prior_components) = (Some(prior), Some(3));
        };
        let change = |of: &mut ModelConfig| {
            change(of);
            if prior == PriorKind::Flow {
                of.prior_components = None;
            }
        };
        exported(
            &format!("prior-{prior:?}"),
            &model("vae", table(), change, &config),
            Some(Measure::Nll),
        );
    }
    let flow = |of: &mut ModelConfig| of.posterior = Some(PosteriorKind::Flow);
    exported(
        "posterior-flow",
        &model("vae", table(), flow, &config),
        Some(Measure::Nll),
    );
    use LikelihoodKind::*;
    for kind in [
        Bernoulli,
        ContinuousBernoulli,
        Gaussian,
        GaussianGlobal,
        GaussianPixel,
        PerColumn,
        StudentT,
    ] {
        let config = DataConfig {
            scale: Scale::MinMax,
            ..DataConfig::default()
        };
        let change = |of: &mut ModelConfig| of.likelihood = Some(kind);
        exported(
            &format!("{kind:?}"),
            &model("vae", table(), change, &config),
            Some(Measure::Nll),
        );
    }
    for kind in [
        Poisson,
        NegativeBinomial,
        ZeroInflatedNegativeBinomial,
        Multinomial,
    ] {
        let counts = numbers(720)
            .into_iter()
            .map(|x| (x * 20.0).floor())
            .collect();
        let counts = MemoryDataset::new(DataShape::flat(6), counts).unwrap();
        let config = DataConfig {
            scale: Scale::None,
            ..DataConfig::default()
        };
        let change = |of: &mut ModelConfig| of.likelihood = Some(kind);
        exported(
            &format!("{kind:?}"),
            &model("vae", counts, change, &config),
            Some(Measure::Combined),
        );
    }
    for kind in [Categorical, DiscretizedLogistic] {
        let levels = images_of_levels();
        let change = |of: &mut ModelConfig| of.likelihood = Some(kind);
        exported(
            &format!("{kind:?}"),
            &model("vae", levels, change, &config),
            Some(Measure::Nll),
        );
    }
}

fn images_of_levels() -> MemoryDataset {
    let shape = DataShape::new([1, 5, 4]).unwrap();
    let levels = numbers(60 * 20)
        .into_iter()
        .map(|x| (x * 255.0).round() / 255.0)
        .collect();
    MemoryDataset::new(shape, levels).unwrap()
}

#[test]
fn tables_with_categories_and_gaps() {
    for (name, scale) in [
        ("vae", Scale::Standardize),
        ("ae", Scale::MinMax),
        ("hvae", Scale::Standardize),
    ] {
        let config = DataConfig {
            scale,
            ..DataConfig::default()
        };
        exported(
            &format!("mixed-{name}"),
            &model(name, mixed(), |_| (), &config),
            Some(Measure::Combined),
        );
    }
    let config = DataConfig::default();
    exported(
        "mixed-error",
        &model("vae", mixed(), |_| (), &config),
        Some(Measure::Reconstruction),
    );
}

#[test]
fn every_measure() {
    for measure in Measure::ALL {
        exported(
            &format!("measure-{}", measure.name()),
            &model("beta", table(), |_| (), &DataConfig::default()),
            Some(measure),
        );
    }
}

#[test]
fn binary_pixels() {
    for (what, binarize) in [
        ("threshold", Binarize::Threshold),
        ("dynamic", Binarize::Dynamic),
    ] {
        let config = DataConfig {
            binarize,
            ..DataConfig::default()
        };
        exported(
            what,
            &model("vae", images(), |_| (), &config),
            Some(Measure::Combined),
        );
    }
}

/// A model of the codes of another one.
#[test]
fn models_of_codes() {
    let config = DataConfig {
        scale: Scale::Standardize,
        ..DataConfig::default()
    };
    let (first, set) = model("vae", table(), |_| (), &config);
    let source = Source::new("numbers", Arc::clone(&set) as Arc<dyn Dataset>);
    let data = Data::from_source(source, &config, 1).unwrap();
    let codes = first.encode_data(data, 1, &vae_data::NoProgress).unwrap();
    let networks = ModelConfig {
        hidden: Some(vec![6]),
        latent: 2,
        ..ModelConfig::default()
    };
    let variant = serde_json::from_str(r#"{"name": "vae"}"#).unwrap();
    let description = Description::new(
        variant,
        networks,
        Default::default(),
        &codes,
        Binarize::None,
    )
    .unwrap();
    let second = Trained::fresh(&description, 5, Backend::Flex)
        .unwrap()
        .with_codes_of(first);
    exported("codes-of", &(second, set), Some(Measure::Combined));
}

/// The terms of a semi-supervised model are computed for the classes that are likely, which the host looks at.
#[test]
fn what_has_no_graph_says_so() {
    let (model, set) = model("semi", table(), |_| (), &DataConfig::default());
    let set = set as Arc<dyn Dataset>;
    let examples = model.examples(Arc::clone(&set)).unwrap();
    let detector = model.fit_detector(&examples, Measure::Elbo, 1).unwrap();
    let rows: Vec<u32> = (0..5).collect();
    let error = export(&model, Some(&detector), (&set, &rows), &ALL)
        .unwrap_err()
        .to_string();
    for part in [
        "the score by elbo has no graph",
        "another measure",
        "values that it looks at",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(export(&model, None, (&set, &rows), &ALL).is_ok());
}
