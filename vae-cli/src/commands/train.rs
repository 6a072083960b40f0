//! `vae train`: from settings to a finished run folder.

use std::{
    f64::consts::LN_2,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::{ArgAction, Args, ValueEnum, error::ErrorKind};
use serde::Serialize;
use vae_core::{
    LikelihoodKind,
    train::{CheckpointStore, Ending, Evaluation, State},
};
use vae_data::{Data, Progress, Scale, Subset, fingerprint};
use vae_results::{Error as FolderError, Examples, Origin, RunFolder, RunWriter, Scores, Summary};
use vae_variants::{
    Caller, Description, Purpose, RENAMED, Recipe, Trained, is_model, prepare, settings_of,
};

use crate::{
    closing::closing,
    commands::{
        figures, score,
        using::{INTERRUPTED, stop_on_ctrl_c},
    },
    options::{self, help},
    settings::{LayerArgs, Resolved, Settings, resolve, resolve_on, resolve_run},
    watch::{Loading, Screen, Watch, thousands},
};

/// Train a model (the default)
#[derive(Debug, Clone, Args)]
#[command(after_long_help = help::after_train())]
pub struct TrainArgs {
    /// The settings given; with `resume`, `threads` at most.
    #[command(flatten)]
    pub layers: LayerArgs,
    /// Go on with the run in this folder, from its last checkpoint
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub resume: Option<PathBuf>,
    /// Print nothing but warnings and errors
    #[arg(short, long, conflicts_with = "verbose", hide_short_help = true)]
    #[arg(help_heading = help::OUTPUT)]
    pub quiet: bool,
    /// Print more; -vv prints all
    #[arg(short, long, action = ArgAction::Count, hide_short_help = true)]
    #[arg(help_heading = help::OUTPUT)]
    pub verbose: u8,
    /// Form of the log
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_short_help = true
    )]
    #[arg(help_heading = help::OUTPUT)]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl TrainArgs {
    /// Checks that a run which goes on keeps its settings.
    ///
    /// # Errors
    /// The first flag that would change them.
    pub fn check(&self) -> Result<(), clap::Error> {
        let Some(folder) = &self.resume else {
            return Ok(());
        };
        let file = self.layers.configs.first().map(|_| "--config");
        let mut flags = self.layers.flags.iter();
        let flag = flags.find(|flag| flag.key != "threads");
        let flag = flag.map(|flag| flag.source.trim_start_matches("flag "));
        let Some(refused) = file.or(flag) else {
            return Ok(());
        };
        let message = format!(
            "{refused} cannot be used with --resume: a run goes on with the settings it began with, so \
             that its result is the same as without the break. Of the settings only --threads may change. \
             To train anew with other settings, start from its own: --config {} {refused} ...",
            folder.join("config.toml").display()
        );
        Err(options::command().error(ErrorKind::ArgumentConflict, message))
    }
}

/// Trains, or goes on with a run that was stopped.
///
/// # Errors
/// Anything that keeps the run from finishing.
pub fn run(args: &TrainArgs) -> Result<ExitCode> {
    let screen = Screen::start(args.quiet, args.verbose, args.log_format);
    let started = Instant::now();
    let (folder, resolved) = match &args.resume {
        Some(path) => {
            let folder = RunWriter::open(path)?;
            if folder.is_finished() {
                println!("{} is finished already; nothing to do", path.display());
                return Ok(ExitCode::SUCCESS);
            }
            let mut resolved = resolve_run(&folder.config(), &args.layers)?;
            // The run has a copy of its own of what it learns the codes of.
            if resolved.settings.codes_of.is_some() && is_model(&folder.codes_of()) {
                resolved.settings.codes_of = Some(folder.codes_of());
            }
            (Some(folder), resolved)
        }
        None => (None, resolve(&args.layers)?),
    };
    let settings = &resolved.settings;
    let threads = prepare(settings.threads, settings.ops, Caller::Works)?;

    let origin = Origin {
        version: env!("CARGO_PKG_VERSION").into(),
        data: fingerprint(&settings.data)?,
    };
    let codes_of = open_codes_of(settings)?;
    let data = load_data(settings, codes_of.as_ref(), &Loading::new(&screen))?;
    let purpose = resolved.purpose();
    let of_data = settings_of(&data, settings.train.batch_size, purpose);
    let resolved = match folder {
        None if !of_data.is_empty() => resolve_on(&args.layers, &of_data)?,
        _ => resolved,
    };
    let settings = &resolved.settings;
    let description = describe(&resolved, &data)?;
    // Everything that can be refused is refused before the folder is made.
    let recipe = Recipe::new(
        description.clone(),
        &data,
        settings.train.clone(),
        settings.seed,
    )?;
    let recipe = recipe.beside(threads);
    let session = recipe.session(settings.backend);
    let session = session.map_err(|error| resolved.blame(error))?;

    let resumes = folder.is_some();
    let folder = match folder {
        Some(folder) => {
            check_origin(&folder, &origin)?;
            folder
        }
        None => {
            let folder = create_folder(settings)?;
            folder.write_origin(&origin)?;
            description.write(folder.path())?;
            folder
        }
    };
    if let (Some(model), false) = (&codes_of, is_model(&folder.codes_of())) {
        model.save(&folder.codes_of())?;
    }

    let store =
        CheckpointStore::new(folder.checkpoints(), model_name(&description)).with_renamed(RENAMED);
    let session = session
        .with_stop_flag(stop_on_ctrl_c(
            "stopping after this step; press Ctrl-C again to stop at once",
        )?)
        .with_checkpoints(store)?;
    let done = session.state().step;
    folder.rewind_metrics(done)?;
    let (total, epochs) = session.total();
    tracing::info!(
        "{} {} on {}: {} training, {} validation, {} test examples of {}; {} backend, {threads} threads",
        if resumes {
            format!("going on at step {done} of {total} with")
        } else {
            "training".into()
        },
        description.variant.info().name,
        data.name,
        thousands(data.train.len() as f64),
        thousands(data.validation.len() as f64),
        thousands(data.test.len() as f64),
        data.shape,
        settings.backend,
    );

    let mut watch = Watch::new(&folder, &screen, epochs);
    let outcome = session.run(&mut watch)?;
    drop(watch);
    if outcome.ending == Ending::Interrupted {
        eprintln!(
            "stopped at step {} of {total}; go on with: vae --resume {}",
            outcome.state.step,
            folder.path().display()
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }

    let model = match codes_of {
        Some(codes_of) => outcome.model.with_codes_of(codes_of),
        None => outcome.model,
    };
    model.save(folder.path())?;
    let summary = Summary {
        threads,
        data: origin.data,
        ending: match outcome.ending {
            Ending::StoppedEarly => "stopped early".into(),
            _ => "finished".into(),
        },
        ..summary(settings, &data, &model, &outcome.state, &folder)?
    };
    figures::write(&folder, &model, &data, settings.seed)?;
    if purpose == Purpose::Anomalies {
        score::prepare(folder.path(), &model, &data, settings.seed)?;
    }
    let summary = Summary {
        process_seconds: started.elapsed().as_secs_f64(),
        ..summary
    };
    folder.write_summary(&summary)?;
    if !args.quiet {
        print!("{}", closing(&summary, folder.path()));
    }
    Ok(ExitCode::SUCCESS)
}

/// How good the model is, and what it was trained with.
fn summary(
    settings: &Settings,
    data: &Data,
    model: &Trained,
    state: &State,
    folder: &RunFolder,
) -> Result<Summary> {
    let description = model.description();
    let seed = settings.seed;
    let scores = |split: &Subset| -> Result<Option<Scores>> {
        let examples = model.examples_of_split(split)?.seed(seed).corrupted();
        let evaluated = (!split.is_empty()).then(|| model.evaluate(&examples));
        Ok(evaluated.transpose()?.map(of_evaluation))
    };
    let validation = scores(&data.validation)?;
    let mut test = scores(&data.test)?;
    if let (Some(test), Some(samples)) = (&mut test, settings.train.nll_samples) {
        tracing::info!(
            "estimating the log-likelihood of {} examples from {samples} codes each",
            thousands(data.test.len() as f64)
        );
        let examples = model.examples_of_split(&data.test)?.seed(seed).corrupted();
        let mut sum = 0.0;
        for batch in model.nll(&examples, samples)? {
            sum += batch?.into_iter().map(f64::from).sum::<f64>();
        }
        let nll = sum / data.test.len() as f64;
        let bits = nll / (data.shape.features() as f64 * LN_2);
        let is_whole = matches!(
            description.likelihood.kind,
            LikelihoodKind::Categorical | LikelihoodKind::DiscretizedLogistic
        );
        (test.nll, test.bits_per_dim) = (Some(nll), is_whole.then_some(bits));
    }
    let corruption = description.corruption();
    let test_clean = match (corruption, data.test.is_empty()) {
        (Some(_), false) => {
            let examples = model.examples_of_split(&data.test)?.seed(seed);
            Some(of_evaluation(model.evaluate(&examples)?))
        }
        _ => None,
    };
    let last = folder.main_metrics()?.pop();
    let best = match state.stage {
        0 => state.best,
        _ => state.main_best,
    };
    Ok(Summary {
        version: env!("CARGO_PKG_VERSION").into(),
        seed,
        variant: description.variant.info().name.into(),
        dataset: data.name.clone(),
        backend: settings.backend.to_string(),
        ops: name(&settings.ops)?,
        binarize: settings.data.binarize.to_string(),
        codes_of: settings.codes_of.clone(),
        likelihood: name(&description.likelihood.kind)?,
        epochs: state.epoch,
        steps: state.step,
        parameters: model.parameters(),
        examples: Examples {
            train: data.train.len(),
            validation: data.validation.len(),
            test: data.test.len(),
        },
        seconds: state.seconds,
        train_samples_per_second: state.examples as f64 / state.seconds.max(1e-9),
        best_validation_loss: best.map(|(loss, _)| loss),
        best_step: best.map(|(_, step)| step),
        estimates: last
            .as_ref()
            .map_or(Vec::new(), |row| row.estimates.clone()),
        train: last.map(|row| row.train),
        nll_samples: settings.train.nll_samples.filter(|_| test.is_some()),
        validation,
        test,
        test_clean,
        corruption: corruption.map(|of| format!("{} {}", of.kind(), of.level())),
        ..Summary::default()
    })
}

/// The name a value has in configuration files.
fn name(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::from_value(serde_json::to_value(value)?)?)
}

fn of_evaluation(evaluation: Evaluation) -> Scores {
    Scores {
        values: evaluation.readings.values.into_iter().collect(),
        latent: evaluation.latent,
        ..Scores::default()
    }
}

/// A new folder for a run: `settings.out`, or the first free `runs/<variant>-<dataset>-<number>`.
fn create_folder(settings: &Settings) -> Result<RunWriter> {
    let kept = Settings {
        out: None,
        ..settings.clone()
    };
    let config = toml::to_string(&kept).context("the settings cannot be written as TOML")?;
    let Some(out) = &settings.out else {
        let dataset = Path::new(&settings.data.dataset).file_stem();
        let dataset = dataset.map_or("data".into(), |stem| stem.to_string_lossy());
        let stem = format!("{}-{dataset}", settings.variant.info().name);
        return Ok(RunWriter::create_numbered(
            Path::new("runs"),
            &stem,
            &config,
        )?);
    };
    RunWriter::create(out, &config).map_err(|error| match error {
        FolderError::Used(path) => {
            let folder = path.display();
            anyhow!(
                "{folder} already holds files, and two runs never share a folder: choose another --out, or \
                 go on with that run by --resume {folder}"
            )
        }
        other => other.into(),
    })
}

/// Checks that a resumed run sees what it saw at its start.
fn check_origin(folder: &RunFolder, now: &Origin) -> Result<()> {
    let then = folder.origin()?;
    if then.data != now.data {
        bail!(
            "the data have changed since {} began, so it cannot go on exactly; start a new run",
            folder.path().display()
        );
    }
    if then.version != now.version {
        tracing::warn!(
            "{} began with version {}, this is {}: the result may differ from an uninterrupted run",
            folder.path().display(),
            then.version,
            now.version
        );
    }
    Ok(())
}

/// The model whose codes the settings ask for, if they do.
///
/// # Errors
/// If it cannot be read, or was trained on data that were made binary in another way.
pub fn open_codes_of(settings: &Settings) -> Result<Option<Trained>> {
    let Some(run) = &settings.codes_of else {
        return Ok(None);
    };
    let open = || {
        let model = Trained::open(run, settings.backend)?;
        let (theirs, ours) = (model.data().binarize, settings.data.binarize);
        if theirs != ours {
            bail!(
                "it was trained with --binarize {theirs}, and --binarize is {ours}: codes need the same"
            );
        }
        Ok(model)
    };
    let model = open().with_context(|| unusable(run))?;
    Ok(Some(model))
}

fn unusable(codes_of: &Path) -> String {
    format!("`codes_of` is {}, which cannot be used", codes_of.display())
}

/// Loads the data of the settings; as the codes that `codes_of` gives for them, if there is such a model.
///
/// # Errors
/// If the data cannot be read or do not fit the model.
pub fn load_data(
    settings: &Settings,
    codes_of: Option<&Trained>,
    progress: &dyn Progress,
) -> Result<Data> {
    let mut config = settings.data.clone();
    if config.scale == Scale::Auto
        && settings
            .model
            .likelihood
            .is_some_and(LikelihoodKind::is_of_counts)
    {
        config.scale = Scale::None;
    }
    let data = vae_data::load(&config, settings.seed, progress)?;
    let (Some(model), Some(run)) = (codes_of, &settings.codes_of) else {
        return Ok(data);
    };
    let codes = model.encode_data(data, settings.seed, progress);
    codes.with_context(|| unusable(run))
}

/// The model that the settings ask for on these data.
///
/// # Errors
/// If the two do not fit.
pub fn describe(resolved: &Resolved, data: &Data) -> Result<Description> {
    let settings = &resolved.settings;
    Description::new(
        settings.variant.clone(),
        settings.model.clone(),
        settings.objective.clone(),
        data,
        settings.binarize(),
    )
    .map_err(|error| resolved.blame(error))
}

/// What a checkpoint of this model is called, so that one of another structure is refused.
fn model_name(description: &Description) -> String {
    format!(
        "{} of {} with {}",
        description.variant.info().name,
        description.shape,
        serde_json::to_string(&description.model).unwrap_or_default()
    )
}
