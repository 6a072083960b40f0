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
    Batch, Decoder, Encoder, Likelihood, LikelihoodConfig, LikelihoodKind, Loss, Objective,
    StepContext,
    nets::{Init, ModelConfig, NetSpec, Nets},
    train::{EpochReport, Observer, TrainConfig, Trainer},
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
        let distance = similarity(&code, &code) + similarity(&prior, &prior)
            - similarity(&code, &prior).mul_scalar(2.0);
        let decoded = self.decode(code.clone(), None, step);
        Objective::new(self.likelihood.nll(decoded, batch.target.clone()))
            .with_term("mmd", distance, 100.0)
            .with_codes(code)
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

/// Prints a line per epoch.
struct Print;

impl Observer for Print {
    fn epoch(&mut self, report: &EpochReport<'_>) -> vae_core::Result<()> {
        println!("epoch {}: {:.2?}", report.epoch, report.train.values);
        Ok(())
    }
}

fn main() -> vae_core::Result<()> {
    let data = load(&DataConfig::of("mnist-mini"), 1, &NoProgress)?;
    let device = Default::default();
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
    let train = TrainConfig {
        epochs: 3,
        ..TrainConfig::default()
    };
    let batches = Batcher::new(data.train, train.batch_size, 1)?.shuffled();
    Trainer::new(model, train, 1, device)?.run(&batches, None, &mut Print)?;
    Ok(())
}
