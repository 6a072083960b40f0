//! `vae sample`: new examples from a trained model.

mod augment;
mod fidelity;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use vae_data::Part;
use vae_variants::{Condition, Description, Draw, Sampling, Trained, vae_analysis::Mixture};

use crate::{
    commands::using::{DataArgs, ModelArgs, Opened, in_bounds, out},
    output::{
        Cell, Field, Form,
        examples::{FORMS, Lead, write_examples},
    },
    watch::thousands,
};

/// Draw new examples from a trained model
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  vae sample runs/vae-mnist-mini-1
  vae sample runs/cvae-mnist-mini-1 --class 7 --count 100 --out sevens.png
  vae sample runs/vae-sales-1 --count 5000 --out synthetic.csv
  vae sample runs/ae-mnist-mini-1 --sampler gmm
  vae sample runs/vae-mnist-mini-1 --augment 3 --out more")]
pub struct SampleArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Class to draw from, for a conditional model [default: all in turn]
    #[arg(long, value_name = "NAME|INDEX", conflicts_with = "augment")]
    pub class: Option<String>,
    /// How many examples, of each class
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        conflicts_with = "augment"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub count: u32,
    /// What codes are drawn from: the prior of the model, or a Gaussian mixture that is fitted to the codes of the
    /// training data
    #[arg(long, value_name = "prior|gmm", default_value = "prior")]
    pub sampler: Sampler,
    /// Write N variations of each training example, in a form that --dataset reads: codes are drawn near its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub augment: Option<u32>,
    /// What the noise of codes is multiplied by: below 1 examples are more typical and less varied
    #[arg(long, value_name = "T", default_value = "1", value_parser = temperature)]
    pub temperature: f64,
    /// What the likelihood of a code gives: its mean, or an example drawn from it [default: sample for
    /// tables and counts, mean for images]
    #[arg(long, value_name = "mean|sample", value_parser = draw)]
    pub draw: Option<Draw>,
    /// Write the numbers of a table as the model draws them; else each column gets the values of the training data, and
    /// as often
    #[arg(long)]
    pub as_drawn: bool,
    /// Picture (.png), table (.csv, .parquet, or - for standard output) or array (.npy); with --augment a new folder
    /// for images [default: sample.png or sample.csv in the folder of the run; augmented or augmented.csv]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
}

/// What codes are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sampler {
    /// The prior of the model.
    Prior,
    /// A Gaussian mixture that is fitted to the codes of the training data.
    Gmm,
}

fn temperature(text: &str) -> Result<f64, String> {
    in_bounds(text, 0.0, 10.0)
}

/// Draws samples and writes them as a picture (images), a table or an array, in the units of the data.
///
/// # Errors
/// If the model cannot be loaded, cannot generate, or has no such class.
pub fn run(args: &SampleArgs) -> Result<ExitCode> {
    if let Some(count) = args.augment {
        return augment::run(args, count);
    }
    let form = args.out.as_deref().map(|path| Form::of(path, &FORMS));
    let form = form.transpose()?;
    let opened = args.model.open()?;
    let model = &opened.model;
    let conditions = match &args.class {
        Some(class) => vec![condition(model, class)?],
        None => model.conditions(),
    };
    if !model.is_generative() && args.sampler == Sampler::Prior {
        bail!(
            "a {} model has no prior to draw codes from: fit a mixture to the codes of its training data by \
             --sampler gmm, or train a generative variant such as vae",
            model.description().variant.info().name
        );
    }
    let how = Sampling {
        draw: args.draw.unwrap_or(model.draws()),
        temperature: args.temperature,
        mixture: match args.sampler {
            Sampler::Prior => None,
            Sampler::Gmm => Some(mixture(&opened, &args.data)?),
        },
        matches_columns: !args.as_drawn && args.draw != Some(Draw::Mean),
        ..model.sampling(opened.settings.seed)
    };
    let shown = model.data();
    let count = args.count as usize * conditions.len().max(1);
    let (name, own) = match shown.shape.image() {
        Some(_) => ("sample.png", Form::Png),
        None => ("sample.csv", Form::Csv),
    };
    let path = out(args.out.as_deref(), &args.model.run, name);
    // One class fills a square, all classes a row each.
    let classes = &model.description().classes;
    let labels: &[String] = match &args.class {
        None if conditions.len() == classes.len() => classes,
        _ => &[],
    };
    let class_of = |number: usize| labels.get(number / args.count as usize).cloned();
    let lead = Lead {
        fields: match labels {
            [] => Vec::new(),
            _ => vec![Field::text("class")],
        },
        cells: &|number| Ok(class_of(number).map(Cell::Text).into_iter().collect()),
    };
    let form = form.unwrap_or(own);
    let mut first = match shown.shape.image().is_none() && conditions.is_empty() {
        true => Some(fidelity::Beginning::default()),
        false => None,
    };
    let chunks = model.samples(args.count as usize, &conditions, &how);
    let chunks = opened.watched("drawing", count, shown.row_width(), chunks);
    let chunks = chunks.inspect(|chunk| {
        if let (Some(first), Ok(chunk)) = (&mut first, chunk) {
            first.extend(chunk, shown.row_width());
        }
    });
    write_examples(&path, form, shown, count, chunks, &lead, labels)?;
    let fidelity = first.and_then(|first| first.beside_training(&opened));
    opened.say(&format!("{} samples", thousands(count as f64)), &path);
    if let Some(fidelity) = fidelity {
        opened.note(&fidelity);
    }
    Ok(ExitCode::SUCCESS)
}

/// The mixture that suits the codes of the training data best.
fn mixture(opened: &Opened, data: &DataArgs) -> Result<Arc<Mixture>> {
    let training = opened.data_or(data, Part::Train)?;
    let (training, validation) = training.split_off();
    let choice = opened.model.fit_mixture(
        &training.examples(opened, "encoding the training data")?,
        &validation.examples(opened, "encoding the validation data")?,
        opened.settings.seed,
    )?;
    opened.note(&format!(
        "a mixture of {} Gaussians suits the codes of {} other examples best",
        choice.mixture.components().len(),
        thousands(validation.len() as f64)
    ));
    Ok(Arc::new(choice.mixture))
}

/// The condition of the class that `--class` names.
///
/// # Errors
/// If the model is not conditional, or has no such class.
pub fn condition(model: &Trained, class: &str) -> Result<Condition> {
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

pub fn draw(text: &str) -> Result<Draw, String> {
    match text {
        "mean" => Ok(Draw::Mean),
        "sample" => Ok(Draw::Sample),
        _ => Err("mean or sample is needed".to_owned()),
    }
}
