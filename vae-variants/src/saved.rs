//! A trained model as two files: `model.safetensors` (parameters) and `model.json` (everything
//! else that is needed to use it).

mod likelihood;

use std::{
    any::{TypeId, type_name},
    fs,
    path::Path,
};

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use vae_core::{
    Assembly, Error, LikelihoodConfig, ModelSpec, ObjectiveConfig, Parts, Result,
    files::{Renaming, parameters_from_bytes, parameters_to_bytes, write_atomically},
    nets::{Init, ModelConfig},
};
use vae_data::{Binarize, ColumnKind, Columns, Data, DataShape, Scaler, ValueRange};
use vae_results::RunFolder;

use crate::{
    Marginal, Model, Variant,
    memory::{Purpose, check_memory, tensors},
};

const PARAMETERS: &str = "model.safetensors";
const DESCRIPTION: &str = "model.json";
/// In format 1 the parameters had other names.
const FORMAT: u32 = 2;

/// Patterns of names of parameters in files of format 1, and what they are called now.
pub const RENAMED: Renaming<'static> = &[
    (r"^(?:vae|ae|cvae)\.", ""),
    (r"^nets\.", "parts.networks."),
    (r"^likelihood\.", "parts.likelihood."),
    (r"^(discriminator|classifier|baseline)\.", "method.$1."),
];

/// What `model.json` says: how the model is built, and how data are brought to its scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Version of this format.
    pub format: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// The variant and its options.
    pub variant: Variant,
    /// The networks.
    pub model: ModelConfig,
    /// The likelihood in force.
    pub likelihood: LikelihoodConfig,
    /// The KL term's settings.
    pub objective: ObjectiveConfig,
    /// Name of the data set it was trained on.
    pub dataset: String,
    /// Shape of one example.
    pub shape: DataShape,
    /// Range of the training data in the model's scale.
    pub range: (f32, f32),
    /// How the data were made binary.
    pub binarize: Binarize,
    /// Names of the features, of a table those of its columns; empty where they have none.
    pub columns: Vec<String>,
    /// How rows of a table with categories, dates or gaps become examples; nothing for data that are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Columns>,
    /// How the numbers of each column are distributed in the training data; nothing for categories, and none at all
    /// for images, counts and very wide rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marginals: Vec<Option<Marginal>>,
    /// Class names, in the order of the one-hot condition.
    pub classes: Vec<String>,
    /// Names of the numeric condition columns.
    pub attributes: Vec<String>,
    /// Brings features to the model's scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaler: Option<Scaler>,
    /// Brings attributes to the model's scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_scaler: Option<Scaler>,
    /// Names of the types of networks, likelihood and prior, where one is not ours: only the program that
    /// has them can make the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
}

/// By what a file was written, whatever else it says.
#[derive(Deserialize)]
struct Written {
    format: u32,
    version: String,
}

impl Description {
    /// Describes a model that is to be trained on `data`.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the data leave the support of the likelihood, an
    /// [`Error::Data`] if they hold a value that is not finite.
    pub fn new(
        variant: Variant,
        model: ModelConfig,
        objective: ObjectiveConfig,
        data: &Data,
        binarize: Binarize,
    ) -> Result<Self> {
        // All values must be finite, but scaled validation and test values may leave the range.
        let range = data.train.range()?;
        let range = range.unwrap_or(ValueRange { min: 0.0, max: 0.0 });
        data.validation.range()?;
        data.test.range()?;
        let likelihood = likelihood::of_data(&model, data, range)?;
        // Rows with gaps can be scored by a model that knows of columns, even if it has seen none.
        let numbers = !likelihood.columns.is_empty();
        let numbers = numbers.then(|| Columns::of_numbers(data.shape.features()));
        let table = data.table.as_deref().cloned().or(numbers);
        let marginals = match data.shape.image().is_some() || likelihood.kind.is_of_counts() {
            true => Vec::new(),
            false => {
                let kinds = data.table.as_deref().map(Columns::kinds);
                let width = kinds.map_or(data.shape.features(), <[ColumnKind]>::len);
                Marginal::learn(&data.train, kinds, width)?
            }
        };
        Ok(Self {
            format: FORMAT,
            marginals,
            version: env!("CARGO_PKG_VERSION").into(),
            model: ModelConfig {
                likelihood: Some(likelihood.kind),
                ..model
            },
            variant,
            likelihood,
            objective,
            dataset: data.name.clone(),
            shape: data.shape.clone(),
            range: (range.min, range.max),
            binarize,
            columns: data.columns.clone(),
            table,
            classes: data.classes.clone(),
            attributes: data.attributes.clone(),
            scaler: data.scaler.as_deref().cloned(),
            attribute_scaler: data.attribute_scaler.as_deref().cloned(),
            own: None,
        })
    }

    /// The range of the training data.
    pub fn range(&self) -> ValueRange {
        ValueRange {
            min: self.range.0,
            max: self.range.1,
        }
    }

    /// Numbers in a row of the data: one for each feature, or for each column of a table.
    pub fn row_width(&self) -> usize {
        let table = self.table.as_ref();
        table.map_or(self.shape.features(), |table| table.kinds().len())
    }

    /// The name of each number in a row of the data; those without one are called x0, x1 and so on.
    pub fn column_names(&self) -> Vec<String> {
        let named = |at: usize| self.columns.get(at).filter(|name| !name.trim().is_empty());
        let name = |at| named(at).cloned().unwrap_or_else(|| format!("x{at}"));
        (0..self.row_width()).map(name).collect()
    }

    /// The levels of a column that is a category; none for numbers and dates.
    pub fn levels(&self, column: usize) -> &[String] {
        let kinds = self.table.as_ref().map_or(&[][..], Columns::kinds);
        kinds.get(column).map_or(&[], ColumnKind::levels)
    }

    /// A value in a row of the data as text: a number, a date, a level; empty where it is missing.
    pub fn text(&self, column: usize, value: f32) -> String {
        match &self.table {
            Some(table) => table.text(column, value),
            None => value.to_string(),
        }
    }

    /// Everything that the parts are built from.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings do not fit each other or the data.
    pub fn spec(&self) -> Result<ModelSpec> {
        self.variant.check()?;
        self.objective.check()?;
        self.model.check()?;
        let spec = ModelSpec {
            model: self.model.clone(),
            likelihood: self.likelihood.clone(),
            objective: self.objective.clone(),
            shape: self.shape.clone(),
            classes: self.classes.len(),
            condition: self.classes.len() + self.attributes.len(),
            is_conditional: self.variant.is_conditional(),
            code: self.variant.code(&self.model, &self.shape)?,
        };
        let info = self.variant.info();
        let others = Variant::all().iter().map(Variant::info).collect::<Vec<_>>();
        let others = others.iter().filter(|other| !other.priors.is_empty());
        let others: Vec<_> = others.map(|other| other.name).collect();
        spec.check_prior(info.name, info.priors, &others)?;
        self.variant.fits(&spec)?;
        Ok(spec)
    }

    /// Builds the model with fresh weights.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::Unfit`] if the settings do not fit each other or the data.
    pub fn build<B: Backend>(&self, seed: u64, device: &B::Device) -> Result<Model<B>> {
        self.check_memory::<B>(Purpose::Training, device)?;
        self.build_with(seed, device, Assembly::build)
    }

    /// Refuses sizes that cannot be meant before anything is built.
    fn check_memory<B: Backend>(&self, purpose: Purpose, device: &B::Device) -> Result<()> {
        let model = self.assembled(&mut Init::<B>::dry(device), Assembly::build)?;
        check_memory(&model, purpose)
    }

    /// Name and dimensions of each tensor of parameters of the model, which is not built for it.
    ///
    /// # Errors
    /// As [`Description::build`].
    pub fn tensors(&self) -> Result<Vec<(String, Vec<usize>)>> {
        let device = Default::default();
        let model = self.assembled(&mut Init::<burn_flex::Flex>::dry(&device), Assembly::build)?;
        Ok(tensors(&model))
    }

    /// Builds the model with parts that `assemble` makes: networks, a likelihood or a prior that
    /// are not ours.
    ///
    /// # Errors
    /// As [`Description::build`].
    pub fn build_with<B: Backend, A: Parts<B>>(
        &self,
        seed: u64,
        device: &B::Device,
        assemble: impl FnOnce(&ModelSpec, &mut Init<'_, B>) -> Result<A>,
    ) -> Result<Model<B, A>> {
        self.assembled(&mut Init::new(seed, device), assemble)
    }

    fn assembled<B: Backend, A: Parts<B>>(
        &self,
        init: &mut Init<'_, B>,
        assemble: impl FnOnce(&ModelSpec, &mut Init<'_, B>) -> Result<A>,
    ) -> Result<Model<B, A>> {
        let spec = self.spec()?;
        if self.variant.is_method_first() {
            let method = self.variant.build(&spec, init)?;
            return Model::new(assemble(&spec, init)?, method);
        }
        let parts = assemble(&spec, init)?;
        Model::new(parts, self.variant.build(&spec, init)?)
    }

    /// Reads `model.json` in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Corrupt`] if it is damaged or of a later version.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(DESCRIPTION);
        Self::parse(&read(&path)?, &path)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let corrupt = |why: String| Error::Corrupt {
            path: path.to_owned(),
            why,
        };
        let unknown = |error| corrupt(format!("is not the description of a model: {error}"));
        let Written { format, version } = serde_json::from_slice(bytes).map_err(unknown)?;
        if format > FORMAT {
            return Err(corrupt(format!(
                "has format {format}, of vae {version}, and this is vae {}, which reads formats up to \
                 {FORMAT}: use the program that wrote it, or a newer one",
                env!("CARGO_PKG_VERSION")
            )));
        }
        let description: Self = serde_json::from_slice(bytes).map_err(unknown)?;
        let table = description.table.as_ref().map_or(Ok(()), Columns::check);
        table.map_err(|error| corrupt(error.to_string()))?;
        Ok(description)
    }

    /// Writes `model.json` into `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let bytes = self.to_bytes();
        write_atomically(&folder.join(DESCRIPTION), |file| file.write_all(&bytes))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("every field has a form in JSON");
        bytes.push(b'\n');
        bytes
    }
}

/// Whether `folder` holds both files of a model.
pub fn is_model(folder: &Path) -> bool {
    [DESCRIPTION, PARAMETERS]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

/// A trained model as bytes: the content of its two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelBytes {
    /// `model.json`
    pub description: Vec<u8>,
    /// `model.safetensors`
    pub parameters: Vec<u8>,
    /// The model whose codes it was trained on, if it was.
    pub codes_of: Option<Box<ModelBytes>>,
}

impl ModelBytes {
    /// Those of a model. No code is stored: of networks, likelihoods and priors that are not ours, the names
    /// of their types.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if a parameter is of a type that the format does not have.
    pub fn of<B: Backend, A: Parts<B>>(
        model: &Model<B, A>,
        description: &Description,
    ) -> Result<Self> {
        let is_ours = TypeId::of::<A>() == TypeId::of::<Assembly<B>>();
        let own = (!is_ours).then(|| {
            let (networks, likelihood) = (type_name::<A::Networks>(), type_name::<A::Likelihood>());
            format!("{networks}, {likelihood}, {}", type_name::<A::Prior>())
        });
        let description = Description {
            own,
            ..description.clone()
        };
        Ok(Self {
            description: description.to_bytes(),
            parameters: parameters_to_bytes(model)?,
            codes_of: None,
        })
    }

    /// Those in the files of `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let codes_of = folder.join(RunFolder::CODES_OF);
        let codes_of = is_model(&codes_of).then(|| Self::read(&codes_of));
        Ok(Self {
            description: read(&folder.join(DESCRIPTION))?,
            parameters: read(&folder.join(PARAMETERS))?,
            codes_of: codes_of.transpose()?.map(Box::new),
        })
    }

    /// Writes the files of the model into `folder`, which it makes where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|source| Error::Io {
            path: folder.to_owned(),
            source,
        })?;
        if let Some(codes_of) = &self.codes_of {
            codes_of.write(&folder.join(RunFolder::CODES_OF))?;
        }
        for (name, bytes) in [
            (PARAMETERS, &self.parameters),
            (DESCRIPTION, &self.description),
        ] {
            write_atomically(&folder.join(name), |file| file.write_all(bytes))?;
        }
        Ok(())
    }

    /// The model, ready to use on `device`, without that whose codes it learned.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the bytes are damaged, do not fit each other, or the model has parts that are
    /// not ours; [`Error::Unfit`] if it is larger than the memory.
    pub fn load<B: Backend>(self, device: &B::Device) -> Result<(Model<B>, Description)> {
        self.load_from(Path::new(""), device)
    }

    pub(crate) fn load_from<B: Backend>(
        self,
        folder: &Path,
        device: &B::Device,
    ) -> Result<(Model<B>, Description)> {
        let path = folder.join(DESCRIPTION);
        let description = Description::parse(&self.description, &path)?;
        if let Some(own) = &description.own {
            return Err(Error::Corrupt {
                path,
                why: format!(
                    "describes a model with parts that are not of this library ({own}), and a model holds \
                     no code: load it in the program that has them, by `load_with` and the function that \
                     makes them"
                ),
            });
        }
        description.check_memory::<B>(Purpose::Use, device)?;
        self.load_with(description, folder, device, Assembly::build)
    }

    fn load_with<B: Backend, A: Parts<B>>(
        self,
        description: Description,
        folder: &Path,
        device: &B::Device,
        assemble: impl FnOnce(&ModelSpec, &mut Init<'_, B>) -> Result<A>,
    ) -> Result<(Model<B, A>, Description)> {
        let model = description.build_with(0, device, assemble)?;
        let renamed: Renaming<'_> = match description.format {
            1 => RENAMED,
            _ => &[],
        };
        let path = folder.join(PARAMETERS);
        let model = parameters_from_bytes(model, self.parameters, &path, renamed)?;
        Ok((model, description))
    }
}

/// Writes a model and its description into `folder`; see [`ModelBytes::of`].
///
/// # Errors
/// [`Error::Io`] if a file cannot be written.
pub fn save<B: Backend, A: Parts<B>>(
    model: &Model<B, A>,
    description: &Description,
    folder: &Path,
) -> Result<()> {
    ModelBytes::of(model, description)?.write(folder)
}

/// Reads the model in `folder`, ready to use on `device`.
///
/// # Errors
/// [`Error::Io`] if a file cannot be read, else those of [`ModelBytes::load`].
pub fn load<B: Backend>(folder: &Path, device: &B::Device) -> Result<(Model<B>, Description)> {
    ModelBytes::read(folder)?.load_from(folder, device)
}

/// Reads the model in `folder` whose parts `assemble` makes, ready to use on `device`.
///
/// # Errors
/// As [`load`].
pub fn load_with<B: Backend, A: Parts<B>>(
    folder: &Path,
    device: &B::Device,
    assemble: impl FnOnce(&ModelSpec, &mut Init<'_, B>) -> Result<A>,
) -> Result<(Model<B, A>, Description)> {
    let bytes = ModelBytes::read(folder)?;
    let description = Description::parse(&bytes.description, &folder.join(DESCRIPTION))?;
    bytes.load_with(description, folder, device, assemble)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use vae_core::{Autoencoder, StepContext};
    use vae_data::{Data, DataConfig, MemoryDataset, Source};

    use super::*;
    use crate::Vae;

    fn description() -> Description {
        let values = (0..60).map(|i| (i % 7) as f32).collect();
        let set = MemoryDataset::new(DataShape::flat(3), values).unwrap();
        let source = Source::new("numbers", std::sync::Arc::new(set));
        let data = Data::from_source(source, &DataConfig::default(), 1).unwrap();
        let (variant, model) = (Variant::Vae(Vae::default()), ModelConfig::default());
        Description::new(variant, model, Default::default(), &data, Binarize::None).unwrap()
    }

    #[test]
    fn columns_without_a_name_are_numbered() {
        let columns = vec!["a".to_owned(), " ".to_owned()];
        let described = Description {
            columns,
            ..description()
        };
        assert_eq!(described.column_names(), ["a", "x1", "x2"]);
    }

    #[test]
    fn a_model_survives_as_bytes() {
        let (description, device) = (description(), Default::default());
        let model = description.build::<Flex>(3, &device).unwrap();
        let bytes = ModelBytes::of(&model, &description).unwrap();
        let (again, read) = bytes.clone().load::<Flex>(&device).unwrap();
        assert_eq!(read, description);
        assert_eq!(ModelBytes::of(&again, &read).unwrap(), bytes);
        let codes = |model: &Model<Flex>| {
            let codes = model.sample(4, &StepContext::sample(1), &device).unwrap();
            codes.into_data().to_vec::<f32>().unwrap()
        };
        assert_eq!(codes(&again), codes(&model));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let (description, device) = (description(), Default::default());
        let model = description.build::<Flex>(3, &device).unwrap();
        let whole = ModelBytes::of(&model, &description).unwrap();
        let error = |change: &dyn Fn(&mut ModelBytes)| {
            let mut bytes = whole.clone();
            change(&mut bytes);
            bytes.load::<Flex>(&device).unwrap_err().to_string()
        };
        let text = error(&|bytes| bytes.parameters.truncate(100));
        assert!(text.contains("model.safetensors: is not a whole"), "{text}");
        let text = error(&|bytes| bytes.description.truncate(100));
        assert!(
            text.contains("model.json: is not the description"),
            "{text}"
        );
    }
}
