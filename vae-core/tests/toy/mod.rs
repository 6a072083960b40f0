//! A small model and small data for the tests of the training loop.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use vae_core::{
    Batch, DiagonalGaussian, Likelihood, LikelihoodConfig, LikelihoodKind, Loss, Objective,
    ObjectiveConfig, StepContext,
    nets::{Init, ModelConfig, NetSpec, Nets, NormKind},
};
use vae_data::{DataShape, MemoryDataset, Subset, fill_normal, random::Stream, rng};

pub const FEATURES: usize = 6;
pub const LATENT: usize = 2;

/// A VAE with dropout and batch normalisation, so that every kind of state takes part.
#[derive(Module, Debug)]
pub struct ToyVae<B: Backend> {
    nets: Nets<B>,
    likelihood: Likelihood<B>,
}

impl<B: Backend> ToyVae<B> {
    pub fn new(seed: u64) -> Self {
        let device = Default::default();
        let config = ModelConfig {
            latent: LATENT,
            hidden: Some(vec![8]),
            dropout: 0.2,
            norm: NormKind::Batch,
            ..ModelConfig::default()
        };
        let shape = DataShape::flat(FEATURES);
        let spec = NetSpec {
            input: shape.clone(),
            code: 2 * LATENT,
            latent: LATENT,
            output: shape,
            parameters_per_feature: 1,
        };
        Self {
            nets: Nets::init(&config, &spec, &mut Init::new(seed, &device)).unwrap(),
            likelihood: LikelihoodConfig::new(LikelihoodKind::Gaussian)
                .init(&device)
                .unwrap(),
        }
    }
}

impl<B: Backend> Loss<B> for ToyVae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let code = DiagonalGaussian::from_parameters(self.nets.encode(batch.input.clone(), step));
        let z = code.sample(step.normal(code.dims(), &code.device()));
        let nll = self
            .likelihood
            .nll(self.nets.decode(z, step), batch.target.clone());
        ObjectiveConfig::default().add_kl(Objective::new(nll), code, 1.0, step)
    }
}

/// `examples` rows of correlated numbers.
pub fn data(examples: usize) -> Subset {
    let mut noise = vec![0.0; examples * FEATURES];
    fill_normal(&mut rng(17, Stream::Other, 0), &mut noise);
    for row in noise.chunks_mut(FEATURES) {
        for j in 1..FEATURES {
            row[j] = 0.8 * row[j - 1] + 0.3 * row[j];
        }
    }
    let set = MemoryDataset::new(DataShape::flat(FEATURES), noise).unwrap();
    let indices: Vec<u32> = (0..examples as u32).collect();
    Subset::new(std::sync::Arc::new(set), indices).unwrap()
}

/// All parameters and running statistics in order.
pub fn weights<B: Backend, M: Module<B>>(model: &M) -> Vec<f32> {
    struct Collect(Vec<f32>);
    impl<B: Backend> burn::module::ModuleVisitor<B> for Collect {
        fn visit_float<const D: usize>(&mut self, parameter: &burn::module::Param<Tensor<B, D>>) {
            self.0.extend(parameter.val().into_data().iter::<f32>());
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}
