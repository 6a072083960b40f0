//! What the commands share that use a trained model: the model, the data, and Ctrl-C.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde::{Deserialize, Serialize};
use vae_core::Error;
use vae_data::{
    DataConfig, Dataset, ImageSize, MemoryDataset, Part, Progress as _, Source, UNLABELLED,
    ValueRange, fingerprint, open, open_like, resized,
};
use vae_results::RunFolder;
use vae_variants::{Caller, Examples, Trained, is_model, prepare};

use crate::{
    commands::train::LogFormat,
    output::STDOUT,
    settings::{Backend, Entry, LayerArgs, Settings, resolve, resolve_run},
    watch::{Loading, Screen},
};

/// Exit code of work that was stopped by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// The trained model, and what computes.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Folder of the run, or of a saved model
    pub run: PathBuf,
    /// Seed of what is drawn [default: that of the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 63))]
    pub seed: Option<u64>,
    /// What computes, see `vae backends` [default: that of the run]
    #[arg(long, value_name = "NAME", value_parser = backends(), hide_possible_values = true)]
    #[arg(hide_short_help = true)]
    pub backend: Option<Backend>,
    /// Threads; 0 means one for each core [default: that of the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    #[arg(hide_short_help = true)]
    pub threads: Option<u32>,
    /// Print nothing but warnings and errors
    #[arg(short, long, hide_short_help = true)]
    pub quiet: bool,
}

/// The names of all backends; those that are not in this build are refused.
fn backends() -> impl TypedValueParser<Value = Backend> {
    PossibleValuesParser::new(Backend::ALL.map(Backend::name)).try_map(|name| {
        let mut all = Backend::ALL.into_iter();
        let backend = all.find(|backend| backend.name() == name);
        let backend = backend.expect("the name of a backend");
        match backend.missing() {
            None => Ok(backend),
            Some(bound) => Err(format!(
                "`backend` is {backend}, but must be {bound}; set by flag --backend"
            )),
        }
    })
}

/// A trained model, ready to use.
pub struct Opened {
    /// The model.
    pub model: Trained,
    /// The settings of its run, with the flags; the defaults for a model that was saved by a program.
    pub settings: Settings,
    /// Where it is.
    pub folder: PathBuf,
    /// Whether there is a run, and not only a model.
    pub is_run: bool,
    is_quiet: bool,
    /// Shows progress.
    pub loading: Loading,
    /// Becomes true at Ctrl-C.
    pub stop: Arc<AtomicBool>,
}

impl ModelArgs {
    /// Opens the model.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open(&self) -> Result<Opened> {
        self.open_for(Caller::Works)
    }

    /// Opens the model, for this thread or for others.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open_for(&self, caller: Caller) -> Result<Opened> {
        let loading = Loading::new(&Screen::start(self.quiet, 0, LogFormat::Text));
        let config = RunFolder::at(&self.run).config();
        let is_run = config.exists() || !is_model(&self.run);
        let layers = self.layers();
        let resolved = match is_run {
            // A program that saves a model writes no settings.
            false => resolve(&layers)?,
            true => resolve_run(&config, &layers)
                .with_context(|| format!("{} is not the folder of a run", self.run.display()))?,
        };
        let settings = resolved.settings;
        prepare(settings.threads, settings.ops, caller)?;
        Ok(Opened {
            model: Trained::open(&self.run, settings.backend)?,
            settings,
            folder: self.run.clone(),
            is_run,
            is_quiet: self.quiet,
            loading,
            stop: stop_on_ctrl_c("stopping; press Ctrl-C again to stop at once")?,
        })
    }

    /// The settings that replace those of the run.
    pub fn layers(&self) -> LayerArgs {
        let flags = [
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("backend", self.backend.map(|backend| backend.to_string())),
            ("threads", self.threads.map(|threads| threads.to_string())),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(key, text)| Some(Entry::text(key, text?, format!("flag --{key}"))));
        LayerArgs {
            configs: Vec::new(),
            flags: given.collect(),
        }
    }
}

/// The data that a model is used on.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct DataArgs {
    /// Data to use the model on: a name or path as in training [default: those of the run]
    #[arg(long, value_name = "NAME|PATH")]
    pub dataset: Option<String>,
    /// Which part: train, validation, test or all [default: test; all of what --dataset names]
    #[arg(long, value_name = "PART")]
    pub split: Option<Part>,
    /// Column of a table that holds the class [default: that of the run]
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    pub label: Option<String>,
    /// Column of a table that names the rows [default: rows are counted from 0]
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    pub id: Option<String>,
    /// Only the first N examples
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub first: Option<u32>,
    /// Bring images to the size and the channels that the model takes
    #[arg(long, hide_short_help = true)]
    pub resize: bool,
}

/// Examples to use a model on, by their names.
pub struct Given {
    /// What they are called, for messages.
    pub name: String,
    /// Which part of them it is.
    pub part: Part,
    dataset: Arc<dyn Dataset>,
    indices: Vec<u32>,
    /// The column that names them.
    id: Option<usize>,
}

impl Opened {
    /// Says on standard error what was written where.
    pub fn say(&self, what: &str, path: &Path) {
        if !self.is_quiet && path != Path::new(STDOUT) {
            eprintln!("{what} written to {}", path.display());
        }
    }

    /// Says something on standard error.
    pub fn note(&self, what: &str) {
        if !self.is_quiet {
            eprintln!("{what}");
        }
    }

    /// The `total` rows of `width` numbers that `chunks` gives, with the progress of `what`; Ctrl-C ends them.
    pub fn watched<E: Into<anyhow::Error>>(
        &self,
        what: &str,
        total: usize,
        width: usize,
        chunks: impl Iterator<Item = Result<Vec<f32>, E>>,
    ) -> impl Iterator<Item = Result<Vec<f32>>> {
        self.loading.start(what, Some(total as u64));
        let mut left = total;
        chunks.map(move |chunk| {
            let chunk = chunk.map_err(Into::into)?;
            if self.stop.load(Ordering::Relaxed) {
                bail!(Error::Stopped);
            }
            let rows = chunk.len() / width;
            self.loading.advance(rows as u64);
            left = left.saturating_sub(rows);
            if left == 0 {
                self.loading.finish();
            }
            Ok(chunk)
        })
    }

    /// Opens the data.
    ///
    /// # Errors
    /// If they cannot be read, or are not there.
    pub fn data(&self, args: &DataArgs) -> Result<Given> {
        self.data_or(args, Part::Test)
    }

    /// Opens the data, by default this part of those of the run.
    ///
    /// # Errors
    /// As [`Opened::data`].
    pub fn data_or(&self, args: &DataArgs, default: Part) -> Result<Given> {
        self.data_seeded(args, default, self.settings.seed)
    }

    /// Opens the data, of a run without a test split all of its data.
    ///
    /// # Errors
    /// As [`Opened::data`].
    pub fn data_or_all(&self, args: &DataArgs) -> Result<Given> {
        match self.data(args) {
            Err(_) if args.dataset.is_none() && args.split.is_none() => {
                self.data_or(args, Part::All)
            }
            given => given,
        }
    }

    /// As [`Opened::data_or`], split by another seed than that of the run.
    ///
    /// # Errors
    /// As [`Opened::data`].
    pub fn data_seeded(&self, args: &DataArgs, default: Part, seed: u64) -> Result<Given> {
        let mut config = self.config(args)?;
        let source = match &args.dataset {
            Some(dataset) => {
                if !self.model.description().variant.is_conditional() {
                    config.condition = Vec::new();
                }
                open_like(&config, dataset, &self.loading)?
            }
            None if self.is_run => open(&config, &self.loading)?,
            None => bail!(
                "{} holds a model without the settings of a run: name the data by --dataset",
                self.folder.display()
            ),
        };
        let of_file = args.dataset.as_ref().map(|_| Part::All);
        let part = args.split.or(of_file).unwrap_or(default);
        self.part(source, part, &config, args, seed)
    }

    /// The settings of the data, but for their name.
    fn config(&self, args: &DataArgs) -> Result<DataConfig> {
        let mut config = self.settings.data.clone();
        if let Some(label) = &args.label {
            config.label = Some(label.clone());
        }
        if let Some(id) = args.id.iter().find(|id| !config.categorical.contains(id)) {
            config.drop.retain(|column| column != id);
            config.categorical.push(id.clone());
        }
        let shape = &self.model.data().shape;
        if let (true, Some([channels, height, width])) = (args.resize, shape.image()) {
            config.image_size = Some(ImageSize::new(height, width)?);
            config.color = match channels {
                1 => vae_data::Color::Grey,
                _ => vae_data::Color::Rgb,
            };
        }
        Ok(config)
    }

    /// SHA-256 of the data, by which they are known again.
    ///
    /// # Errors
    /// If they cannot be found or read.
    pub fn fingerprint(&self, args: &DataArgs) -> Result<String> {
        let mut config = self.config(args)?;
        if let Some(dataset) = &args.dataset {
            config.dataset.clone_from(dataset);
            config.drop = Vec::new();
        }
        Ok(fingerprint(&config)?)
    }

    fn part(
        &self,
        source: Source,
        part: Part,
        config: &DataConfig,
        args: &DataArgs,
        seed: u64,
    ) -> Result<Given> {
        let (mut dataset, mut indices) = source.part(part, config, seed)?;
        if let Some(first) = args.first {
            indices.truncate(first as usize);
        }
        if indices.is_empty() {
            bail!(
                "the {part} split of {} is empty: choose another by --split",
                source.name
            );
        }
        let id = args.id.as_ref().map(|id| {
            let place = dataset.columns().iter().position(|column| column == id);
            place.ok_or_else(|| anyhow!("--id {id}: {} has no such column", source.name))
        });
        let id = id.transpose()?;
        let shape = &self.model.data().shape;
        if args.resize {
            dataset = resized(dataset, shape)?;
        }
        if let (Some(wanted), Some(found)) = (shape.image(), dataset.shape().image())
            && wanted != found
        {
            bail!(
                "the model takes images of shape {shape}, and those of {} have shape {}: --resize brings them \
                 to it",
                source.name,
                dataset.shape()
            );
        }
        Ok(Given {
            name: source.name,
            part,
            dataset,
            indices,
            id,
        })
    }
}

impl Given {
    /// The data, and where the first `count` of these examples stand in them.
    pub fn first(&self, count: usize) -> (Arc<dyn Dataset>, Vec<u32>) {
        let indices = self.indices.iter().copied().take(count).collect();
        (Arc::clone(&self.dataset), indices)
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// The examples as the model takes them, with the progress of `what`.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub fn examples<'a>(&self, opened: &'a Opened, what: &'a str) -> Result<Examples<'a>> {
        let indices = self.indices.clone();
        let examples = opened.model.examples_at(self.dataset.clone(), indices);
        self.watched(examples, opened, what)
    }

    /// As [`Given::examples`], but a number may be missing even if the model has seen no gaps.
    ///
    /// # Errors
    /// Those of [`Given::examples`].
    pub fn examples_with_gaps<'a>(
        &self,
        opened: &'a Opened,
        what: &'a str,
    ) -> Result<Examples<'a>> {
        let indices = self.indices.clone();
        let examples = (opened.model).examples_with_gaps(self.dataset.clone(), indices);
        self.watched(examples, opened, what)
    }

    /// With the seed, the progress and the stop of the command.
    fn watched<'a>(
        &self,
        examples: vae_core::Result<Examples<'a>>,
        opened: &'a Opened,
        what: &'a str,
    ) -> Result<Examples<'a>> {
        let examples = examples.with_context(|| format!("{} does not fit the model", self.name))?;
        let examples = examples.seed(opened.settings.seed).stop(&opened.stop);
        Ok(examples.progress(what, &opened.loading))
    }

    /// The data themselves.
    pub fn dataset(&self) -> &dyn Dataset {
        &*self.dataset
    }

    /// Where an example is in the data.
    pub fn index(&self, number: usize) -> usize {
        self.indices[number] as usize
    }

    /// The column that names the examples.
    pub fn id_column(&self) -> Option<usize> {
        self.id
    }

    /// What each example is called: by its column, by its file, or by its number.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub fn id(&self, number: usize) -> Result<String> {
        let index = self.indices[number] as usize;
        if let Some(column) = self.id {
            let row = self.read(number)?;
            return Ok(self.dataset.kinds()[column].text(row[column]));
        }
        Ok(self.dataset.name(index).unwrap_or(index.to_string()))
    }

    /// The place of the example that is called so, or has this number in the data; see [`Given::id`].
    ///
    /// # Errors
    /// If the data cannot be read.
    pub fn find(&self, name: &str) -> Result<Option<usize>> {
        if self.has_names() {
            for number in 0..self.len() {
                if self.id(number)? == name {
                    return Ok(Some(number));
                }
            }
        }
        let index: Option<u32> = name.parse().ok();
        let place = index.and_then(|index| self.indices.iter().position(|of| *of == index));
        Ok(place)
    }

    /// Whether examples have names, and not only numbers.
    pub fn has_names(&self) -> bool {
        let first = self.indices.first().map_or(0, |&index| index as usize);
        self.id.is_some() || self.dataset.name(first).is_some()
    }

    /// Range of all values where it is known without reading them, as for pixels.
    pub fn known_range(&self) -> Option<ValueRange> {
        self.dataset.known_range()
    }

    /// The same examples as if all were of one class, of these.
    ///
    /// # Errors
    /// If the data cannot be read.
    pub fn of_class(&self, classes: &[String], class: usize) -> Result<Self> {
        let width = self.dataset.shape().features();
        let mut values = vec![0.0; self.len() * width];
        for (row, &index) in values.chunks_mut(width).zip(&self.indices) {
            self.dataset.read(index as usize, row)?;
        }
        let labels = vec![class as i32; self.len()];
        let dataset = MemoryDataset::new(self.dataset.shape().clone(), values)?
            .with_labels(classes.to_vec(), labels)?;
        Ok(Self {
            name: self.name.clone(),
            dataset: Arc::new(dataset),
            part: self.part,
            indices: (0..self.len() as u32).collect(),
            id: None,
        })
    }

    /// Names of the classes; empty when there are no labels.
    pub fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    /// The name of the class of an example; empty where it is not known.
    pub fn class_name(&self, number: usize) -> &str {
        self.class(number)
            .map_or("", |class| &self.classes()[class])
    }

    /// The class of an example, if it is known.
    pub fn class(&self, number: usize) -> Option<usize> {
        let label = self.dataset.label(self.indices[number] as usize);
        (label != UNLABELLED).then_some(label as usize)
    }

    /// The class of each example, where it is known.
    pub fn labels(&self) -> Vec<Option<u32>> {
        let label = |number| self.class(number).map(|class| class as u32);
        (0..self.len()).map(label).collect()
    }

    /// An example as the data have it. `[features]`
    ///
    /// # Errors
    /// If the data cannot be read.
    pub fn read(&self, number: usize) -> Result<Vec<f32>> {
        let mut row = vec![0.0; self.dataset.shape().features()];
        self.dataset.read(self.indices[number] as usize, &mut row)?;
        Ok(row)
    }

    /// The same, at most `most` of them, evenly from all.
    pub fn thinned(&self, most: usize) -> Self {
        let (count, kept) = (self.len(), self.len().min(most));
        let numbers: Vec<_> = (0..kept).map(|number| number * count / kept).collect();
        self.only(&numbers)
    }

    /// Nine of ten examples, and every tenth, to choose by.
    pub fn split_off(&self) -> (Self, Self) {
        let numbers = 0..self.len();
        let (tenth, rest): (Vec<_>, Vec<_>) = numbers.partition(|number| number % 10 == 9);
        match tenth.is_empty() {
            true => (self.only(&rest), self.only(&rest)),
            false => (self.only(&rest), self.only(&tenth)),
        }
    }

    /// The same, of examples at these places alone.
    pub fn only(&self, numbers: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            part: self.part,
            dataset: self.dataset.clone(),
            indices: numbers.iter().map(|&number| self.indices[number]).collect(),
            id: self.id,
        }
    }
}

/// Where a result is written: `given`, or a file of the folder.
pub fn out(given: Option<&Path>, folder: &Path, name: &str) -> PathBuf {
    given.map_or_else(|| folder.join(name), Path::to_owned)
}

/// Whether there is something in a folder that is to be new.
pub fn is_used(folder: &Path) -> bool {
    let mut entries = folder.read_dir().into_iter().flatten();
    entries.next().is_some()
}

/// A number between two others.
///
/// # Errors
/// If it is none, or beyond them.
pub fn in_bounds(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| format!("a number from {least} to {most} is needed"))
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the program at once.
///
/// # Errors
/// If the program cannot listen to it.
pub fn stop_on_ctrl_c(message: &'static str) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("{message}");
    })
    .context("cannot listen to Ctrl-C")?;
    Ok(stop)
}
