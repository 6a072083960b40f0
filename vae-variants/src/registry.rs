//! Turns the list of variants into the enums that the rest of the workspace works with.

use vae_core::OptionInfo;

/// What help texts, listings and checks need to know of a variant.
#[derive(Debug, Clone)]
pub struct VariantInfo {
    /// Name on the command line and in configuration files.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The paper it follows.
    pub paper: &'static str,
    /// Its options.
    pub options: &'static [OptionInfo],
    /// Arguments of an example run.
    pub example: &'static str,
    /// Settings that have other defaults with it, by dotted key.
    pub settings: &'static [(&'static str, &'static str)],
}

/// Generates [`Variant`](crate::Variant), [`Model`](crate::Model) and their delegation from lines
/// `Model: Config`.
macro_rules! registry {
    ($($model:ident: $config:ident),* $(,)?) => {
        /// A variant and its options: the `[variant]` table of a configuration.
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum Variant {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                $model($config),
            )*
        }

        /// A model of any variant.
        #[derive(burn::module::Module, Debug)]
        pub enum Model<B: burn::tensor::backend::Backend> {
            $(
                #[doc = concat!("See [`", stringify!($model), "`](struct@", stringify!($model), ").")]
                $model($model<B>),
            )*
        }

        impl Variant {
            /// Every variant with its defaults, in the order of the registry.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$model($config::default())),*]
            }

            /// What is known of this variant.
            pub fn info(&self) -> VariantInfo {
                use vae_core::VariantConfig;
                match self {
                    $(Self::$model(_) => VariantInfo {
                        name: $config::NAME,
                        summary: $config::SUMMARY,
                        paper: $config::PAPER,
                        options: $config::OPTIONS,
                        example: $config::EXAMPLE,
                        settings: $config::SETTINGS,
                    },)*
                }
            }

            /// Checks every option against its bound.
            ///
            /// # Errors
            /// [`vae_core::Error::Setting`] naming the first that is out of bounds.
            pub fn check(&self) -> vae_core::Result<()> {
                match self {
                    $(Self::$model(config) => vae_core::VariantConfig::check(config),)*
                }
            }

            /// What is done to the encoder's input.
            pub fn corruption(&self) -> Option<vae_data::Corruption> {
                match self {
                    $(Self::$model(config) => vae_core::VariantConfig::corruption(config),)*
                }
            }

            /// The share of each training batch that labelled examples are to have.
            pub fn labelled_share(&self) -> Option<f64> {
                match self {
                    $(Self::$model(config) => vae_core::VariantConfig::labelled_share(config),)*
                }
            }

            /// Whether the model needs class labels or attributes.
            pub fn is_conditional(&self) -> bool {
                match self {
                    $(Self::$model(config) => vae_core::VariantConfig::is_conditional(config),)*
                }
            }

            /// Builds the model with fresh weights.
            ///
            /// # Errors
            /// [`vae_core::Error::Setting`] if the settings do not fit the variant or the data.
            pub fn build<B: burn::tensor::backend::Backend>(
                &self,
                spec: &vae_core::ModelSpec,
                init: &mut vae_core::nets::Init<'_, B>,
            ) -> vae_core::Result<Model<B>> {
                self.check()?;
                spec.objective.check()?;
                Ok(match self {
                    $(Self::$model(config) => {
                        Model::$model(vae_core::VariantConfig::build(config, spec, init)?)
                    })*
                })
            }
        }

        impl<B: burn::tensor::backend::Backend> vae_core::Encoder<B> for Model<B> {
            type Code = vae_core::Posterior<B>;

            fn encode(
                &self,
                batch: &vae_core::Batch<B>,
                step: &vae_core::StepContext,
            ) -> Self::Code {
                match self {
                    $(Self::$model(model) => model.encode(batch, step).into(),)*
                }
            }
        }

        impl<B: burn::tensor::backend::Backend> vae_core::Decoder<B> for Model<B> {
            fn decode(
                &self,
                z: burn::tensor::Tensor<B, 2>,
                condition: Option<&burn::tensor::Tensor<B, 2>>,
                step: &vae_core::StepContext,
            ) -> burn::tensor::Tensor<B, 2> {
                match self {
                    $(Self::$model(model) => model.decode(z, condition, step),)*
                }
            }
        }

        impl<B: burn::tensor::backend::Backend> vae_core::Loss<B> for Model<B> {
            fn loss(
                &self,
                batch: &vae_core::Batch<B>,
                step: &vae_core::StepContext,
            ) -> vae_core::Objective<B> {
                match self {
                    $(Self::$model(model) => model.loss(batch, step),)*
                }
            }

            fn updates(&self) -> vae_core::Updates {
                match self {
                    $(Self::$model(model) => vae_core::Loss::<B>::updates(model),)*
                }
            }
        }

        impl<B: burn::tensor::backend::Backend> vae_core::Autoencoder<B> for Model<B> {
            fn likelihood(&self) -> &vae_core::Likelihood<B> {
                match self {
                    $(Self::$model(model) => model.likelihood(),)*
                }
            }

            fn condition(
                &self,
                batch: &vae_core::Batch<B>,
                step: &vae_core::StepContext,
            ) -> Option<burn::tensor::Tensor<B, 2>> {
                match self {
                    $(Self::$model(model) => model.condition(batch, step),)*
                }
            }

            fn latent(&self) -> usize {
                match self {
                    $(Self::$model(model) => vae_core::Autoencoder::<B>::latent(model),)*
                }
            }

            fn is_generative(&self) -> bool {
                match self {
                    $(Self::$model(model) => vae_core::Autoencoder::<B>::is_generative(model),)*
                }
            }
        }
    };
}

pub(crate) use registry;
