//! Bounds of the settings, and whom to blame.

use anyhow::{Result, anyhow};
use vae_core::{Error, error::check_bounds};
use vae_data::DataError;

use super::Resolved;

impl Resolved {
    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// The first that is out of bounds, with the layer that set it.
    pub fn check(&self) -> Result<()> {
        let settings = &self.settings;
        let all = || {
            check_bounds("", settings)?;
            if let Some(bound) = settings.backend.missing() {
                return Err(Error::setting("backend", settings.backend, bound));
            }
            settings.variant.check()?;
            settings.data.check()?;
            settings.model.check()?;
            settings.objective.check()?;
            settings.train.check()
        };
        all().map_err(|error| self.blame(error))
    }

    /// Adds to an error about a setting the layer that set it; other errors stay as they are.
    pub fn blame(&self, error: Error) -> anyhow::Error {
        let (key, value, bound) = match &error {
            Error::Setting { key, value, bound } => (key.clone(), value, bound),
            Error::Data(DataError::Setting { key, value, bound }) => {
                (format!("data.{key}"), value, bound)
            }
            _ => return error.into(),
        };
        let Some(layer) = self.layer(&key) else {
            return error.into();
        };
        let bound = match bound.strip_prefix("must ") {
            Some(_) => bound.clone(),
            None => format!("must be {bound}"),
        };
        let origin = match layer {
            "default" => "by default".to_owned(),
            layer => format!("set by {layer}"),
        };
        anyhow!("`{key}` is {value}, but {bound}; {origin}")
    }

    /// The layer that set a key, or the schedule that the key is in.
    fn layer(&self, key: &str) -> Option<&str> {
        if let Some(layer) = self.layers.get(key) {
            return Some(layer);
        }
        self.layer(key.rsplit_once('.')?.0)
    }
}
