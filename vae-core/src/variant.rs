//! How a variant describes and builds itself.

use std::fmt::Debug;

use burn::tensor::backend::Backend;
use serde::{Serialize, de::DeserializeOwned};
use vae_data::{Corruption, DataShape};

use crate::{
    Autoencoder, LikelihoodConfig, ObjectiveConfig, Result,
    nets::{Init, ModelConfig, NetSpec},
};

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
}

impl ModelSpec {
    /// The networks of a model without condition whose encoder gives `code` numbers.
    pub fn nets(&self, code: usize) -> NetSpec {
        NetSpec {
            input: self.shape.clone(),
            code,
            latent: self.model.latent,
            output: self.shape.clone(),
            parameters_per_feature: self.likelihood.parameters_per_feature(),
        }
    }
}

/// One option of a variant, for help texts and error messages.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// Key in the `[variant]` table; the flag is the same with dashes.
    pub key: &'static str,
    /// What it does, with bounds and unit.
    pub help: &'static str,
}

/// A variant's options, and how a model is built from them. `Default` gives the defaults.
pub trait VariantConfig:
    Debug + Clone + PartialEq + Default + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Name on the command line and in configuration files.
    const NAME: &'static str;
    /// One line on what it is.
    const SUMMARY: &'static str;
    /// The paper it follows.
    const PAPER: &'static str;
    /// Its options: exactly the fields of this type.
    const OPTIONS: &'static [OptionInfo];
    /// Arguments of an example run.
    const EXAMPLE: &'static str;
    /// Settings whose defaults do not suit this variant: dotted keys, and what they are instead.
    const SETTINGS: &'static [(&'static str, &'static str)] = &[];

    /// The model.
    type Model<B: Backend>: Autoencoder<B>;

    /// Checks every option against its bound.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) with the key `variant.<option>`.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Builds the model with fresh weights.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) if the settings do not fit the variant or the
    /// data.
    fn build<B: Backend>(&self, spec: &ModelSpec, init: &mut Init<'_, B>)
    -> Result<Self::Model<B>>;

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
