//! `vae encode`: the codes of data.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use vae_variants::{Codes, Examples};

use crate::{
    commands::using::{DataArgs, Given, ModelArgs, Opened, out},
    output::{Cell, Field, Form, write_table},
    watch::thousands,
};

/// Write the codes of data
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  vae encode runs/vae-mnist-mini-1 --out codes.parquet
  vae encode runs/vae-mnist-mini-1 --dataset mnist --out codes.npy
  vae encode runs/beta-sales-1 --dataset new.csv --values mean,log-variance --out -")]
pub struct EncodeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// What is written of each code; several are separated by commas
    #[arg(long, value_delimiter = ',', default_value = "mean")]
    pub values: Vec<Value>,
    /// Table (.csv, .parquet, or - for standard output) or array (.npy) [default: codes.csv in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What is written of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Value {
    /// What the decoder takes where nothing is drawn
    Mean,
    /// Natural logarithm of the variance, where the code is a Gaussian
    LogVariance,
    /// A code drawn from the posterior
    Sample,
    /// Mean and log-variance of every level, where the code has several
    Levels,
    /// Entries of the codebook, where the code is such
    Indices,
}

/// Writes a row for each example: its name, its class where it has one, and its code.
///
/// # Errors
/// If the model cannot be loaded, the data do not fit it, or its code has no such values.
pub fn run(args: &EncodeArgs) -> Result<ExitCode> {
    let path = out(args.out.as_deref(), &args.model.run, "codes.csv");
    let form = Form::of(&path, &[Form::Csv, Form::Parquet, Form::Npy])?;
    let opened = args.model.open()?;
    let given = opened.data(&args.data)?;
    write_codes(&path, form, &opened, &[(None, &given)], &args.values)?;
    let (count, width) = (thousands(given.len() as f64), opened.model.latent());
    opened.say(&format!("{count} codes of {width} numbers"), &path);
    Ok(ExitCode::SUCCESS)
}

/// The examples to encode, which draw their codes where that was asked for.
///
/// # Errors
/// If they do not fit the model.
pub fn to_encode<'a>(opened: &'a Opened, given: &Given, values: &[Value]) -> Result<Examples<'a>> {
    let examples = given.examples(opened, "encoding")?;
    Ok(match values.contains(&Value::Sample) {
        true => examples.drawn(),
        false => examples,
    })
}

/// Writes a row for each example of each part: its name, what the part is called where it is called anything, its
/// class where there are classes, and its code.
///
/// # Errors
/// If the data do not fit the model, its code has no such values, or the file cannot be written.
pub fn write_codes(
    path: &Path,
    form: Form,
    opened: &Opened,
    parts: &[(Option<&str>, &Given)],
    values: &[Value],
) -> Result<()> {
    let model = &opened.model;
    let Some((split, given)) = parts.first() else {
        return Ok(());
    };
    let examples = to_encode(opened, given, values)?;
    let first = model.encode(&examples.first(1)).next().transpose()?;
    let first = first.unwrap_or_default();
    let mut fields = vec![Field::text("id")];
    fields.extend(split.map(|_| Field::text("split")));
    let has_classes = !given.classes().is_empty();
    fields.extend(has_classes.then(|| Field::text("class")));
    for (name, values) in columns(&first, values)? {
        let field = |place| match values {
            Values::Numbers(_) => Field::number(format!("{name}_{place}")),
            Values::Indices(_) => Field::count(format!("{name}_{place}")),
        };
        fields.extend((0..values.len()).map(field));
    }
    let total = parts.iter().map(|(_, given)| given.len()).sum();
    write_table(path, form, &fields, total, |rows| {
        for (split, given) in parts {
            let mut number = 0;
            for codes in model.encode(&to_encode(opened, given, values)?) {
                let codes = codes?;
                let columns = columns(&codes, values)?;
                let count = codes.mean.len() / model.latent();
                for row in 0..count {
                    let mut cells = vec![Cell::Text(given.id(number)?)];
                    cells.extend(split.map(|split| Cell::Text(split.to_owned())));
                    if has_classes {
                        cells.push(Cell::Text(given.class_name(number).to_owned()));
                    }
                    for (_, values) in &columns {
                        values.push(row, count, &mut cells);
                    }
                    rows.row(&cells)?;
                    number += 1;
                }
            }
        }
        Ok(())
    })
}

/// These numbers of each code, one after the other. `[examples, numbers]`
///
/// # Errors
/// If the codes have no such values, or they are no numbers.
pub fn numbers(codes: &Codes, values: &[Value], latent: usize) -> Result<Vec<f32>> {
    let columns = columns(codes, values)?;
    if columns
        .iter()
        .any(|(_, values)| matches!(values, Values::Indices(_)))
    {
        bail!("--values indices: entries of a codebook are no numbers to compute with; take mean");
    }
    let count = codes.mean.len() / latent;
    let mut cells = Vec::new();
    for row in 0..count {
        columns
            .iter()
            .for_each(|(_, values)| values.push(row, count, &mut cells));
    }
    let number = |cell| match cell {
        Cell::Number(value) => value,
        _ => f32::NAN,
    };
    Ok(cells.into_iter().map(number).collect())
}

/// Values of the codes of some examples, row after row.
enum Values<'a> {
    Numbers(&'a [f32]),
    Indices(&'a [u32]),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(of) => of.len(),
            Self::Indices(of) => of.len(),
        }
    }

    /// Adds those of one of `count` rows.
    fn push(&self, row: usize, count: usize, cells: &mut Vec<Cell>) {
        let width = self.len() / count;
        let places = row * width..(row + 1) * width;
        match self {
            Self::Numbers(of) => cells.extend(of[places].iter().map(|&of| Cell::Number(of))),
            Self::Indices(of) => {
                cells.extend(of[places].iter().map(|&of| Cell::Count(i64::from(of))));
            }
        }
    }
}

/// What is written of some codes, by the name of the columns.
///
/// # Errors
/// If the codes have no such values, naming those that they have.
fn columns<'a>(codes: &'a Codes, values: &[Value]) -> Result<Vec<(String, Values<'a>)>> {
    let mut all = Vec::new();
    for value in values {
        let found = match value {
            Value::Mean => Some(codes.mean.as_slice()),
            Value::LogVariance => codes.log_variance.as_deref(),
            Value::Sample => codes.drawn.as_deref(),
            Value::Levels | Value::Indices => None,
        };
        match (value, found, &codes.indices) {
            (_, Some(found), _) => all.push((name(*value), Values::Numbers(found))),
            (Value::Indices, _, Some(found)) => all.push((name(*value), Values::Indices(found))),
            (Value::Levels, ..) if !codes.levels.is_empty() => {
                for (number, level) in (1..).zip(&codes.levels) {
                    all.push((format!("level{number}_mean"), Values::Numbers(&level.mean)));
                    let log_variance = Values::Numbers(&level.log_variance);
                    all.push((format!("level{number}_log_variance"), log_variance));
                }
            }
            _ => {
                let mut known = vec!["mean", "sample"];
                known.extend(codes.log_variance.is_some().then_some("log-variance"));
                known.extend((!codes.levels.is_empty()).then_some("levels"));
                known.extend(codes.indices.is_some().then_some("indices"));
                bail!(
                    "--values {}: the codes of this model have none; they have {}",
                    name(*value).replace('_', "-"),
                    known.join(", ")
                );
            }
        }
    }
    Ok(all)
}

/// The name of the columns.
fn name(value: Value) -> String {
    let name = value.to_possible_value();
    name.map_or(String::new(), |value| value.get_name().replace('-', "_"))
}
