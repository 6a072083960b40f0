use std::sync::Arc;

use burn::module::AutodiffModule;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Assembly, Autoencoder, LikelihoodConfig, LikelihoodKind, Loss, Model,
    nets::NormKind,
    train::{TrainConfig, Trainer},
};
use vae_data::{Batcher, MemoryDataset, Subset};

use super::*;

type Ad = Autodiff<Flex>;

const FEATURES: usize = 6;

fn spec(options: &Vq) -> ModelSpec {
    let model = ModelConfig {
        hidden: Some(vec![8]),
        dropout: 0.2,
        norm: NormKind::Batch,
        ..ModelConfig::default()
    };
    let shape = DataShape::flat(FEATURES);
    ModelSpec {
        code: options.code(&model, &shape).unwrap(),
        model,
        likelihood: LikelihoodConfig::new(LikelihoodKind::Gaussian),
        objective: Default::default(),
        shape,
        classes: 0,
        condition: 0,
        is_conditional: false,
    }
}

fn options(prior_epochs: usize) -> Vq {
    Vq {
        codes: 5,
        code_width: 2,
        groups: 3,
        prior_epochs,
        prior_hidden: 8,
        ..Vq::default()
    }
}

fn model<B: Backend>(options: &Vq) -> Model<B, Quantizer<B>> {
    let (spec, device) = (spec(options), Default::default());
    let mut init = Init::new(3, &device);
    let parts = Assembly::build(&spec, &mut init).unwrap();
    Model::new(parts, options.build(&spec, &mut init).unwrap()).unwrap()
}

fn batches() -> Batcher {
    let values = (0..60 * FEATURES).map(|i| (i as f32 * 0.7).sin()).collect();
    let set = MemoryDataset::new(DataShape::flat(FEATURES), values).unwrap();
    let all = Subset::new(Arc::new(set), (0..60).collect::<Vec<u32>>()).unwrap();
    Batcher::new(all, 20, 1).unwrap()
}

fn first_batch<B: Backend>() -> Batch<B> {
    let host = batches().epoch(0, 0).next().unwrap().unwrap();
    Batch::from_host(host, &Default::default())
}

fn numbers<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

fn trained(prior_epochs: usize) -> Model<Flex, Quantizer<Flex>> {
    let config = TrainConfig {
        epochs: 4,
        lr: 0.01.into(),
        ..TrainConfig::default()
    };
    let model = model::<Ad>(&options(prior_epochs));
    let trainer = Trainer::<Ad, _>::new(model, config, 1, Default::default()).unwrap();
    let outcome = trainer.run(&batches(), None, &mut ()).unwrap();
    assert_eq!(outcome.position.stage, 0);
    assert_eq!(outcome.state.epoch, 4 + prior_epochs);
    outcome.model
}

/// By hand: the decoder sees the entries, and `d (2 z_1 + 3 z_2) / d z_e` is (2, 3).
#[test]
fn the_gradient_of_the_entries_goes_to_the_encoder() {
    let device = Default::default();
    let encoded = Tensor::<Ad, 2>::from_data([[0.5, -1.0]], &device).require_grad();
    let codes = Grid {
        indices: Tensor::from_data([[0]], &device),
        entries: Tensor::from_data([[1.0, 4.0]], &device),
        encoded: encoded.clone(),
        codes: 1,
    };
    let z = straight_through(&codes);
    assert_eq!(numbers(z.clone().inner()), [1.0, 4.0]);
    let gradients = (z * Tensor::from_data([[2.0, 3.0]], &device))
        .sum()
        .backward();
    assert_eq!(numbers(encoded.grad(&gradients).unwrap()), [2.0, 3.0]);
}

/// The entries of the code are rows of the codebook, and the commitment is the squared distance from
/// what the encoder gave.
#[test]
fn the_commitment_is_the_distance_to_the_entries() {
    let model = model::<Flex>(&options(0));
    let (batch, step) = (first_batch(), StepContext::evaluate(0, 0, 0, 1));
    let objective = model.loss(&batch, &step);
    let Some(Code::Grid(codes)) = objective.codes else {
        panic!("a grid");
    };
    let (entries, encoded) = (numbers(codes.entries), numbers(codes.encoded));
    let book = numbers(model.method.codebook.entries.val());
    let indices: Vec<i64> = codes.indices.into_data().iter::<i64>().collect();
    for (index, entry) in indices.iter().zip(entries.chunks(2)) {
        assert_eq!(entry, &book[2 * *index as usize..][..2]);
    }
    let distances = encoded.iter().zip(&entries).map(|(a, b)| (a - b).powi(2));
    let expected = distances.sum::<f32>() / 20.0;
    let term = &objective.terms[0];
    let found = numbers(term.value.clone()).iter().sum::<f32>() / 20.0;
    assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    assert_eq!((term.name, term.weight), ("commitment", 0.25));
}

/// With batch normalisation and dropout: a run that also trains a prior leaves networks and codebook as
/// one that does not.
#[test]
fn the_prior_is_trained_last_and_moves_nothing_else() {
    let (without, with) = (trained(0), trained(30));
    let step = StepContext::evaluate(0, 0, 0, 1);
    let outputs = |model: &Model<Flex, Quantizer<Flex>>| {
        let book = numbers(model.method.codebook.entries.val());
        [book, numbers(model.reconstruct(&first_batch(), &step))]
    };
    assert_eq!(outputs(&without), outputs(&with));
    let start = model::<Ad>(&options(30)).valid();
    assert_ne!(outputs(&start)[0], outputs(&with)[0]);

    let value = |model: &Model<Flex, Quantizer<Flex>>, name: &str| {
        let objective = model.loss(&first_batch(), &step);
        let mut monitors = objective.monitors.into_iter();
        monitors
            .find(|(found, _)| *found == name)
            .map(|(_, value)| numbers(value.mean())[0])
    };
    assert_eq!(value(&start, "index_nll"), None);
    let nll = value(&with, "index_nll").unwrap();
    let uniform = 3.0 * 5_f32.ln();
    assert!(nll < 0.8 * uniform, "{nll} of {uniform}");

    let main = &start.updates(0).parts[0];
    let (main, prior) = (main.parameters(&start), &start.updates(1).parts[0]);
    assert!(prior.parameters(&start).iter().all(|id| !main.contains(id)));
}

#[test]
fn new_codes_are_rows_of_the_codebook() {
    let (model, step) = (model::<Flex>(&options(1)), StepContext::sample(1));
    assert!(model.is_generative() && !model.gives_likelihood());
    let drawn = model.sample(7, &step, &Default::default()).unwrap();
    assert_eq!(drawn.dims(), [7, 6]);
    let book = numbers(model.method.codebook.entries.val());
    for entry in numbers(drawn).chunks(2) {
        assert!(
            book.chunks(2).any(|row| row == entry),
            "{entry:?} in {book:?}"
        );
    }
    let without = self::model::<Flex>(&options(0));
    assert!(!without.is_generative());
    assert!(without.sample(7, &step, &Default::default()).is_none());
}

#[test]
fn bad_options_are_refused() {
    for (text, key) in [
        (
            r#"{"codes": 1}"#,
            "`variant.codes` is 1, but must be at least 2",
        ),
        (r#"{"codes": 100000000}"#, "at most 2097152"),
        (
            r#"{"codes": 100000000, "prior_epochs": 0}"#,
            "at most 16777216",
        ),
        (r#"{"code_width": 0}"#, "variant.code_width"),
        (r#"{"groups": 0}"#, "variant.groups"),
        (r#"{"groups": 100000}"#, "variant.groups"),
        (r#"{"commitment": -1}"#, "variant.commitment"),
        (r#"{"decay": 1}"#, "variant.decay"),
        (r#"{"restart": -0.5}"#, "variant.restart"),
        (r#"{"prior_hidden": 0}"#, "variant.prior_hidden"),
    ] {
        let options: Vq = serde_json::from_str(text).unwrap();
        let error = options.check().unwrap_err().to_string();
        assert!(error.contains(key), "{text}: {error}");
    }
    Vq::default().check().unwrap();
    let mut spec = spec(&Vq::default());
    spec.objective.aggressive = 3;
    let error = Vq::default().fits(&spec).unwrap_err().to_string();
    assert!(error.contains("objective.aggressive"), "{error}");
}
