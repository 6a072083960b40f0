//! `-log p(x)` by importance sampling, and the KL, under every prior and posterior, against numerical
//! integration over codes of one and two dimensions.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, backend::Backend},
};
use burn_flex::Flex;
use vae_core::{
    Assembly, Batch, CodeKind, CodeShape, Decoder, Distribution, LikelihoodConfig, LikelihoodKind,
    Method, Model, ModelSpec, Objective, Parts, PosteriorKind, PriorKind, StepContext,
    draw_with_kl, importance_nll, negative_elbo,
    nets::{EncoderNet, Init, ModelConfig},
};
use vae_data::DataShape;

const FEATURES: usize = 3;
const EXAMPLES: usize = 2;

#[derive(Module, Debug, Clone)]
struct Elbo;

impl<B: Backend> Method<B> for Elbo {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        negative_elbo(parts, batch, 1.0, step)
    }
}

fn model(prior: PriorKind, posterior: PosteriorKind, latent: usize) -> Model<Flex, Elbo> {
    let model = ModelConfig {
        latent,
        hidden: Some(vec![6]),
        prior: Some(prior),
        prior_components: Some(4),
        posterior: Some(posterior),
        flow_steps: Some(2),
        flow_hidden: Some(8),
        ..ModelConfig::default()
    };
    let spec = ModelSpec {
        code: CodeShape::row(CodeKind::Distribution, &model),
        model,
        likelihood: LikelihoodConfig {
            sigma: 2.0,
            ..LikelihoodConfig::new(LikelihoodKind::Gaussian)
        },
        objective: Default::default(),
        shape: DataShape::flat(FEATURES),
        classes: 0,
        condition: 0,
        is_conditional: false,
    };
    let mut parts = Assembly::build(&spec, &mut Init::new(9, &Default::default())).unwrap();
    // A posterior near the prior and a little wider: no code weighs much more than the others.
    if let EncoderNet::Mlp(encoder) = &mut parts.networks.encoder {
        let wider = match posterior {
            PosteriorKind::Gaussian => 0.4,
            // Its gates make it narrower.
            PosteriorKind::Flow => 1.4,
        };
        let head = encoder.head.clone();
        encoder.head.weight = head.weight.map(|weight| weight.mul_scalar(0.4));
        encoder.head.bias = head.bias.map(|bias| {
            let bias = bias.mul_scalar(0.4);
            // Of the mean, the log-variance, and for a flow its context.
            let count = bias.dims()[0] / latent;
            let mut parts = bias.chunk(count, 0);
            parts[1] = parts[1].clone().add_scalar(wider);
            Tensor::cat(parts, 0)
        });
    }
    Model::new(parts, Elbo).unwrap()
}

fn step() -> StepContext {
    StepContext::evaluate(7, 0, 0, 1)
}

fn batch() -> Batch<Flex> {
    Batch::unlabelled(step().normal([EXAMPLES, FEATURES], &Default::default()))
}

/// The midpoints of equal cells over `[-9, 9]` in each dimension, and the size of a cell.
fn grid(latent: usize) -> (Tensor<Flex, 2>, f64) {
    let cells: usize = if latent == 1 { 4000 } else { 500 };
    let place = |i: usize| -9.0 + 18.0 * (i as f32 + 0.5) / cells as f32;
    let count = cells.pow(latent as u32);
    let values =
        (0..count).flat_map(|i| (0..latent).map(move |d| place(i / cells.pow(d as u32) % cells)));
    let values = TensorData::new(values.collect::<Vec<_>>(), [count, latent]);
    let size = (18.0 / cells as f64).powi(latent as i32);
    (Tensor::from_data(values, &Default::default()), size)
}

fn numbers(tensor: Tensor<Flex, 1>) -> Vec<f64> {
    tensor.into_data().iter::<f32>().map(f64::from).collect()
}

fn every() -> impl Iterator<Item = (PriorKind, PosteriorKind, usize)> {
    let priors = [
        PriorKind::Normal,
        PriorKind::Mixture,
        PriorKind::Vamp,
        PriorKind::Flow,
    ];
    let posteriors = [PosteriorKind::Gaussian, PosteriorKind::Flow];
    let all = priors
        .into_iter()
        .flat_map(move |prior| posteriors.map(|q| (prior, q)));
    // A mixture of flows is refused.
    all.filter(|(prior, q)| (*prior, *q) != (PriorKind::Vamp, PosteriorKind::Flow))
        .flat_map(|(prior, q)| [1, 2].map(|latent| (prior, q, latent)))
}

#[test]
fn importance_sampling_gives_the_integral() {
    for (prior, posterior, latent) in every() {
        let model = model(prior, posterior, latent);
        let (z, size) = grid(latent);
        let log_prior = numbers(model.parts.prior(&step(), &z.device()).log_prob(z.clone()));
        let mass: f64 = log_prior.iter().map(|p| p.exp()).sum::<f64>() * size;
        assert!((mass - 1.0).abs() < 1e-4, "{prior:?} {latent}: mass {mass}");

        // A flow has tails of its own.
        let samples = match (prior, latent) {
            (PriorKind::Flow, 2) => 8_000_000,
            _ => 2_000_000,
        };
        let found = numbers(importance_nll(&model, &batch(), samples, &step()).unwrap());
        let decoded = model.decode(z.clone(), None, &step());
        for (example, found) in found.iter().enumerate() {
            let row = batch().target.narrow(0, example, 1);
            let targets = row.expand([log_prior.len(), FEATURES]);
            let likelihood = model.parts.likelihood_of(z.clone(), &batch(), &step());
            assert_eq!(likelihood.mean().dims(), decoded.dims());
            let log_likelihood = numbers(likelihood.log_prob(targets));
            let terms = log_likelihood
                .iter()
                .zip(&log_prior)
                .map(|(a, b)| (a + b).exp());
            let expected = -(terms.sum::<f64>() * size).ln();
            assert!(
                (found - expected).abs() < 1e-3,
                "{prior:?} {posterior:?} {latent}: {found}, not {expected}"
            );
        }
    }
}

/// `KL = sum q(z) (log q(z) - log p(z))` over the grid; where it has no closed form, the mean of many
/// estimates.
#[test]
fn the_kl_is_that_of_the_densities() {
    for (prior, posterior, latent) in every() {
        let model = model(prior, posterior, latent);
        let (z, size) = grid(latent);
        let p = model.parts.prior(&step(), &z.device());
        let q = model.parts.posterior(&batch(), &step()).select(&[0]);
        let log_q = numbers(q.log_prob(z.clone()));
        let log_p = numbers(p.log_prob(z));
        let terms = log_q.iter().zip(&log_p).map(|(q, p)| q.exp() * (q - p));
        let expected = terms.sum::<f64>() * size;
        let repeated = q.repeat(1_000_000);
        let (_, kl) = draw_with_kl(&repeated, &p, repeated.noise(1, &step()));
        let found = f64::from(kl.value.mean().into_scalar());
        let is_closed = (prior, posterior) == (PriorKind::Normal, PosteriorKind::Gaussian);
        assert_eq!(kl.is_estimate, !is_closed, "{prior:?} {posterior:?}");
        let limit = if is_closed { 1e-4 } else { 1e-2 };
        assert!(
            (found - expected).abs() < limit,
            "{prior:?} {posterior:?} {latent}: {found}, not {expected}"
        );
    }
}

/// Draws and density of a prior are of one distribution: the mean of many draws is that of the density.
#[test]
fn priors_draw_what_they_say() {
    for prior in [
        PriorKind::Normal,
        PriorKind::Mixture,
        PriorKind::Vamp,
        PriorKind::Flow,
    ] {
        let model = model(prior, PosteriorKind::Gaussian, 1);
        let (z, size) = grid(1);
        let p = model.parts.prior(&step(), &z.device());
        let density = numbers(p.log_prob(z.clone()).exp());
        let places = numbers(z.squeeze_dim(1));
        let moment = |power: i32| -> f64 {
            let terms = density.iter().zip(&places).map(|(p, z)| p * z.powi(power));
            terms.sum::<f64>() * size
        };
        let drawn = numbers(p.sample(200_000, &step()).squeeze_dim(1));
        for power in [1, 2] {
            let mean = drawn.iter().map(|z| z.powi(power)).sum::<f64>() / drawn.len() as f64;
            let expected = moment(power);
            assert!(
                (mean - expected).abs() < 0.02,
                "{prior:?}: {mean}, not {expected}"
            );
        }
    }
}
