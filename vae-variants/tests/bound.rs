//! The importance weighted bound in portions: value and gradients against its definition, by automatic
//! differentiation of all codes at once.

use std::cell::RefCell;

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Tensor, backend::AutodiffBackend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Assembly, Batch, BoundGradient, CodeKind, CodeShape, DiagonalGaussian, Distribution,
    Likelihood, LikelihoodConfig, LikelihoodKind, ModelSpec, Objective, ObjectiveConfig,
    Parts as _, StepContext, importance_weighted,
    nets::{Init, ModelConfig},
};
use vae_data::DataShape;

type Ad = Autodiff<Flex>;
type Parts = Assembly<Ad>;
type Gradients = <Ad as AutodiffBackend>::Gradients;

const FEATURES: usize = 6;
const LATENT: usize = 3;
/// More codes than one pass takes.
const EXAMPLES: usize = 900;
const SAMPLES: usize = 20;
const PORTIONS: [usize; 10] = [2; 10];

fn vae() -> Parts {
    let model = ModelConfig {
        latent: LATENT,
        hidden: Some(vec![8]),
        ..ModelConfig::default()
    };
    let spec = ModelSpec {
        code: CodeShape::row(CodeKind::Distribution, &model),
        model,
        likelihood: LikelihoodConfig::new(LikelihoodKind::Bernoulli),
        objective: ObjectiveConfig::default(),
        shape: DataShape::flat(FEATURES),
        classes: 0,
        condition: 0,
        is_conditional: false,
    };
    Assembly::build(&spec, &mut Init::new(1, &Default::default())).unwrap()
}

fn batch() -> Batch<Ad> {
    let step = StepContext::train(77, 0, 1);
    Batch::unlabelled(step.uniform([EXAMPLES, FEATURES], &Default::default()))
}

fn step() -> StepContext {
    StepContext::train(5, 0, 1)
}

/// The gradients of the encoder's and of the decoder's parameters.
#[derive(Default)]
struct Flat {
    values: Vec<Vec<f32>>,
}

struct Collector<'a>(&'a Gradients, &'a mut Flat);

impl ModuleVisitor<Ad> for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<Ad, D>>) {
        let gradient = parameter
            .val()
            .grad(self.0)
            .expect("every parameter has one");
        self.1.values.push(gradient.into_data().to_vec().unwrap());
    }
}

impl Flat {
    fn of(model: &Parts, total: &Tensor<Ad, 1>) -> Self {
        let mut flat = Self::default();
        model.visit(&mut Collector(&total.backward(), &mut flat));
        flat
    }

    fn add(mut self, other: &Self) -> Self {
        for (sum, values) in self.values.iter_mut().zip(&other.values) {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += value;
            }
        }
        self
    }

    fn assert_near(&self, other: &Self) {
        assert_eq!(self.values.len(), other.values.len());
        for (mine, theirs) in self.values.iter().zip(&other.values) {
            let size = theirs.iter().fold(1e-3_f32, |size, x| size.max(x.abs()));
            for (mine, theirs) in mine.iter().zip(theirs) {
                assert!(
                    (mine - theirs).abs() < 2e-5 * size,
                    "{mine}, not {theirs} of {size}"
                );
            }
        }
    }
}

/// Of the bound as the training sees it, after a check of its value.
fn gradients(vae: &Parts, gradient: BoundGradient, expected: &Tensor<Ad, 2>) -> Flat {
    let bound = (SAMPLES, gradient);
    let objective: Objective<Ad> = importance_weighted(vae, &batch(), bound, 1.0, &step());
    assert_eq!(objective.portions.len(), PORTIONS.len() - 1);
    let found: Vec<f32> = objective.per_example().into_data().to_vec().unwrap();
    let expected: Vec<f32> = expected.to_data().to_vec().unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
    }
    let portions = objective.portions.iter();
    let portions = portions.map(|portion| Flat::of(vae, &portion.total()));
    portions.fold(Flat::of(vae, &objective.total()), |sum, next| {
        sum.add(&next)
    })
}

/// The same draws, all at once: posterior, codes, and the weights' logarithms by the densities.
/// `[count, batch]`
fn log_weights(
    vae: &Parts,
    of_densities: impl Fn(DiagonalGaussian<Ad>) -> DiagonalGaussian<Ad>,
    of_codes: impl Fn(Tensor<Ad, 2>) -> Tensor<Ad, 2>,
) -> (Tensor<Ad, 2>, Tensor<Ad, 2>) {
    let (batch, step, device) = (batch(), step(), Default::default());
    let repeated = vae.posterior(&batch, &step).base().repeat(SAMPLES);
    let noise = PORTIONS.map(|count| step.normal([count * EXAMPLES, LATENT], &device));
    let noise = Tensor::cat(noise.to_vec(), 0);
    let z = repeated.mean() + repeated.log_variance().mul_scalar(0.5).exp() * noise;
    let decoded = of_codes(z.clone());
    let log_density = |mean: Tensor<Ad, 2>, log_variance: Tensor<Ad, 2>| {
        let distance = (decoded.clone() - mean).square() / log_variance.clone().exp();
        (distance + log_variance).sum_dim(1).mul_scalar(-0.5)
    };
    let posterior = of_densities(repeated);
    let log_q = log_density(posterior.mean(), posterior.log_variance());
    let log_p = log_density(z.zeros_like(), z.zeros_like());
    let parameters = vae.decode(decoded.clone(), None, &step);
    let target = batch.target.clone().repeat_dim(0, SAMPLES);
    let nll = vae.likelihood.distribution(parameters).nll(target);
    let log_weights = (log_p - log_q).squeeze_dim::<1>(1) - nll;
    (log_weights.reshape([SAMPLES, EXAMPLES]), z)
}

/// `[count, batch]` to `[1, batch]`
fn log_mean_exp(logs: Tensor<Ad, 2>) -> Tensor<Ad, 2> {
    logs.exp().mean_dim(0).log()
}

#[test]
fn the_standard_gradient_is_that_of_the_bound() {
    let vae = vae();
    let (logs, _) = log_weights(&vae, |q| q, |z| z);
    let bound = log_mean_exp(logs).neg();
    let found = gradients(&vae, BoundGradient::Standard, &bound);
    found.assert_near(&Flat::of(&vae, &bound.mean()));
}

/// The decoder's gradient is that of the bound, and the encoder's
/// `sum_k s_k^2 (d log w_k / d z_k) (d z_k / d parameters)` with `s_k = w_k / sum w` (Tucker 2019,
/// eq. 8).
#[test]
fn the_doubly_reparameterized_gradient_by_its_definition() {
    let vae = vae();
    let (logs, _) = log_weights(&vae, |q| q, |z| z);
    let bound = log_mean_exp(logs.clone()).neg();
    let found = gradients(&vae, BoundGradient::DoublyReparameterized, &bound);
    let decoder = Flat::of(&vae, &bound.mean());

    let shares = (logs.clone() - log_mean_exp(logs)).exp() / SAMPLES as f64;
    // d log w / d z, with the densities held fixed.
    let leaf = RefCell::new(None);
    let fixed = |z: Tensor<Ad, 2>| {
        let z = z.detach().require_grad();
        leaf.replace(Some(z.clone()));
        z
    };
    let (logs, z) = log_weights(&vae, |q| q.detach(), fixed);
    let slopes = leaf.take().unwrap().grad(&logs.sum().backward()).unwrap();
    let slopes = Tensor::from_inner(slopes);
    let squares = shares.detach().square().reshape([SAMPLES * EXAMPLES, 1]);
    let through_codes = (z * slopes * squares).sum().neg() / EXAMPLES as f64;
    // The decoder takes no part in this; with 0 times its output, each parameter has a gradient.
    let none = vae.decode(
        Tensor::zeros([1, LATENT], &Default::default()),
        None,
        &step(),
    );
    let encoder = Flat::of(&vae, &(through_codes + none.sum().mul_scalar(0.0)));

    let half = found.values.len() / 2;
    let expected = encoder.values[..half].iter().chain(&decoder.values[half..]);
    found.assert_near(&Flat {
        values: expected.cloned().collect(),
    });
}
