//! `vae sample`: new examples from a trained model.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use vae_core::files::write_atomically;
use vae_data::to_npy;
use vae_results::RunFolder;
use vae_variants::{Condition, Description, Draw, Trained, prepare};

use crate::{
    pictures,
    settings::{Backend, Entry, LayerArgs, resolve, resolve_run},
};

/// Draw new examples from a trained model
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  vae sample runs/vae-mnist-mini-1
  vae sample runs/cvae-mnist-mini-1 --class 7 --count 100 --out sevens.png")]
pub struct SampleArgs {
    /// Folder of the run
    pub run: PathBuf,
    /// Class to draw from, for a conditional model [default: all in turn]
    #[arg(long, value_name = "NAME|INDEX")]
    pub class: Option<String>,
    /// How many examples, from 1 to 65536
    #[arg(long, value_name = "N", default_value = "64", value_parser = count)]
    pub count: usize,
    /// Picture (.png), table (.csv) or array (.npy) to write [default: one in the folder of the run]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What the likelihood of a code gives: its mean, or an example drawn from it [default: sample for
    /// tables with columns of their own kinds and for counts, else mean]
    #[arg(long, value_name = "mean|sample", value_parser = draw)]
    pub draw: Option<Draw>,
    /// Seed of the codes [default: that of the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..1 << 63))]
    pub seed: Option<u64>,
    /// What computes, see `vae backends` [default: that of the run]
    #[arg(long, value_name = "NAME", value_parser = backends(), hide_possible_values = true)]
    pub backend: Option<Backend>,
    /// Threads; 0 means one for each core [default: that of the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub threads: Option<u32>,
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

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=65_536).contains(n));
    number.ok_or_else(|| "a whole number from 1 to 65536 is needed".to_owned())
}

impl SampleArgs {
    /// The settings that replace those of the run, for [`resolve_run`].
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

/// Draws samples and writes them as a picture (images), a table or an array, in the units of the data.
///
/// # Errors
/// If the model cannot be loaded, cannot generate, or has no such class.
pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    let form = args.out.as_deref().map(Form::of).transpose()?;
    let config = RunFolder::at(&args.run).config();
    // A program that saves a model writes no settings.
    let settings = match !config.exists() && vae_variants::is_model(&args.run) {
        true => resolve(&args.layers())?.settings,
        false => {
            resolve_run(&config, &args.layers())
                .with_context(|| format!("{} is not the folder of a run", args.run.display()))?
                .settings
        }
    };
    prepare(settings.threads, settings.ops)?;
    let model = Trained::open(&args.run, settings.backend)?;
    let conditions = match &args.class {
        Some(class) => vec![condition(&model, class)?],
        None => model.conditions(),
    };
    if !model.is_generative() {
        bail!(
            "a {} model has no prior to draw codes from; train a generative variant such as vae, or look \
             at reconstructions.png in {}",
            model.description().variant.info().name,
            args.run.display()
        );
    }
    let draw = args.draw.unwrap_or(model.draws());
    let values = model.sample_as(draw, args.count, &conditions, settings.seed)?;

    let shown = model.data();
    let features = shown.row_width();
    let count = values.len() / features;
    let is_image = shown.shape.image().is_some();
    let (name, own) = match is_image {
        true => ("sample.png", Form::Png),
        false => ("sample.csv", Form::Csv),
    };
    let path = args.out.clone().unwrap_or_else(|| args.run.join(name));
    let bytes = match form.unwrap_or(own) {
        Form::Csv => table(&values, shown)?,
        Form::Npy if shown.table.is_some() => to_npy(&[count, features], &values),
        Form::Npy => to_npy(&[&[count], shown.shape.dims()].concat(), &values),
        Form::Png if !is_image => {
            bail!("samples of a table are written as numbers: --out FILE.csv or FILE.npy")
        }
        Form::Png => {
            // One class fills a square, all classes a row each.
            let classes = &model.description().classes;
            let labels: &[String] = match &args.class {
                None if conditions.len() == classes.len() => classes,
                _ => &[],
            };
            pictures::samples(&values, shown, labels)?.png
        }
    };
    write_atomically(&path, |file| file.write_all(&bytes))?;
    println!("{count} samples written to {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// The condition of the class that `--class` names.
fn condition(model: &Trained, class: &str) -> Result<Condition> {
    let Description {
        classes, variant, ..
    } = model.description();
    if !variant.is_conditional() || classes.is_empty() {
        bail!(
            "--class needs a model trained with class labels, but this is a {} model{}",
            variant.info().name,
            if classes.is_empty() {
                " without classes"
            } else {
                ""
            }
        );
    }
    model.condition(class).ok_or_else(|| {
        anyhow!(
            "--class {class} is not a class of this model: it has {} ({}), or an index from 0 to {}",
            classes.len(),
            classes.join(", "),
            classes.len() - 1
        )
    })
}

/// What samples can be written as.
#[derive(Debug, Clone, Copy)]
enum Form {
    Png,
    Csv,
    Npy,
}

impl Form {
    /// By the end of a file's name.
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|end| end.to_str()) {
            Some("png") => Ok(Self::Png),
            Some("csv") => Ok(Self::Csv),
            Some("npy") => Ok(Self::Npy),
            _ => bail!(
                "--out {}: what samples are written as follows from the end of the name: .png for a \
                 picture, .csv or .npy for numbers",
                path.display()
            ),
        }
    }
}

/// Comma-separated values; columns without a name are numbered.
fn table(values: &[f32], shown: &Description) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(shown.column_names())?;
    for row in values.chunks(shown.row_width()) {
        table.write_record(
            row.iter()
                .enumerate()
                .map(|(at, &value)| shown.text(at, value)),
        )?;
    }
    Ok(table.into_inner()?)
}

/// What `--draw` says.
pub(super) fn draw(text: &str) -> Result<Draw, String> {
    match text {
        "mean" => Ok(Draw::Mean),
        "sample" => Ok(Draw::Sample),
        _ => Err("mean or sample is needed".to_owned()),
    }
}
