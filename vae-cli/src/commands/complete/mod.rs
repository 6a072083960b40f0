//! `vae complete`: what is missing of images and tables.

mod hidden;
mod write;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use vae_variants::{Completing, Completion, Draw, Trained};

use self::hidden::{Hide, mask};
use crate::{
    commands::{
        sample::draw,
        using::{DataArgs, ModelArgs, out},
    },
    output::Form,
    watch::thousands,
};

/// Images in a picture.
const SHOWN: usize = 16;

/// Fill what is missing: a part of images, or the empty cells of a table
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
What is given stays as it is. Missing values are drawn by the model from what is there; the default is one
value for each, the mean of what is drawn, and of a category the most frequent level.

Examples:
  vae complete runs/vae-mnist-1 --hide lower
  vae complete runs/vae-mnist-1 --mask mask.png --samples 5 --out completed/
  vae complete runs/vae-patients-1 --dataset new.csv --out filled.csv
  vae complete runs/vae-patients-1 --dataset new.csv --draw sample --samples 10 --out filled.parquet")]
pub struct CompleteArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// What is missing of each image: an image file of their size, white where it is
    #[arg(long, value_name = "FILE", conflicts_with = "hide")]
    pub mask: Option<PathBuf>,
    /// What is missing of each image: lower, upper, left or right (half), or a rectangle in pixels
    #[arg(long, value_name = "PART|X,Y,WxH")]
    pub hide: Option<Hide>,
    /// Completions of each example, from 1 to 1000; with --draw mean the chains that are averaged [default: 1, of
    /// which 10 chains are averaged]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub samples: Option<u32>,
    /// Steps of a chain, or codes that are weighed by importance [default: 100, by importance 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub steps: Option<u32>,
    /// How: by sampling in turn, with a correction where the posterior is not exact, or by weighing codes. gibbs,
    /// metropolis or importance [default: importance for models that have learned from gaps, else metropolis; gibbs
    /// where a model can do neither]
    #[arg(long, value_name = "NAME", value_parser = methods(), hide_possible_values = true)]
    pub method: Option<Completing>,
    /// What takes the place: the mean of what is drawn, or a draw for each of --samples [default: mean; sample
    /// with --samples above 1]
    #[arg(long, value_name = "mean|sample", value_parser = draw)]
    pub draw: Option<Draw>,
    /// Images: picture of the first (.png), array (.npy), or a folder of PNG files; tables: .csv, .parquet, .npy, or -
    /// for standard output [default: complete.png or completed.csv in the folder of the run]
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub out: Option<PathBuf>,
}

fn methods() -> impl TypedValueParser<Value = Completing> {
    PossibleValuesParser::new(Completing::ALL.map(Completing::name)).map(|name| {
        let mut all = Completing::ALL.into_iter();
        let method = all.find(|method| method.name() == name);
        method.expect("the name of a method")
    })
}

/// What is written.
enum Target {
    Table(Form),
    Array,
    Picture,
    Folder,
}

impl Target {
    fn of(path: &Path, is_image: bool) -> Result<Self> {
        if !is_image {
            return Form::of(path, &[Form::Csv, Form::Parquet, Form::Npy]).map(Self::Table);
        }
        if path.is_dir() || path.extension().is_none() && path.as_os_str() != "-" {
            return Ok(Self::Folder);
        }
        let form = Form::of(path, &[Form::Png, Form::Npy]);
        Ok(
            match form.context("images are written as those, or into a folder")? {
                Form::Npy => Self::Array,
                _ => Self::Picture,
            },
        )
    }
}

/// Completes examples and writes them.
///
/// # Errors
/// If the model cannot be loaded or cannot do it, the data do not fit it, or nothing or everything is missing.
pub fn run(args: &CompleteArgs) -> Result<ExitCode> {
    let opened = args.model.open()?;
    let (model, settings) = (&opened.model, &opened.settings);
    let is_image = model.data().shape.image().is_some();
    let name = match is_image {
        true => "complete.png",
        false => "completed.csv",
    };
    let path = out(args.out.as_deref(), &args.model.run, name);
    let target = Target::of(&path, is_image)?;
    let samples = args.samples.unwrap_or(1) as usize;
    let draw = args.draw.unwrap_or(match samples {
        1 => Draw::Mean,
        _ => Draw::Sample,
    });
    let method = args.method.unwrap_or(model.completes_by());
    let how = Completion {
        method: Some(method),
        steps: args.steps.map(|steps| steps as usize),
        chains: args.samples.map(|samples| samples as usize),
        draw,
        hidden: hidden(args, model)?,
    };
    model.can_complete_by(method)?;
    let given = opened.data(&args.data)?;
    let examples = given.examples_with_gaps(&opened, "completing")?;
    let examples = match target {
        Target::Picture => examples.first(SHOWN),
        _ => examples,
    };
    let mut batches = model.complete(&examples, &how)?;
    let count = match draw {
        Draw::Mean => 1,
        Draw::Sample => samples,
    };
    let done = match target {
        Target::Table(form) => {
            let label = args.data.label.as_ref().or(settings.data.label.as_ref());
            let label = label.map_or("class", String::as_str);
            write::table((&path, form), &given, model, (label, count), &mut batches)
        }
        Target::Array => write::array(&path, &given, model, count, &mut batches),
        Target::Folder => write::folder(&path, &given, model, &mut batches),
        Target::Picture => write::picture(&path, model, &mut batches),
    }?;
    let accepted = done.accepted();
    let accepted = accepted.map_or(String::new(), |share| {
        format!(", {:.0} % of the proposals accepted", 100.0 * share)
    });
    eprintln!(
        "{} values of {} examples completed by {method}{accepted}; written to {}",
        thousands(done.missing as f64),
        thousands(done.examples as f64),
        path.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// What is hidden of each image, in all channels.
///
/// # Errors
/// If images come without, tables with it, or it is nothing or everything.
fn hidden(args: &CompleteArgs, model: &Trained) -> Result<Option<Vec<bool>>> {
    let Some([channels, height, width]) = model.data().shape.image() else {
        if args.mask.is_some() || args.hide.is_some() {
            bail!(
                "--mask and --hide are for images, and this model is of a table: what is completed are the cells that \
                 are empty, NA or NaN"
            );
        }
        return Ok(None);
    };
    let size = [height, width];
    let (what, pixels) = match (&args.mask, args.hide) {
        (Some(path), _) => (format!("--mask {}", path.display()), mask(path, size)?),
        (None, Some(hide)) => (format!("--hide {hide}"), hide.pixels(size)?),
        (None, None) => bail!(
            "say what is missing of the images: --hide lower (or upper, left, right), --hide X,Y,WxH for a rectangle, or \
             --mask FILE.png"
        ),
    };
    if !pixels.contains(&true) {
        bail!("{what} hides nothing: it is white where something is missing");
    }
    if !pixels.contains(&false) {
        bail!("{what} hides everything{}", write::instead(model));
    }
    Ok(Some(pixels.repeat(channels)))
}
