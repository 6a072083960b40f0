//! `vae decode`: what codes stand for.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use vae_data::{DataConfig, Dataset, open};
use vae_variants::{Draw, Sampling};

use crate::{
    commands::{
        sample::{condition, draw},
        using::{ModelArgs, out},
    },
    output::{
        Cell, Field, Form,
        examples::{FORMS, Lead, write_examples},
    },
    watch::thousands,
};

/// Codes that are decoded at a time.
const BATCH: usize = 512;

/// Write the examples that codes stand for
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  vae encode runs/vae-mnist-mini-1 --out codes.csv
  vae decode runs/vae-mnist-mini-1 codes.csv --out digits.png")]
pub struct DecodeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The codes: an array (.npy) or a table (.csv, .tsv, .parquet), such as `vae encode` writes
    #[arg(value_name = "CODES")]
    pub codes: PathBuf,
    /// Class to decode under, for a conditional model [default: that of the column `class`]
    #[arg(long, value_name = "NAME|INDEX")]
    pub class: Option<String>,
    /// What the likelihood of a code gives: its mean, or an example drawn from it
    #[arg(long, value_name = "mean|sample", value_parser = draw, default_value = "mean")]
    pub draw: Draw,
    /// Picture (.png), table (.csv, .parquet, or - for standard output) or array (.npy) [default: decoded.png or
    /// decoded.csv in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The columns that `vae encode` writes beside the code.
const ID: &str = "id";
const CLASS: &str = "class";

/// Decodes the rows of a file of codes.
///
/// # Errors
/// If the model or the codes cannot be read, or do not fit each other.
pub fn run(args: &DecodeArgs) -> Result<ExitCode> {
    let form = args.out.as_deref().map(|path| Form::of(path, &FORMS));
    let form = form.transpose()?;
    let opened = args.model.open()?;
    let model = &opened.model;
    let codes = read(&args.codes)?;
    let places = places(&*codes, model.latent())
        .with_context(|| format!("{} does not fit the model", args.codes.display()))?;
    let fixed = args.class.as_ref().map(|class| condition(model, class));
    let fixed = fixed.transpose()?;
    let place = |name: &str| codes.columns().iter().position(|column| column == name);
    let (id, class) = (place(ID), place(CLASS));
    let is_conditional = !model.conditions().is_empty();
    if is_conditional
        && fixed.is_none()
        && class.is_none()
        && !model.description().classes.is_empty()
    {
        bail!(
            "{} has no column `{CLASS}`, which a conditional model decodes under: name one for all by --class",
            args.codes.display()
        );
    }
    let text = |number: usize, column: usize| -> Result<String> {
        let mut row = vec![0.0; codes.shape().features()];
        codes.read(number, &mut row)?;
        let kind = codes.kinds().get(column);
        Ok(kind.map_or_else(|| row[column].to_string(), |kind| kind.text(row[column])))
    };

    let seed = opened.settings.seed;
    let count = codes.len();
    let numbers: Vec<usize> = (0..count).collect();
    let chunks = numbers.chunks(BATCH).map(|numbers| -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(numbers.len() * model.latent());
        let mut conditions = Vec::new();
        let mut row = vec![0.0; codes.shape().features()];
        for &number in numbers {
            codes.read(number, &mut row)?;
            values.extend(places.iter().map(|&place| row[place]));
            if let (true, None, Some(class)) = (is_conditional, &fixed, class) {
                conditions.push(condition(model, &text(number, class)?)?);
            }
        }
        if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
            let (row, value) = (numbers[0] + bad / model.latent(), values[bad]);
            bail!(
                "{}: row {} has the number {value}; a code must be finite",
                args.codes.display(),
                row + 1
            );
        }
        let how = Sampling {
            draw: args.draw,
            // Each chunk draws numbers of its own.
            ..model.sampling(seed.wrapping_add(numbers[0] as u64))
        };
        Ok(match conditions.is_empty() {
            true => model.decode_each(&values, fixed.as_slice(), &how),
            false => model.decode_rows(&values, &conditions, &how),
        })
    });

    let shown = model.data();
    let chunks = opened.watched("decoding", count, shown.row_width(), chunks);
    let (name, own) = match shown.shape.image() {
        Some(_) => ("decoded.png", Form::Png),
        None => ("decoded.csv", Form::Csv),
    };
    let path = out(args.out.as_deref(), &args.model.run, name);
    let lead = Lead {
        fields: vec![Field::text(ID)],
        cells: &|number| {
            Ok(vec![Cell::Text(match id {
                Some(id) => text(number, id)?,
                None => number.to_string(),
            })])
        },
    };
    write_examples(&path, form.unwrap_or(own), shown, count, chunks, &lead, &[])?;
    opened.say(&format!("{} examples", thousands(count as f64)), &path);
    Ok(ExitCode::SUCCESS)
}

/// Opens a file of codes; names and classes are text.
fn read(path: &Path) -> Result<Arc<dyn Dataset>> {
    let dataset = path.to_str().context("a path that is no text")?;
    let config = DataConfig::of(dataset);
    let codes = open(&config, &vae_data::NoProgress)?.train;
    let named = [ID, CLASS].map(str::to_owned).into_iter();
    let categorical: Vec<_> = named
        .filter(|name| codes.columns().contains(name))
        .collect();
    if categorical.is_empty() {
        return Ok(codes);
    }
    let config = DataConfig {
        categorical,
        ..config
    };
    Ok(open(&config, &vae_data::NoProgress)?.train)
}

/// For each number of a code its column: those called `mean_0` and so on, or `sample_0` and so on, or all but
/// names and classes.
fn places(codes: &dyn Dataset, latent: usize) -> Result<Vec<usize>> {
    let names = codes.columns();
    for group in ["mean", "sample"] {
        let place = |i| {
            names
                .iter()
                .position(|name| *name == format!("{group}_{i}"))
        };
        let places: Option<Vec<_>> = (0..latent).map(place).collect();
        if let Some(places) = places
            && !names.contains(&format!("{group}_{latent}"))
        {
            return Ok(places);
        }
    }
    let is_number = |place: &usize| {
        let name = names.get(*place).map(String::as_str);
        name != Some(ID) && name != Some(CLASS)
    };
    let places: Vec<_> = (0..codes.shape().features()).filter(is_number).collect();
    if places.len() != latent {
        bail!(
            "a code of the model has {latent} numbers, and a row has {}; the columns of a code are called mean_0 to \
             mean_{}, or there are no others",
            places.len(),
            latent - 1
        );
    }
    Ok(places)
}
