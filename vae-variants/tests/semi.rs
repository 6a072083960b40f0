//! The semi-supervised VAE: what it is with all labels, and that nothing depends on where in the batch
//! the labelled examples are. Its terms are compared with PyTorch in `parity.rs`.

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use vae_core::{
    Assembly, Autoencoder, Batch, CodeKind, CodeShape, Distribution, LikelihoodConfig,
    LikelihoodKind, Loss, Model, ModelSpec, Objective, Parts, StandardNormal, StepContext,
    VariantConfig,
    nets::{Init, ModelConfig},
};
use vae_data::DataShape;
use vae_variants::{Classifiers, Cvae, Semi};

const CLASSES: usize = 3;
const ATTRIBUTES: usize = 2;
const LABELS: [i32; 6] = [2, -1, 0, -1, -1, 1];

fn spec() -> ModelSpec {
    let model = ModelConfig {
        latent: 4,
        hidden: Some(vec![9]),
        ..ModelConfig::default()
    };
    ModelSpec {
        code: CodeShape::row(CodeKind::Distribution, &model),
        model,
        is_conditional: true,
        likelihood: LikelihoodConfig::new(LikelihoodKind::Bernoulli),
        objective: Default::default(),
        shape: DataShape::flat(7),
        classes: CLASSES,
        condition: CLASSES + ATTRIBUTES,
    }
}

fn model() -> Model<Flex, Classifiers<Flex>> {
    let device = Default::default();
    let mut init = Init::new(3, &device);
    let method = Semi::default().build(&spec(), &mut init).unwrap();
    Model::new(Assembly::build(&spec(), &mut init).unwrap(), method).unwrap()
}

fn context() -> StepContext {
    StepContext::evaluate(1, 0, 0, 1)
}

fn batch(labels: &[i32]) -> Batch<Flex> {
    let device = Default::default();
    let (count, width) = (labels.len(), CLASSES + ATTRIBUTES);
    let mut condition = vec![0.0f32; count * width];
    for (i, (row, label)) in condition.chunks_exact_mut(width).zip(labels).enumerate() {
        if let Ok(class) = usize::try_from(*label) {
            row[class] = 1.0;
        }
        row[CLASSES] = i as f32;
        row[CLASSES + 1] = -0.5;
    }
    let condition = TensorData::new(condition, [count, width]);
    let input = context().uniform([count, 7], &device);
    Batch {
        condition: Some(Tensor::from_data(condition, &device)),
        labels: Some(labels.to_vec()),
        ..Batch::unlabelled(input)
    }
}

fn numbers(tensor: Tensor<Flex, 1>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

fn term(objective: &Objective<Flex>, name: &str) -> Vec<f32> {
    let term = objective.terms.iter().find(|term| term.name == name);
    numbers(term.unwrap().value.clone())
}

/// `L(x, y)` is the negative ELBO given the class, and `-log p(y) = ln 3`.
#[test]
fn with_every_label_it_is_the_conditional_vae() {
    let (semi, batch) = (model(), batch(&[0, 2, 1, 1]));
    let objective = semi.loss(&batch, &context());
    let (cvae, step) = (&semi.parts, context());
    let posterior = cvae.posterior(&batch, &step);
    let prior = StandardNormal::new(4, Default::default());
    let kl = prior.kl(posterior.base()).unwrap();
    assert_eq!(term(&objective, "kl"), numbers(kl));
    // There is noise for every class.
    let noise: Tensor<Flex, 2> = step.normal([4 * CLASSES, 4], &Default::default());
    let rows = Tensor::from_data([0, 3 + 2, 6 + 1, 9 + 1], &Default::default());
    let z = posterior.at(noise.select(0, rows));
    let likelihood = cvae.likelihood_of(z, &batch, &step);
    let nll = numbers(likelihood.nll(batch.target.clone()));
    for (a, b) in nll.iter().zip(numbers(objective.reconstruction.clone())) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    assert_eq!(term(&objective, "class_kl"), [3.0f32.ln(); 4]);
}

#[test]
fn a_batch_may_be_without_labels() {
    let objective = model().loss(&batch(&[-1, -1, -1]), &context());
    let names: Vec<_> = objective.terms.iter().map(|term| term.name).collect();
    assert_eq!(names, ["kl", "class_kl"]);
    assert!(objective.players.is_empty() && objective.monitors.is_empty());
    assert!(
        numbers(objective.per_example())
            .iter()
            .all(|value| value.is_finite())
    );
    assert_eq!(objective.codes.unwrap().mean().dims(), [3, 4]);
}

/// The terms without noise are the same, example by example, wherever the labelled ones stand.
#[test]
fn the_order_of_the_batch_does_not_matter() {
    let (semi, mixed) = (model(), batch(&LABELS));
    let order = [3, 0, 5, 1, 4, 2];
    let (one, other) = (
        semi.loss(&mixed, &context()),
        semi.loss(&mixed.select(&order), &context()),
    );
    for name in ["kl", "class_kl"] {
        let (values, moved) = (term(&one, name), term(&other, name));
        for (place, example) in order.iter().enumerate() {
            let difference = (moved[place] - values[*example]).abs();
            assert!(difference < 1e-5, "{name} {example}: {difference}");
        }
    }
    let (charged, again) = (term(&one, "classification"), term(&other, "classification"));
    assert!((charged[0] - again[0]).abs() < 1e-5);
}

/// By hand: a uniform `q(y|x)` is at no distance from the prior, a certain one at `ln 3`.
#[test]
fn the_class_term_lies_between_0_and_ln_3() {
    let objective = model().loss(&batch(&LABELS), &context());
    for (value, label) in term(&objective, "class_kl").into_iter().zip(LABELS) {
        let most = 3.0f32.ln();
        match label {
            -1 => assert!((0.0..most).contains(&value), "{value}"),
            _ => assert_eq!(value, most),
        }
    }
}

#[test]
fn examples_without_label_get_the_most_probable_class() {
    let (semi, batch) = (model(), batch(&LABELS));
    let completed = semi.condition(&batch, &context()).unwrap();
    let rows: Vec<f32> = completed.into_data().to_vec().unwrap();
    for (i, (row, label)) in rows
        .chunks_exact(CLASSES + ATTRIBUTES)
        .zip(LABELS)
        .enumerate()
    {
        let (classes, attributes) = row.split_at(CLASSES);
        assert_eq!(attributes, [i as f32, -0.5]);
        assert_eq!(classes.iter().sum::<f32>(), 1.0);
        if let Ok(class) = usize::try_from(label) {
            assert_eq!(classes[class], 1.0);
        }
    }
    // An example alone, without any label or condition, is judged alike.
    let alone = Batch::unlabelled(batch.input.clone().narrow(0, 1, 1));
    let row = semi.condition(&alone, &context()).unwrap();
    let row: Vec<f32> = row.into_data().to_vec().unwrap();
    assert_eq!(row[..CLASSES], rows[CLASSES + ATTRIBUTES..][..CLASSES]);
    assert_eq!(row[CLASSES..], [0.0; ATTRIBUTES]);
}

#[test]
fn data_without_classes_are_refused() {
    let spec = ModelSpec {
        classes: 0,
        condition: 0,
        ..spec()
    };
    let text = Semi::default().fits(&spec).unwrap_err().to_string();
    assert!(
        text.contains("at least 2 classes") && text.contains("--label"),
        "{text}"
    );
    assert!(Cvae::default().fits(&spec).is_err());
}
