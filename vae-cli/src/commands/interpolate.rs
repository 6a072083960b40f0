//! `vae interpolate`: what lies between two codes.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use vae_data::to_npy;
use vae_variants::{Course, Description};

use crate::{
    commands::{
        items::{Item, Items, in_range, short, target},
        using::{DataArgs, ModelArgs},
    },
    output::{Cell, Field, Form, examples::row_cells, write, write_table},
    pictures::{self, Sheet, Texts, Way},
};

/// Milliseconds that a frame is shown.
const FRAME: u32 = 120;

/// Show what lies between two items, in steps through the space of codes
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
An item is the id or the number of an example (as in `vae encode`), class:NAME for the mean code of a class, or a file.

Examples:
  vae interpolate runs/vae-mnist-mini-1 0 7
  vae interpolate runs/vae-mnist-mini-1 class:3 class:8 class:1 class:7 --path spherical --out digits.gif
  vae interpolate runs/vae-faces-1 me.png you.jpg --steps 16 --out us.png
  vae interpolate runs/beta-sales-1 12 40 --out way.csv")]
pub struct InterpolateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Two items, or more pairs of them, which become a row each
    #[arg(value_name = "A B", required = true, num_args = 2..)]
    pub items: Vec<String>,
    #[command(flatten)]
    pub data: DataArgs,
    /// Codes in a row, with both ends
    #[arg(long, value_name = "N", default_value = "9", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub steps: u16,
    /// The way from one code to the other
    #[arg(long, default_value = "linear")]
    pub path: Path,
    /// Class to decode all codes under, for a conditional model [default: from that of A to that of B]
    #[arg(long, value_name = "NAME|INDEX")]
    pub class: Option<String>,
    /// Picture (.png), moving picture (.gif), table (.csv, .parquet, or - for standard output) or array (.npy)
    /// [default: interpolation.png, of tables .csv, in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// See [`Course`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Path {
    /// The straight line
    Linear,
    /// An arc, which keeps the length of the codes (White 2016)
    Spherical,
}

/// A pair, and what lies between the two. `[steps, features]`
struct Between {
    from: Item,
    to: Item,
    rows: Vec<f32>,
}

/// Writes a row for each pair: the originals at both ends, and between them what the codes are decoded to.
///
/// # Errors
/// If the model cannot be loaded, an item is not there, or the form is none that the data have.
pub fn run(args: &InterpolateArgs) -> Result<ExitCode> {
    if !args.items.len().is_multiple_of(2) {
        bail!(
            "{} items: they come in pairs, from one to the other",
            args.items.len()
        );
    }
    let opened = args.model.open()?;
    let model = &opened.model;
    let data = model.data();
    let is_image = data.shape.image().is_some();
    let (path, form) = target(args.out.as_deref(), &opened, "interpolation")?;

    let items = Items::new(&opened, &args.data, args.class.as_deref())?;
    let (steps, course) = (usize::from(args.steps), args.path.course());
    let between = |pair: &[String]| -> Result<Between> {
        let (from, to) = (items.get(&pair[0])?, items.get(&pair[1])?);
        let rows = in_range(model.walk(&from.spot, &to.spot, steps, course), data);
        Ok(Between { from, to, rows })
    };
    let all: Result<Vec<_>> = args.items.chunks(2).map(between).collect();
    let all = all?;
    let at: Vec<f64> = (0..steps)
        .map(|step| step as f64 / (steps - 1) as f64)
        .collect();

    match form {
        Form::Csv | Form::Parquet => table(&path, form, &all, &at, data)?,
        Form::Npy => {
            let values: Vec<f32> = all.iter().flat_map(|of| of.rows.clone()).collect();
            let row = [data.row_width()];
            let row = if is_image { data.shape.dims() } else { &row };
            let shape = [&[all.len(), steps], row].concat();
            write(&path, |out| Ok(out.write_all(&to_npy(&shape, &values))?))?;
        }
        Form::Gif => moving(&path, &all, steps, data)?,
        Form::Png if is_image => {
            let png = picture(&all, &at, data)?.png;
            write(&path, |out| Ok(out.write_all(&png)?))?;
        }
        Form::Png | Form::Svg => {
            let way = |of: &Between| Way {
                name: of.name(),
                rows: of.rows.clone(),
                ends: of.ends(),
            };
            let ways: Vec<_> = all.iter().map(way).collect();
            let png = pictures::ways(&ways, &at, "part of the way", data)?.png;
            write(&path, |out| Ok(out.write_all(&png)?))?;
        }
    }
    let pairs = match all.len() {
        1 => "1 pair".to_owned(),
        count => format!("{count} pairs"),
    };
    opened.say(&format!("{steps} steps between {pairs}"), &path);
    Ok(ExitCode::SUCCESS)
}

impl Path {
    fn course(self) -> Course {
        match self {
            Self::Linear => Course::Linear,
            Self::Spherical => Course::Spherical,
        }
    }
}

impl Between {
    fn name(&self) -> String {
        format!("{} – {}", self.from.name, self.to.name)
    }

    /// Both originals, where they are known.
    fn ends(&self) -> Option<Vec<f32>> {
        let (from, to) = (self.from.original.as_ref()?, self.to.original.as_ref()?);
        Some([&from[..], to].concat())
    }
}

/// A row for each step of each pair.
fn table(
    path: &std::path::Path,
    form: Form,
    all: &[Between],
    at: &[f64],
    data: &Description,
) -> Result<()> {
    let mut fields = vec![Field::text("from"), Field::text("to"), Field::number("t")];
    fields.extend(Field::of_data(data));
    write_table(path, form, &fields, all.len() * at.len(), |rows| {
        for of in all {
            for (t, row) in at.iter().zip(of.rows.chunks(data.row_width())) {
                let mut cells = vec![
                    Cell::Text(of.from.name.clone()),
                    Cell::Text(of.to.name.clone()),
                    Cell::Number(*t as f32),
                ];
                cells.extend(row_cells(row, data));
                rows.row(&cells)?;
            }
        }
        Ok(())
    })
}

/// The names of both in two lines.
fn labels(all: &[Between]) -> Vec<String> {
    let label = |of: &Between| format!("{}\nto {}", of.from.name, of.to.name);
    all.iter().map(label).collect()
}

/// Each pair in a row: the original, its reconstruction, the steps, and the same at the other end.
fn picture(all: &[Between], at: &[f64], data: &Description) -> Result<pictures::Picture> {
    let width = data.row_width();
    let mut values = Vec::new();
    for of in all {
        let ends = of.ends().unwrap_or(vec![f32::NAN; 2 * width]);
        values.extend([&ends[..width], &of.rows, &ends[width..]].concat());
    }
    let original = || ["original".to_owned()];
    let steps = at.iter().map(|&t| short(t, 3));
    let above: Vec<_> = original()
        .into_iter()
        .chain(steps)
        .chain(original())
        .collect();
    let beside = labels(all);
    let texts = Texts {
        beside: &beside,
        above: &above,
    };
    Sheet::new(data, &values)?.picture(&values, at.len() + 2, texts)
}

/// There and back: the original, what moves, and the other original.
fn moving(path: &std::path::Path, all: &[Between], steps: usize, data: &Description) -> Result<()> {
    let width = data.row_width();
    let values: Vec<f32> = all.iter().flat_map(|of| of.rows.clone()).collect();
    let sheet = Sheet::new(data, &values)?;
    let above = ["original", "", "original"].map(str::to_owned);
    let beside = labels(all);
    let frame = |step: usize| {
        let mut values = Vec::new();
        for of in all {
            let ends = of.ends().unwrap_or(vec![f32::NAN; 2 * width]);
            let row = &of.rows[step * width..(step + 1) * width];
            values.extend([&ends[..width], row, &ends[width..]].concat());
        }
        let texts = Texts {
            beside: &beside,
            above: &above,
        };
        sheet.draw(&values, 3, texts)
    };
    let there_and_back = (0..steps).chain((1..steps - 1).rev());
    write(path, |out| {
        pictures::moving(there_and_back.map(frame), FRAME, out)
    })
}
