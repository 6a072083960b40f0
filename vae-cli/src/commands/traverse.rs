//! `vae traverse`: what each latent does.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use vae_data::to_npy;
use vae_variants::{Description, Latents, Spot};

use crate::{
    commands::{
        items::{Items, in_range, short, target},
        using::{DataArgs, ModelArgs, Opened, in_bounds},
    },
    output::{Cell, Field, Form, examples::row_cells, write, write_table},
    pictures::{self, Sheet, Texts, Way},
};

/// Milliseconds that a frame is shown.
const FRAME: u32 = 120;

/// Latents beside each other in a moving picture.
const COLUMNS: usize = 5;

/// Show what each latent does: a row for each, those that say most about the data first
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Latents are in the order of their KL over the data; of a code without one, of its variance. Each goes from -range to \
+range standard deviations of the prior, if that is N(0, I), or else of the codes of the data, with all others as in ITEM.

Examples:
  vae traverse runs/beta-mnist-mini-1
  vae traverse runs/vae-mnist-mini-1 7 --rows 5 --steps 15 --out latents.gif
  vae traverse runs/beta-sales-1 class:north --out latents.csv")]
pub struct TraverseArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Id or number of an example, class:NAME for the mean code of a class, or a file [default: the mean of the
    /// prior N(0, I), or else of the codes of the data]
    #[arg(value_name = "ITEM")]
    pub item: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
    /// Standard deviations that a latent goes in each direction
    #[arg(long, value_name = "X", default_value = "3", value_parser = range)]
    pub range: f64,
    /// Values of a latent
    #[arg(long, value_name = "N", default_value = "9", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub steps: u16,
    /// The most latents
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Class to decode under, for a conditional model [default: that of ITEM, or the first]
    #[arg(long, value_name = "NAME|INDEX")]
    pub class: Option<String>,
    /// Picture (.png), moving picture (.gif), table (.csv, .parquet, or - for standard output) or array (.npy)
    /// [default: traversal.png, of tables .csv, in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

fn range(text: &str) -> Result<f64, String> {
    in_bounds(text, 0.001, 1000.0)
}

/// A latent, and what its values are decoded to. `[steps, features]`
struct Traversed {
    latent: usize,
    kl: Option<f64>,
    /// Standard deviation of the codes.
    deviation: f32,
    rows: Vec<f32>,
}

/// Writes a row for each latent.
///
/// # Errors
/// If the model cannot be loaded, the data do not fit it, or the form is none that the data have.
pub fn run(args: &TraverseArgs) -> Result<ExitCode> {
    let opened = args.model.open()?;
    let (model, data) = (&opened.model, opened.model.data());
    let (path, form) = target(args.out.as_deref(), &opened, "traversal")?;

    let items = Items::new(&opened, &args.data, args.class.as_deref())?;
    let latents = model.latents(&items.data()?.examples(&opened, "encoding")?)?;
    let from = start(&opened, args, &items, &latents)?;
    let steps = usize::from(args.steps);
    let part = |step: usize| 2.0 * step as f64 / (steps - 1) as f64 - 1.0;
    let at: Vec<f64> = (0..steps).map(|step| args.range * part(step)).collect();
    let of_prior = model.has_standard_prior();
    let traversed = |latent: usize| {
        let value = |&at: &f64| match of_prior {
            true => at as f32,
            false => latents.mean[latent] + at as f32 * latents.deviation[latent],
        };
        let values: Vec<f32> = at.iter().map(value).collect();
        Traversed {
            latent,
            kl: latents.kl.as_ref().map(|kl| kl[latent]),
            deviation: latents.deviation[latent],
            rows: in_range(model.traverse(&from, latent, &values), data),
        }
    };
    let order = latents.order().into_iter().take(args.rows as usize);
    let all: Vec<_> = order.map(traversed).collect();
    write_as(form, &path, &all, &at, data)?;
    let whose = match of_prior {
        true => "the prior",
        false => "the codes of the data",
    };
    let what = format!(
        "{} of {} latents, from {} to {} standard deviations of {whose},",
        all.len(),
        model.latent(),
        -args.range,
        args.range
    );
    opened.say(&what, &path);
    Ok(ExitCode::SUCCESS)
}

/// The code that the others have the values of; what was not asked for is said.
fn start(
    opened: &Opened,
    args: &TraverseArgs,
    items: &Items<'_>,
    latents: &Latents,
) -> Result<Spot> {
    if let Some(name) = &args.item {
        return Ok(items.get(name)?.spot);
    }
    let (code, what) = match opened.model.has_standard_prior() {
        true => (vec![0.0; opened.model.latent()], "0, the mean of the prior"),
        false => (latents.mean.clone(), "the mean of the codes of the data"),
    };
    let condition = items.condition();
    let classes = &opened.model.description().classes;
    let class = match (&condition, &args.class, classes.first()) {
        (Some(_), None, Some(class)) => format!(", under the class {class}"),
        _ => String::new(),
    };
    opened.note(&format!("the other latents are at {what}{class}"));
    Ok(Spot { code, condition })
}

impl Traversed {
    /// The number of the latent and what is known of it, in two lines.
    fn label(&self) -> String {
        match self.kl {
            Some(kl) => format!("z{}\n{kl:.2} nats", self.latent),
            None => format!("z{}\ndeviation {:.2}", self.latent, self.deviation),
        }
    }

    /// The same in few words.
    fn short(&self) -> String {
        let of = self.kl.unwrap_or(f64::from(self.deviation));
        format!("z{}: {of:.2}", self.latent)
    }
}

fn write_as(
    form: Form,
    path: &std::path::Path,
    all: &[Traversed],
    at: &[f64],
    data: &Description,
) -> Result<()> {
    let is_image = data.shape.image().is_some();
    let values: Vec<f32> = all.iter().flat_map(|of| of.rows.clone()).collect();
    let png = match form {
        Form::Csv | Form::Parquet => return table(path, form, all, at, data),
        Form::Gif => return moving(path, all, at.len(), data),
        Form::Npy => {
            let row = [data.row_width()];
            let row = if is_image { data.shape.dims() } else { &row };
            let shape = [&[all.len(), at.len()], row].concat();
            to_npy(&shape, &values)
        }
        Form::Png if is_image => {
            let beside: Vec<_> = all.iter().map(Traversed::label).collect();
            let above: Vec<_> = at.iter().map(|&at| short(at, 2)).collect();
            let texts = Texts {
                beside: &beside,
                above: &above,
            };
            Sheet::new(data, &values)?
                .picture(&values, at.len(), texts)?
                .png
        }
        Form::Png | Form::Svg => {
            let way = |of: &Traversed| Way {
                name: of.label().replace('\n', ", "),
                rows: of.rows.clone(),
                ends: None,
            };
            let ways: Vec<_> = all.iter().map(way).collect();
            pictures::ways(&ways, at, "standard deviations", data)?.png
        }
    };
    write(path, |out| Ok(out.write_all(&png)?))
}

/// A row for each value of each latent.
fn table(
    path: &std::path::Path,
    form: Form,
    all: &[Traversed],
    at: &[f64],
    data: &Description,
) -> Result<()> {
    let mut fields = vec![
        Field::count("latent"),
        Field::number("kl"),
        Field::number("deviations"),
    ];
    fields.extend(Field::of_data(data));
    write_table(path, form, &fields, all.len() * at.len(), |rows| {
        for of in all {
            for (at, row) in at.iter().zip(of.rows.chunks(data.row_width())) {
                let mut cells = vec![
                    Cell::Count(of.latent as i64),
                    Cell::Number(of.kl.map_or(f32::NAN, |kl| kl as f32)),
                    Cell::Number(*at as f32),
                ];
                cells.extend(row_cells(row, data));
                rows.row(&cells)?;
            }
        }
        Ok(())
    })
}

/// All latents at once, there and back.
fn moving(
    path: &std::path::Path,
    all: &[Traversed],
    steps: usize,
    data: &Description,
) -> Result<()> {
    let width = data.row_width();
    let values: Vec<f32> = all.iter().flat_map(|of| of.rows.clone()).collect();
    let sheet = Sheet::new(data, &values)?;
    let above: Vec<_> = all.iter().map(Traversed::short).collect();
    let columns = all.len().min(COLUMNS);
    let frame = |step: usize| {
        let rows = all.iter();
        let rows = rows.flat_map(|of| &of.rows[step * width..(step + 1) * width]);
        let values: Vec<f32> = rows.copied().collect();
        let texts = Texts {
            beside: &[],
            above: &above,
        };
        sheet.draw(&values, columns, texts)
    };
    let there_and_back = (0..steps).chain((1..steps - 1).rev());
    write(path, |out| {
        pictures::moving(there_and_back.map(frame), FRAME, out)
    })
}
