//! `vae features`: how good codes are as inputs of a classifier.

use std::{
    io::{Write, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use vae_data::Part;
use vae_variants::{Features, Labelled, vae_analysis::Accuracy};

use crate::{
    commands::{
        encode::{Value, numbers, to_encode, write_codes},
        using::{DataArgs, Given, ModelArgs, Opened},
    },
    options::Format,
    output::Form,
    watch::thousands,
};

/// Say how well classes are read out of the codes of data, and write those codes
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A linear classifier and the nearest neighbours learn from the codes of the training split, and are tested on the test
split; beside them stand the data themselves, and as many of their principal components as a code has numbers. Each share of
right answers has its 95 % interval. The encoder is not told the class.

Examples:
  vae features runs/vae-mnist-mini-1
  vae features runs/vae-sales-1 --dataset labelled.csv --label region
  vae features runs/vae-mnist-mini-1 --out codes.parquet")]
pub struct FeaturesArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Nearest training examples whose class is asked
    #[arg(long, value_name = "K", default_value = "10")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub k: u32,
    /// Which numbers of a code are the inputs; several are separated by commas
    #[arg(long, value_delimiter = ',', default_value = "mean")]
    pub values: Vec<Value>,
    /// Write the codes of both splits with their classes: table (.csv, .parquet) or array (.npy)
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Form of what is printed
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// Prints what classifiers make of the codes.
///
/// # Errors
/// If the model cannot be loaded, its encoder needs the class, or the data do not fit or have no classes.
pub fn run(args: &FeaturesArgs) -> Result<ExitCode> {
    let forms = [Form::Csv, Form::Parquet, Form::Npy];
    let out = args
        .out
        .as_deref()
        .map(|path| Ok::<_, anyhow::Error>((path, Form::of(path, &forms)?)));
    let out = out.transpose()?;
    let tested = match args.data.split {
        Some(part @ (Part::Train | Part::All)) => bail!(
            "--split {part}: the classifiers learn from the training split, and are tested on another: test or \
             validation"
        ),
        part => part.unwrap_or(Part::Test),
    };
    let opened = args.model.open()?;
    opened.model.reads_no_class()?;
    let given = |part| {
        let data = DataArgs {
            split: Some(part),
            ..args.data.clone()
        };
        opened.data(&data)
    };
    let (train, test) = (given(Part::Train)?, given(tested)?);
    for (given, part) in [(&train, Part::Train), (&test, tested)] {
        if given.labels().iter().all(Option::is_none) {
            bail!(
                "the {part} split of {} has no classes, which codes are probed for: name the column that holds them by \
                 --label",
                given.name
            );
        }
    }
    let features = opened.model.features_of(
        &labelled(&opened, &train, args)?,
        &labelled(&opened, &test, args)?,
        args.k as usize,
        |codes| {
            let numbers = numbers(codes, &args.values, opened.model.latent());
            numbers.map_err(|error| vae_core::Error::Unfit(error.to_string()))
        },
    )?;
    if let Some((path, form)) = out {
        let parts = [(Part::Train, &train), (tested, &test)];
        let parts = parts.map(|(part, given)| (Some(part.name()), given));
        write_codes(path, form, &opened, &parts, &args.values)?;
        let count = thousands((train.len() + test.len()) as f64);
        opened.say(&format!("{count} codes"), path);
    }
    print(&features, args.format)?;
    Ok(ExitCode::SUCCESS)
}

fn labelled<'a>(opened: &'a Opened, given: &Given, args: &FeaturesArgs) -> Result<Labelled<'a>> {
    Ok(Labelled {
        examples: to_encode(opened, given, &args.values)?,
        labels: given.labels(),
    })
}

fn print(features: &Features, format: Format) -> Result<()> {
    let mut out = stdout().lock();
    if format == Format::Json {
        serde_json::to_writer_pretty(&mut out, features)?;
        return Ok(writeln!(out)?);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let nearest = format!("{} nearest", features.k);
    table.set_header([
        "right answers, %",
        "numbers",
        "linear",
        "95 %",
        &nearest,
        "95 %",
    ]);
    let mut is_short = false;
    for probed in &features.inputs {
        is_short |= !probed.converged;
        let name = match probed.inputs {
            "pca" => "principal components",
            other => other,
        };
        let [linear, near] = [probed.linear, probed.neighbours].map(percent);
        let mark = if probed.converged { "" } else { "*" };
        table.add_row([
            format!("{name}{mark}"),
            thousands(probed.width as f64).to_string(),
            linear.0,
            linear.1,
            near.0,
            near.1,
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(
        out,
        "\nlearned from {} examples, tested on {}",
        thousands(features.train as f64),
        thousands(features.test as f64)
    )?;
    if is_short {
        writeln!(
            out,
            "* the linear classifier had not converged after its last step"
        )?;
    }
    Ok(())
}

/// A share and its interval, in percent.
fn percent(of: Accuracy) -> (String, String) {
    let [value, low, high] = [of.value, of.low, of.high].map(|share| 100.0 * share);
    (format!("{value:.2}"), format!("{low:.2}–{high:.2}"))
}
