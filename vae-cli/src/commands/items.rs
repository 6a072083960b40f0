//! What a walk through the space of codes starts from, and where it goes: an item of the data, a class or a file.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use vae_variants::{Condition, Description, Spot};

use crate::{
    commands::{
        sample::condition,
        using::{DataArgs, Given, Opened, out},
    },
    output::Form,
};

/// How an item begins that is a class.
const CLASS: &str = "class:";

/// Ids that an error names.
const NAMED: usize = 4;

/// A place in the space of codes, and where it comes from.
pub struct Item {
    /// What it is called.
    pub name: String,
    /// Its code.
    pub spot: Spot,
    /// The item itself, in the units of the data; of a class the mean, where examples have one.
    pub original: Option<Vec<f32>>,
}

/// Finds items. The data are opened when the first of them is looked for.
pub struct Items<'a> {
    opened: &'a Opened,
    data: &'a DataArgs,
    class: Option<(&'a str, Condition)>,
    given: OnceCell<Given>,
}

impl<'a> Items<'a> {
    /// Items of these data; all of them are decoded as if of `class`.
    ///
    /// # Errors
    /// If the model has no such class, or is not conditional.
    pub fn new(opened: &'a Opened, data: &'a DataArgs, class: Option<&'a str>) -> Result<Self> {
        let class = match class {
            Some(class) => Some((class, condition(&opened.model, class)?)),
            None => None,
        };
        Ok(Self {
            opened,
            data,
            class,
            given: OnceCell::new(),
        })
    }

    /// The data.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn data(&self) -> Result<&Given> {
        if self.given.get().is_none() {
            let given = self.opened.data(self.data)?;
            return Ok(self.given.get_or_init(|| given));
        }
        Ok(self.given.get().expect("opened before"))
    }

    /// What codes are decoded under that are of no item: the class, or else the first one of the model.
    pub fn condition(&self) -> Option<Condition> {
        match &self.class {
            Some((_, condition)) => Some(condition.clone()),
            None => self.opened.model.conditions().into_iter().next(),
        }
    }

    /// The item that is called so: `class:NAME`, the id or the number of an example, or a file.
    ///
    /// # Errors
    /// If there is none, or its file cannot be read.
    pub fn get(&self, name: &str) -> Result<Item> {
        let mut item = match name.strip_prefix(CLASS) {
            Some(class) => self.mean(class)?,
            None if is_file(name) => self.file(name)?,
            None => self.example(name)?,
        };
        if let Some((_, condition)) = &self.class {
            item.spot.condition = Some(condition.clone());
        }
        Ok(item)
    }

    fn example(&self, name: &str) -> Result<Item> {
        let given = self.data()?;
        let Some(number) = given.find(name)? else {
            let ids: Result<Vec<_>> = (0..given.len().min(NAMED)).map(|at| given.id(at)).collect();
            bail!(
                "{name}: there is no such item among {} of {}, which are called {}{}; there are files and \
                 {CLASS}NAME besides, and --split all takes the other parts of the data",
                given.len(),
                given.name,
                ids?.join(", "),
                if given.len() > NAMED {
                    " and so on"
                } else {
                    ""
                }
            );
        };
        let only = given.only(&[number]);
        let class = given.class_name(number);
        let called = match class.is_empty() {
            true => name.to_owned(),
            false => format!("{name} ({class})"),
        };
        self.item(called, &only)
    }

    /// The mean code of a class.
    fn mean(&self, class: &str) -> Result<Item> {
        let given = self.data()?;
        if given.classes().is_empty() {
            bail!(
                "{CLASS}{class}: the examples of {} have no classes; for a table --label names their column",
                given.name
            );
        }
        let is_of = |&number: &usize| given.class_name(number) == class;
        let numbers: Vec<usize> = (0..given.len()).filter(is_of).collect();
        if numbers.is_empty() {
            bail!(
                "{CLASS}{class}: none of {} examples of {} is of that class; the classes are {}",
                given.len(),
                given.name,
                given.classes().join(", ")
            );
        }
        self.item(format!("mean of {class}"), &given.only(&numbers))
    }

    /// A file with one example, as the model takes it.
    fn file(&self, name: &str) -> Result<Item> {
        let is_image = self.opened.model.data().shape.image().is_some();
        let data = DataArgs {
            dataset: Some(name.to_owned()),
            resize: is_image,
            ..self.data.clone()
        };
        let data = DataArgs {
            split: None,
            first: None,
            id: None,
            ..data
        };
        let given = self.opened.data(&data)?;
        if given.len() != 1 {
            bail!(
                "{name} holds {} examples, where one is needed: name it by --dataset, and the example by its \
                 number",
                given.len()
            );
        }
        let of = self.opened.model.description();
        let guesses = of.variant.labelled_share().is_some();
        let needs_class = of.variant.is_conditional() && !of.classes.is_empty() && !guesses;
        let given = match (&self.class, needs_class && given.classes().is_empty()) {
            (_, false) => given,
            (None, true) => bail!(
                "{name}: the model wants to know the class of what it encodes; name it by --class, one of {}",
                of.classes.join(", ")
            ),
            (Some((class, _)), true) => {
                let by_name = of.classes.iter().position(|known| known == class);
                let place = by_name.or_else(|| class.parse().ok());
                given.of_class(&of.classes, place.context("a class of the model")?)?
            }
        };
        let called = Path::new(name).file_name().unwrap_or_default();
        self.item(called.to_string_lossy().into_owned(), &given)
    }

    fn item(&self, name: String, given: &Given) -> Result<Item> {
        let model = &self.opened.model;
        let examples = given.examples(self.opened, "encoding")?;
        let examples = match given.len() {
            1 => examples.quiet(),
            _ => examples,
        };
        let width = model.data().row_width();
        let (mut sums, mut count) = (vec![0.0; width], 0.0);
        for rows in model.rows(&examples) {
            for row in rows?.chunks(width) {
                count += 1.0;
                let sums = sums.iter_mut().zip(row);
                sums.for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        let has_categories = (0..width).any(|column| !model.data().levels(column).is_empty());
        let mean = sums.into_iter().map(|sum| (sum / count) as f32);
        Ok(Item {
            name,
            spot: model.spot(&examples)?,
            original: (count == 1.0 || !has_categories).then(|| mean.collect()),
        })
    }
}

/// A whole number is that of an example, even where a file is called so.
fn is_file(name: &str) -> bool {
    name.parse::<u32>().is_err() && Path::new(name).is_file()
}

/// Where a walk is written and as what: what `given` says, or a file of the run called `stem`, of images a picture and else a
/// table.
///
/// # Errors
/// If the name has the end of no form that there is.
pub fn target(given: Option<&Path>, opened: &Opened, stem: &str) -> Result<(PathBuf, Form)> {
    let is_image = opened.model.data().shape.image().is_some();
    let own = if is_image { "png" } else { "csv" };
    let path = out(given, &opened.folder, &format!("{stem}.{own}"));
    let forms = [Form::Png, Form::Gif, Form::Csv, Form::Parquet, Form::Npy];
    let form = Form::of(&path, &forms)?;
    if form == Form::Gif && !is_image {
        bail!("only images move: write a table by --out FILE.csv, or a chart by --out FILE.png");
    }
    Ok((path, form))
}

/// Decoded values; of pixels that are between 0 and 1 in the data what leaves that range becomes its end.
pub fn in_range(mut values: Vec<f32>, data: &Description) -> Vec<f32> {
    if data.shape.image().is_some() && data.scaler.is_none() && data.range().is_unit() {
        values
            .iter_mut()
            .for_each(|value| *value = value.clamp(0.0, 1.0));
    }
    values
}

/// A number with at most so many digits after the point, and none of no use.
pub fn short(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    text.to_owned()
}
