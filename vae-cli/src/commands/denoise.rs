//! `vae denoise`: noise taken from data.

mod names;
mod scores;
mod shown;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use vae_data::{Corruption, CorruptionKind, ValueRange, npy_header};
use vae_variants::{Description, Reconstructions};

use crate::{
    commands::using::{DataArgs, Given, ModelArgs, Opened, out},
    output::{
        Cell, Field, Form, STDOUT, examples::row_cells, png, write, write_folder, write_table,
    },
    watch::thousands,
};

use names::Names;
use scores::{Scores, Span};
use shown::Shown;

/// Take the noise from data
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
With --noise or --clean the mean over all items of PSNR and SSIM is printed, of the noisy input, of a median filter of 3 x 3 \
pixels and of what the model makes of the same input, each with values between 0 and 1; of tables the error \
in the scale of the model. Without --out nothing else is written then.

Examples:
  vae denoise runs/dae-scans-1 --dataset noisy/ --out cleaned
  vae denoise runs/dae-scans-1 --dataset noisy/ --clean originals/ --scores scores.csv
  vae denoise runs/dae-mnist-1 --noise gaussian:0.4 --out denoised.png
  vae denoise runs/dae-sales-1 --dataset sales.csv --out cleaned.csv")]
pub struct DenoiseArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// The clean originals, to compare with: a name or path; files of the same names, or else in the same order
    #[arg(long, value_name = "NAME|PATH", conflicts_with = "noise")]
    pub clean: Option<String>,
    /// Noise to put on clean data first, in the scale of the model: gaussian:0.3 (standard deviation), masking:0.5,
    /// salt-pepper:0.2 or block:0.25 (share of the values)
    #[arg(long, value_name = "KIND:LEVEL", value_parser = noise)]
    pub noise: Option<Corruption>,
    /// Folder for images (PNG files of the same names), picture of the first ones (.png), array (.npy), or table
    /// (.csv, .parquet, or - for standard output) [default: denoised, of tables denoised.csv, in the folder of the run]
    #[arg(short, long, value_name = "FOLDER|FILE")]
    pub out: Option<PathBuf>,
    /// Table of what is measured of each item (.csv or .parquet)
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
}

fn noise(text: &str) -> Result<Corruption> {
    let parts = text.split_once(':').with_context(|| {
        let kinds = CorruptionKind::NAMES.join(", ");
        format!("KIND:LEVEL is needed, as gaussian:0.3; the kinds are {kinds}")
    });
    let (kind, level) = parts?;
    let number = level.parse().map_err(|_| anyhow!("{level} is no level"))?;
    Ok(Corruption::new(kind.parse()?, number)?)
}

/// What is written.
enum Target {
    Folder(PathBuf),
    File(PathBuf, Form),
    /// The scores alone.
    Nothing,
}

/// An item on its way.
struct Item<'a> {
    number: usize,
    noisy: &'a [f32],
    cleaned: &'a [f32],
    clean: Option<&'a [f32]>,
}

/// What the work is done on.
struct Work<'a> {
    opened: &'a Opened,
    given: &'a Given,
    clean: Option<Given>,
    noise: Option<Corruption>,
    /// Of images.
    span: Option<Span>,
}

/// Cleans the data, writes them, and compares them with clean ones.
///
/// # Errors
/// If the model cannot be loaded, the data do not fit it, or the form is none that they have.
pub fn run(args: &DenoiseArgs) -> Result<ExitCode> {
    let form = |path: &PathBuf| Form::of(path, &[Form::Csv, Form::Parquet]);
    let scores_form = args.scores.as_ref().map(form).transpose()?;
    let has_clean = args.noise.is_some() || args.clean.is_some();
    if args.scores.is_some() && !has_clean {
        bail!(
            "--scores: there is nothing to compare with; name the clean originals by --clean, or put noise on \
               clean data by --noise"
        );
    }
    let opened = args.model.open()?;
    let data = opened.model.data();
    let target = target(args, data, has_clean)?;
    if !opened.model.is_denoising() {
        tracing::warn!(
            "a {} model was not trained to take noise away, and may keep it; one that was: --variant dae",
            opened.model.description().variant.info().name
        );
    }
    let mut given = opened.data(&args.data)?;
    if let (Target::File(_, Form::Png), false) = (&target, has_clean) {
        given = given.only(&(0..given.len().min(Shown::most(data))).collect::<Vec<_>>());
    }
    let clean = args.clean.as_ref();
    let work = Work {
        clean: clean
            .map(|clean| originals(&opened, args, clean, &given))
            .transpose()?,
        opened: &opened,
        given: &given,
        noise: args.noise,
        span: span(&opened, &given)?,
    };
    let mut scores = match has_clean {
        true => Some(Scores::new(data, work.span)?),
        false => None,
    };
    work.write(&target, args, &mut scores)?;

    if let (Some(path), Some(form), Some(scores)) = (&args.scores, scores_form, &scores) {
        scores.write(path, form, &given)?;
        opened.say("scores", path);
    }
    if let Some(scores) = &scores {
        let text = scores.text();
        match &target {
            Target::File(path, _) if path == Path::new(STDOUT) => eprint!("{text}"),
            _ => print!("{text}"),
        }
    }
    let count = thousands(given.len() as f64);
    match &target {
        Target::Nothing => {}
        Target::File(path, Form::Png) => opened.say("a picture", path),
        Target::File(path, _) | Target::Folder(path) => {
            opened.say(&format!("{count} cleaned items"), path);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the cleaned items go.
fn target(args: &DenoiseArgs, data: &Description, has_clean: bool) -> Result<Target> {
    let is_image = data.shape.image().is_some();
    let name = if is_image { "denoised" } else { "denoised.csv" };
    if args.out.is_none() && has_clean {
        return Ok(Target::Nothing);
    }
    let path = out(args.out.as_deref(), &args.model.run, name);
    if is_image && path != Path::new(STDOUT) && path.extension().is_none() {
        return Ok(Target::Folder(path));
    }
    let forms = [Form::Png, Form::Npy, Form::Csv, Form::Parquet];
    let form = match Form::of(&path, &forms) {
        // A folder may have a dot in its name.
        Err(_) if is_image && path.is_dir() => return Ok(Target::Folder(path)),
        form => form?,
    };
    Ok(Target::File(path, form))
}

/// The clean originals in the order of `given`.
fn originals(opened: &Opened, args: &DenoiseArgs, clean: &str, given: &Given) -> Result<Given> {
    let data = DataArgs {
        dataset: Some(clean.to_owned()),
        ..args.data.clone()
    };
    let all = DataArgs {
        first: None,
        ..data.clone()
    };
    let (all, noisy) = (opened.data(&all)?, given);
    if !(all.has_names() && noisy.has_names()) {
        let same = opened.data(&data)?;
        ensure!(
            same.len() >= noisy.len(),
            "--clean {clean}: {} examples, but {} in {}; each needs its original",
            same.len(),
            noisy.len(),
            noisy.name
        );
        return Ok(same.only(&(0..noisy.len()).collect::<Vec<_>>()));
    }
    // Without their endings, as a noisy JPEG file may be of a clean PNG file.
    let stem = |name: String| Path::new(&name).with_extension("");
    let places: Result<std::collections::HashMap<_, _>> = (0..all.len())
        .map(|number| Ok((stem(all.id(number)?), number)))
        .collect();
    let places = places?;
    let place = |number| {
        let name = noisy.id(number)?;
        let place = places.get(&stem(name.clone())).copied();
        place.with_context(|| format!("--clean {clean}: there is no original of {name}"))
    };
    let numbers: Result<Vec<_>> = (0..noisy.len()).map(place).collect();
    Ok(all.only(&numbers?))
}

/// The ends of the values of pixels; nothing for data that are no images.
fn span(opened: &Opened, given: &Given) -> Result<Option<Span>> {
    let data = opened.model.data();
    if data.shape.image().is_none() {
        return Ok(None);
    }
    let of_training = data.scaler.is_none().then_some(data.range());
    if let Some(range) = given.known_range().or(of_training) {
        return Ok(Some(Span::of(range)));
    }
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    for rows in opened.model.rows(&given.examples(opened, "reading")?) {
        for value in rows?.into_iter().filter(|value| value.is_finite()) {
            (min, max) = (min.min(value), max.max(value));
        }
    }
    Ok(Some(Span::of(ValueRange { min, max })))
}

impl Work<'_> {
    /// Hands on each item.
    fn each(&self, mut take: impl FnMut(&Item<'_>) -> Result<()>) -> Result<()> {
        let model = &self.opened.model;
        let examples = self.given.examples(self.opened, "denoising")?;
        let clean = self.clean.as_ref();
        let clean = clean.map(|clean| clean.examples(self.opened, "reading"));
        let clean = clean.transpose()?.map(|clean| clean.quiet());
        let mut clean = clean.as_ref().map(|clean| model.rows(clean));
        let width = model.data().row_width();
        let mut number = 0;
        for batch in model.denoise(&examples, self.noise) {
            let Reconstructions {
                target,
                corrupted,
                reconstructed,
            } = batch?;
            let originals = clean.as_mut().and_then(Iterator::next).transpose()?;
            let (noisy, originals) = match corrupted {
                Some(corrupted) => (corrupted, Some(target)),
                // Noise of level 0.
                None if self.noise.is_some() => (target.clone(), Some(target)),
                None => (target, originals),
            };
            let originals = originals.as_ref();
            for (place, cleaned) in reconstructed.chunks_exact(width).enumerate() {
                let row = place * width..(place + 1) * width;
                take(&Item {
                    number,
                    noisy: &noisy[row.clone()],
                    cleaned,
                    clean: originals.map(|of| &of[row]),
                })?;
                number += 1;
            }
        }
        Ok(())
    }

    /// Writes the cleaned items, and measures them where there is something to compare them with.
    fn write(
        &self,
        target: &Target,
        args: &DenoiseArgs,
        scores: &mut Option<Scores>,
    ) -> Result<()> {
        let data = self.opened.model.data();
        let span = self.span;
        let within = |values: &[f32]| -> Vec<f32> {
            let within = |&value: &f32| span.map_or(value, |span| span.within(value));
            values.iter().map(within).collect()
        };
        let mut measure = |item: &Item<'_>| match scores {
            Some(scores) => scores.add(item),
            None => Ok(()),
        };
        match target {
            Target::Nothing => self.each(measure),
            Target::Folder(path) => write_folder(path, |folder| {
                let shape = data.shape.image().context("only images are files")?;
                let span = span.context("only images have a span")?;
                let mut names = Names::default();
                self.each(|item| {
                    let file = folder.join(names.of(&self.given.id(item.number)?));
                    if let Some(parent) = file.parent() {
                        fs::create_dir_all(parent)?;
                    }
                    fs::write(file, png(&span.units(item.cleaned), shape)?)?;
                    measure(item)
                })
            }),
            Target::File(path, Form::Png) => {
                let mut shown = Shown::default();
                self.each(|item| {
                    shown.add(item, data);
                    measure(item)
                })?;
                let png = shown.picture(data)?.png;
                write(path, |out| Ok(out.write_all(&png)?))
            }
            Target::File(path, Form::Npy) => {
                let row = [data.row_width()];
                let row = match data.shape.image() {
                    Some(_) => data.shape.dims(),
                    None => &row,
                };
                let shape = [&[self.given.len()], row].concat();
                write(path, |out| {
                    out.write_all(&npy_header(&shape))?;
                    self.each(|item| {
                        for value in within(item.cleaned) {
                            out.write_all(&value.to_le_bytes())?;
                        }
                        measure(item)
                    })
                })
            }
            Target::File(path, form) => {
                let id = args.data.id.as_ref();
                let settings = &self.opened.settings.data;
                let label = args.data.label.as_ref().or(settings.label.as_ref());
                let label = label.filter(|_| !self.given.classes().is_empty());
                let mut fields: Vec<_> = id.into_iter().map(Field::text).collect();
                fields.extend(Field::of_data(data));
                fields.extend(label.into_iter().map(Field::text));
                write_table(path, *form, &fields, self.given.len(), |rows| {
                    self.each(|item| {
                        let mut cells = Vec::with_capacity(fields.len());
                        if id.is_some() {
                            cells.push(Cell::Text(self.given.id(item.number)?));
                        }
                        cells.extend(row_cells(&within(item.cleaned), data));
                        if label.is_some() {
                            let class = self.given.class_name(item.number);
                            cells.push(Cell::Text(class.to_owned()));
                        }
                        rows.row(&cells)?;
                        measure(item)
                    })
                })
            }
        }
    }
}
