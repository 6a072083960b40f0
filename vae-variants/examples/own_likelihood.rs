//! A likelihood of your own in any variant: the Poisson distribution, for counts.
//!
//! ```text
//! cargo run -p vae-variants --example own_likelihood
//! ```

use std::sync::Arc;

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, activation::softplus, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use vae_core::{
    Assembly, Autoencoder, Decoder, Distribution, Likelihood, ModelSpec, Result, StepContext,
    nets::{Init, ModelConfig, Nets},
    repeat_rows,
    train::{TrainConfig, evaluate, evaluate_nll},
};
use vae_data::{
    Binarize, Data, DataConfig, DataShape, MemoryDataset, Source, fill_uniform, random::Stream, rng,
};
use vae_variants::{Description, Model, Recipe, Variant};

/// Counts with a rate for each feature.
#[derive(Debug, Clone)]
struct Poisson<B: Backend> {
    rate: Tensor<B, 2>,
}

impl<B: Backend> Distribution<B> for Poisson<B> {
    /// By inversion: the count is the number of the cumulative probabilities below `u`.
    fn sample(&self, count: usize, step: &StepContext) -> Tensor<B, 2> {
        let rate = repeat_rows(self.rate.clone(), count);
        let u: Tensor<B, 2> = step.uniform(rate.dims(), &rate.device());
        let (mut term, mut below) = (rate.clone().neg().exp(), rate.zeros_like());
        let mut sum = term.clone();
        for k in 1..100 {
            below = below + sum.clone().lower(u.clone()).float();
            term = term * rate.clone().div_scalar(k);
            sum = sum + term.clone();
        }
        below
    }

    /// `k log(rate) - rate - log(k!)`
    fn log_prob(&self, value: Tensor<B, 2>) -> Tensor<B, 1> {
        let rate = repeat_rows(self.rate.clone(), value.dims()[0] / self.rate.dims()[0]);
        let log_factorial = |k: f32| (1..=k as u32).map(|i| (i as f32).ln()).sum::<f32>();
        let constant: Vec<f32> = value.to_data().iter::<f32>().map(log_factorial).collect();
        let constant = TensorData::new(constant, value.dims());
        let terms = value * rate.clone().log() - rate;
        let terms = terms - Tensor::from_data(constant, &self.rate.device());
        terms.sum_dim(1).squeeze_dim(1)
    }

    fn mean(&self) -> Tensor<B, 2> {
        self.rate.clone()
    }
}

/// What makes rates of the decoder's output.
#[derive(Module, Debug, Clone)]
struct Rates;

impl<B: Backend> Likelihood<B> for Rates {
    type Distribution = Poisson<B>;

    fn parameters_per_feature(&self) -> usize {
        1
    }

    fn distribution(&self, parameters: Tensor<B, 2>) -> Poisson<B> {
        Poisson {
            rate: softplus(parameters, 1.0).add_scalar(1e-4),
        }
    }
}

type Parts<B> = Assembly<B, Nets<B>, Rates>;

fn assemble<B: Backend>(spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Parts<B>> {
    Assembly::with(spec, init, Rates, |nets, init| {
        Nets::init(&spec.model, nets, init)
    })
}

/// Rows of two kinds, whose counts are around 1, 2, ... 6 and around 6, 5, ... 1.
fn counts(rows: usize) -> Result<Data> {
    let width = 6;
    let mut uniform = vec![0.0; rows * width];
    fill_uniform(&mut rng(3, Stream::Other, 0), &mut uniform);
    let values = uniform.iter().enumerate().map(|(place, u)| {
        let (row, column) = (place / width, place % width);
        let rate = 1 + if row % 2 == 0 {
            column
        } else {
            width - 1 - column
        };
        (2.0 * rate as f32 * u).round()
    });
    let set = MemoryDataset::new(DataShape::flat(width), values.collect())?;
    let config = DataConfig {
        scale: vae_data::Scale::None,
        ..DataConfig::default()
    };
    Ok(Data::from_source(
        Source::new("counts", Arc::new(set)),
        &config,
        1,
    )?)
}

/// What training comes to, in nats per example.
#[derive(Debug)]
pub struct Figures {
    /// Test loss before and after.
    pub loss: [f64; 2],
    /// `-log p(x)` of the test data, where the variant gives it.
    pub nll: Option<f64>,
    /// New rows of counts, where the variant can draw some.
    pub samples: Vec<f32>,
}

/// Trains `variant` on counts.
pub fn train(variant: Variant, rows: usize, epochs: usize) -> Result<Figures> {
    let (data, device) = (counts(rows)?, Default::default());
    let config = ModelConfig {
        latent: 2,
        hidden: Some(vec![32]),
        ..ModelConfig::default()
    };
    let description = Description::new(variant, config, Default::default(), &data, Binarize::None)?;
    let config = TrainConfig {
        epochs,
        lr: 0.005.into(),
        ..TrainConfig::default()
    };
    let model = description.build_with::<Autodiff<Flex>, _>(1, &device, assemble)?;
    let recipe = Recipe::new(description.clone(), &data, config, 1)?;
    let trainer = recipe.trainer_of(model, &device)?;
    let outcome = trainer.run(recipe.training(), None, &mut ())?;
    let test = recipe.test().expect("a test split");
    let loss = |model: &Model<Flex, Parts<Flex>>| -> Result<f64> {
        let scores = evaluate(model, test, 1, outcome.position, &device)?;
        Ok(scores.readings.loss())
    };
    let step = StepContext::sample(1);
    let codes = outcome.model.sample(50, &step, &device);
    let samples = codes.map_or_else(Vec::new, |codes| {
        let rates = outcome
            .model
            .likelihood(outcome.model.decode(codes, None, &step));
        rates.sample(1, &step).into_data().iter::<f32>().collect()
    });
    Ok(Figures {
        loss: [
            loss(&description.build_with(1, &device, assemble)?)?,
            loss(&outcome.model)?,
        ],
        nll: evaluate_nll(&outcome.model, test, 100, 1, &device)?,
        samples,
    })
}

#[allow(dead_code, reason = "the test of this example calls `train` itself")]
fn main() -> Result<()> {
    let figures = train(Variant::Vae(vae_variants::Vae::default()), 4000, 20)?;
    let [before, after] = figures.loss;
    println!("test loss in nats per example: {before:.2} before, {after:.2} after 20 epochs");
    println!("-log p(x): {:.2}", figures.nll.unwrap_or(f64::NAN));
    println!("a new row: {:?}", &figures.samples[..6]);
    Ok(())
}
