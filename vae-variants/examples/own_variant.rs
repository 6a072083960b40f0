//! A variant of your own, outside the registry: the Wasserstein autoencoder with an MMD penalty
//! (Tolstikhin 2018, algorithm 2), whose codes as a whole are pulled to the prior.
//!
//! ```text
//! cargo run -p vae-variants --example own_variant
//! ```

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Batch, Decoder, Encoder, Likelihood, LikelihoodConfig, LikelihoodKind, Loss, Objective, Result,
    StepContext,
    nets::{Init, ModelConfig, NetSpec, Nets},
    train::{TrainConfig, Trainer, evaluate},
};
use vae_data::{Batcher, DataConfig, NoProgress, load};

#[derive(Module, Debug)]
struct Wae<B: Backend> {
    nets: Nets<B>,
    likelihood: Likelihood<B>,
}

impl<B: Backend> Encoder<B> for Wae<B> {
    type Code = Tensor<B, 2>;

    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Tensor<B, 2> {
        self.nets.encode(batch.input.clone(), step)
    }
}

impl<B: Backend> Decoder<B> for Wae<B> {
    fn decode(
        &self,
        z: Tensor<B, 2>,
        _condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        self.nets.decode(z, step)
    }
}

impl<B: Backend> Loss<B> for Wae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        let code = self.encode(batch, step);
        let prior = step.normal(code.dims(), &code.device());
        let mmd = similarity(&code, &code) + similarity(&prior, &prior)
            - similarity(&code, &prior).mul_scalar(2.0);
        let decoded = self.decode(code, None, step);
        Objective::new(self.likelihood.nll(decoded, batch.target.clone()))
            .with_term("mmd", mmd, 100.0)
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
    let spec = NetSpec {
        input: data.shape.clone(),
        code: config.latent,
        latent: config.latent,
        output: data.shape.clone(),
        parameters_per_feature: 1,
    };
    let model = Wae::<Autodiff<Flex>> {
        nets: Nets::init(&config, &spec, &mut Init::new(1, &device))?,
        likelihood: LikelihoodConfig::new(LikelihoodKind::Bernoulli).init(&device)?,
    };
    let config = TrainConfig {
        epochs,
        ..TrainConfig::default()
    };
    let batches = Batcher::new(data.train, config.batch_size, 1)?.shuffled();
    let test = Batcher::sequential(data.test, 500, 1);
    let loss = |model: &Wae<Flex>| {
        let scores = evaluate(model, &test, 1, (0, 1), &device)?;
        Ok::<_, vae_core::Error>(scores.readings.get("loss").unwrap_or(f64::NAN))
    };
    let before = loss(&burn::module::AutodiffModule::valid(&model))?;
    let outcome = Trainer::new(model, config, 1, device)?.run(&batches, None, &mut ())?;
    Ok((before, loss(&outcome.model)?))
}

#[allow(dead_code, reason = "the test of this example calls `train` itself")]
fn main() -> Result<()> {
    let (before, after) = train(10_000, 3)?;
    println!("test loss in nats per example: {before:.1} before, {after:.1} after 3 epochs");
    Ok(())
}
