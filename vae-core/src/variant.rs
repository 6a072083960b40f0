//! How a variant describes and builds itself.

use std::fmt::Debug;

use burn::tensor::backend::Backend;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use vae_data::{Corruption, DataShape};

use crate::{
    Likelihood, Method, ObjectiveConfig, Result,
    error::{check, check_bounds},
    nets::{Init, NetSpec},
    settings::{LikelihoodConfig, ModelConfig, PosteriorKind, PriorKind, kebab},
};

/// The code of a variant: what the networks and the prior have to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeShape {
    /// What is said of it.
    pub kind: CodeKind,
    /// Width of the row that the decoder takes.
    pub latent: usize,
    /// Width of the code that the prior is over.
    pub prior: usize,
    /// Numbers that the encoder gives besides what the kind needs.
    pub extra: usize,
}

/// What is said of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Where it is.
    Point,
    /// Its distribution.
    Distribution,
    /// For each cell of a grid a row of so many numbers: where an image is encoded by convolutions, the
    /// cells are places of it.
    Grid(usize),
}

impl CodeShape {
    /// Whether it is one distribution over the row that the decoder takes: a [`Posterior`](crate::Posterior).
    pub fn is_posterior(&self) -> bool {
        self.kind == CodeKind::Distribution && self.extra == 0
    }

    /// A code of one row of `model.latent` numbers.
    pub fn row(kind: CodeKind, model: &ModelConfig) -> Self {
        Self {
            kind,
            latent: model.latent,
            prior: model.latent,
            extra: 0,
        }
    }
}

/// Everything a model is built from, besides its variant's own options.
#[derive(Debug, Clone)]
pub struct ModelSpec {
    /// The networks' settings.
    pub model: ModelConfig,
    /// The likelihood in force.
    pub likelihood: LikelihoodConfig,
    /// The KL term's settings.
    pub objective: ObjectiveConfig,
    /// Shape of one example.
    pub shape: DataShape,
    /// Number of classes.
    pub classes: usize,
    /// Width of the condition: classes + attributes.
    pub condition: usize,
    /// Whether encoder and decoder see the condition.
    pub is_conditional: bool,
    /// The code.
    pub code: CodeShape,
}

impl ModelSpec {
    /// The networks of a model without condition whose encoder gives `code` numbers.
    pub fn nets(&self, code: usize) -> NetSpec {
        let features = self.shape.features();
        NetSpec {
            input: self.encoder_shape(self.likelihood.encoder_width(features)),
            code,
            latent: self.code.latent,
            output: self.shape.clone(),
            parameters_per_feature: self.likelihood.parameters_per_feature(),
            cell: match self.code.kind {
                CodeKind::Grid(width) => Some(width),
                _ => None,
            },
        }
    }

    /// The networks of the model itself, with its condition, for a likelihood of its own.
    pub(crate) fn own_nets<B: Backend>(&self, likelihood: &impl Likelihood<B>) -> NetSpec {
        let condition = self.condition_width();
        let seen = likelihood.encoder_width(self.shape.features());
        let input = match self.has_planes() {
            true => self.shape.with_more_channels(condition),
            false => self.encoder_shape(seen + condition),
        };
        NetSpec {
            input,
            latent: self.code.latent + condition,
            parameters_per_feature: likelihood.parameters_per_feature(),
            ..self.nets(self.code_width())
        }
    }

    /// Of an example of which the encoder sees so many numbers.
    fn encoder_shape(&self, width: usize) -> DataShape {
        match width == self.shape.features() {
            true => self.shape.clone(),
            false => DataShape::flat(width),
        }
    }

    fn code_width(&self) -> usize {
        let latent = self.code.latent;
        let own = match (self.code.kind, self.model.posterior()) {
            (CodeKind::Point | CodeKind::Grid(_), _) => latent,
            (CodeKind::Distribution, PosteriorKind::Gaussian) => 2 * latent,
            // And the context of the flow.
            (CodeKind::Distribution, PosteriorKind::Flow) => 3 * latent,
        };
        own + self.code.extra
    }

    /// Width of the condition that encoder and decoder see.
    pub fn condition_width(&self) -> usize {
        if self.is_conditional {
            self.condition
        } else {
            0
        }
    }

    /// Whether the encoder sees the condition as planes of an image.
    fn has_planes(&self) -> bool {
        self.model.arch.is_convolutional()
    }

    /// How often each entry of the condition stands in the encoder's input.
    pub(crate) fn planes(&self) -> usize {
        match self.shape.image() {
            Some([_, height, width]) if self.has_planes() => height * width,
            _ => 1,
        }
    }

    /// Checks that prior, posterior and KL term fit each other and the variant called `name`, which may
    /// have `priors`; `others` are the variants that have one.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) naming the first that does not.
    pub fn check_prior(&self, name: &str, priors: &[PriorKind], others: &[&str]) -> Result<()> {
        let (prior, posterior) = (self.model.prior(), self.model.posterior());
        let none = format!(
            "left out with {name}, whose code is no Gaussian; those with such a code: {}",
            others.join(", ")
        );
        let names = priors.iter().map(kebab).collect::<Vec<_>>().join(", ");
        let bound = match priors {
            [] => none.clone(),
            _ => format!("one that {name} can have: {names}"),
        };
        let fits = self.model.prior.is_none() || priors.contains(&prior);
        check("model.prior", kebab(&prior), fits, &bound)?;
        let bound = match priors {
            [] => none,
            _ => format!("left out with {name}, which has a posterior of its own"),
        };
        let is_row = self.code.is_posterior();
        let fits = self.model.posterior.is_none() || is_row;
        check("model.posterior", kebab(&posterior), fits, &bound)?;
        let is_plain = posterior == PosteriorKind::Gaussian;
        check(
            "model.prior",
            kebab(&prior),
            is_plain || prior != PriorKind::Vamp,
            "another with model.posterior = \"flow\": a mixture of flows has no density that is \
             cheap to compute",
        )?;
        let bits = self.objective.free_bits;
        let closed = self.code.extra > 0 || (is_plain && prior == PriorKind::Normal);
        let bound = "0 with a prior or posterior whose KL is no sum over the dimensions: free bits \
                     need model.prior = \"normal\" and model.posterior = \"gaussian\"";
        check("objective.free_bits", bits, bits == 0.0 || closed, bound)?;
        let steps = self.objective.aggressive;
        let bound = "0 with model.posterior = \"flow\": the mutual information that ends the \
                     encoder's lead is known for a Gaussian posterior";
        check("objective.aggressive", steps, steps == 0 || is_plain, bound)
    }
}

/// A variant's options, and how a model is built from them: each field is one, with its help, its bound
/// and, by `Default`, its default.
pub trait VariantConfig:
    Debug
    + Clone
    + PartialEq
    + Default
    + Serialize
    + DeserializeOwned
    + JsonSchema
    + Validate<Context = ()>
    + Send
    + Sync
    + 'static
{
    /// Name on the command line and in configuration files.
    const NAME: &'static str;
    /// One line on what it is.
    const SUMMARY: &'static str;
    /// The paper it follows.
    const PAPER: &'static str;
    /// Arguments of an example run.
    const EXAMPLE: &'static str;
    /// Settings whose defaults do not suit this variant: dotted keys, and what they are instead.
    const SETTINGS: &'static [(&'static str, &'static str)] = &[];

    /// What the variant does with the parts of a model; the options themselves where it has no
    /// parameters of its own.
    type Method<B: Backend>: Method<B>;

    /// Whether the method's own networks get their initial weights before those of the parts.
    const METHOD_FIRST: bool = false;

    /// The priors that it can have.
    const PRIORS: &'static [PriorKind] = &[
        PriorKind::Normal,
        PriorKind::Mixture,
        PriorKind::Vamp,
        PriorKind::Flow,
    ];

    /// Checks options whose bound depends on others; each has been checked against its own.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) with the key `variant.<option>`.
    fn check_together(&self) -> Result<()> {
        Ok(())
    }

    /// Checks every option against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) with the key `variant.<option>`.
    fn check(&self) -> Result<()> {
        check_bounds("variant", self)?;
        self.check_together()
    }

    /// The code, with settings that are in their bounds.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the settings do not fit the variant or the data.
    fn code(&self, model: &ModelConfig, _shape: &DataShape) -> Result<CodeShape> {
        Ok(CodeShape::row(CodeKind::Distribution, model))
    }

    /// Checks that data and settings are such that the variant can do something with them.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) or [`Error::Unfit`](crate::Error::Unfit) if not.
    fn fits(&self, _spec: &ModelSpec) -> Result<()> {
        Ok(())
    }

    /// Builds the method with fresh weights.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) or [`Error::Unfit`](crate::Error::Unfit) if the
    /// settings do not fit the variant or the data.
    fn build<B: Backend>(
        &self,
        spec: &ModelSpec,
        init: &mut Init<'_, B>,
    ) -> Result<Self::Method<B>>;

    /// What is done to the encoder's input, in training and evaluation alike.
    fn corruption(&self) -> Option<Corruption> {
        None
    }

    /// The share of each training batch that labelled examples are to have where the data have fewer,
    /// above 0 and below 1.
    fn labelled_share(&self) -> Option<f64> {
        None
    }

    /// Whether the model needs class labels or attributes.
    fn is_conditional(&self) -> bool {
        false
    }
}
