//! Likelihoods `p(x|z)`: what the decoder's output says of the data.

use burn::{
    module::{Module, ModuleDisplay, Param},
    tensor::{Tensor, backend::Backend},
};

use crate::{
    distribution::{
        Bernoulli, Categorical, ContinuousBernoulli, DiagonalGaussian, DiscretizedLogistic,
        Distribution, Gaussian, Multinomial, NegativeBinomial, PerColumn, Poisson, Spread,
        Tails, ZeroInflatedNegativeBinomial,
    },
    error::{Error, Result, check},
    ops,
    settings::{LikelihoodConfig, LikelihoodKind},
    step::StepContext,
};

/// What turns the decoder's output into the distribution of the data, with parameters of its own, if
/// any. One that is written elsewhere works in every variant.
pub trait Likelihood<B: Backend>: Module<B> + ModuleDisplay + 'static {
    /// The distribution of the data: a row for each example.
    type Distribution: Distribution<B>;

    /// How many numbers the decoder gives for one feature.
    fn parameters_per_feature(&self) -> usize;

    /// The distribution that the decoder's output stands for.
    ///
    /// # Shapes
    /// - `parameters`: `[batch, features * parameters per feature]`
    fn distribution(&self, parameters: Tensor<B, 2>) -> Self::Distribution;

    /// What the encoder sees of the examples, or of what corruption has left of them: the same, unless the
    /// likelihood knows of something that is easier to learn from.
    ///
    /// # Shapes
    /// - `input`: `[batch, features]`, NaN where a cell of a table is missing
    /// - output: `[batch, encoder_width(features)]`
    fn encoder_view(&self, input: Tensor<B, 2>) -> Tensor<B, 2> {
        input
    }

    /// The width of [`Likelihood::encoder_view`]: another than `features` for rows of numbers only, not for images.
    fn encoder_width(&self, features: usize) -> usize {
        features
    }
}

/// The likelihoods that settings can choose.
#[derive(Module, Debug)]
pub struct BuiltinLikelihood<B: Backend> {
    /// Logarithms of learned standard deviations before the smooth lower bound `softplus(x + 6) - 6`: that of
    /// [`LikelihoodKind::GaussianGlobal`], `[1]`, or those of [`LikelihoodKind::PerColumn`],
    /// `[number columns]`; a fifth of the logarithms of the scales of [`LikelihoodKind::StudentT`].
    pub log_sigma: Option<Param<Tensor<B, 1>>>,
    /// Logarithms of the learned inverse dispersions of [`LikelihoodKind::NegativeBinomial`] and
    /// [`LikelihoodKind::ZeroInflatedNegativeBinomial`]. `[features]`
    pub log_theta: Option<Param<Tensor<B, 1>>>,
    #[module(skip)]
    config: LikelihoodConfig,
}

impl LikelihoodConfig {
    /// Builds the likelihood of so many features on a device. Learned standard deviations and dispersions
    /// begin at 1.
    ///
    /// # Errors
    /// [`Error::Setting`] if `sigma` is not above 0, [`Error::Unfit`] if the columns do not have as many places
    /// as there are features, or if a category has no level.
    pub fn init<B: Backend>(
        &self,
        features: usize,
        device: &B::Device,
    ) -> Result<BuiltinLikelihood<B>> {
        let positive = self.sigma > 0.0 && self.sigma.is_finite();
        check("model.sigma", self.sigma, positive, "above 0")?;
        use LikelihoodKind as Kind;
        let sigmas = match self.kind {
            Kind::GaussianGlobal => 1,
            Kind::PerColumn | Kind::StudentT => {
                self.check_columns(features)?;
                ops::numbers(&self.columns)
            }
            _ => 0,
        };
        let thetas = match self.kind {
            Kind::NegativeBinomial | Kind::ZeroInflatedNegativeBinomial => features,
            _ => 0,
        };
        let zeros = |n| (n > 0).then(|| Param::from_tensor(Tensor::zeros([n], device)));
        Ok(BuiltinLikelihood {
            log_sigma: zeros(sigmas),
            log_theta: zeros(thetas),
            config: self.clone(),
        })
    }

    fn check_columns(&self, features: usize) -> Result<()> {
        let places: usize = self.columns.iter().map(|column| column.places()).sum();
        if self.columns.contains(&ops::ColumnWidth::Levels(0)) {
            let why = "a column of categories has no level, but must have at least 1";
            return Err(Error::Unfit(why.into()));
        }
        if places == features {
            return Ok(());
        }
        let found = match self.columns.is_empty() {
            true => "but the data have none: they are no table".into(),
            false => {
                format!("but they have {places} places where the data have {features} features")
            }
        };
        Err(Error::Unfit(format!(
            "the per-column likelihood needs the columns of a table, {found}; pass --likelihood gaussian"
        )))
    }
}

impl<B: Backend> Likelihood<B> for BuiltinLikelihood<B> {
    type Distribution = BuiltinDistribution<B>;

    fn parameters_per_feature(&self) -> usize {
        self.config.parameters_per_feature()
    }

    fn distribution(&self, parameters: Tensor<B, 2>) -> BuiltinDistribution<B> {
        use BuiltinDistribution as Of;
        let gaussian = |parameters, spread| Of::Gaussian(Gaussian { parameters, spread });
        match self.config.kind {
            LikelihoodKind::Bernoulli => Of::Bernoulli(Bernoulli { logits: parameters }),
            LikelihoodKind::ContinuousBernoulli => {
                Of::ContinuousBernoulli(ContinuousBernoulli { logits: parameters })
            }
            LikelihoodKind::Gaussian => gaussian(parameters, Spread::Fixed(self.config.sigma)),
            LikelihoodKind::GaussianGlobal => {
                let log_sigma = self.log_sigma.as_ref().map(Param::val);
                let log_sigma = log_sigma.expect("init gives a global Gaussian its log_sigma");
                gaussian(parameters, Spread::Global(log_sigma))
            }
            LikelihoodKind::GaussianPixel => gaussian(parameters, Spread::PerFeature),
            LikelihoodKind::PerColumn => Of::PerColumn(PerColumn {
                parameters,
                log_sigma: self.log_sigma.as_ref().map(Param::val),
                columns: self.config.columns.as_slice().into(),
                tails: Tails::Gaussian,
            }),
            LikelihoodKind::StudentT => Of::PerColumn(PerColumn {
                parameters,
                log_sigma: self.log_sigma.as_ref().map(|of| of.val().mul_scalar(FASTER)),
                columns: self.config.columns.as_slice().into(),
                tails: Tails::Student(FREEDOM),
            }),
            LikelihoodKind::Poisson => Of::Poisson(Poisson {
                log_rate: parameters,
            }),
            LikelihoodKind::NegativeBinomial => Of::NegativeBinomial(NegativeBinomial {
                log_mean: parameters,
                log_theta: self.log_theta(),
            }),
            LikelihoodKind::ZeroInflatedNegativeBinomial => {
                Of::ZeroInflatedNegativeBinomial(ZeroInflatedNegativeBinomial {
                    parameters,
                    log_theta: self.log_theta(),
                })
            }
            LikelihoodKind::Multinomial => Of::Multinomial(Multinomial::new(parameters)),
            LikelihoodKind::Categorical => Of::Categorical(Categorical { logits: parameters }),
            LikelihoodKind::DiscretizedLogistic => {
                Of::DiscretizedLogistic(DiscretizedLogistic { parameters })
            }
        }
    }

    /// Counts as `log(1 + x)` (as scVI, Lopez 2018), rows of counts for [`LikelihoodKind::Multinomial`] at
    /// length 1 (Liang 2018, section 2.1), missing cells of a table as 0 (Nazabal 2020, section 3.3) and, with
    /// [`LikelihoodConfig::mask`], a 1 for each number that is missing at the end: 0 is a number, too.
    fn encoder_view(&self, input: Tensor<B, 2>) -> Tensor<B, 2> {
        match self.config.kind {
            LikelihoodKind::Poisson
            | LikelihoodKind::NegativeBinomial
            | LikelihoodKind::ZeroInflatedNegativeBinomial => input.clamp_min(0.0).log1p(),
            LikelihoodKind::Multinomial => {
                let length = input.clone().square().sum_dim(1).sqrt(); // [batch, 1]
                input / length.clamp_min(SHORTEST)
            }
            LikelihoodKind::PerColumn | LikelihoodKind::StudentT => {
                let missing = input.clone().is_nan();
                let values = input.mask_fill(missing.clone(), 0.0);
                if !self.config.mask {
                    return values;
                }
                let numbers = ops::with_places(&self.config.columns);
                let numbers = numbers.filter(|(column, _)| *column == ops::ColumnWidth::Number);
                let missing = numbers.map(|(_, place)| missing.clone().narrow(1, place, 1).float());
                Tensor::cat(std::iter::once(values.clone()).chain(missing).collect(), 1)
            }
            _ => input,
        }
    }

    fn encoder_width(&self, features: usize) -> usize {
        self.config.encoder_width(features)
    }
}

/// Degrees of freedom of Student's t.
const FREEDOM: f64 = 3.0;

/// How much faster than the weights the scales of Student's t are learned: their logarithms are so many times the
/// parameter. A scale starts at that of the data, and is far below it where the code tells much.
const FASTER: f64 = 5.0;

/// A shorter row of counts is not brought to length 1.
const SHORTEST: f64 = 1e-12;

impl<B: Backend> BuiltinLikelihood<B> {
    fn log_theta(&self) -> Tensor<B, 1> {
        let log_theta = self.log_theta.as_ref().map(Param::val);
        log_theta.expect("init gives a negative binomial its log_theta")
    }
}

/// The distribution of a [`BuiltinLikelihood`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are those of the distributions")]
pub enum BuiltinDistribution<B: Backend> {
    Bernoulli(Bernoulli<B>),
    ContinuousBernoulli(ContinuousBernoulli<B>),
    Gaussian(Gaussian<B>),
    PerColumn(PerColumn<B>),
    Poisson(Poisson<B>),
    NegativeBinomial(NegativeBinomial<B>),
    ZeroInflatedNegativeBinomial(ZeroInflatedNegativeBinomial<B>),
    Multinomial(Multinomial<B>),
    Categorical(Categorical<B>),
    DiscretizedLogistic(DiscretizedLogistic<B>),
}

any_distribution!(
    BuiltinDistribution:
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    PerColumn,
    Poisson,
    NegativeBinomial,
    ZeroInflatedNegativeBinomial,
    Multinomial,
    Categorical,
    DiscretizedLogistic
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::LOG_2_PI;
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use vae_data::ValueRange;

    type Ad = Autodiff<Flex>;

    fn nll(kind: LikelihoodKind, sigma: f64, parameters: &[f32], target: &[f32]) -> f64 {
        let device = Default::default();
        let config = LikelihoodConfig {
            sigma,
            ..LikelihoodConfig::new(kind)
        };
        let likelihood = config.init::<Flex>(target.len(), &device).unwrap();
        let row = |v: &[f32]| Tensor::<Flex, 1>::from_data(v, &device).unsqueeze::<2>();
        f64::from(
            likelihood
                .distribution(row(parameters))
                .nll(row(target))
                .into_scalar(),
        )
    }

    /// By hand: logit ln 3 is probability 3/4, so x = 1 costs ln(4/3) and x = 0 costs ln 4.
    #[test]
    fn bernoulli_by_hand() {
        let logit = 3.0_f32.ln();
        let value = nll(LikelihoodKind::Bernoulli, 1.0, &[logit, logit], &[1.0, 0.0]);
        assert!((value - (16.0_f64 / 3.0).ln()).abs() < 1e-6);
    }

    #[test]
    fn bernoulli_is_finite_at_extreme_logits() {
        let value = nll(
            LikelihoodKind::Bernoulli,
            1.0,
            &[1e4, -1e4, 1e4],
            &[1.0, 0.0, 0.0],
        );
        assert_eq!(value, 1e4);
    }

    /// The density integrates to 1: midpoint rule with 4,000 cells, on both sides of the switch
    /// to the series and far out.
    #[test]
    fn densities_integrate_to_one() {
        let cells = 4000;
        for logit in [
            -6.0_f32, -0.1001, -0.0999, 0.0, 1e-4, 0.0999, 0.1001, 0.7, 6.0,
        ] {
            let mass: f64 = (0..cells)
                .map(|i| {
                    let x = (i as f32 + 0.5) / cells as f32;
                    (-nll(LikelihoodKind::ContinuousBernoulli, 1.0, &[logit], &[x])).exp()
                })
                .sum::<f64>()
                / f64::from(cells);
            assert!((mass - 1.0).abs() < 2e-5, "logit {logit}: mass {mass}");
        }
        for (kind, sigma, parameters) in [
            (LikelihoodKind::Gaussian, 0.3, vec![0.5_f32]),
            (LikelihoodKind::GaussianGlobal, 1.0, vec![0.5]),
            (LikelihoodKind::GaussianPixel, 1.0, vec![0.5, -1.0]),
        ] {
            let (low, width) = (-9.5, 20.0);
            let mass: f64 = (0..cells)
                .map(|i| {
                    let x = low + width * (i as f32 + 0.5) / cells as f32;
                    (-nll(kind, sigma, &parameters, &[x])).exp()
                })
                .sum::<f64>()
                * f64::from(width)
                / f64::from(cells);
            assert!((mass - 1.0).abs() < 1e-4, "{kind:?}: mass {mass}");
        }
    }

    /// Mean of the continuous Bernoulli against the midpoint rule.
    #[test]
    fn continuous_bernoulli_mean_matches_integration() {
        let device = Default::default();
        let likelihood = LikelihoodConfig::new(LikelihoodKind::ContinuousBernoulli)
            .init::<Flex>(1, &device)
            .unwrap();
        for logit in [-4.0_f32, -0.0999, 0.0, 0.0999, 0.1001, 2.5] {
            let cells = 2000;
            let integral: f64 = (0..cells)
                .map(|i| {
                    let x = (i as f32 + 0.5) / cells as f32;
                    let density =
                        (-nll(LikelihoodKind::ContinuousBernoulli, 1.0, &[logit], &[x])).exp();
                    f64::from(x) * density
                })
                .sum::<f64>()
                / f64::from(cells);
            let mean = likelihood
                .distribution(Tensor::from_data([[logit]], &device))
                .mean()
                .into_scalar();
            assert!((f64::from(mean) - integral).abs() < 2e-5, "logit {logit}");
        }
    }

    /// By hand: (2 - 1)^2 / (2 * 0.25) + ln 0.5 + ln(2 pi) / 2.
    #[test]
    fn gaussian_by_hand() {
        let value = nll(LikelihoodKind::Gaussian, 0.5, &[2.0], &[1.0]);
        assert!((value - (2.0 + 0.5_f64.ln() + 0.5 * LOG_2_PI)).abs() < 1e-6);
    }

    /// Gradients of every likelihood against central differences, and finite at the awkward points.
    #[test]
    fn gradients_match_finite_differences() {
        let device = Default::default();
        for kind in [
            LikelihoodKind::Bernoulli,
            LikelihoodKind::ContinuousBernoulli,
            LikelihoodKind::Gaussian,
            LikelihoodKind::GaussianPixel,
        ] {
            let config = LikelihoodConfig {
                sigma: 0.7,
                ..LikelihoodConfig::new(kind)
            };
            let width = config.parameters_per_feature();
            for base in [-3.0_f32, -0.05, 0.0, 0.05, 0.5, 3.0] {
                let values = vec![base; width];
                let likelihood = config.init::<Ad>(1, &device).unwrap();
                let parameters = Tensor::<Ad, 1>::from_data(values.as_slice(), &device)
                    .unsqueeze::<2>()
                    .require_grad();
                let target = Tensor::<Ad, 2>::from_data([[0.3]], &device);
                let gradients = likelihood
                    .distribution(parameters.clone())
                    .nll(target)
                    .sum()
                    .backward();
                let gradient: Vec<f32> = parameters
                    .grad(&gradients)
                    .unwrap()
                    .into_data()
                    .to_vec()
                    .unwrap();
                for j in 0..width {
                    let step = 1e-2_f32;
                    let (mut up, mut down) = (values.clone(), values.clone());
                    up[j] += step;
                    down[j] -= step;
                    let difference = (nll(kind, 0.7, &up, &[0.3]) - nll(kind, 0.7, &down, &[0.3]))
                        / (2.0 * f64::from(step));
                    let error = (f64::from(gradient[j]) - difference).abs();
                    assert!(
                        error < 2e-3 * difference.abs().max(1.0),
                        "{kind:?} at {base}: {} against {difference}",
                        gradient[j]
                    );
                }
            }
        }
    }

    #[test]
    fn unscaled_data_are_refused() {
        let error = LikelihoodConfig::new(LikelihoodKind::Bernoulli)
            .check_range(ValueRange {
                min: 0.0,
                max: 255.0,
            })
            .unwrap_err();
        assert!(error.to_string().contains("range from 0 to 255"), "{error}");
    }

    #[test]
    fn columns_must_fill_the_features() {
        use crate::ops::ColumnWidth::{Levels, Number};
        let init = |columns: &[ops::ColumnWidth], features| {
            let config = LikelihoodConfig::per_column(columns.to_vec());
            config.init::<Flex>(features, &Default::default())
        };
        let built = init(&[Levels(1), Number, Levels(3), Number], 6).unwrap();
        assert_eq!(built.log_sigma.unwrap().val().dims(), [2]);
        assert!(init(&[Levels(2)], 2).unwrap().log_sigma.is_none());
        for (columns, features, part) in [
            (vec![Number], 2, "1 places where the data have 2 features"),
            (vec![], 784, "no table"),
            (vec![Number, Levels(0)], 1, "no level"),
        ] {
            let error = init(&columns, features).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let config = LikelihoodConfig::new(LikelihoodKind::NegativeBinomial);
        let built = config.init::<Flex>(7, &Default::default()).unwrap();
        assert_eq!(built.log_theta.unwrap().val().dims(), [7]);
    }

    /// As those in checkpoints of before there were dispersions.
    #[test]
    fn a_record_without_dispersions_is_read() {
        use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Recorder};

        #[derive(Module, Debug)]
        struct Before<B: Backend> {
            log_sigma: Option<Param<Tensor<B, 1>>>,
            #[module(skip)]
            config: LikelihoodConfig,
        }

        let device = Default::default();
        let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
        let config = LikelihoodConfig::new(LikelihoodKind::GaussianGlobal);
        let before = Before::<Flex> {
            log_sigma: Some(Param::from_tensor(Tensor::from_data([-1.5], &device))),
            config: config.clone(),
        };
        let bytes = Recorder::<Flex>::record(&recorder, before.into_record(), ()).unwrap();
        let record = Recorder::<Flex>::load(&recorder, bytes, &device).unwrap();
        let built = config.init::<Flex>(3, &device).unwrap().load_record(record);
        assert_eq!(built.log_sigma.unwrap().val().into_scalar(), -1.5);
        assert!(built.log_theta.is_none());
    }
}
