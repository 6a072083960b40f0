//! Terms, likelihoods and diagnostics against numbers by hand and numerical integration.

use std::sync::Arc;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::TensorData,
};
use burn_flex::Flex;
use vae_core::{
    Assembly, Autoencoder, Decoder, DiagonalGaussian, Encoder, LikelihoodConfig, LikelihoodKind,
    Loss, Model, ObjectiveConfig, Position, importance_nll,
    nets::{Activation, EncoderNet},
    train::evaluate,
};
use vae_data::{Batcher, MemoryDataset, Subset};

use super::{ladder::weighed, *};

const SIGMA: f64 = 1.5;

fn spec(hvae: &Hvae, model: ModelConfig, objective: &str) -> ModelSpec {
    let shape = DataShape::flat(2);
    hvae.check().unwrap();
    ModelSpec {
        code: hvae.code(&model, &shape).unwrap(),
        model,
        likelihood: LikelihoodConfig {
            sigma: SIGMA,
            ..LikelihoodConfig::new(LikelihoodKind::Gaussian)
        },
        objective: serde_json::from_str::<ObjectiveConfig>(objective).unwrap(),
        shape,
        classes: 0,
        condition: 0,
        is_conditional: false,
    }
}

fn with_widths(widths: &[usize]) -> Hvae {
    Hvae {
        levels: widths.len(),
        widths: Some(widths.to_vec()),
        level_hidden: 8,
    }
}

fn small() -> ModelConfig {
    ModelConfig {
        hidden: Some(vec![8]),
        activation: Activation::Tanh,
        ..ModelConfig::default()
    }
}

fn build(spec: &ModelSpec, hvae: &Hvae) -> Model<Flex, Ladder<Flex>> {
    spec.check_prior(Hvae::NAME, Hvae::PRIORS, &[]).unwrap();
    hvae.fits(spec).unwrap();
    let device = Default::default();
    let mut init = Init::new(1, &device);
    let parts = Assembly::build(spec, &mut init).unwrap();
    Model::new(parts, hvae.build(spec, &mut init).unwrap()).unwrap()
}

fn rows(values: &[f32], width: usize) -> Tensor<Flex, 2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
}

fn numbers<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f64> {
    let data = tensor.into_data();
    data.iter::<f32>().map(f64::from).collect()
}

/// Multiplies every parameter.
struct Times(f64);

impl ModuleMapper<Flex> for Times {
    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Flex, D>>,
    ) -> Param<Tensor<Flex, D>> {
        param.map(|tensor| tensor.mul_scalar(self.0))
    }
}

/// The bias of what the encoder gives.
fn encoder_bias(model: &mut Model<Flex, Ladder<Flex>>) -> &mut Param<Tensor<Flex, 1>> {
    match &mut model.parts.networks.encoder {
        EncoderNet::Mlp(net) => &mut net.head.bias,
        EncoderNet::Conv(_) => unreachable!("the settings say otherwise"),
    }
}

fn add(bias: &mut Param<Tensor<Flex, 1>>, at: usize, values: &[f32]) {
    let mut sum: Vec<f32> = bias.val().into_data().to_vec().unwrap();
    for (sum, value) in sum[at..].iter_mut().zip(values) {
        *sum += value;
    }
    *bias = Param::from_data(TensorData::from(sum.as_slice()), &Default::default());
}

/// By hand: precisions 1/2 and 1 make the variance 2/3 and the mean (1/2 * 1 + 1 * 4) / (3/2) = 3. Where
/// one is all but certain it counts alone, though its precision is too large for a float.
#[test]
fn weighing_by_hand() {
    let gaussian = |mean: [f32; 3], log_variance: [f32; 3]| {
        DiagonalGaussian::new(rows(&mean, 3), rows(&log_variance, 3))
    };
    let a = gaussian([1.0, 1.0, 1.0], [2.0_f32.ln(), 200.0, -200.0]);
    let b = gaussian([4.0, 4.0, 4.0], [0.0, -200.0, 200.0]);
    for (q, last) in [(weighed(&a, &b), 4.0), (weighed(&b, &a), 4.0)] {
        let close = |found: Vec<f64>, expected: [f64; 3]| {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
            }
        };
        close(numbers(q.mean()), [3.0, last, 1.0]);
        close(
            numbers(q.log_variance()),
            [(2.0 / 3.0_f64).ln(), -200.0, -200.0],
        );
    }
}

/// All weights 0, so that every Gaussian is what biases say. By hand: the top is N(2, 1), with a KL of 2.
/// Below it N(2, 1) against N(0, 1) makes N(1, 1/2), with a KL of (log 2 + 1/2 + 1 - 1) / 2 in each
/// dimension.
fn flat(hvae: &Hvae, model: ModelConfig, objective: &str) -> Model<Flex, Ladder<Flex>> {
    let mut model = build(&spec(hvae, model, objective), hvae).map(&mut Times(0.0));
    let means = vec![2.0; model.latent()];
    add(encoder_bias(&mut model), 0, &means);
    add(&mut model.method.up[0].head.bias, 0, &[2.0]);
    model
}

const OF_A_DIMENSION: f64 = (std::f64::consts::LN_2 + 0.5) / 2.0;

/// Of 1 nat free only the level of 1.19 could be below, were it charged by dimension; of 1.5 it is, as a
/// whole.
#[test]
fn free_bits_are_of_levels() {
    let hvae = with_widths(&[2, 1]);
    let below = 2.0 * OF_A_DIMENSION;
    for (bits, expected) in [
        (0.0, below + 2.0),
        (1.0, below + 2.0),
        (1.5, 3.5),
        (2.5, 5.0),
    ] {
        let model = flat(&hvae, small(), &format!(r#"{{"free_bits": {bits}}}"#));
        let batch = Batch::unlabelled(rows(&[0.3, -0.2, 1.0, 0.0], 2));
        let objective = model.loss(&batch, &StepContext::train(1, 0, 1));
        let [term] = &objective.terms[..] else {
            panic!("one term");
        };
        assert_eq!(term.name, if bits > 0.0 { "charged_kl" } else { "kl" });
        assert!(objective.estimates.contains(&term.name), "{bits}");
        assert!(objective.estimates.contains(&"kl_1") && !objective.estimates.contains(&"kl_2"));
        let monitors = objective.monitors.iter();
        let found: Vec<_> = monitors
            .map(|(name, kl)| (*name, numbers(kl.clone())))
            .collect();
        for example in 0..2 {
            let charged = numbers(term.value.clone())[example];
            assert!((charged - expected).abs() < 1e-4, "{bits}: {charged}");
            for (name, kl) in &found {
                let (_, kl_by_hand) = [("kl_1", below), ("kl_2", 2.0), ("kl", below + 2.0)]
                    .into_iter()
                    .find(|(known, _)| known == name)
                    .unwrap();
                assert!((kl[example] - kl_by_hand).abs() < 1e-4, "{name}: {kl:?}");
            }
        }
    }
}

/// The units of all levels from the data's side up: that is active which follows the data, not the code
/// drawn above. No KL of each under a prior that gives none, while levels can still be charged.
#[test]
fn diagnostics_of_every_unit() {
    let hvae = with_widths(&[3, 1]);
    let values = (0..40).map(|i| i as f32 / 10.0).collect();
    let data = MemoryDataset::new(DataShape::flat(2), values).unwrap();
    let data = Subset::new(Arc::new(data), (0..20).collect::<Vec<u32>>()).unwrap();
    for prior in [PriorKind::Normal, PriorKind::Mixture] {
        let model = ModelConfig {
            prior: Some(prior),
            ..small()
        };
        let mut model = flat(&hvae, model, r#"{"free_bits": 1.5}"#);
        // The first unit follows the data, the second the code above.
        let EncoderNet::Mlp(net) = &mut model.parts.networks.encoder else {
            unreachable!("the settings say otherwise");
        };
        let first = |net: &mut Mlp<Flex>, unit| {
            let weight = net.blocks[0].dense.weight.clone();
            net.blocks[0].dense.weight = weight.map(|weight| weight.add_scalar(0.3));
            let [inputs, outputs] = net.head.weight.dims();
            let mut head = vec![0.0; inputs * outputs];
            head[unit] = 3.0;
            net.head.weight = Param::from_tensor(rows(&head, outputs));
        };
        first(net, 0);
        first(&mut model.method.down[0], 1);
        let batches = Batcher::sequential(data.clone(), 8, 0);
        let device = Default::default();
        let found = evaluate(&model, &batches, 1, Position::start(), &device).unwrap();
        let latent = found.latent.unwrap();
        assert_eq!(latent.units_per_level, Some(vec![3, 1]));
        let variances = &latent.mean_variance;
        assert_eq!(variances.len(), 4);
        assert!(variances[0] > 0.05, "{variances:?}");
        assert_eq!(latent.active_units, 1, "{variances:?}");
        assert_eq!(latent.mutual_information, None);
        match (prior, latent.kl_per_dimension) {
            (PriorKind::Normal, Some(kl)) => {
                assert_eq!(kl.len(), 4);
                assert!((kl[2] - OF_A_DIMENSION).abs() < 1e-4, "{kl:?}");
                assert!((kl[3] - 2.0).abs() < 1e-4, "{kl:?}");
            }
            (_, kl) => assert_eq!((prior, kl), (PriorKind::Mixture, None)),
        }
    }
}

/// A model of 1 + 1 dimensions with networks that are not linear.
fn narrow() -> Model<Flex, Ladder<Flex>> {
    let hvae = with_widths(&[1, 1]);
    let mut model = build(&spec(&hvae, small(), "{}"), &hvae).map(&mut Times(1.5));
    // Wide enough for weights of a finite variance.
    add(encoder_bias(&mut model), 1, &[2.0]);
    add(&mut model.method.up[0].head.bias, 1, &[1.0]);
    model
}

const X: [f32; 6] = [0.5, -0.3, -1.0, 0.8, 0.0, 1.5];
const GRID: usize = 1600;
const STEP: f64 = 20.0 / GRID as f64;

fn grid() -> Vec<f64> {
    (0..=GRID).map(|i| i as f64 * STEP - 10.0).collect()
}

fn log_normal(x: f64, mean: f64, log_variance: f64) -> f64 {
    let square = (x - mean).powi(2) / log_variance.exp();
    -0.5 * (square + log_variance + (2.0 * std::f64::consts::PI).ln())
}

/// `p(z_1) = sum p(z_1|z_2) p(z_2)` over a grid of both.
fn marginal(model: &Model<Flex, Ladder<Flex>>, step: &StepContext) -> Vec<f64> {
    let grid = grid();
    let column: Vec<f32> = grid.iter().map(|z| *z as f32).collect();
    let given = numbers(model.method.down[0].forward(rows(&column, 1), step));
    let density = |z: f64| -> f64 {
        let above = grid.iter().zip(given.chunks(2));
        let terms = above.map(|(above, given)| {
            let log_variance = -12.0 + (given[1] + 12.0).exp().ln_1p();
            (log_normal(z, given[0], log_variance) + log_normal(*above, 0.0, 0.0)).exp()
        });
        terms.sum::<f64>() * STEP
    };
    grid.iter().map(|z| density(*z)).collect()
}

/// Against `p(x) = sum p(x|z_1) p(z_1)` over the grid.
#[test]
fn many_draws_give_the_likelihood_of_numerical_integration() {
    let (model, step) = (narrow(), StepContext::evaluate(4, 0, 0, 1));
    let column: Vec<f32> = grid().iter().map(|z| *z as f32).collect();
    let decoded = numbers(model.decode(rows(&column, 1), None, &step));
    let marginal = marginal(&model, &step);
    let total: f64 = marginal.iter().sum::<f64>() * STEP;
    assert!((total - 1.0).abs() < 1e-6, "the grid holds {total}");
    let batch = Batch::unlabelled(rows(&X, 2));
    let found = numbers(importance_nll(&model, &batch, 3_000_000, &step).unwrap());
    for (x, found) in X.chunks(2).zip(found) {
        let at = decoded.chunks(2).zip(&marginal).map(|(mean, density)| {
            let x = x.iter().zip(mean);
            let log = x.map(|(x, mean)| log_normal(f64::from(*x), *mean, 2.0 * SIGMA.ln()));
            log.sum::<f64>().exp() * density
        });
        let expected = -(at.sum::<f64>() * STEP).ln();
        assert!((found - expected).abs() < 1e-3, "{found}, not {expected}");
    }
}

/// The closed KLs and the ratio of the densities of drawn codes are the same on average.
#[test]
fn the_loss_is_the_expected_bound_of_one_draw() {
    const COPIES: usize = 200_000;
    let (model, step) = (narrow(), StepContext::evaluate(4, 0, 0, 1));
    for x in X.chunks(2) {
        let batch = Batch::unlabelled(rows(&x.repeat(COPIES), 2));
        let loss = numbers(model.loss(&batch, &step).total())[0];
        let one = importance_nll(&model, &batch, 1, &step).unwrap();
        let one = numbers(one.mean())[0];
        assert!((loss - one).abs() < 0.02, "{loss}, not {one}");
    }
}

/// Mean and mean square of new codes against the grid.
#[test]
fn samples_come_from_the_marginal_of_the_first_level() {
    const COUNT: usize = 100_000;
    let (model, step) = (narrow(), StepContext::evaluate(4, 0, 0, 1));
    let codes = numbers(model.sample(COUNT, &step, &Default::default()).unwrap());
    assert_eq!(codes.len(), COUNT);
    let marginal = marginal(&model, &step);
    for power in [1, 2] {
        let found = codes.iter().map(|z| z.powi(power)).sum::<f64>() / COUNT as f64;
        let weighted = grid().into_iter().zip(&marginal);
        let expected = weighted
            .map(|(z, density)| z.powi(power) * density)
            .sum::<f64>()
            * STEP;
        assert!((found - expected).abs() < 0.03, "{found}, not {expected}");
    }
}

#[test]
fn widths_halve_unless_they_are_given() {
    let model = ModelConfig {
        latent: 5,
        ..small()
    };
    let levels = |levels| Hvae {
        levels,
        ..Hvae::default()
    };
    assert_eq!(levels(4).widths(&model), [5, 2, 1, 1]);
    let code = levels(2).code(&model, &DataShape::flat(2)).unwrap();
    assert_eq!((code.latent, code.prior, code.extra), (5, 2, 128));
    let hvae = with_widths(&[3, 4, 7]);
    let model = build(&spec(&hvae, model, "{}"), &hvae);
    let step = StepContext::evaluate(1, 0, 0, 1);
    let Code::Levels(found) = model.encode(&Batch::unlabelled(rows(&X, 2)), &step) else {
        panic!("levels");
    };
    let dims: Vec<_> = found.iter().map(DiagonalGaussian::dims).collect();
    assert_eq!(dims, [[3, 3], [3, 4], [3, 7]]);
}

#[test]
fn bad_options_are_refused() {
    let parse = |text: &str| serde_json::from_str::<Hvae>(text).unwrap();
    for (options, expected) in [
        (
            r#"{"levels": 0}"#,
            "`variant.levels` is 0, but must be from 2 to 8",
        ),
        (
            r#"{"levels": 1}"#,
            "`variant.levels` is 1, but must be from 2 to 8",
        ),
        (
            r#"{"levels": 9}"#,
            "`variant.levels` is 9, but must be from 2 to 8",
        ),
        (
            r#"{"levels": 3, "widths": [4, 2]}"#,
            "`variant.widths` is [4, 2], but must be 3 numbers of at least 1",
        ),
        (
            r#"{"widths": [4, 0]}"#,
            "`variant.widths` is [4, 0], but must be 2 numbers of at least 1",
        ),
        (
            r#"{"level_hidden": 0}"#,
            "`variant.level_hidden` is 0, but must be at least 1",
        ),
    ] {
        let error = parse(options).check().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    let hvae = Hvae::default();
    for (model, objective, expected) in [
        (
            r#"{"prior": "vamp"}"#,
            "{}",
            "`model.prior` is vamp, but must be one that hvae can have: normal, mixture, flow",
        ),
        (
            r#"{"posterior": "flow"}"#,
            "{}",
            "`model.posterior` is flow, but must be left out with hvae",
        ),
        (
            "{}",
            r#"{"aggressive": 5}"#,
            "`objective.aggressive` is 5, but must be 0 for hvae",
        ),
    ] {
        let spec = spec(&hvae, serde_json::from_str(model).unwrap(), objective);
        let checked = spec.check_prior(Hvae::NAME, Hvae::PRIORS, &[]);
        let error = checked.and_then(|()| hvae.fits(&spec)).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
