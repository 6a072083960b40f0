//! `vae train`: from settings to a finished run folder.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result};
use burn::{module::Module, tensor::backend::Backend};
use burn_autodiff::Autodiff;
use clap::{ArgAction, Args, ValueEnum, error::ErrorKind};
use serde_json::{Value, json};
use vae_core::train::{CheckpointStore, Ending, Evaluation, evaluate, evaluate_nll};
use vae_data::{Batcher, Data, fingerprint};
use vae_variants::{Description, Recipe, save, upgrade_checkpoint};

use crate::{
    backend::{self, Job},
    codes::{self, load_data},
    commands::figures,
    options::{self, help},
    run_folder::{Origin, RunFolder},
    settings::{LayerArgs, Resolved, Settings, resolve, resolve_run},
    watch::{Loading, Screen, Watch, duration, evaluation, thousands},
};

/// Exit code of a run that was stopped by Ctrl-C and can be resumed.
const INTERRUPTED: u8 = 130;

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
            let folder = RunFolder::open(path)?;
            if folder.is_finished() {
                println!("{} is finished already; nothing to do", path.display());
                return Ok(ExitCode::SUCCESS);
            }
            let mut resolved = resolve_run(&folder.config(), &args.layers)?;
            let codes_of = &mut resolved.settings.codes_of;
            if codes_of.is_some() {
                *codes_of = codes::kept(folder.path()).or(codes_of.take());
            }
            (Some(folder), resolved)
        }
        None => (None, resolve(&args.layers)?),
    };
    let settings = &resolved.settings;
    let threads = backend::prepare(settings.threads, settings.ops)?;

    let origin = Origin {
        version: env!("CARGO_PKG_VERSION").into(),
        data: fingerprint(&settings.data)?,
    };
    let data = load_data(settings, &Loading::new(&screen))?;
    let description = describe(&resolved, &data)?;
    let job = Training {
        screen,
        folder,
        resolved: &resolved,
        data: &data,
        description: &description,
        origin,
        threads,
        started,
        quiet: args.quiet,
    };
    backend::run(settings.backend, job)
}

struct Training<'a> {
    screen: Screen,
    folder: Option<RunFolder>,
    resolved: &'a Resolved,
    data: &'a Data,
    description: &'a Description,
    origin: Origin,
    threads: usize,
    started: Instant,
    quiet: bool,
}

impl Job for Training<'_> {
    type Output = ExitCode;

    fn run<B: Backend>(self, device: B::Device) -> Result<ExitCode> {
        let Self {
            resolved,
            description,
            data,
            ..
        } = self;
        let settings = &resolved.settings;
        // Everything that can be refused is refused before the folder is made.
        let recipe = recipe(resolved, data, description, self.threads)?;
        let trainer = recipe
            .trainer::<Autodiff<B>>(&device)
            .map_err(|error| resolved.blame(error))?;

        let resumes = self.folder.is_some();
        let folder = match self.folder {
            Some(folder) => {
                folder.check_origin(&self.origin)?;
                folder
            }
            None => {
                let folder = RunFolder::create(settings)?;
                folder.note_origin(&self.origin)?;
                description.write(folder.path())?;
                folder
            }
        };
        if let Some(run) = &settings.codes_of {
            codes::keep(run, folder.path())?;
        }

        let store = CheckpointStore::new(folder.checkpoints(), model_name(description))
            .with_upgrade(upgrade_checkpoint);
        let trainer = trainer
            .with_checkpoints(store)
            .with_stop_flag(stop_on_ctrl_c()?)
            .resume()?;
        let state = trainer.state();
        folder.rewind_metrics(state.step)?;
        let (total, epochs) = trainer.total(recipe.training());
        tracing::info!(
            "{} {} on {}: {} training, {} validation, {} test examples of {}; {} backend, {} threads",
            if resumes {
                format!("going on at step {} of {total} with", state.step)
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
            self.threads,
        );

        let mut watch = Watch::new(&folder, &self.screen, epochs);
        let outcome = trainer.run(recipe.training(), recipe.validation(), &mut watch)?;
        drop(watch);
        if outcome.ending == Ending::Interrupted {
            eprintln!(
                "stopped at step {} of {total}; go on with: vae --resume {}",
                outcome.state.step,
                folder.path().display()
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }

        save(&outcome.model, description, folder.path())?;
        let at = outcome.position;
        let scores = |batches: Option<&Batcher>| -> Result<Option<Evaluation>> {
            let evaluated = batches
                .map(|batches| evaluate(&outcome.model, batches, settings.seed, at, &device));
            Ok(evaluated.transpose()?)
        };
        let final_validation = scores(recipe.validation())?;
        let final_test = scores(recipe.test())?;
        let nll = match (recipe.test(), settings.train.nll_samples) {
            (Some(test), Some(samples)) => {
                tracing::info!(
                    "estimating the log-likelihood of {} examples from {samples} codes each",
                    thousands(data.test.len() as f64)
                );
                evaluate_nll(&outcome.model, test, samples, settings.seed, &device)?
            }
            _ => None,
        };
        let clean = scores(recipe.clean_test().as_ref())?;
        let history = folder.main_metrics()?;
        figures::write(
            &folder,
            &outcome.model,
            description,
            data,
            settings.seed,
            &device,
        )?;

        let best = match outcome.state.stage {
            0 => outcome.state.best,
            _ => outcome.state.main_best,
        };
        let seconds = outcome.state.seconds;
        let speed = outcome.state.examples as f64 / seconds.max(1e-9);
        let mut summary = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "seed": settings.seed,
            "variant": description.variant.info().name,
            "dataset": data.name,
            "data": self.origin.data,
            "backend": settings.backend,
            "ops": settings.ops,
            "threads": self.threads,
            "binarize": settings.data.binarize,
            "codes_of": settings.codes_of,
            "likelihood": description.likelihood.kind,
            "ending": match outcome.ending {
                Ending::StoppedEarly => "stopped early",
                _ => "finished",
            },
            "epochs": outcome.state.epoch,
            "steps": outcome.state.step,
            "parameters": outcome.model.num_params(),
            "examples": {
                "train": data.train.len(),
                "validation": data.validation.len(),
                "test": data.test.len(),
            },
            "seconds": seconds,
            "process_seconds": self.started.elapsed().as_secs_f64(),
            "train_samples_per_second": speed,
            "best_validation_loss": best.map(|(loss, _)| loss),
            "best_step": best.map(|(_, step)| step),
            "train": history.last().map(|row| row["train"].clone()),
            "validation": final_validation.as_ref().map(evaluation),
            "test": final_test.as_ref().map(evaluation),
        });
        if let Some(estimates) = history.last().map(|row| &row["estimates"])
            && estimates.is_array()
        {
            summary["estimates"] = estimates.clone();
        }
        if let Some(nll) = nll {
            summary["test"]["nll"] = json!(nll);
            summary["nll_samples"] = json!(settings.train.nll_samples);
        }
        if let Some(corruption) = description.corruption() {
            summary["corruption"] = json!(format!("{} {}", corruption.kind(), corruption.level()));
            summary["test_clean"] = json!(clean.as_ref().map(evaluation));
        }
        folder.write_json("summary.json", &summary)?;
        if !self.quiet {
            print!("{}", closing(&summary, folder.path()));
        }
        Ok(ExitCode::SUCCESS)
    }
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

/// How the settings want the model to be trained.
///
/// # Errors
/// If a batch is larger than the training split.
pub fn recipe(
    resolved: &Resolved,
    data: &Data,
    description: &Description,
    threads: usize,
) -> Result<Recipe> {
    let Settings { train, seed, .. } = &resolved.settings;
    let recipe = Recipe::new(description.clone(), data, train.clone(), *seed)?;
    // Batches are prepared beside the step, by few threads.
    Ok(recipe.workers((threads / 4).clamp(1, 4)))
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

/// A flag that Ctrl-C sets; a second Ctrl-C ends the program at once.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("stopping after this step; press Ctrl-C again to stop at once");
    })
    .context("cannot listen to Ctrl-C")?;
    Ok(stop)
}

/// The table at the end of a run.
fn closing(summary: &Value, folder: &std::path::Path) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mut text = format!(
        "\n{} on {}: {} epochs, {} steps, {} parameters, {} ({} samples/s)\n\n",
        summary["variant"].as_str().unwrap_or_default(),
        summary["dataset"].as_str().unwrap_or_default(),
        summary["epochs"],
        thousands(number(&summary["steps"])),
        thousands(number(&summary["parameters"])),
        duration(number(&summary["seconds"])),
        thousands(number(&summary["train_samples_per_second"])),
    );
    let mut columns = vec![
        ("train", &summary["train"]),
        ("validation", &summary["validation"]),
    ];
    columns.push(("test", &summary["test"]));
    columns.push(("test, clean input", &summary["test_clean"]));
    columns.retain(|(_, values)| values.is_object());
    text += &format!("{:24}", "nats per example");
    for (name, _) in &columns {
        text += &format!("{name:>14}");
    }
    text.push('\n');
    let mut names: Vec<String> = Vec::new();
    for object in columns.iter().filter_map(|(_, values)| values.as_object()) {
        for (name, value) in object {
            if value.is_number() && name != "nll" && !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let (accuracies, names): (Vec<_>, Vec<_>) = names
        .into_iter()
        .partition(|name| name.ends_with("accuracy"));
    let order = ["loss", "reconstruction", "kl"];
    let known = order.iter().map(|name| (*name).to_owned());
    let known = known.filter(|name| names.contains(name));
    let others = names.iter().filter(|name| !order.contains(&name.as_str()));
    let is_estimate = |name: &str| {
        let estimates = summary["estimates"].as_array();
        estimates.is_some_and(|names| names.iter().any(|known| known == name))
    };
    for name in known.chain(others.cloned()) {
        let label = match is_estimate(&name) {
            true => format!("{name} (Monte Carlo)"),
            false => name.clone(),
        };
        text += &format!("{label:24}");
        for (_, values) in &columns {
            text += &match values[name.as_str()].as_f64() {
                Some(value) => format!("{value:14.3}"),
                None => format!("{:>14}", "–"),
            };
        }
        text.push('\n');
    }
    if let (Some((split, values)), false) = (columns.last(), accuracies.is_empty()) {
        let shown = accuracies.iter().map(|name| {
            let percent = 100.0 * number(&values[name.as_str()]);
            match name.strip_suffix(".accuracy") {
                Some(part) => format!("{part} {percent:.2} %"),
                None => format!("{percent:.2} %"),
            }
        });
        let shown: Vec<_> = shown.collect();
        text += &format!("\naccuracy ({split}): {}\n", shown.join("; "));
    }
    if let Some(nll) = summary["test"]["nll"].as_f64() {
        let samples = thousands(number(&summary["nll_samples"]));
        text += &format!("\n-log p(x) of the test data from {samples} samples: {nll:.3}\n");
    }
    let latent = &summary["test"]["latent"];
    if let (Some(active), Some(units)) = (
        latent["active_units"].as_u64(),
        latent["mean_variance"].as_array().map(Vec::len),
    ) {
        text += &format!("\nactive units: {active} of {units}");
        if let Some(dead) = latent["dead_units"].as_u64() {
            let share = latent["active_fraction"].as_f64().unwrap_or_default();
            text += &format!("; on for an example: {:.1} %; dead: {dead}", 100.0 * share);
        }
        if let (Some(perplexity), Some(dead)) =
            (latent["perplexity"].as_f64(), latent["dead_codes"].as_f64())
        {
            text += &format!(
                "; perplexity: {perplexity:.1}; dead codes: {:.1} %",
                100.0 * dead
            );
        }
        text.push('\n');
    }
    text += &format!("\nrun folder: {}\n", folder.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_table_shows_every_split_and_term() {
        let summary = json!({
            "variant": "vae", "dataset": "d", "epochs": 2, "steps": 1200, "parameters": 5000,
            "seconds": 3.0, "train_samples_per_second": 40000.0,
            "train": {"loss": 10.0, "reconstruction": 8.0, "kl": 2.0},
            "validation": null,
            "test": {"loss": 11.0, "reconstruction": 8.5, "kl": 2.5,
                "latent": {"active_units": 3, "mean_variance": [0.1, 0.2, 0.3, 0.0]}},
        });
        let text = closing(&summary, std::path::Path::new("runs/x"));
        assert!(text.contains("1,200 steps, 5,000 parameters"), "{text}");
        assert!(
            text.contains("loss                            10.000        11.000"),
            "{text}"
        );
        assert!(text.contains("active units: 3 of 4"), "{text}");
        assert!(text.ends_with("run folder: runs/x\n"), "{text}");
        for word in ["codes", "Monte Carlo"] {
            assert!(!text.contains(word), "{text}");
        }
    }

    #[test]
    fn the_closing_table_says_which_terms_are_monte_carlo_estimates() {
        let terms = json!({"loss": 10.0, "reconstruction": 8.0, "kl": 2.0, "kl_2": 1.0});
        let summary = json!({
            "variant": "hvae", "dataset": "d", "epochs": 2, "steps": 1200, "parameters": 5000,
            "seconds": 3.0, "train_samples_per_second": 40000.0,
            "train": terms, "validation": null, "test": terms, "estimates": ["kl"],
        });
        let text = closing(&summary, std::path::Path::new("runs/x"));
        assert!(
            text.contains("kl (Monte Carlo)                 2.000         2.000\nkl_2      "),
            "{text}"
        );
    }

    #[test]
    fn the_closing_table_shows_the_use_of_a_codebook_and_what_only_evaluations_know() {
        let summary = json!({
            "variant": "vq", "dataset": "d", "epochs": 2, "steps": 1200, "parameters": 5000,
            "seconds": 3.0, "train_samples_per_second": 40000.0,
            "train": {"loss": 10.0, "reconstruction": 8.0},
            "validation": null,
            "test": {"loss": 11.0, "reconstruction": 8.5, "index_nll": 7.25, "nll": 1.0,
                "latent": {"active_units": 2, "mean_variance": [0.1, 0.2], "perplexity": 12.34,
                    "dead_codes": 0.025}},
        });
        let text = closing(&summary, std::path::Path::new("runs/x"));
        for line in [
            "index_nll                            –         7.250\n",
            "active units: 2 of 2; perplexity: 12.3; dead codes: 2.5 %\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("\nnll "), "{text}");
    }
}
