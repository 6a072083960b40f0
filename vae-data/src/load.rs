//! From a configuration to training, validation and test examples.

use std::path::Path;
use std::sync::Arc;

use crate::locate::{Places, locate};
use crate::reader::check_options;
use crate::split::Split;
use crate::{
    Binarize, Columns, DataConfig, DataError, DataShape, Dataset, Features, Progress, Reader,
    ReaderOption, Scale, Scaler, Source, Subset, Unseen, ValueRange, readers,
};

/// Examples, split and scaled.
#[derive(Clone, Debug)]
pub struct Data {
    /// Name of the dataset.
    pub name: String,
    /// Shape of every example; of a table with categories, dates or gaps that of the rows of a model.
    pub shape: DataShape,
    /// Names of the classes; empty when there are no labels.
    pub classes: Vec<String>,
    /// Names of the features, or of the columns of a table; empty when they have none.
    pub columns: Vec<String>,
    /// How the rows of a table became those of a model; `None` for data that are numbers without gaps.
    pub table: Option<Arc<Columns>>,
    /// Names of the attributes; empty when there are none.
    pub attributes: Vec<String>,
    /// Examples to train on.
    pub train: Subset,
    /// Examples to watch the training with; may be empty.
    pub validation: Subset,
    /// Examples to evaluate on; may be empty.
    pub test: Subset,
    /// How features were scaled; `None` if they are as they were. Of a table it has a place for each column.
    pub scaler: Option<Arc<Scaler>>,
    /// How attributes were scaled; `None` if there are none.
    pub attribute_scaler: Option<Arc<Scaler>>,
    /// The licence of the data, if known.
    pub licence: Option<String>,
    /// Who made the data, or where it is.
    pub origin: String,
}

/// Loads the data that `config` describes: finds it, or downloads it, splits it, and
/// scales it with what is learned from the training split.
///
/// The splits depend on `seed`, the dataset and the settings of `config` alone.
///
/// # Errors
/// [`DataError`], whose messages say what to do.
pub fn load(config: &DataConfig, seed: u64, progress: &dyn Progress) -> Result<Data, DataError> {
    load_with(&[], config, seed, progress)
}

/// As [`load`], where readers of one's own are asked before those of [`readers`].
///
/// # Errors
/// Those of [`load`], and of the readers.
pub fn load_with(
    own: &[&dyn Reader],
    config: &DataConfig,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Data, DataError> {
    let source = open_with(own, config, progress)?;
    // A model can be used on a single row.
    if source.train.len() == 1 && source.test.is_none() && !source.pixels {
        return Err(DataError::Empty {
            path: source.origin.into(),
            what: "second row of values, and nothing can be learned from one",
        });
    }
    Data::from_source(source, config, seed)
}

/// Opens the data that `config` describes, and neither splits nor scales them: as a trained model takes
/// them. Only the settings about where the examples are, and which columns or channels of them are taken, matter.
///
/// # Errors
/// [`DataError`], whose messages say what to do.
pub fn open(config: &DataConfig, progress: &dyn Progress) -> Result<Source, DataError> {
    open_with(&[], config, progress)
}

/// Opens other data in the way of `config`, to use a model on that was trained with it: `dataset` in place of
/// its own, without the settings that the reader of those data has no use for, without a label where there is no column
/// of that name, and with all other columns.
///
/// # Errors
/// [`DataError`], whose messages say what to do.
pub fn open_like(
    config: &DataConfig,
    dataset: &str,
    progress: &dyn Progress,
) -> Result<Source, DataError> {
    let mut config = DataConfig {
        dataset: dataset.to_owned(),
        drop: Vec::new(),
        ..config.clone()
    };
    config.check()?;
    let (reader, path) = locate(&config, readers(), &Places::of_user())?;
    ReaderOption::keep(reader.options(), &mut config);
    match reader.open(&path, &config, progress) {
        Err(DataError::Column { column, .. }) if config.label.as_ref() == Some(&column) => {
            config.label = None;
            reader.open(&path, &config, progress)
        }
        opened => opened,
    }
}

fn open_with(
    own: &[&dyn Reader],
    config: &DataConfig,
    progress: &dyn Progress,
) -> Result<Source, DataError> {
    config.check()?;
    let all = [own, readers()].concat();
    let (reader, path) = locate(config, &all, &Places::of_user())?;
    check_options(reader, &all, config)?;
    reader.open(&path, config, progress)
}

impl Data {
    /// Splits and scales examples from any source; this is how data made by a program
    /// comes in. Only the settings `scale`, `unseen`,
    /// `validation`, `test`, `binarize`, `limit` and `labels` of `config` matter.
    ///
    /// # Errors
    /// [`DataError`], if a setting does not fit the data or the data has faults.
    pub fn from_source(source: Source, config: &DataConfig, seed: u64) -> Result<Self, DataError> {
        config.check()?;
        let (shape, classes, attributes) = check_source(&source)?;
        let columns = source.train.columns().to_vec();
        let official_test = source.test.as_ref().map(|test| test.len());
        let split = Split::new(source.train.len(), official_test, config, seed)?;

        let table = learn_table(&source, &split.train, config)?.map(Arc::new);
        let subset = |of: &Arc<dyn Dataset>, indices: Vec<u32>| {
            let subset = Subset::new(of.clone(), indices)?;
            match &table {
                Some(table) => subset.with_table(table.clone()),
                None => Ok(subset),
            }
        };
        let train = subset(&source.train, split.train)?;
        let validation = subset(&source.train, split.validation)?;
        let test = subset(source.test.as_ref().unwrap_or(&source.train), split.test)?;
        check_levels(&[&validation, &test])?;
        let kind = match config.scale {
            Scale::Auto if source.pixels => Scale::None,
            Scale::Auto => Scale::Standardize,
            chosen => chosen,
        };
        let read = |i: usize, out: &mut [f32]| train.read_columns(i, out);
        let scaler = match &table {
            Some(table) => Scaler::learn_table(kind, table.kinds(), train.len(), read),
            None => Scaler::learn(kind, shape.features(), train.len(), read),
        };
        let scaler = scaler.map_err(|error| in_dataset(error, &train))?;
        let scaler = scaler.map(Arc::new);
        let attribute_scaler = learn_attributes(&*source.train, &train)?.map(Arc::new);

        let scale = |subset: Subset| subset.scaled(scaler.clone(), attribute_scaler.clone());
        let [train, validation, test] = [scale(train)?, scale(validation)?, scale(test)?];
        let train = match config.labels {
            Some(count) => train.with_few_labels(count, seed)?,
            None => train,
        };
        check_binarize(config.binarize, &train)?;
        Ok(Self {
            name: source.name,
            shape: train.shape().clone(),
            classes,
            columns,
            table,
            attributes,
            train,
            validation,
            test,
            scaler,
            attribute_scaler,
            licence: source.licence,
            origin: source.origin,
        })
    }

    /// The same examples, scaled as a trained model expects, in place of what was
    /// learned from this training split.
    ///
    /// # Errors
    /// [`DataError::Length`] or [`DataError::Setting`] if a scaler does not fit.
    pub fn rescaled(
        mut self,
        features: Option<Scaler>,
        attributes: Option<Scaler>,
    ) -> Result<Self, DataError> {
        self.scaler = features.map(Arc::new);
        self.attribute_scaler = attributes.map(Arc::new);
        for subset in [&mut self.train, &mut self.validation, &mut self.test] {
            let scalers = (self.scaler.clone(), self.attribute_scaler.clone());
            *subset = subset.clone().scaled(scalers.0, scalers.1)?;
        }
        Ok(self)
    }

    /// The same examples with the columns and levels of a trained model, as [`crate::aligned`] finds them,
    /// in place of what was learned from this training split. They are not scaled: [`Data::rescaled`]
    /// comes next.
    ///
    /// # Errors
    /// Those of [`crate::aligned`].
    pub fn aligned(
        mut self,
        names: &[String],
        table: Option<&Arc<Columns>>,
    ) -> Result<Self, DataError> {
        for subset in [&mut self.train, &mut self.validation, &mut self.test] {
            *subset = subset.clone().aligned(names, table)?;
        }
        Ok(Self {
            shape: self.train.shape().clone(),
            columns: self.train.columns().to_vec(),
            table: table.cloned(),
            scaler: None,
            ..self
        })
    }

    /// The same splits, labels and attributes with other features, such as codes: those of training,
    /// validation and test. See [`Subset::replaced`].
    ///
    /// # Errors
    /// Those of [`Subset::replaced`].
    pub fn replaced(self, shape: DataShape, features: [Features; 3]) -> Result<Self, DataError> {
        let [train, validation, test] = features;
        Ok(Self {
            train: self.train.replaced(&shape, train)?,
            validation: self.validation.replaced(&shape, validation)?,
            test: self.test.replaced(&shape, test)?,
            shape,
            columns: Vec::new(),
            table: None,
            scaler: None,
            ..self
        })
    }

    /// The smallest and the largest scaled value of all splits, from a scan of every
    /// example.
    ///
    /// # Errors
    /// As [`Subset::range`]: a value that is NaN or infinite.
    pub fn range(&self) -> Result<ValueRange, DataError> {
        let mut range = ValueRange { min: 0.0, max: 0.0 };
        let mut seen = false;
        for subset in [&self.train, &self.validation, &self.test] {
            if let Some(part) = subset.range()? {
                range = if seen { range.join(part) } else { part };
                seen = true;
            }
        }
        Ok(range)
    }
}

/// Checks that both datasets of a source agree; gives their shape, classes and
/// attributes.
pub(crate) fn check_source(
    source: &Source,
) -> Result<(DataShape, Vec<String>, Vec<String>), DataError> {
    let train = &source.train;
    let (shape, classes) = (train.shape().clone(), train.classes().to_vec());
    let attributes = train.attributes().to_vec();
    let name = Path::new(&source.name);
    for dataset in [Some(train), source.test.as_ref()].into_iter().flatten() {
        if dataset.len() > u32::MAX as usize {
            let found = dataset.len().to_string();
            return Err(DataError::format(name, "fewer than 2^32 examples", found));
        }
        if *dataset.shape() != shape {
            return Err(DataError::format(
                name,
                format!("test examples of shape {shape}, as those for training"),
                dataset.shape().to_string(),
            ));
        }
        let names = [train.columns(), dataset.columns()];
        if names[0] != names[1] && names.iter().all(|names| !names.is_empty()) {
            let (expected, found) = (train.columns().join(", "), dataset.columns().join(", "));
            return Err(DataError::format(
                name,
                format!("the columns {expected}"),
                found,
            ));
        }
        if dataset.classes() != classes || dataset.attributes() != attributes {
            let expected = "the same classes and attributes for training and testing";
            return Err(DataError::format(name, expected, "different ones"));
        }
    }
    Ok((shape, classes, attributes))
}

/// Learns what becomes of the rows of a table; `None` if they are numbers without gaps.
fn learn_table(
    source: &Source,
    train: &[u32],
    config: &DataConfig,
) -> Result<Option<Columns>, DataError> {
    let datasets = [Some(&source.train), source.test.as_ref()];
    if datasets
        .into_iter()
        .flatten()
        .all(|of| of.kinds().is_empty())
    {
        return Ok(None);
    }
    let table = Columns::learn(&source.name, &*source.train, train, config.unseen)?;
    if table.has_categories() && config.binarize != Binarize::None {
        let bound = "needs values between 0 and 1, and the table has categories: set it to `none`";
        return Err(DataError::setting("binarize", config.binarize, bound));
    }
    Ok(Some(table))
}

/// Refuses levels that the training split does not have.
fn check_levels(subsets: &[&Subset]) -> Result<(), DataError> {
    for subset in subsets {
        let Some(table) = subset.table() else {
            continue;
        };
        if table.has_categories() && table.unseen() == Unseen::Error {
            let mut row = vec![0.0; table.kinds().len()];
            (0..subset.len()).try_for_each(|i| subset.read_columns(i, &mut row))?;
        }
    }
    Ok(())
}

/// Names the example by its index in the dataset, not in the subset.
fn in_dataset(error: DataError, subset: &Subset) -> DataError {
    match error {
        DataError::NonFinite {
            example,
            feature,
            value,
        } => DataError::NonFinite {
            example: subset
                .indices()
                .get(example)
                .map_or(example, |&i| i as usize),
            feature,
            value,
        },
        other => other,
    }
}

/// Attributes are always standardised.
fn learn_attributes(dataset: &dyn Dataset, train: &Subset) -> Result<Option<Scaler>, DataError> {
    let width = dataset.attributes().len();
    if width == 0 {
        return Ok(None);
    }
    let scaler = Scaler::learn(Scale::Standardize, width, train.len(), |i, out| {
        dataset.read_attributes(train.indices()[i] as usize, out);
        Ok(())
    });
    scaler.map_err(|error| in_dataset(error, train))
}

/// Only values between 0 and 1 can be made binary.
fn check_binarize(binarize: Binarize, train: &Subset) -> Result<(), DataError> {
    if binarize == Binarize::None {
        return Ok(());
    }
    match train.range()? {
        Some(range) if !range.is_unit() => {
            let bound = format!(
                "needs values between 0 and 1, and these reach from {} to {}; \
                 set `scale` (--scale) to `min-max`, or `binarize` to `none`",
                range.min, range.max
            );
            Err(DataError::setting("binarize", binarize, bound))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
