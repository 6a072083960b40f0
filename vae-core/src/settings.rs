//! The `[model]` settings: networks, likelihood, prior and posterior.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_data::{
    DataShape, ValueRange,
    bounds::{ABOVE_0, BELOW_1, finite},
};

use crate::{
    error::{Error, Result, check_bounds},
    ops::{self, Activation, ColumnWidth, LEVELS},
};

/// Components of a mixture, or pseudo-inputs, unless the settings say otherwise.
const COMPONENTS: usize = 100;
/// Steps of a flow, and the width of their networks' hidden layer.
const FLOW: FlowSize = FlowSize {
    steps: 4,
    hidden: 64,
};
/// More would not fit any memory.
const MOST: usize = 1 << 20;
/// A wider layer would not either, and products of a few widths stay countable.
const WIDEST: usize = 1 << 32;

/// The kind of network on both sides of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// One dense layer on each side, no activation.
    Linear,
    /// Dense layers.
    #[default]
    Mlp,
    /// Strided convolutions; images only.
    Conv,
    /// Strided convolutions, each followed by a residual block (He 2016); images only.
    Resnet,
}

impl Arch {
    /// Whether it sees the places of an image.
    pub fn is_convolutional(self) -> bool {
        matches!(self, Self::Conv | Self::Resnet)
    }
}

/// Which normalisation, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// None.
    #[default]
    None,
    /// Over all units of one example (Ba 2016).
    Layer,
    /// Over the batch, per unit or channel (Ioffe & Szegedy 2015).
    Batch,
}

/// Which likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LikelihoodKind {
    /// Independent Bernoulli from logits. Normalised for binary data; on data inside (0, 1) it is
    /// the usual cross-entropy. Data in [0, 1].
    Bernoulli,
    /// Continuous Bernoulli from logits (Loaiza-Ganem & Cunningham 2019), a density on [0, 1].
    ContinuousBernoulli,
    /// Gaussian with the fixed standard deviation `sigma`.
    Gaussian,
    /// Gaussian with one learned standard deviation (sigma-VAE, Rybkin 2021).
    GaussianGlobal,
    /// Gaussian with a standard deviation per feature from the decoder.
    GaussianPixel,
    /// For tables: a Gaussian with a learned standard deviation for each column of numbers, a softmax for
    /// each column of categories. Missing cells do not count.
    PerColumn,
    /// The same with Student's t of 3 degrees of freedom for numbers, whose tails are heavy: rows that are far off
    /// move the model little.
    StudentT,
    /// Poisson with the log rate from the decoder, for counts.
    Poisson,
    /// Negative binomial with the log mean from the decoder and a learned dispersion per feature, for counts
    /// that vary more than a Poisson's.
    NegativeBinomial,
    /// The same with extra zeros, whose logit the decoder gives too (scVI, Lopez 2018).
    ZeroInflatedNegativeBinomial,
    /// Multinomial from logits, for rows of counts given their sum (Mult-VAE, Liang 2018).
    Multinomial,
    /// A logit for each of the 256 levels of a pixel. Data are levels divided by 255.
    Categorical,
    /// A logistic with mean and scale from the decoder, rounded to the 256 levels of a pixel (Salimans 2017).
    /// Data are levels divided by 255.
    DiscretizedLogistic,
}

impl LikelihoodKind {
    /// How many numbers the decoder gives for one feature.
    pub fn parameters_per_feature(self) -> usize {
        match self {
            Self::GaussianPixel
            | Self::ZeroInflatedNegativeBinomial
            | Self::DiscretizedLogistic => 2,
            Self::Categorical => LEVELS,
            _ => 1,
        }
    }

    /// Whether it knows of the columns of a table: their kinds, and that cells may be missing.
    pub fn is_of_columns(self) -> bool {
        matches!(self, Self::PerColumn | Self::StudentT)
    }

    /// Whether the data are counts.
    pub fn is_of_counts(self) -> bool {
        matches!(
            self,
            Self::Poisson
                | Self::NegativeBinomial
                | Self::ZeroInflatedNegativeBinomial
                | Self::Multinomial
        )
    }

    /// What a value of the data must be, as a message says it: "the poisson likelihood needs whole numbers
    /// from 0".
    pub fn values(self) -> &'static str {
        match self {
            Self::Bernoulli | Self::ContinuousBernoulli => "values from 0 to 1",
            Self::Gaussian | Self::GaussianGlobal | Self::GaussianPixel => "finite numbers",
            Self::PerColumn | Self::StudentT => "finite numbers, or NaN where a cell is missing",
            Self::Categorical | Self::DiscretizedLogistic => {
                "values k/255 with k from 0 to 255, as the pixels of eight-bit images are"
            }
            _ => "whole numbers from 0",
        }
    }

    /// Whether a value of the data is one of [`LikelihoodKind::values`]. A level may be off by a thousandth,
    /// as what was divided by 255 in single precision is.
    pub fn fits(self, value: f32) -> bool {
        let is_unit = (0.0..=1.0).contains(&value);
        match self {
            Self::Bernoulli | Self::ContinuousBernoulli => is_unit,
            Self::Gaussian | Self::GaussianGlobal | Self::GaussianPixel => value.is_finite(),
            Self::PerColumn | Self::StudentT => !value.is_infinite(),
            Self::Categorical | Self::DiscretizedLogistic => {
                let level = 255.0 * value;
                is_unit && (level - level.round()).abs() <= 1e-3
            }
            _ => value >= 0.0 && value.is_finite() && value.fract() == 0.0,
        }
    }
}

/// Which prior over the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PriorKind {
    /// `N(0, I)`.
    #[default]
    Normal,
    /// A mixture of Gaussians, learned.
    Mixture,
    /// The mixture of the posteriors of learned pseudo-inputs (Tomczak & Welling 2018).
    Vamp,
    /// `N(0, I)` reshaped by a coupling flow (Dinh 2017), learned.
    Flow,
}

/// Which posterior over the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PosteriorKind {
    /// A diagonal Gaussian.
    #[default]
    Gaussian,
    /// One reshaped by an inverse autoregressive flow (Kingma 2016).
    Flow,
}

/// The sizes of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowSize {
    /// Steps one after another.
    pub steps: usize,
    /// Width of the hidden layer of each step's network.
    pub hidden: usize,
}

/// How a convolutional decoder doubles the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Upsample {
    /// Transposed convolution, the encoder's adjoint.
    #[default]
    Transposed,
    /// Nearest-neighbour resize, then a convolution (Odena 2016): no checkerboard pattern.
    Resize,
}

/// The `[model]` settings: networks and likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(default, deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct ModelConfig {
    /// Kind of network.
    #[schemars(extend("x-common" = true))]
    pub arch: Arch,
    /// Width of the latent code, at least 1.
    #[garde(range(min = 1, max = WIDEST))]
    #[schemars(extend("x-common" = true))]
    pub latent: usize,
    /// Widths of the dense hidden layers from the data inwards; '' for none. The decoder mirrors them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(inner(range(min = 1, max = WIDEST))))]
    #[schemars(
        inner(range(min = 1, max = WIDEST)),
        extend("x-unset" = "512,256 for mlp, 256 for conv and resnet")
    )]
    pub hidden: Option<Vec<usize>>,
    /// Channels of the convolutions from the data inwards, each halving the resolution.
    #[garde(inner(range(min = 1, max = WIDEST)))]
    pub channels: Vec<usize>,
    /// How a convolutional decoder doubles the resolution.
    pub upsample: Upsample,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Normalisation of the hidden layers, before the activation.
    pub norm: NormKind,
    /// Probability that a hidden unit is dropped in training, at least 0 and below 1.
    #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
    #[schemars(extend("x-value" = "P"))]
    pub dropout: f64,
    /// Let the decoder use the encoder's weights transposed; dense networks only.
    pub tied: bool,
    /// Distribution of the data given the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-unset" = "bernoulli for images in [0, 1], gaussian-pixel for codes, else gaussian"
    ))]
    pub likelihood: Option<LikelihoodKind>,
    /// Standard deviation of the gaussian likelihood, above 0. It is in units of the scaled data.
    #[garde(range(min = ABOVE_0), custom(finite))]
    #[schemars(extend("x-bound" = "a finite number above 0"))]
    pub sigma: f64,
    /// Prior over the codes: N(0, I), or learned: a mixture of Gaussians, the posteriors of pseudo-inputs
    /// (VampPrior), or a coupling flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unset" = "normal"))]
    pub prior: Option<PriorKind>,
    /// Components of the mixture prior, or pseudo-inputs of vamp, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = MOST))]
    #[schemars(extend("x-unset" = COMPONENTS.to_string()))]
    pub prior_components: Option<usize>,
    /// Posterior over the codes: a diagonal Gaussian, or one reshaped by an inverse autoregressive flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unset" = "gaussian"))]
    pub posterior: Option<PosteriorKind>,
    /// Steps of a flow, in prior or posterior, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = MOST))]
    #[schemars(extend("x-unset" = FLOW.steps.to_string()))]
    pub flow_steps: Option<usize>,
    /// Width of the hidden layer of a flow's networks, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = MOST))]
    #[schemars(extend("x-unset" = FLOW.hidden.to_string()))]
    pub flow_hidden: Option<usize>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            arch: Arch::Mlp,
            latent: 20,
            hidden: None,
            channels: vec![32, 64],
            upsample: Upsample::Transposed,
            activation: Activation::Relu,
            norm: NormKind::None,
            dropout: 0.0,
            tied: false,
            likelihood: None,
            sigma: 1.0,
            prior: None,
            prior_components: None,
            posterior: None,
            flow_steps: None,
            flow_hidden: None,
        }
    }
}

impl ModelConfig {
    /// The prior in force.
    pub fn prior(&self) -> PriorKind {
        self.prior.unwrap_or_default()
    }

    /// The posterior in force.
    pub fn posterior(&self) -> PosteriorKind {
        self.posterior.unwrap_or_default()
    }

    /// Components of a mixture, or pseudo-inputs, in force.
    pub fn prior_components(&self) -> usize {
        self.prior_components.unwrap_or(COMPONENTS)
    }

    /// The sizes of a flow in force.
    pub fn flow(&self) -> FlowSize {
        FlowSize {
            steps: self.flow_steps.unwrap_or(FLOW.steps),
            hidden: self.flow_hidden.unwrap_or(FLOW.hidden),
        }
    }

    /// The dense hidden widths in force.
    pub fn hidden(&self) -> Vec<usize> {
        match (&self.hidden, self.arch) {
            (_, Arch::Linear) => Vec::new(),
            (Some(hidden), _) => hidden.clone(),
            (None, Arch::Mlp) => vec![512, 256],
            (None, Arch::Conv | Arch::Resnet) => vec![256],
        }
    }

    /// The likelihood in force for data of the given shape and range.
    pub fn likelihood(&self, shape: &DataShape, range: ValueRange) -> LikelihoodConfig {
        let kind = self.likelihood.unwrap_or({
            if shape.image().is_some() && range.is_unit() {
                LikelihoodKind::Bernoulli
            } else {
                LikelihoodKind::Gaussian
            }
        });
        LikelihoodConfig {
            sigma: self.sigma,
            ..LikelihoodConfig::new(kind)
        }
    }

    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first that is out of bounds.
    pub fn check(&self) -> Result<()> {
        check_bounds("model", self)?;
        if self.arch == Arch::Linear && self.hidden.as_ref().is_some_and(|h| !h.is_empty()) {
            return Err(Error::setting(
                "model.hidden",
                format!("{:?}", self.hidden()),
                "left out with model.arch = \"linear\"",
            ));
        }
        if self.arch.is_convolutional() && self.channels.is_empty() {
            return Err(Error::setting(
                "model.channels",
                "[]",
                "at least one number",
            ));
        }
        Ok(())
    }
}

/// The settings of a likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodConfig {
    /// Which one.
    pub kind: LikelihoodKind,
    /// Standard deviation of [`LikelihoodKind::Gaussian`]; ignored by the others.
    pub sigma: f64,
    /// The columns of [`LikelihoodKind::PerColumn`] and [`LikelihoodKind::StudentT`], whose places are the features; empty for the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnWidth>,
    /// Whether the encoder sees beside the values of a table which numbers are missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mask: bool,
}

impl LikelihoodConfig {
    /// The given likelihood, `sigma` 1, no columns.
    pub fn new(kind: LikelihoodKind) -> Self {
        Self {
            kind,
            sigma: 1.0,
            columns: Vec::new(),
            mask: false,
        }
    }

    /// [`LikelihoodKind::PerColumn`] of a table with these columns.
    pub fn per_column(columns: Vec<ColumnWidth>) -> Self {
        Self {
            columns,
            ..Self::new(LikelihoodKind::PerColumn)
        }
    }

    /// How many numbers the decoder gives for one feature.
    pub fn parameters_per_feature(&self) -> usize {
        self.kind.parameters_per_feature()
    }

    /// How many numbers the encoder sees of so many features: with [`LikelihoodConfig::mask`] one more for each
    /// column that is a number.
    pub fn encoder_width(&self, features: usize) -> usize {
        match self.mask {
            true => features + ops::numbers(&self.columns),
            false => features,
        }
    }

    /// What a value of the data must be: see [`LikelihoodKind::values`].
    pub fn values(&self) -> &'static str {
        self.kind.values()
    }

    /// Whether a value of the data can be modelled: see [`LikelihoodKind::fits`].
    pub fn fits(&self, value: f32) -> bool {
        self.kind.fits(value)
    }

    /// Checks that one value of the data can be modelled, for a caller that has them all;
    /// [`LikelihoodConfig::check_range`] does not see what lies between the ends.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the likelihood has no such value.
    pub fn check_value(&self, value: f32) -> Result<()> {
        if self.fits(value) {
            return Ok(());
        }
        Err(Error::Unfit(format!(
            "the {} likelihood needs {}, but the data hold {value}: {}",
            kebab(&self.kind),
            self.values(),
            self.advice()
        )))
    }

    /// Checks that data of this range can be modelled.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the data leave the support of the likelihood.
    pub fn check_range(&self, range: ValueRange) -> Result<()> {
        use LikelihoodKind as Kind;
        let bound = match self.kind {
            Kind::Gaussian | Kind::GaussianGlobal | Kind::GaussianPixel => return Ok(()),
            kind if kind.is_of_columns() => return Ok(()),
            kind if kind.is_of_counts() => f32::INFINITY,
            _ => 1.0,
        };
        if range.min < 0.0 || range.max > bound {
            return Err(Error::Unfit(format!(
                "the {} likelihood needs {}, but the training data range from {} to {}: {}",
                kebab(&self.kind),
                self.values(),
                range.min,
                range.max,
                self.advice()
            )));
        }
        Ok(())
    }

    /// What to do about data that do not fit.
    fn advice(&self) -> &'static str {
        match self.kind {
            LikelihoodKind::Bernoulli | LikelihoodKind::ContinuousBernoulli => {
                "pass --scale min-max, or --likelihood gaussian"
            }
            kind if kind.is_of_counts() => "pass --scale none, or --likelihood gaussian",
            _ => "pass --likelihood gaussian",
        }
    }
}

/// The name a value has in configuration files.
pub(crate) fn kebab(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LikelihoodKind as Kind;

    const COUNTS: [Kind; 4] = [
        Kind::Poisson,
        Kind::NegativeBinomial,
        Kind::ZeroInflatedNegativeBinomial,
        Kind::Multinomial,
    ];

    #[test]
    fn a_likelihood_says_which_values_it_can_have() {
        for kind in COUNTS {
            for (value, fits) in [
                (0.0, true),
                (7.0, true),
                (16_777_216.0, true),
                (-1.0, false),
                (0.5, false),
                (f32::NAN, false),
                (f32::INFINITY, false),
            ] {
                assert_eq!(kind.fits(value), fits, "{kind:?} of {value}");
            }
        }
        for kind in [Kind::Categorical, Kind::DiscretizedLogistic] {
            assert!((0..256).all(|k| kind.fits(k as f32 / 255.0)));
            assert!((0..256).all(|k| kind.fits(k as f32 * (1.0 / 255.0)) || k == 255));
            for value in [-1.0 / 255.0, 256.0 / 255.0, 0.5, 0.1, 7.0, f32::NAN] {
                assert!(!kind.fits(value), "{kind:?} of {value}");
            }
        }
        assert!(Kind::PerColumn.fits(f32::NAN) && !Kind::PerColumn.fits(f32::INFINITY));
        assert!(Kind::Bernoulli.fits(0.3) && !Kind::Bernoulli.fits(1.1));
        assert!(Kind::Gaussian.fits(-1e6) && !Kind::Gaussian.fits(f32::NAN));
    }

    #[test]
    fn a_value_that_does_not_fit_is_named() {
        let of = |kind, value| LikelihoodConfig::new(kind).check_value(value);
        of(Kind::Poisson, 3.0).unwrap();
        let error = of(Kind::Poisson, 2.5).unwrap_err().to_string();
        for part in [
            "the poisson likelihood needs whole numbers from 0",
            "2.5",
            "--scale none",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let error = of(Kind::DiscretizedLogistic, 0.5).unwrap_err().to_string();
        assert!(
            error.contains("discretized-logistic likelihood needs values k/255"),
            "{error}"
        );
    }

    #[test]
    fn ranges_outside_the_support_are_refused() {
        let of = |kind, min, max| LikelihoodConfig::new(kind).check_range(ValueRange { min, max });
        for kind in COUNTS {
            of(kind, 0.0, 1e6).unwrap();
            assert!(of(kind, -1.0, 1.0).is_err(), "{kind:?}");
        }
        for kind in [Kind::Categorical, Kind::DiscretizedLogistic] {
            of(kind, 0.0, 1.0).unwrap();
            assert!(of(kind, 0.0, 255.0).is_err(), "{kind:?}");
        }
        of(Kind::PerColumn, -5.0, 5.0).unwrap();
    }

    /// As files of a model have it.
    #[test]
    fn a_likelihood_without_columns_is_written_and_read_as_before() {
        let text = r#"{"kind":"gaussian","sigma":0.5}"#;
        let config: LikelihoodConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.columns, []);
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
        let config =
            LikelihoodConfig::per_column(vec![ColumnWidth::Number, ColumnWidth::Levels(3)]);
        let text = r#"{"kind":"per-column","sigma":1.0,"columns":["number",{"levels":3}]}"#;
        assert_eq!(serde_json::to_string(&config).unwrap(), text);
        assert_eq!(
            serde_json::from_str::<LikelihoodConfig>(text).unwrap(),
            config
        );
    }
}
