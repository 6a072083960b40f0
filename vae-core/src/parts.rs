//! What every model is made of: networks, likelihood, prior and posterior.

use burn::{
    module::{Module, ModuleDisplay},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    Batch, ModelSpec, ObjectiveConfig, Result, StepContext,
    distribution::{DiagonalGaussian, Distribution, Posterior},
    error::{Error, check},
    flow::{FlowPosterior, Iaf},
    likelihood::{BuiltinLikelihood, Likelihood},
    nets::{Init, NetSpec, Nets, Networks},
    prior::{BuiltinPrior, Prior},
    settings::PosteriorKind,
};

/// The distribution of the prior of some parts.
pub type PriorOf<B, P> = <<P as Parts<B>>::Prior as Prior<B>>::Distribution;
/// The distribution that the likelihood of some parts gives.
pub type LikelihoodOf<B, P> = <<P as Parts<B>>::Likelihood as Likelihood<B>>::Distribution;

/// What a variant works with, whatever the networks, the likelihood and the prior are.
pub trait Parts<B: Backend>: Module<B> + ModuleDisplay + 'static {
    /// Encoder and decoder.
    type Networks: Networks<B>;
    /// `p(x|z)`
    type Likelihood: Likelihood<B>;
    /// `p(z)`
    type Prior: Prior<B>;

    /// Encoder and decoder.
    fn networks(&self) -> &Self::Networks;

    /// `p(x|z)`
    fn likelihood(&self) -> &Self::Likelihood;

    /// What gives `p(z)`.
    fn prior_part(&self) -> &Self::Prior;

    /// Reshapes the posterior, if it is no plain Gaussian.
    fn flow(&self) -> Option<&Iaf<B>>;

    /// What else all variants share.
    fn shared(&self) -> &Shared;

    /// The parts before the first step, when they have seen a first batch: see [`Prior::prepare`].
    #[must_use]
    fn prepare(self, batch: &Batch<B>, step: &StepContext) -> Self;

    /// The settings of the KL term.
    fn objective(&self) -> &ObjectiveConfig {
        &self.shared().objective
    }

    /// The encoder's input: the examples, as the likelihood shows them to it
    /// ([`Likelihood::encoder_view`]), with the condition of conditional models appended, for convolutions
    /// as planes; zeros where an example has none.
    ///
    /// # Shapes
    /// - `input`: `[batch, features]`
    /// - output: `[batch, encoder width + condition * planes]`
    fn encoder_input(&self, input: Tensor<B, 2>, condition: Option<&Tensor<B, 2>>) -> Tensor<B, 2> {
        let Shared {
            condition: width,
            planes,
            ..
        } = *self.shared();
        let input = self.likelihood().encoder_view(input);
        if width == 0 {
            return input;
        }
        let examples = input.dims()[0];
        let rows = condition_rows(condition, width, &input)
            .unsqueeze_dim::<3>(2) // [batch, condition, 1]
            .expand([examples, width, planes])
            .reshape([examples, width * planes]);
        Tensor::cat(vec![input, rows], 1)
    }

    /// The encoder's output.
    ///
    /// # Shapes
    /// - output: `[batch, code]`
    fn encode(&self, batch: &Batch<B>, step: &StepContext) -> Tensor<B, 2> {
        let input = self.encoder_input(batch.input.clone(), batch.condition.as_ref());
        self.networks().encode(input, step)
    }

    /// `q(z|x)` from the encoder's output.
    fn posterior(&self, batch: &Batch<B>, step: &StepContext) -> Posterior<B> {
        let output = self.encode(batch, step);
        match self.flow() {
            None => Posterior::Gaussian(DiagonalGaussian::from_parameters(output)),
            Some(flow) => {
                let latent = self.shared().latent;
                Posterior::Flow(FlowPosterior {
                    base: DiagonalGaussian::from_parameters(output.clone().narrow(
                        1,
                        0,
                        2 * latent,
                    )),
                    context: output.narrow(1, 2 * latent, latent),
                    flow: flow.clone(),
                })
            }
        }
    }

    /// `p(z)`.
    fn prior(&self, step: &StepContext, device: &B::Device) -> PriorOf<B, Self> {
        let encode =
            |inputs| DiagonalGaussian::from_parameters(self.networks().encode(inputs, step));
        self.prior_part().distribution(encode, device)
    }

    /// The decoder's output for codes under the condition they belong to, if any.
    ///
    /// # Shapes
    /// - `z`: `[batch, latent]`
    /// - `condition`: `[batch, condition]`
    /// - output: `[batch, features * parameters per feature]`
    fn decode(
        &self,
        z: Tensor<B, 2>,
        condition: Option<&Tensor<B, 2>>,
        step: &StepContext,
    ) -> Tensor<B, 2> {
        let width = self.shared().condition;
        let z = match width {
            0 => z,
            _ => {
                let condition = condition_rows(condition, width, &z);
                Tensor::cat(vec![z, condition], 1)
            }
        };
        self.networks().decode(z, step)
    }

    /// `p(x|z)` of the examples, or of codes, under the condition of `batch`.
    ///
    /// # Shapes
    /// - `z`: `[batch, latent]`
    fn likelihood_of(
        &self,
        z: Tensor<B, 2>,
        batch: &Batch<B>,
        step: &StepContext,
    ) -> LikelihoodOf<B, Self> {
        let parameters = self.decode(z, batch.condition.as_ref(), step);
        self.likelihood().distribution(parameters)
    }
}

/// The condition, or zeros.
fn condition_rows<B: Backend>(
    condition: Option<&Tensor<B, 2>>,
    width: usize,
    like: &Tensor<B, 2>,
) -> Tensor<B, 2> {
    condition
        .cloned()
        .unwrap_or_else(|| Tensor::zeros([like.dims()[0], width], &like.device()))
}

/// What the parts of a model share that is not learned.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The KL term's settings.
    pub objective: ObjectiveConfig,
    /// Width of the code that the decoder takes.
    pub latent: usize,
    /// Width of the condition; 0 for an unconditional model.
    pub condition: usize,
    /// How often each entry of the condition stands in the encoder's input.
    pub planes: usize,
}

/// The parts of a model, ours unless others are named.
#[derive(Module, Debug)]
pub struct Assembly<B: Backend, N = Nets<B>, L = BuiltinLikelihood<B>, P = BuiltinPrior<B>> {
    /// Encoder and decoder.
    pub networks: N,
    /// `p(x|z)`
    pub likelihood: L,
    /// `p(z)`
    pub prior: P,
    /// Reshapes the posterior, if it is no plain Gaussian.
    pub flow: Option<Iaf<B>>,
    /// What is not learned.
    #[module(skip)]
    pub shared: Shared,
}

impl<B, N, L, P> Parts<B> for Assembly<B, N, L, P>
where
    B: Backend,
    N: Networks<B>,
    L: Likelihood<B>,
    P: Prior<B>,
{
    type Networks = N;
    type Likelihood = L;
    type Prior = P;

    fn networks(&self) -> &N {
        &self.networks
    }

    fn likelihood(&self) -> &L {
        &self.likelihood
    }

    fn prior_part(&self) -> &P {
        &self.prior
    }

    fn flow(&self) -> Option<&Iaf<B>> {
        self.flow.as_ref()
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn prepare(self, batch: &Batch<B>, step: &StepContext) -> Self {
        let inputs = self.encoder_input(batch.input.clone(), batch.condition.as_ref());
        Self {
            prior: self.prior.prepare(inputs, step),
            ..self
        }
    }
}

impl<B: Backend> Assembly<B> {
    /// Our own parts, as `spec` asks for them.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Unfit`] if the settings do not fit each other or the data.
    pub fn build(spec: &ModelSpec, init: &mut Init<'_, B>) -> Result<Self> {
        let likelihood = spec.likelihood.init(spec.shape.features(), init.device())?;
        let widths = spec.own_nets(&likelihood);
        let networks = Nets::init(&spec.model, &widths, init)?;
        Self::assemble(spec, &widths, networks, likelihood, init)
    }
}

impl<B: Backend, N: Networks<B>, L: Likelihood<B>> Assembly<B, N, L> {
    /// Parts with another likelihood, and with the networks that `networks` makes for it.
    ///
    /// # Errors
    /// As [`Assembly::build`]; [`Error::Unfit`] if a network's output has another width than it must.
    pub fn with(
        spec: &ModelSpec,
        init: &mut Init<'_, B>,
        likelihood: L,
        networks: impl Fn(&NetSpec, &mut Init<'_, B>) -> Result<N>,
    ) -> Result<Self> {
        let widths = spec.own_nets(&likelihood);
        // On networks that are thrown away: a pass moves the statistics of a batch normalisation.
        let tried = networks(&widths, &mut Init::new(0, init.device()))?;
        check_widths(&tried, &widths, init.device())?;
        let networks = networks(&widths, init)?;
        Self::assemble(spec, &widths, networks, likelihood, init)
    }

    fn assemble(
        spec: &ModelSpec,
        widths: &NetSpec,
        networks: N,
        likelihood: L,
        init: &mut Init<'_, B>,
    ) -> Result<Self> {
        let inputs = widths.input.features();
        Ok(Self {
            networks,
            likelihood,
            prior: BuiltinPrior::init(&spec.model, spec.code.prior, inputs, init)?,
            flow: (spec.model.posterior() == PosteriorKind::Flow)
                .then(|| Iaf::init(spec.code.latent, spec.model.flow(), init)),
            shared: Shared {
                objective: spec.objective.clone(),
                latent: spec.code.latent,
                condition: spec.condition_width(),
                planes: spec.planes(),
            },
        })
    }

    /// The same parts with another prior.
    ///
    /// # Errors
    /// [`Error::Unfit`] if it draws codes of another width than it must, [`Error::Setting`] if there are
    /// free bits that its KL has no parts for.
    pub fn with_prior<P: Prior<B>>(
        self,
        spec: &ModelSpec,
        prior: P,
        device: &B::Device,
    ) -> Result<Assembly<B, N, L, P>> {
        let Self {
            networks,
            likelihood,
            flow,
            shared,
            ..
        } = self;
        let parts = Assembly {
            networks,
            likelihood,
            prior,
            flow,
            shared,
        };
        let step = StepContext::evaluate(0, 0, 0, 1);
        let distribution = parts.prior(&step, device);
        let [_, found] = distribution.sample(1, &step).dims();
        let expected = spec.code.prior;
        if found != expected {
            return Err(Error::Unfit(format!(
                "the prior gives codes of {found} numbers, but must give {expected}: the width of the code"
            )));
        }
        let bits = parts.objective().free_bits;
        let zeros = Tensor::zeros([1, expected], device);
        let has_parts = distribution.kl_per_dimension(&DiagonalGaussian::new(zeros.clone(), zeros));
        let bound = "0 with this prior, whose KL is no sum over dimensions";
        check(
            "objective.free_bits",
            bits,
            bits == 0.0 || has_parts.is_some(),
            bound,
        )?;
        Ok(parts)
    }
}

/// Runs both networks once, on zeros.
fn check_widths<B: Backend>(
    networks: &impl Networks<B>,
    widths: &NetSpec,
    device: &B::Device,
) -> Result<()> {
    let step = StepContext::evaluate(0, 0, 0, 1);
    let zeros = |width| Tensor::<B, 2>::zeros([2, width], device);
    let (features, each) = (widths.output.features(), widths.parameters_per_feature);
    let [_, encoded] = networks
        .encode(zeros(widths.input.features()), &step)
        .dims();
    let [_, decoded] = networks.decode(zeros(widths.latent), &step).dims();
    let describe = format!("{each} for each of {features} features");
    for (which, found, expected, why) in [
        ("encoder", encoded, widths.code, "what the code needs"),
        ("decoder", decoded, features * each, &describe),
    ] {
        if found != expected {
            return Err(Error::Unfit(format!(
                "the {which} gives {found} numbers for an example, but must give {expected}: {why}"
            )));
        }
    }
    Ok(())
}
