//! A small model and small data for the tests of the training loop.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use vae_core::{
    Assembly, Batch, CodeKind, CodeShape, LikelihoodConfig, LikelihoodKind, Method, Model,
    ModelSpec, Objective, Parts, StepContext, negative_elbo,
    nets::{Init, ModelConfig, NormKind},
};
use vae_data::{DataShape, MemoryDataset, Subset, fill_normal, random::Stream, rng};

pub const FEATURES: usize = 6;
pub const LATENT: usize = 2;

/// The negative ELBO and nothing else.
#[derive(Module, Debug, Clone)]
pub struct Elbo;

impl<B: Backend> Method<B> for Elbo {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        negative_elbo(parts, batch, 1.0, step)
    }
}

/// A VAE with dropout and batch normalisation, so that every kind of state takes part.
pub type ToyVae<B> = Model<B, Elbo>;

pub fn toy_vae<B: Backend>(seed: u64) -> ToyVae<B> {
    let device = Default::default();
    let model = ModelConfig {
        latent: LATENT,
        hidden: Some(vec![8]),
        dropout: 0.2,
        norm: NormKind::Batch,
        ..ModelConfig::default()
    };
    let spec = ModelSpec {
        code: CodeShape::row(CodeKind::Distribution, &model),
        model,
        likelihood: LikelihoodConfig::new(LikelihoodKind::Gaussian),
        objective: Default::default(),
        shape: DataShape::flat(FEATURES),
        classes: 0,
        condition: 0,
        is_conditional: false,
    };
    let parts = Assembly::build(&spec, &mut Init::new(seed, &device)).unwrap();
    Model::new(parts, Elbo).unwrap()
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
