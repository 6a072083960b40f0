//! `vae map`: codes as points of a plane.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use vae_variants::{Condition, Map, MapMethod};

use crate::{
    commands::{
        sample::condition,
        score::{kept_or_fitted, scores},
        using::{DataArgs, Given, ModelArgs, Opened, out},
    },
    output::{
        Cell, Field, Form,
        examples::{Lead, write_examples},
        write, write_table,
    },
    pictures::{self, Colors},
    watch::thousands,
};

/// Show codes in a plane, or what stands behind a plane of codes
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A table has the columns id, projection_x, projection_y, neighbors, class (where there are classes), error, the mean squared
difference to the reconstruction, and score where --color score asks for it. neighbors are the rows, counted from 0, whose
codes are nearest, with their distances: a structure of two lists in Parquet, JSON in CSV. Embedding Atlas shows such a file by
`embedding-atlas map.parquet --x projection_x --y projection_y --neighbors neighbors`.

Examples:
  vae map runs/vae-mnist-mini-1
  vae map runs/vae-mnist-mini-1 --split train --method pca --color score --out map.svg
  vae map runs/vae-mnist-mini-1 --out map.parquet
  vae map runs/vae-mnist-mini-2 --decoded --out grid.png")]
pub struct MapArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// How codes become points
    #[arg(long, default_value = "auto", conflicts_with = "decoded")]
    pub method: Method,
    /// What the colours show [default: the class where it is known, else none]
    #[arg(long, conflicts_with = "decoded")]
    pub color: Option<Color>,
    /// At most so many examples, evenly from all [default: 10,000 for t-SNE, else all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub most: Option<u32>,
    /// Neighbours of each example in a table
    #[arg(long, value_name = "K", default_value = "15", hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub neighbors: u32,
    /// Show what a grid of codes stands for, of a code of two numbers
    #[arg(long)]
    pub decoded: bool,
    /// Codes of the grid along each side
    #[arg(long, value_name = "N", default_value = "20", requires = "decoded")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=200))]
    pub side: u32,
    /// Class to decode the grid under, for a conditional model
    #[arg(long, value_name = "NAME|INDEX", requires = "decoded")]
    pub class: Option<String>,
    /// Picture (.png, .svg) or table (.csv, .parquet) [default: map.png or decoded.png in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How codes become points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// Codes of two numbers as they are, others by t-SNE
    Auto,
    /// The two numbers of a code
    Codes,
    /// The first two principal components
    Pca,
    /// t-SNE, which keeps neighbours near each other
    Tsne,
}

/// What the colours show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// The class
    Class,
    /// How unusual it is, as `vae score` says
    Score,
    /// The mean squared difference to the reconstruction
    Error,
    /// Nothing
    None,
}

/// Examples of a t-SNE unless told otherwise.
const TSNE_MOST: usize = 10_000;

/// Writes the map.
///
/// # Errors
/// If the model cannot be loaded, or its codes, the data or the output do not allow it.
pub fn run(args: &MapArgs) -> Result<ExitCode> {
    if args.decoded {
        return decoded(args);
    }
    let path = out(args.out.as_deref(), &args.model.run, "map.png");
    let form = Form::of(&path, &[Form::Png, Form::Svg, Form::Csv, Form::Parquet])?;
    let opened = args.model.open()?;
    let latent = opened.model.latent();
    let method = match args.method {
        Method::Auto => None,
        Method::Codes if latent != 2 => bail!(
            "--method codes: a code of this model has {latent} numbers, and a plane two: train with --latent 2, or take \
             --method tsne or pca"
        ),
        Method::Codes => Some(MapMethod::Codes),
        Method::Pca => Some(MapMethod::Pca),
        Method::Tsne => Some(MapMethod::Tsne),
    };
    let given = opened.data(&args.data)?;
    let is_tsne = method == Some(MapMethod::Tsne) || (method.is_none() && latent != 2);
    let most = args.most.map(|most| most as usize);
    let most = most.or(is_tsne.then_some(TSNE_MOST)).unwrap_or(usize::MAX);
    let all = given.len();
    let given = given.thinned(most);
    if given.len() < all {
        opened.note(&format!(
            "{} of {} examples, evenly from all; --most N shows more",
            thousands(given.len() as f64),
            thousands(all as f64)
        ));
    }
    let has_classes = given.labels().iter().any(Option::is_some);
    let color = args.color.unwrap_or(match has_classes {
        true => Color::Class,
        false => Color::None,
    });
    if color == Color::Class && !has_classes {
        bail!(
            "--color class: {} has no classes; name the column that holds them by --label",
            given.name
        );
    }
    let map = opened
        .model
        .map(&given.examples(&opened, "encoding")?, method)?;
    let is_table = matches!(form, Form::Csv | Form::Parquet);
    let scores = match color {
        Color::Score => {
            let (detector, _) = kept_or_fitted(&opened, None, false)?;
            let examples = given.examples(&opened, "scoring")?;
            Some(scores(&opened.model, &detector, &examples)?)
        }
        _ => None,
    };
    let errors = match is_table || color == Color::Error {
        true => opened
            .model
            .reconstruction_errors(&given.examples(&opened, "reconstructing")?)?,
        false => Vec::new(),
    };
    match is_table {
        true => {
            let values = Values { errors, scores };
            table(&path, form, &given, &map, &values, args.neighbors as usize)?;
        }
        false => {
            let labels = (0..given.len())
                .map(|number| given.class(number))
                .collect::<Vec<_>>();
            let colors = match (color, &scores) {
                (Color::Class, _) => Colors::Classes(given.classes(), &labels),
                (Color::Score, Some(scores)) => Colors::Scores("score", scores),
                (Color::Error, _) => Colors::Scores("reconstruction error", &errors),
                _ => Colors::None,
            };
            picture(&path, form, &given.name, &map, &colors)?;
        }
    }
    let count = thousands(given.len() as f64);
    opened.say(&format!("map of {count} examples"), &path);
    Ok(ExitCode::SUCCESS)
}

/// What is known of each example besides its place.
struct Values {
    errors: Vec<f32>,
    scores: Option<Vec<f32>>,
}

fn table(
    path: &Path,
    form: Form,
    given: &Given,
    map: &Map,
    values: &Values,
    k: usize,
) -> Result<()> {
    let near = match given.len() {
        1 => vec![Vec::new()],
        _ => map.neighbours(k)?,
    };
    let has_classes = !given.classes().is_empty();
    let mut fields = vec![Field::text("id")];
    fields.extend(["projection_x", "projection_y"].map(Field::number));
    fields.push(Field::near("neighbors"));
    fields.extend(has_classes.then(|| Field::text("class")));
    fields.push(Field::number("error"));
    fields.extend(values.scores.iter().map(|_| Field::number("score")));
    write_table(path, form, &fields, given.len(), |rows| {
        for (number, ([x, y], near)) in map.points.iter().zip(near).enumerate() {
            let mut cells = vec![Cell::Text(given.id(number)?)];
            cells.extend([Cell::Number(*x), Cell::Number(*y), Cell::Near(near)]);
            if has_classes {
                cells.push(Cell::Text(given.class_name(number).to_owned()));
            }
            cells.push(Cell::Number(values.errors[number]));
            cells.extend(values.scores.iter().map(|of| Cell::Number(of[number])));
            rows.row(&cells)?;
        }
        Ok(())
    })
}

fn picture(path: &Path, form: Form, of: &str, map: &Map, colors: &Colors<'_>) -> Result<()> {
    let (title, axes) = match map.method {
        MapMethod::Codes => ("codes", ["first number", "second number"]),
        MapMethod::Pca => ("codes", ["first component", "second component"]),
        MapMethod::Tsne => ("codes by t-SNE", ["", ""]),
    };
    let title = format!("{of}: {title}");
    let picture = pictures::scatter(&map.points, colors, &title, axes)?;
    let bytes = match form {
        Form::Svg => picture.svg.context("a chart without SVG")?.into_bytes(),
        _ => picture.png,
    };
    write(path, |out| Ok(out.write_all(&bytes)?))
}

/// Writes what a grid of codes stands for.
fn decoded(args: &MapArgs) -> Result<ExitCode> {
    let form = args
        .out
        .as_deref()
        .map(|path| Form::of(path, &[Form::Png, Form::Csv, Form::Parquet, Form::Npy]));
    let form = form.transpose()?;
    let opened = args.model.open()?;
    let model = &opened.model;
    let side = args.side as usize;
    let class = under(&opened, args.class.as_deref())?;
    // Without a prior, the codes of the data say where codes are.
    let codes = match model.is_generative() || model.latent() != 2 {
        true => Vec::new(),
        false => model.codes(&opened.data(&args.data)?.examples(&opened, "encoding")?)?,
    };
    let grid = model.grid_codes(side, &codes)?;
    let values = model.decode(&grid, class.as_ref());
    let shown = model.data();
    let (name, own) = match shown.shape.image() {
        Some(_) => ("decoded.png", Form::Png),
        None => ("decoded.csv", Form::Csv),
    };
    let path = out(args.out.as_deref(), &args.model.run, name);
    let lead = Lead {
        fields: ["mean_0", "mean_1"].map(Field::number).to_vec(),
        cells: &|number| {
            Ok(grid[2 * number..][..2]
                .iter()
                .map(|z| Cell::Number(*z))
                .collect())
        },
    };
    let chunks = std::iter::once(Ok(values));
    let count = side * side;
    write_examples(&path, form.unwrap_or(own), shown, count, chunks, &lead, &[])?;
    opened.say(&format!("{} decoded codes", thousands(count as f64)), &path);
    Ok(ExitCode::SUCCESS)
}

/// What the grid is decoded under.
fn under(opened: &Opened, class: Option<&str>) -> Result<Option<Condition>> {
    let model = &opened.model;
    match class {
        Some(class) => condition(model, class).map(Some),
        None if model.conditions().is_empty() => Ok(None),
        None if model.description().classes.is_empty() => Ok(model.conditions().into_iter().next()),
        None => bail!(
            "--decoded: a {} model decodes under a class: name one of {} by --class",
            model.description().variant.info().name,
            model.description().classes.join(", ")
        ),
    }
}
