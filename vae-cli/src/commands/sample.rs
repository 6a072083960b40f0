//! `vae sample`: new examples from a trained model.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use burn::tensor::backend::Backend as Burn;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use vae_core::files::write_atomically;
use vae_data::to_npy;
use vae_variants::{Description, load};

use crate::{
    backend::{self, Job},
    codes::Shown,
    commands::figures,
    inference::{class_index, conditions, sample},
    run_folder::CONFIG,
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

/// Draws samples and writes them as a picture (images), or in the units of the data as a table or array.
///
/// # Errors
/// If the model cannot be loaded, cannot generate, or has no such class.
pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    let form = args.out.as_deref().map(Form::of).transpose()?;
    let config = args.run.join(CONFIG);
    // A program that saves a model writes no settings.
    let settings = match !config.exists() && args.run.join("model.json").exists() {
        true => resolve(&args.layers())?.settings,
        false => {
            resolve_run(&config, &args.layers())
                .with_context(|| format!("{} is not the folder of a run", args.run.display()))?
                .settings
        }
    };
    backend::prepare(settings.threads, settings.ops)?;
    let description = Description::read(&args.run)?;
    let rows = match &args.class {
        Some(class) => {
            let index = class_index(&description, class)?;
            vec![conditions(&description).swap_remove(index)]
        }
        None => conditions(&description),
    };
    let job = Sampling {
        args,
        rows: &rows,
        seed: settings.seed,
    };
    let (values, description) = backend::run(settings.backend, job)?;
    let is_image = description.shape.image().is_some();
    let (name, own) = match is_image {
        true => ("sample.png", Form::Png),
        false => ("sample.csv", Form::Csv),
    };
    let path = args.out.clone().unwrap_or_else(|| args.run.join(name));
    let form = form.unwrap_or(own);
    let bytes = match form {
        Form::Csv => table(&values, &description),
        Form::Npy => {
            let count = values.len() / description.shape.features();
            let shape: Vec<usize> = [&[count], description.shape.dims()].concat();
            to_npy(&shape, &in_units_of_data(&values, &description))
        }
        Form::Png if !is_image => {
            bail!("samples of a table are written as numbers: --out FILE.csv or FILE.npy")
        }
        Form::Png => {
            // One class fills a square, all classes a row each.
            let labels: &[String] = match &args.class {
                None if rows.len() == description.classes.len() => &description.classes,
                _ => &[],
            };
            figures::samples(&values, labels, &description)?
        }
    };
    write_atomically(&path, |file| file.write_all(&bytes))?;
    let count = values.len() / description.shape.features();
    println!("{count} samples written to {}", path.display());
    Ok(ExitCode::SUCCESS)
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

struct Sampling<'a> {
    args: &'a SampleArgs,
    rows: &'a [Vec<f32>],
    seed: u64,
}

impl Job for Sampling<'_> {
    type Output = (Vec<f32>, Description);

    fn run<B: Burn>(self, device: B::Device) -> Result<Self::Output> {
        let (model, description) = load::<B>(&self.args.run, &device)?;
        let drawn = sample(&model, self.rows, self.args.count, self.seed, &device);
        let Some(values) = drawn else {
            bail!(
                "a {} model has no prior to draw codes from; train a generative variant such as \
                 vae, or look at reconstructions.png in {}",
                description.variant.info().name,
                self.args.run.display()
            );
        };
        let shown = Shown::<B>::open(&self.args.run, &description, &device)?;
        Ok((shown.data(values, &device), shown.description))
    }
}

/// Samples as the original data were before they were scaled.
fn in_units_of_data(values: &[f32], description: &Description) -> Vec<f32> {
    let mut values = values.to_vec();
    if let Some(scaler) = &description.scaler {
        for row in values.chunks_mut(description.shape.features()) {
            scaler.invert(row);
        }
    }
    values
}

/// Comma-separated values in the units of the original data.
fn table(values: &[f32], description: &Description) -> Vec<u8> {
    let features = description.shape.features();
    let names = figures::column_names(description);
    let mut text = names.join(",") + "\n";
    for row in in_units_of_data(values, description).chunks(features) {
        let cells: Vec<String> = row.iter().map(f32::to_string).collect();
        text += &cells.join(",");
        text.push('\n');
    }
    text.into_bytes()
}
