//! `vae score`: how unusual examples are.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum, builder::PossibleValue};
use vae_data::{Data, Part};
use vae_variants::{
    Detector, Examples, Measure, Reconstructions, Scores, Trained,
    vae_analysis::{auroc, average_precision},
};

use crate::{
    commands::{
        reconstruct::place,
        using::{DataArgs, Given, ModelArgs, Opened, in_bounds, out},
    },
    output::{Cell, Field, Form, STDOUT, write, write_table},
    pictures,
    watch::thousands,
};

/// Find anomalies: say how unusual examples are
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The table has a row for each example, the most unusual first: its name, its score, whether it is called an anomaly (1) or
not (0), and the part that each column has in what is unusual. At the first use what is usual is learned from the
training data of the run, and kept beside the model. Labels are only compared with.

Examples:
  vae --preset anomaly --dataset t.npz --out run
  vae score run --dataset t.npz --out scores.csv
  vae score run --dataset new.csv --calibrate clean.csv --false-positives 0.01")]
pub struct ScoreArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// What says how unusual an example is [default: combined, or what was used before]
    #[arg(long, value_name = "NAME")]
    pub measure: Option<MeasureName>,
    /// Share of usual examples that may be called anomalies, which the threshold follows from
    /// [default: 0.05, or what was used before]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub false_positives: Option<f64>,
    /// Data without anomalies to choose the threshold on [default: the validation split of the run; its training split if
    /// that is small]
    #[arg(long, value_name = "NAME|PATH")]
    pub calibrate: Option<String>,
    /// Learn anew what is usual
    #[arg(long)]
    pub refit: bool,
    /// Class of the anomalies, to compare with [default: 1 of 0 and 1, else the rarer of two]
    #[arg(long, value_name = "NAME", conflicts_with = "normal")]
    pub anomaly: Option<String>,
    /// Class of what is usual, to compare with; all others are anomalies
    #[arg(long, value_name = "NAME")]
    pub normal: Option<String>,
    /// Write the rows in the order of the data
    #[arg(long)]
    pub unsorted: bool,
    /// Table (.csv, .parquet, or - for standard output) [default: scores.csv in the folder of the run]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A [`Measure`] by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasureName(Measure);

impl ValueEnum for MeasureName {
    fn value_variants<'a>() -> &'a [Self] {
        const {
            &{
                let mut all = [Self(Measure::Combined); Measure::ALL.len()];
                let mut at = 0;
                while at < all.len() {
                    all[at] = Self(Measure::ALL[at]);
                    at += 1;
                }
                all
            }
        }
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self.0 {
            Measure::Combined => "The three that see most, together",
            Measure::Reconstruction => "Squared error of the reconstruction",
            Measure::Elbo => "Negative ELBO, nats",
            Measure::Nll => "Importance-weighted -log p(x), nats",
            Measure::Mahalanobis => "Mahalanobis distance of the code",
            Measure::Neighbours => "Distance of the code to near codes",
        };
        Some(PossibleValue::new(self.0.name()).help(help))
    }
}

fn share(text: &str) -> Result<f64, String> {
    in_bounds(text, 0.0, 1.0)
}

/// The share of usual examples that may be called anomalies, if nothing else is asked for.
const FALSE_POSITIVES: f64 = 0.05;

/// Examples that a threshold can be chosen on: of fewer the split that was trained on says more than another.
const ENOUGH: usize = 200;

/// Scores data.
///
/// # Errors
/// If the model cannot be loaded, or the data do not fit it.
pub fn run(args: &ScoreArgs) -> Result<ExitCode> {
    let path = out(args.out.as_deref(), &args.model.run, "scores.csv");
    let form = Form::of(&path, &[Form::Csv, Form::Parquet])?;
    let opened = args.model.open()?;
    if let Some(MeasureName(measure)) = args.measure {
        opened.model.check_measure(measure)?;
    }
    let given = opened.data_or(&args.data, Part::All)?;
    let anomalies = anomalies(args, &given)?;
    let examples = given.examples(&opened, "scoring")?;
    let detector = detector(
        &opened,
        &Wanted {
            measure: args.measure.map(|MeasureName(measure)| measure),
            refit: args.refit,
            false_positives: args.false_positives,
            calibrate: args.calibrate.clone(),
        },
    )?;
    let threshold = detector.threshold().map_or(f64::INFINITY, |of| of.value);

    let mut all = Scores::default();
    for batch in opened.model.score(&detector, &examples)? {
        let batch = batch?;
        all.scores.extend(batch.scores);
        all.contributions.extend(batch.contributions);
    }
    let mut order: Vec<usize> = (0..all.scores.len()).collect();
    order.sort_by(|&a, &b| all.scores[b].total_cmp(&all.scores[a]));
    let is_anomaly = |row: usize| f64::from(all.scores[row]) >= threshold;

    let shown = opened.model.data();
    let own = opened.model.description();
    let width = own.row_width();
    let has_columns = shown.shape.image().is_none() && opened.model.codes_of().is_none();
    let mut fields = vec![
        Field::text("id"),
        Field::number("score"),
        Field::count("anomaly"),
    ];
    match has_columns {
        true => fields.extend(own.column_names().into_iter().map(Field::number)),
        false => fields.push(Field::text("worst")),
    }
    let rows_in_order: Vec<usize> = match args.unsorted {
        true => (0..order.len()).collect(),
        false => order.clone(),
    };
    write_table(&path, form, &fields, order.len(), |rows| {
        for &row in &rows_in_order {
            let mut cells = vec![Cell::Text(given.id(row)?), Cell::Number(all.scores[row])];
            cells.push(Cell::Count(i64::from(is_anomaly(row))));
            let parts = &all.contributions[row * width..(row + 1) * width];
            match has_columns {
                true => cells.extend(parts.iter().copied().map(Cell::Number)),
                false => {
                    let worst = (0..width).max_by(|&a, &b| parts[a].total_cmp(&parts[b]));
                    let worst = worst.filter(|_| opened.model.codes_of().is_none());
                    cells.push(Cell::Text(
                        worst.map_or(String::new(), |at| place(at, shown)),
                    ));
                }
            }
            rows.row(&cells)?;
        }
        Ok(())
    })?;

    let count = order.len();
    opened.say(&format!("{} scores", thousands(count as f64)), &path);
    let found = (0..count).filter(|&row| is_anomaly(row)).count();
    if let Some(of) = detector.threshold() {
        opened.note(&format!(
            "{} of {} are called anomalies: scores from {:.4} on, which {} % of {} have ({} examples)",
            thousands(found as f64),
            thousands(count as f64),
            of.value,
            100.0 * of.false_positives,
            of.chosen_on,
            thousands(of.examples as f64)
        ));
    }
    let is_file = path != Path::new(STDOUT);
    let scores: Vec<f64> = all.scores.iter().copied().map(f64::from).collect();
    if let Some((name, truth)) = &anomalies {
        let (area, precision) = (auroc(&scores, truth)?, average_precision(&scores, truth)?);
        opened.note(&format!(
            "{} are of {name}: AUROC {area:.4}, average precision {precision:.4}; labels were only compared with",
            thousands(truth.iter().filter(|&&is| is).count() as f64),
        ));
        if is_file {
            let picture = pictures::roc(&scores, truth, area)?;
            save(
                &opened,
                &picture.png,
                &beside(&path, "roc"),
                "the ROC curve",
            )?;
        }
    }
    if is_file {
        let truth = anomalies.as_ref().map(|(_, truth)| truth.as_slice());
        let picture = pictures::distribution(&scores, threshold, truth)?;
        save(
            &opened,
            &picture.png,
            &beside(&path, "distribution"),
            "their distribution",
        )?;
    }
    if is_file && shown.shape.image().is_some() {
        let worst = given.only(&order[..count.min(WORST)]);
        let examples = worst.examples(&opened, "reconstructing")?;
        let batches: Result<Vec<_>, _> = opened.model.reconstruct(&examples).collect();
        let picture = pictures::reconstructions(&Reconstructions::joined(batches?), shown)?;
        save(
            &opened,
            &picture.png,
            &beside(&path, "worst"),
            "the most unusual",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Images in the picture of the most unusual.
const WORST: usize = 16;

fn save(opened: &Opened, png: &[u8], path: &Path, what: &str) -> Result<()> {
    write(path, |out| Ok(out.write_all(png)?))?;
    opened.say(what, path);
    Ok(())
}

/// `scores-roc.png` beside `scores.csv`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{what}.png"))
}

/// What the anomalies are called, and which examples are such by their labels; nothing without labels.
fn anomalies(args: &ScoreArgs, given: &Given) -> Result<Option<(String, Vec<bool>)>> {
    let classes = given.classes();
    let find = |name: &String, flag: &str| {
        let found = classes.iter().position(|class| class == name);
        found.ok_or_else(|| match classes.is_empty() {
            true => anyhow!(
                "--{flag} {name}: {} has no labels; name their column by --label",
                given.name
            ),
            false => anyhow!("--{flag} {name}: the classes are {}", classes.join(", ")),
        })
    };
    let of_class = |class: usize| -> Vec<bool> {
        (0..given.len())
            .map(|row| given.class(row) == Some(class))
            .collect()
    };
    let truth = match (&args.anomaly, &args.normal) {
        (Some(name), _) => (format!("class {name}"), of_class(find(name, "anomaly")?)),
        (None, Some(name)) => {
            let mut truth = of_class(find(name, "normal")?);
            truth.iter_mut().for_each(|is| *is = !*is);
            (format!("other classes than {name}"), truth)
        }
        (None, None) if classes.len() == 2 => {
            let both = [of_class(0), of_class(1)];
            let counts = both
                .each_ref()
                .map(|truth| truth.iter().filter(|&&is| is).count());
            // Of 0 and 1, 1 is the anomaly by custom.
            let rarer = match classes == ["0", "1"] {
                true => 1,
                false => usize::from(counts[1] <= counts[0]),
            };
            (format!("class {}", classes[rarer]), both[rarer].clone())
        }
        (None, None) => return Ok(None),
    };
    let count = truth.1.iter().filter(|&&is| is).count();
    if count == 0 || count == truth.1.len() {
        let flag = args.anomaly.is_some() || args.normal.is_some();
        return match flag {
            true => bail!(
                "none or all of {} are of {}: nothing can be compared",
                given.name,
                truth.0
            ),
            false => Ok(None),
        };
    }
    Ok(Some(truth))
}

/// The detector in the folder of the model, if it is of this model.
///
/// # Errors
/// If it is damaged.
pub fn kept(opened: &Opened) -> Result<Option<Detector>> {
    let path = opened.folder.join(Detector::FILE);
    let kept = path.exists().then(|| Detector::load(&path)).transpose()?;
    Ok(kept.filter(|kept| kept.is_of(&opened.model)))
}

/// The detector in the folder of the model, where it has `measure` if one is asked for, or a new one; and whether it is new.
///
/// # Errors
/// If the one that is kept is damaged, or the training data cannot be read.
pub fn kept_or_fitted(
    opened: &Opened,
    measure: Option<Measure>,
    refit: bool,
) -> Result<(Detector, bool)> {
    let kept = match refit {
        true => None,
        false => kept(opened)?,
    };
    let kept = kept.filter(|kept| measure.is_none_or(|measure| measure == kept.measure()));
    Ok(match kept {
        Some(kept) => (kept, false),
        None => (fit(opened, measure.unwrap_or_default())?, true),
    })
}

/// What is asked of a detector; what is left out is as it was, or the default.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    measure: Option<Measure>,
    refit: bool,
    false_positives: Option<f64>,
    /// Data to choose the threshold on.
    calibrate: Option<String>,
}

/// The detector of the model with a threshold; what is new of it is kept in its folder.
///
/// # Errors
/// As [`kept_or_fitted`].
pub fn detector(opened: &Opened, wanted: &Wanted) -> Result<Detector> {
    let path = opened.folder.join(Detector::FILE);
    let (detector, is_new) = kept_or_fitted(opened, wanted.measure, wanted.refit)?;
    let kept = detector.threshold().map(|of| of.false_positives);
    let is_asked = wanted.false_positives.is_some() || wanted.calibrate.is_some();
    if kept.is_some() && !is_asked {
        return Ok(detector);
    }
    let rate = wanted.false_positives.or(kept).unwrap_or(FALSE_POSITIVES);
    let detector = choose(opened, detector, wanted.calibrate.clone(), rate)?;
    if let Err(error) = detector.save(&path) {
        tracing::warn!("what is usual is not kept: {error}");
    } else if is_new {
        opened.say("what is usual", &path);
    }
    Ok(detector)
}

/// Learns from the training data of the run.
fn fit(opened: &Opened, measure: Measure) -> Result<Detector> {
    let of_run = DataArgs::default();
    let training = opened.data_or(&of_run, Part::Train);
    let training =
        training.context("what is usual is learned from the training data of the run")?;
    let examples = training.examples(opened, "learning what is usual")?;
    Ok(opened
        .model
        .fit_detector(&examples, measure, opened.settings.seed)?)
}

/// Chooses the threshold: on data of the user, or the validation split of the run, or its training split.
fn choose(opened: &Opened, detector: Detector, on: Option<String>, rate: f64) -> Result<Detector> {
    let given = match on {
        Some(dataset) => opened.data(&DataArgs {
            dataset: Some(dataset),
            ..DataArgs::default()
        })?,
        None => match opened.data_or(&DataArgs::default(), Part::Validation) {
            Ok(validation) if validation.len() >= ENOUGH => validation,
            _ => opened.data_or(&DataArgs::default(), Part::Train)?,
        },
    };
    let examples = given.examples(opened, "choosing the threshold")?;
    let scores = scores(&opened.model, &detector, &examples)?;
    Ok(detector.with_threshold(&scores, rate, &given.name)?)
}

/// How unusual each example is.
///
/// # Errors
/// If the data cannot be read, or the detector is of another model.
pub fn scores(model: &Trained, detector: &Detector, examples: &Examples<'_>) -> Result<Vec<f32>> {
    let mut scores = Vec::with_capacity(examples.len());
    for batch in model.score(detector, examples)? {
        scores.extend(batch?.scores);
    }
    Ok(scores)
}

/// Learns what is usual at the end of a training whose purpose that is, and keeps it in the folder of the run.
///
/// # Errors
/// If the data cannot be read, or the file cannot be written.
pub fn prepare(folder: &Path, model: &Trained, data: &Data, seed: u64) -> Result<()> {
    let training = model.examples_of_split(&data.train)?.seed(seed);
    let detector = model.fit_detector(&training, Measure::default(), seed)?;
    let split = match data.validation.len() >= ENOUGH {
        true => &data.validation,
        false => &data.train,
    };
    let examples = model.examples_of_split(split)?.seed(seed);
    let scores = scores(model, &detector, &examples)?;
    let detector = detector.with_threshold(&scores, FALSE_POSITIVES, &data.name)?;
    Ok(detector.save(&folder.join(Detector::FILE))?)
}
