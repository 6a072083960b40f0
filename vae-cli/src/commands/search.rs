//! `vae search`: examples that are like others.

mod picture;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use vae_data::Part;
use vae_variants::{Hit, Indexed, SearchIndex, Speed};

use crate::{
    commands::using::{DataArgs, Given, ModelArgs, Opened, out},
    output::{Cell, Field, Form, STDOUT, write_table},
    watch::thousands,
};

/// Find the examples whose codes are nearest to those of others
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The index holds the codes of examples. At the first use it is built of the training split, or by --build of what --dataset
and --split say, and then asked and extended. What is asked for are examples of --dataset and --split, by default of the test split, or of
files. The answer is a table with the columns query, query_class, rank, id, class and distance; classes only where data
have them. For images there is a picture, too, as long as the data of the index are where they were.

Examples:
  vae search runs/vae-mnist-mini-1 --build
  vae search runs/vae-mnist-mini-1 0 1 2
  vae search runs/vae-mnist-mini-1 digit.png --k 5 --picture like-it.png
  vae search runs/vae-mnist-mini-1 --add more-digits
  vae search runs/vae-mnist-mini-1 --recall")]
pub struct SearchArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Examples to find others like: names or numbers of examples of the data, or files [default: all of the data]
    #[arg(value_name = "QUERY")]
    pub queries: Vec<String>,
    /// Build the index, of --dataset and --split where they are given
    #[arg(long, conflicts_with = "add")]
    pub build: bool,
    /// Add the examples of other data to the index; may be repeated
    #[arg(long, value_name = "NAME|PATH")]
    pub add: Vec<String>,
    /// File of the index [default: index.vae in the folder of the run]
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
    /// Nearest examples of each
    #[arg(long, value_name = "K", default_value = "10")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub k: u32,
    /// Compare with comparing all with all: the share of the true neighbours that are found, and queries per second
    #[arg(long)]
    pub recall: bool,
    /// Table (.csv, .parquet, or - for standard output) [default: -]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Picture of the first 16 queries beside what is near them, of images (.png) [default: search.png in the folder of
    /// the run]
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
}

/// Where the examples of an index are from.
#[derive(Debug, Serialize, Deserialize)]
struct Origin {
    data: DataArgs,
    seed: u64,
    /// SHA-256 of the data, where it could be had.
    fingerprint: Option<String>,
}

/// Builds, extends or asks an index.
///
/// # Errors
/// If the model, the data or the index cannot be read, or do not fit each other.
pub fn run(args: &SearchArgs) -> Result<ExitCode> {
    let table = args.out.as_deref().unwrap_or(Path::new(STDOUT));
    let form = Form::of(table, &[Form::Csv, Form::Parquet])?;
    if let Some(picture) = &args.picture {
        Form::of(picture, &[Form::Png])?;
    }
    let opened = args.model.open()?;
    if args.picture.is_some() && opened.model.data().shape.image().is_none() {
        bail!("--picture: the data of this model are no images");
    }
    let path = out(args.index.as_deref(), &args.model.run, "index.vae");
    let (index, is_changed) = match args.build {
        true => (build(&args.data, &opened, &path)?, true),
        false => extended(args, &opened, &path)?,
    };
    // What was built or added is no query.
    let data = match is_changed {
        true => DataArgs::default(),
        false => args.data.clone(),
    };
    if is_changed && args.queries.is_empty() && !args.recall {
        return Ok(ExitCode::SUCCESS);
    }
    let k = args.k as usize;
    if k > index.count() {
        bail!(
            "--k {k}: the index has {} codes; ask for at most as many",
            thousands(index.count() as f64)
        );
    }
    if args.recall {
        let given = queries(args, &opened, &data)?;
        let mut codes = Vec::new();
        for given in &given {
            codes.extend(
                opened
                    .model
                    .codes(&given.examples(&opened, "encoding the queries")?)?,
            );
        }
        let speed = index.measure(&codes, k)?;
        print(&speed, &index)?;
        if args.out.is_none() && args.picture.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    answer(
        args,
        &opened,
        &index,
        &queries(args, &opened, &data)?,
        (table, form),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Builds the index and saves it.
fn build(data: &DataArgs, opened: &Opened, path: &Path) -> Result<SearchIndex> {
    let mut index = opened.model.search_index()?;
    let given = opened.data_or(data, Part::Train)?;
    add(opened, &mut index, &given, data)?;
    saved(opened, &index, path)?;
    Ok(index)
}

/// Opens the index, and adds what is to be added; whether there was anything.
fn extended(args: &SearchArgs, opened: &Opened, path: &Path) -> Result<(SearchIndex, bool)> {
    let mut index = match path.exists() {
        true => opened.model.open_index(path)?,
        // At the first use, of what the model was trained on.
        false => build(&DataArgs::default(), opened, path)?,
    };
    for dataset in &args.add {
        let data = DataArgs {
            dataset: Some(dataset.clone()),
            ..args.data.clone()
        };
        let given = opened.data(&data)?;
        add(opened, &mut index, &given, &data)?;
    }
    if !args.add.is_empty() {
        saved(opened, &index, path)?;
    }
    Ok((index, !args.add.is_empty()))
}

fn add(opened: &Opened, index: &mut SearchIndex, given: &Given, data: &DataArgs) -> Result<()> {
    let here = |name: &String| match fs::canonicalize(name) {
        Ok(path) => path.to_string_lossy().into_owned(),
        Err(_) => name.clone(),
    };
    let origin = Origin {
        data: DataArgs {
            dataset: data.dataset.as_ref().map(here),
            split: Some(given.part),
            ..data.clone()
        },
        seed: opened.settings.seed,
        fingerprint: opened.fingerprint(data).ok(),
    };
    let names: Result<_> = (0..given.len()).map(|number| given.id(number)).collect();
    let class = |number| given.class_name(number).to_owned();
    let part = Indexed {
        origin: serde_json::to_string(&origin)?,
        names: names?,
        classes: (0..given.len()).map(class).collect(),
    };
    let examples = given.examples(opened, "encoding")?;
    Ok(opened.model.add_to(index, &examples, part)?)
}

fn saved(opened: &Opened, index: &SearchIndex, path: &Path) -> Result<()> {
    index.save(path)?;
    let count = thousands(index.count() as f64);
    opened.say(&format!("index of {count} codes"), path);
    Ok(())
}

/// The examples that are asked for: those of the data and of each file.
fn queries(args: &SearchArgs, opened: &Opened, data: &DataArgs) -> Result<Vec<Given>> {
    let is_file = |query: &&String| Path::new(query.as_str()).exists();
    let (files, items): (Vec<_>, Vec<_>) = args.queries.iter().partition(is_file);
    let mut all = Vec::new();
    if files.is_empty() || !items.is_empty() {
        let given = opened.data(data)?;
        all.push(match items.is_empty() {
            true => given,
            false => {
                let numbers: Result<Vec<_>> =
                    items.into_iter().map(|item| number(&given, item)).collect();
                given.only(&numbers?)
            }
        });
    }
    for file in files {
        let data = DataArgs {
            dataset: Some(file.clone()),
            split: Some(Part::All),
            first: None,
            ..data.clone()
        };
        all.push(opened.data(&data)?);
    }
    Ok(all)
}

/// The number of the example of this name, or, where examples have names, the one that stands there.
fn number(given: &Given, query: &str) -> Result<usize> {
    for number in 0..given.len() {
        if given.id(number)? == query {
            return Ok(number);
        }
    }
    let number = query.parse().ok().filter(|number| *number < given.len());
    number.filter(|_| given.has_names()).with_context(|| {
        let first = (0..given.len().min(3)).filter_map(|number| given.id(number).ok());
        format!(
            "{query} is no file, and no example of the {} split of {} is called so; the first are called {}",
            given.part,
            given.name,
            first.collect::<Vec<_>>().join(", ")
        )
    })
}

/// Writes what is near the queries, and a picture of images.
fn answer(
    args: &SearchArgs,
    opened: &Opened,
    index: &SearchIndex,
    queries: &[Given],
    (path, form): (&Path, Form),
) -> Result<()> {
    let k = args.k as usize;
    let of_indexed = index.parts().iter().flat_map(|part| &part.classes);
    let has_classes = of_indexed.clone().any(|class| !class.is_empty());
    let has_query_classes = queries.iter().any(|given| !given.classes().is_empty());
    let mut fields = vec![Field::text("query")];
    fields.extend(has_query_classes.then(|| Field::text("query_class")));
    fields.extend([Field::count("rank"), Field::text("id")]);
    fields.extend(has_classes.then(|| Field::text("class")));
    fields.push(Field::number("distance"));
    let count: usize = queries.iter().map(Given::len).sum();
    let mut shown: Vec<(usize, usize, Vec<Hit<'_>>)> = Vec::new();
    let mut seconds = 0.0;
    write_table(path, form, &fields, count * k, |rows| {
        for (place, given) in queries.iter().enumerate() {
            let mut number = 0;
            for codes in opened.model.encode(&given.examples(opened, "searching")?) {
                let codes = codes?;
                let start = Instant::now();
                let found = index.search(&codes.mean, k)?;
                seconds += start.elapsed().as_secs_f64();
                for hits in found {
                    for (rank, hit) in (1..).zip(&hits) {
                        let mut cells = vec![Cell::Text(given.id(number)?)];
                        if has_query_classes {
                            cells.push(Cell::Text(given.class_name(number).to_owned()));
                        }
                        cells.extend([Cell::Count(rank), Cell::Text(hit.name.to_owned())]);
                        if has_classes {
                            cells.push(Cell::Text(hit.class.to_owned()));
                        }
                        cells.push(Cell::Number(hit.distance));
                        rows.row(&cells)?;
                    }
                    if shown.len() < picture::QUERIES {
                        shown.push((place, number, hits));
                    }
                    number += 1;
                }
            }
        }
        Ok(())
    })?;
    opened.say(
        &format!("{} neighbours", thousands((count * k) as f64)),
        path,
    );
    opened.note(&format!(
        "{} queries at {} per second",
        thousands(count as f64),
        thousands(count as f64 / seconds.max(1e-9))
    ));
    if opened.model.data().shape.image().is_none() {
        return Ok(());
    }
    let path = out(args.picture.as_deref(), &args.model.run, "search.png");
    picture::write(opened, index, queries, &shown, &path)
}

fn print(speed: &Speed, index: &SearchIndex) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "recall@{}: {:.4} of {} queries among {} codes\n",
        speed.k,
        speed.recall,
        thousands(speed.queries as f64),
        thousands(index.count() as f64)
    )?;
    writeln!(
        out,
        "{:<32}{:>12}{:>12}",
        "queries per second", "one by one", "all at once"
    )?;
    let rows = [
        ("index", speed.single, speed.batch),
        ("comparing with all", speed.exact_single, speed.exact_batch),
    ];
    for (name, single, batch) in rows {
        let [single, batch] = [single, batch].map(|speed| thousands(speed).to_string());
        writeln!(out, "{name:<32}{single:>12}{batch:>12}")?;
    }
    Ok(())
}
