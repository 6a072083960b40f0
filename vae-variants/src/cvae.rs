//! The conditional VAE (Sohn 2015, eq. 4, with the prior independent of the condition): encoder and
//! decoder both see the condition `c`, a one-hot class and numeric attributes:
//! `-E_q(z|x,c)[log p(x|z,c)] + KL(q(z|x,c) || N(0, I))`.
//!
//! Dense encoders get `c` appended to the features, convolutional ones as constant planes appended
//! to the image's channels. The decoder gets `z` with `c` appended.

use burn::{
    module::Module,
    tensor::{Tensor, backend::Backend},
};
use serde::{Deserialize, Serialize};
use vae_core::{
    Autoencoder, Batch, Decoder, DiagonalGaussian, Encoder, Error, Likelihood, Loss, ModelSpec,
    Objective, ObjectiveConfig, OptionInfo, Result, StepContext, Updates, VariantConfig,
    negative_elbo,
    nets::{Arch, Init, NetSpec, Nets},
};
use vae_data::DataShape;

/// Options of the conditional VAE: none of its own. What it is conditioned on are the data's
/// classes and the `data.condition` columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CvaeConfig {}

impl VariantConfig for CvaeConfig {
    const NAME: &'static str = "cvae";
    const SUMMARY: &'static str = "VAE conditioned on classes and numeric attributes";
    const PAPER: &'static str = "Sohn 2015";
    const OPTIONS: &'static [OptionInfo] = &[];
    const EXAMPLE: &'static str = "--variant cvae --dataset mnist-mini";

    type Model<B: Backend> = Cvae<B>;

    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Cvae<B>> {
        if spec.condition == 0 {
            return Err(Error::Unfit(
                "the cvae variant needs something to be conditioned on, but the data have neither \
                 labels nor attributes: name a column with --label or --condition, sort images \
                 into one folder per class, or choose another --variant"
                    .into(),
            ));
        }
        let planes = match (spec.model.arch, spec.shape.image()) {
            (Arch::Conv, Some([_, height, width])) => height * width,
            _ => 1,
        };
        let input = match spec.model.arch {
            Arch::Conv => spec.shape.with_more_channels(spec.condition),
            Arch::Linear | Arch::Mlp => DataShape::flat(spec.shape.features() + spec.condition),
        };
        let nets = NetSpec {
            input,
            latent: spec.model.latent + spec.condition,
            ..spec.nets(2 * spec.model.latent)
        };
        Ok(Cvae {
            nets: Nets::init(&spec.model, &nets, init)?,
            likelihood: spec.likelihood.init(init.device())?,
            objective: spec.objective.clone(),
            latent: spec.model.latent,
            condition: spec.condition,
            planes,
        })
    }

    fn is_conditional(&self) -> bool {
        true
    }
}

/// A conditional VAE.
#[derive(Module, Debug)]
pub struct Cvae<B: Backend> {
    pub(crate) nets: Nets<B>,
    likelihood: Likelihood<B>,
    #[module(skip)]
    pub(crate) objective: ObjectiveConfig,
    #[module(skip)]
    latent: usize,
    #[module(skip)]
    condition: usize,
    /// How often each entry of the condition stands in the encoder's input.
    #[module(skip)]
    planes: usize,
}

impl<B: Backend> Cvae<B> {
    /// The condition, or zeros where an example has none.
    fn condition(&self, given: Option<&Tensor<B, 2>>, like: &Tensor<B, 2>) -> Tensor<B, 2> {
        given
            .cloned()
            .unwrap_or_else(|| Tensor::zeros([like.dims()[0], self.condition], &like.device()))
    }
}

impl<B: Backend> Encoder<B> for Cvae<B> {
    type Code = DiagonalGaussian<B>;

    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> DiagonalGaussian<B> {
        let condition = self.condition(batch.condition.as_ref(), &batch.input);
        let examples = batch.len();
        let planes = condition
            .unsqueeze_dim::<3>(2) // [batch, condition, 1]
            .expand([examples, self.condition, self.planes])
            .reshape([examples, self.condition * self.planes]);
        let input = Tensor::cat(vec![batch.input.clone(), planes], 1);
        DiagonalGaussian::from_parameters(self.nets.encode(input, step))
    }
}

impl<B: Backend> Decoder<B> for Cvae<B> {
    fn decode(
        &self,
        z: Tensor<B, 2>,
        condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let condition = self.condition(condition, &z);
        self.nets.decode(Tensor::cat(vec![z, condition], 1), step)
    }
}

impl<B: Backend> Loss<B> for Cvae<B> {
    fn loss(&self, batch: &Batch<B>, step: &StepContext) -> Objective<B> {
        negative_elbo(self, batch, 1.0, &self.objective, step)
    }

    fn updates(&self) -> Updates {
        self.objective.updates(&self.nets.encoder, self)
    }
}

impl<B: Backend> Autoencoder<B> for Cvae<B> {
    fn likelihood(&self) -> &Likelihood<B> {
        &self.likelihood
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn is_generative(&self) -> bool {
        true
    }
}
