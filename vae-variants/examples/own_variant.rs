//! A variant of your own, outside the registry: the Wasserstein autoencoder with an MMD penalty
//! (Tolstikhin 2018, algorithm 2), whose codes as a whole are pulled to the prior.
//!
//! ```text
//! cargo run -p vae-variants --example own_variant
//! ```

use burn::{
    module::{AutodiffModule, Module},
    tensor::{Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Assembly, Batch, Code, CodeKind, CodeShape, Distribution, LikelihoodConfig, LikelihoodKind,
    Method, Model, ModelSpec, Objective, Parts, Result, StepContext,
    nets::{Init, ModelConfig},
    train::{Position, TrainConfig, Trainer, evaluate},
};
use vae_data::{Batcher, DataConfig, NoProgress, load};

/// What the variant does with networks, likelihood and prior, whatever they are.
#[derive(Module, Debug, Clone)]
struct Wae {
    /// Weight of the penalty.
    lambda: f64,
}

impl<B: Backend> Method<B> for Wae {
    fn loss(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let code = parts.encode(batch, step);
        let prior = parts.prior(step, &code.device()).sample(batch.len(), step);
        let mmd = similarity(&code, &code) + similarity(&prior, &prior)
            - similarity(&code, &prior).mul_scalar(2.0);
        let nll = parts
            .likelihood_of(code, batch, step)
            .nll(batch.target.clone());
        Objective::new(nll).with_term("mmd", mmd, self.lambda)
    }

    fn encode(&self, parts: &impl Parts<B>, batch: &Batch<B>, step: &StepContext) -> Code<B> {
        Code::Point(parts.encode(batch, step))
    }
}

/// Mean of the inverse multiquadratic kernel `c / (c + |a - b|^2)` with `c = 2 latent`. `[1]`
fn similarity<B: Backend>(a: &Tensor<B, 2>, b: &Tensor<B, 2>) -> Tensor<B, 1> {
    let c = 2.0 * a.dims()[1] as f64;
    let squares = |x: &Tensor<B, 2>| x.clone().square().sum_dim(1); // [batch, 1]
    let products = a.clone().matmul(b.clone().transpose()); // [batch, batch]
    let distances = squares(a) + squares(b).transpose() - products.mul_scalar(2.0);
    distances.add_scalar(c).recip().mul_scalar(c).mean()
}

/// Trains on part of the embedded digits; gives the test loss before and after.
pub fn train(examples: usize, epochs: usize) -> Result<(f64, f64)> {
    let config = DataConfig {
        limit: Some(examples),
        ..DataConfig::of("mnist-mini")
    };
    let (data, device) = (load(&config, 1, &NoProgress)?, Default::default());
    let config = ModelConfig {
        latent: 8,
        hidden: Some(vec![256]),
        ..ModelConfig::default()
    };
    let spec = ModelSpec {
        code: CodeShape::row(CodeKind::Point, &config),
        model: config,
        likelihood: LikelihoodConfig::new(LikelihoodKind::Bernoulli),
        objective: Default::default(),
        shape: data.shape.clone(),
        classes: 0,
        condition: 0,
        is_conditional: false,
    };
    let parts = Assembly::build(&spec, &mut Init::new(1, &device))?;
    let model: Model<Autodiff<Flex>, _> = Model::new(parts, Wae { lambda: 100.0 })?;
    let config = TrainConfig {
        epochs,
        ..TrainConfig::default()
    };
    let batches = Batcher::new(data.train, config.batch_size, 1)?.shuffled();
    let test = Batcher::sequential(data.test, 500, 1);
    let loss = |model: &Model<Flex, Wae>| {
        let scores = evaluate(model, &test, 1, Position::start(), &device)?;
        Ok::<_, vae_core::Error>(scores.readings.get("loss").unwrap_or(f64::NAN))
    };
    let before = loss(&model.valid())?;
    let outcome = Trainer::new(model, config, 1, device)?.run(&batches, None, &mut ())?;
    Ok((before, loss(&outcome.model)?))
}

#[allow(dead_code, reason = "the test of this example calls `train` itself")]
fn main() -> Result<()> {
    let (before, after) = train(10_000, 3)?;
    println!("test loss in nats per example: {before:.1} before, {after:.1} after 3 epochs");
    Ok(())
}
