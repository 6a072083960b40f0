//! What `vae complete` writes.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use vae_core::files::write_atomically;
use vae_data::{ColumnKind, npy_header};
use vae_variants::{Completions, Trained};

use crate::{
    commands::using::Given,
    output::{Cell, Field, Form, png, write, write_folder, write_table},
    pictures,
};

/// Completions, batch after batch.
pub type Batches<'a> = dyn Iterator<Item = vae_core::Result<Completions>> + 'a;

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// Examples of which something was missing.
    pub examples: usize,
    /// Values that were missing, and all.
    pub missing: usize,
    pub values: usize,
    /// Sum of the shares of accepted proposals, and their number.
    accepted: (f64, f64),
}

impl Done {
    /// Counts a batch.
    fn add(&mut self, of: &Completions, width: usize) {
        let rows = of.missing.chunks_exact(width);
        self.examples += rows.filter(|row| row.contains(&true)).count();
        self.missing += of.missing.iter().filter(|missing| **missing).count();
        self.values += of.missing.len();
        if let Some(accepted) = of.accepted {
            self.accepted = (self.accepted.0 + accepted, self.accepted.1 + 1.0);
        }
    }

    /// The mean share of proposals that were accepted.
    pub fn accepted(&self) -> Option<f64> {
        (self.accepted.1 > 0.0).then(|| self.accepted.0 / self.accepted.1)
    }

    /// # Errors
    /// If nothing was missing, or everything.
    fn check(&self, given: &Given, model: &Trained) -> Result<()> {
        if self.missing == 0 {
            bail!(
                "nothing is missing in {}: cells to complete are empty, NA or NaN",
                given.name
            );
        }
        if self.missing == self.values {
            bail!("everything is missing in {}{}", given.name, instead(model));
        }
        Ok(())
    }
}

/// What to do where everything is missing.
pub fn instead(model: &Trained) -> &'static str {
    match model.is_generative() {
        true => ": leave a part, or draw new examples with `vae sample`",
        false => ": leave a part",
    }
}

/// A row for each completion of each example, with the columns of the data: the name of the row, the number of the
/// completion where there are several, the columns, the class. `label` is the name of the column of the class.
///
/// # Errors
/// If the data cannot be read, nothing is missing or everything, or the file cannot be written.
pub fn table(
    (path, form): (&Path, Form),
    given: &Given,
    model: &Trained,
    (label, count): (&str, usize),
    batches: &mut Batches<'_>,
) -> Result<Done> {
    let (data, shown) = (given.dataset(), model.data());
    let width = data.shape().features();
    let all = match data.kinds() {
        [] => vec![ColumnKind::Number; width],
        kinds => kinds.to_vec(),
    };
    let names = match data.columns() {
        [] => shown.column_names(),
        columns => columns.to_vec(),
    };
    let place = |column: usize| match (data.columns(), shown.columns.as_slice()) {
        ([], _) | (_, []) => Some(column),
        (found, known) => known.iter().position(|name| *name == found[column]),
    };
    let places: Vec<Option<usize>> = (0..width).map(place).collect();
    let columns: Vec<usize> = (0..width)
        .filter(|column| given.id_column() != Some(*column))
        .collect();

    let is_text = |column: &&usize| all[**column] != ColumnKind::Number;
    if let (Form::Npy, Some(&text)) = (form, columns.iter().find(is_text)) {
        bail!(
            "--out {}: an array holds numbers, and column `{}` holds {}: --out FILE.csv or FILE.parquet",
            path.display(),
            names[text],
            all[text].noun()
        );
    }
    let named = given.id_column().map(|column| names[column].clone());
    let has_ids = named.is_some() || data.name(given.index(0)).is_some();
    let mut fields = Vec::new();
    if has_ids {
        fields.push(Field::text(named.unwrap_or_else(|| "id".into())));
    }
    if count > 1 {
        fields.push(Field::count("completion"));
    }
    let pick = |column: &usize| (names[*column].clone(), all[*column].clone());
    let (picked, kinds): (Vec<_>, Vec<_>) = columns.iter().map(pick).unzip();
    fields.extend(Field::of_columns(picked, &kinds));
    fields.extend(data.attributes().iter().map(Field::number));
    if !given.classes().is_empty() {
        fields.push(Field::text(label));
    }

    let mut done = Done::default();
    write_table(path, form, &fields, given.len() * count, |rows| {
        let (mut number, mut row) = (0, vec![0.0; width]);
        let mut attributes = vec![0.0; data.attributes().len()];
        let own = shown.row_width();
        for batch in batches {
            let batch = batch?;
            done.add(&batch, own);
            for example in 0..batch.given.len() / own {
                let index = given.index(number);
                data.read(index, &mut row)?;
                data.read_attributes(index, &mut attributes);
                for (completion, values) in (1..).zip(&batch.completed) {
                    let mut cells = Vec::with_capacity(fields.len());
                    if has_ids {
                        cells.push(Cell::Text(given.id(number)?));
                    }
                    if count > 1 {
                        cells.push(Cell::Count(completion));
                    }
                    for &column in &columns {
                        let at = places[column].map(|place| (place, example * own + place));
                        let (value, text) = match at.filter(|(_, at)| batch.missing[*at]) {
                            Some((place, at)) => (values[at], shown.text(place, values[at])),
                            None => (row[column], all[column].text(row[column])),
                        };
                        cells.push(match all[column] {
                            ColumnKind::Number => Cell::Number(value),
                            _ => Cell::Text(text),
                        });
                    }
                    cells.extend(attributes.iter().map(|&value| Cell::Number(value)));
                    if !given.classes().is_empty() {
                        cells.push(Cell::Text(given.class_name(number).to_owned()));
                    }
                    rows.row(&cells)?;
                }
                number += 1;
            }
        }
        done.check(given, model)
    })?;
    Ok(done)
}

/// An array of the images: `[examples, channels, height, width]`, of several completions `[examples, completions,
/// channels, height, width]`.
///
/// # Errors
/// If the data cannot be read, or the file cannot be written.
pub fn array(
    path: &Path,
    given: &Given,
    model: &Trained,
    count: usize,
    batches: &mut Batches<'_>,
) -> Result<Done> {
    let shape = model.data().shape.dims();
    let counts = match count {
        1 => vec![given.len()],
        _ => vec![given.len(), count],
    };
    let features = model.data().shape.features();
    let mut done = Done::default();
    write(path, |out| {
        out.write_all(&npy_header(&[&counts, shape].concat()))?;
        for batch in batches {
            let batch = batch?;
            done.add(&batch, features);
            for example in 0..batch.given.len() / features {
                for values in &batch.completed {
                    for value in &values[example * features..][..features] {
                        out.write_all(&value.to_le_bytes())?;
                    }
                }
            }
        }
        Ok(())
    })?;
    Ok(done)
}

/// An image file for each completion of each example, named as the example.
///
/// # Errors
/// If the data cannot be read, or a file cannot be written.
pub fn folder(
    path: &Path,
    given: &Given,
    model: &Trained,
    batches: &mut Batches<'_>,
) -> Result<Done> {
    let data = &model.data().shape;
    let shape = data.image().context("only images are written as such")?;
    let features = data.features();
    let mut done = Done::default();
    write_folder(path, |folder| {
        let mut number = 0;
        for batch in batches {
            let batch = batch?;
            done.add(&batch, features);
            for example in 0..batch.given.len() / features {
                let name = given.id(number)?;
                let stem = Path::new(&name).with_extension("");
                for (completion, values) in (1..).zip(&batch.completed) {
                    let name = match batch.completed.len() {
                        1 => format!("{}.png", stem.display()),
                        _ => format!("{}-{completion}.png", stem.display()),
                    };
                    let file = folder.join(name);
                    if let Some(parent) = file.parent() {
                        fs::create_dir_all(parent)?;
                    }
                    let image = png(&values[example * features..][..features], shape)?;
                    fs::write(&file, image)?;
                }
                number += 1;
            }
        }
        Ok(())
    })?;
    Ok(done)
}

/// A picture of the first examples.
///
/// # Errors
/// If there is none, or the file cannot be written.
pub fn picture(path: &Path, model: &Trained, batches: &mut Batches<'_>) -> Result<Done> {
    let mut done = Done::default();
    let batch = batches.next().transpose()?.unwrap_or_default();
    done.add(&batch, model.data().shape.features());
    let picture = pictures::completions(&batch, model.data())?;
    write_atomically(path, |file| file.write_all(&picture.png))?;
    Ok(done)
}
