//! `vae sample --augment`: variations of labelled examples, in a form that `--dataset` reads.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use vae_data::Part;
use vae_variants::{Examples, Trained};

use super::{SampleArgs, Sampler};
use crate::{
    commands::using::{Given, Opened, out},
    output::{Cell, Field, Form, examples::row_cells, png, write_folder, write_table},
    watch::thousands,
};

/// Writes `count` variations of each example.
///
/// # Errors
/// If the code of the model has no distribution, or the data or the output do not fit.
pub fn run(args: &SampleArgs, count: u32) -> Result<ExitCode> {
    let opened = args.model.open()?;
    let model = &opened.model;
    if args.sampler == Sampler::Gmm {
        bail!(
            "--augment draws codes near those of each example, and --sampler gmm draws them from all: give one of \
             the two"
        );
    }
    let given = opened.data_or(&args.data, Part::Train)?;
    let shape = model.data().shape.image();
    let name = match shape {
        Some(_) => "augmented",
        None => "augmented.csv",
    };
    let path = out(args.out.as_deref(), &args.model.run, name);
    let form = match shape {
        Some(_) if path.extension().is_some() => bail!(
            "--out {}: variations of images are PNG files in a folder, one for each class: give a name without ending",
            path.display()
        ),
        Some(_) => None,
        None => Some(Form::of(&path, &[Form::Csv, Form::Parquet])?),
    };
    check(model, &given.examples(&opened, "")?)?;

    let passes = || (0..count).map(|pass| Pass::new(args, &opened, &given, pass));
    match (form, shape) {
        (Some(form), _) => {
            let shown = model.data();
            let label = opened.settings.data.label.as_deref().unwrap_or("class");
            let has_classes = !given.classes().is_empty();
            let mut fields = Field::of_data(shown);
            fields.extend(has_classes.then(|| Field::text(label)));
            let total = given.len() * count as usize;
            write_table(&path, form, &fields, total, |rows| {
                passes().try_for_each(|pass| {
                    pass?.each(|number, row| {
                        let mut cells: Vec<_> = row_cells(row, shown).collect();
                        if has_classes {
                            cells.push(Cell::Text(given.class_name(number).to_owned()));
                        }
                        rows.row(&cells)
                    })
                })
            })?;
        }
        (None, Some(shape)) => write_folder(&path, |folder| {
            passes().enumerate().try_for_each(|(number, pass)| {
                pass?.each(|example, image| {
                    let file = file(folder, &given, example, number)?;
                    let name = || format!("cannot write {}", file.display());
                    fs::write(&file, png(image, shape)?).with_context(name)
                })
            })
        })?,
        (None, None) => {}
    }
    let total = given.len() as f64 * f64::from(count);
    let what = format!(
        "{} variations of {}",
        thousands(total),
        thousands(given.len() as f64)
    );
    opened.say(&what, &path);
    Ok(ExitCode::SUCCESS)
}

/// Refuses a model whose variations would all be the same.
fn check(model: &Trained, examples: &Examples<'_>) -> Result<()> {
    let first = model
        .encode(&examples.clone().first(1))
        .next()
        .transpose()?;
    let first = first.unwrap_or_default();
    if first.log_variance.is_none() && first.levels.is_empty() {
        bail!(
            "the code of a {} model has no distribution: variations of an example would all be the same; train a \
             variant with one, such as vae",
            model.description().variant.info().name
        );
    }
    Ok(())
}

/// One variation of every example.
struct Pass<'a> {
    model: &'a Trained,
    examples: Examples<'a>,
}

impl<'a> Pass<'a> {
    fn new(args: &SampleArgs, opened: &'a Opened, given: &Given, pass: u32) -> Result<Self> {
        let model = &opened.model;
        // Each pass draws numbers of its own.
        let seed = opened.settings.seed ^ (u64::from(pass) << 32);
        let examples = given.examples(opened, "drawing variations")?.drawn();
        let examples = examples.temperature(args.temperature).seed(seed);
        Ok(Self {
            model,
            examples: examples.showing(args.draw.unwrap_or(model.draws())),
        })
    }

    /// Gives each to `take`, with the number of the example.
    fn each(self, mut take: impl FnMut(usize, &[f32]) -> Result<()>) -> Result<()> {
        let mut number = 0;
        for batch in self.model.reconstruct(&self.examples) {
            for row in batch?.reconstructed.chunks(self.model.data().row_width()) {
                take(number, row)?;
                number += 1;
            }
        }
        Ok(())
    }
}

/// The file of a variation, in the folder of its class, which is made.
fn file(folder: &Path, given: &Given, example: usize, variation: usize) -> Result<PathBuf> {
    let folder = match given.class(example) {
        Some(class) => folder.join(file_name(&given.classes()[class])),
        None => folder.to_owned(),
    };
    let made = fs::create_dir_all(&folder);
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    let id = given.id(example)?;
    let stem = Path::new(&id).file_stem().unwrap_or_default();
    Ok(folder.join(format!(
        "{}-{variation}.png",
        file_name(&stem.to_string_lossy())
    )))
}

/// A text as the name of a file: what is a path in it becomes a dash.
fn file_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '\0' => '-',
            c => c,
        })
        .collect();
    match name.starts_with('.') || name.is_empty() {
        true => format!("_{name}"),
        false => name,
    }
}
