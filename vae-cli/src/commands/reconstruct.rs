//! `vae reconstruct`: data beside what the model makes of them.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use vae_variants::{Description, Reconstructions, mean_error};

use crate::{
    commands::using::{DataArgs, Given, ModelArgs, out},
    output::{
        Cell, Field, Form,
        examples::{FORMS, row_cells, write_array},
        kinds, write, write_table,
    },
    pictures,
    watch::thousands,
};

/// Write data beside their reconstructions, and how far the two are apart
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A picture shows the first examples. A table has a row for each: its error, the mean over its numbers of the
squared difference in the scale of the model; the number that is furthest off; and, of tables of data, each column,
its reconstruction and its error. An array has the reconstructions alone.

Examples:
  vae reconstruct runs/vae-mnist-mini-1
  vae reconstruct runs/vae-sales-1 --dataset new.csv --out errors.csv")]
pub struct ReconstructArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Let the encoder see its input corrupted as in the training
    #[arg(long)]
    pub corrupted: bool,
    /// Picture (.png), table (.csv, .parquet, or - for standard output) or array (.npy) [default: reconstruct.png
    /// (images) or reconstruct.csv in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Examples in a picture: of images as many as stand beside each other.
const IMAGES: usize = 16;
const ROWS: usize = 500;

/// Writes reconstructions.
///
/// # Errors
/// If the model cannot be loaded, or the data do not fit it.
pub fn run(args: &ReconstructArgs) -> Result<ExitCode> {
    let form = args.out.as_deref().map(|path| Form::of(path, &FORMS));
    let form = form.transpose()?;
    let opened = args.model.open()?;
    let given = opened.data(&args.data)?;
    let shown = opened.model.data();
    let (name, own) = match shown.shape.image() {
        Some(_) => ("reconstruct.png", Form::Png),
        None => ("reconstruct.csv", Form::Csv),
    };
    let path = out(args.out.as_deref(), &args.model.run, name);
    let form = form.unwrap_or(own);
    let count = match (form, shown.shape.image()) {
        (Form::Png, Some(_)) => given.len().min(IMAGES),
        (Form::Png, None) => given.len().min(ROWS),
        _ => given.len(),
    };
    let examples = given.examples(&opened, "reconstructing")?.first(count);
    let examples = match args.corrupted {
        true if opened.model.description().corruption().is_none() => bail!(
            "--corrupted: a {} model was trained on input as it is",
            opened.model.description().variant.info().name
        ),
        true => examples.corrupted(),
        false => examples,
    };
    let mut batches = opened.model.reconstruct(&examples);
    let mut errors = Mean::default();
    match form {
        Form::Png => {
            let all = Reconstructions::joined(batches.collect::<Result<Vec<_>, _>>()?);
            let png = pictures::reconstructions(&all, shown)?.png;
            write(&path, |out| Ok(out.write_all(&png)?))?;
        }
        Form::Npy => {
            let chunks = batches.map(|batch| Ok(batch?.reconstructed));
            write_array(&path, shown, count, chunks)?;
        }
        _ => write_table(&path, form, &fields(shown), count, |rows| {
            let mut number = 0;
            batches.try_for_each(|batch| {
                for cells in table(&batch?, &given, number, shown, &mut errors)? {
                    rows.row(&cells)?;
                    number += 1;
                }
                Ok(())
            })
        })?,
    }
    let what = format!("{} reconstructions", thousands(count as f64));
    opened.say(&what, &path);
    if let Some(mean) = errors.get() {
        opened.note(&format!("mean error {mean:.6}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The mean of some numbers.
#[derive(Debug, Default)]
struct Mean(f64, usize);

impl Mean {
    fn add(&mut self, value: f32) {
        if value.is_finite() {
            *self = Self(self.0 + f64::from(value), self.1 + 1);
        }
    }

    fn get(&self) -> Option<f64> {
        (self.1 > 0).then(|| self.0 / self.1 as f64)
    }
}

/// The columns of the table. Images have a row of many numbers: which of them is furthest off says more.
fn fields(shown: &Description) -> Vec<Field> {
    let mut fields = vec![
        Field::text("id"),
        Field::number("error"),
        Field::text("worst"),
    ];
    fields.push(Field::number("worst_error"));
    if shown.shape.image().is_none() {
        let kinds = kinds(shown);
        for (column, name) in shown.column_names().into_iter().enumerate() {
            let kind = kinds.get(column..=column).unwrap_or_default();
            let names = [name.clone(), format!("{name}_reconstructed")];
            fields.extend(
                names
                    .map(|name| Field::of_columns(vec![name], kind))
                    .concat(),
            );
            fields.push(Field::number(format!("{name}_error")));
        }
    }
    fields
}

/// The rows of the table for the examples from `first` on.
fn table(
    batch: &Reconstructions,
    given: &Given,
    first: usize,
    shown: &Description,
    mean: &mut Mean,
) -> Result<Vec<Vec<Cell>>> {
    let width = shown.row_width();
    let errors = batch.errors(shown);
    let rows = errors.chunks_exact(width).enumerate();
    let rows = rows.map(|(row, errors)| {
        let error = mean_error(errors);
        mean.add(error);
        let worst = (0..width).filter(|&at| !errors[at].is_nan());
        let worst = worst.max_by(|&a, &b| errors[a].total_cmp(&errors[b]));
        let mut cells = vec![Cell::Text(given.id(first + row)?), Cell::Number(error)];
        cells.push(Cell::Text(
            worst.map_or(String::new(), |at| place(at, shown)),
        ));
        cells.push(Cell::Number(worst.map_or(f32::NAN, |at| errors[at])));
        if shown.shape.image().is_none() {
            let of = |values: &'_ [f32]| values[row * width..(row + 1) * width].to_vec();
            let (target, found) = (of(&batch.target), of(&batch.reconstructed));
            let pairs = row_cells(&target, shown)
                .zip(row_cells(&found, shown))
                .zip(errors);
            for ((target, found), error) in pairs {
                cells.extend([target, found, Cell::Number(*error)]);
            }
        }
        Ok(cells)
    });
    rows.collect()
}

/// What a number of an example is called: its column, or the channel, row and column of its pixel.
pub fn place(at: usize, shown: &Description) -> String {
    match shown.shape.image() {
        None => shown.column_names()[at].clone(),
        Some([channels, height, width]) => {
            let (channel, row, column) = (at / (height * width), at / width % height, at % width);
            match channels {
                1 => format!("{row},{column}"),
                _ => format!("{channel},{row},{column}"),
            }
        }
    }
}
