//! `cargo xtask experiments`: trains a grid of settings and compares the results.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use toml::Value;

use self::file::Experiment;
use self::folder::{Folder, State, lock, write};
use self::plan::Plan;
use self::runner::{Outcome, Share, run_trials};
use self::vae::Vae;
use crate::workspace;

mod file;
mod folder;
mod plan;
mod progress;
mod report;
mod results;
mod runner;
mod settings;
mod stop;
mod table;
mod vae;

const EXAMPLES: &str = "Examples:
  cargo xtask experiments                    every variant on mnist-mini, some minutes
  cargo xtask experiments sweep.toml         the grid of a file
  cargo xtask experiments sweep.toml --dry-run
  cargo xtask experiments sweep.toml --seeds 1,2,3,4 --jobs 4 --release

The file:
  name = \"sweep\"
  base = \"base.toml\"              # optional: a settings file, path relative to this one
  seeds = [1, 2, 3]               # every point is trained once per seed; default [1]
  [settings]                      # settings of all trials, laid over those of base
  train.epochs = 3
  [grid]                          # every combination is one row of the table
  variant = [{ name = \"vae\" }, { name = \"beta\", beta = 4.0 }]
  model.latent = [5, 10, 20]
  [[trial]]                       # optional: single rows besides the grid
  variant.name = \"ae\"
`variant.name = \"all\"` in [grid] stands for every variant of the vae binary.

The output folder gets report.md and results.csv, and trials/ with one folder per trial:
settings.toml, log.txt, and run/ with what `vae train` writes. Run the same command again
after it was stopped or killed: finished trials are not repeated, and the others go on from
their last checkpoint. A trial is run again when its settings, the data or the version of
vae changed.";

/// Train a grid of settings and seeds, and compare the results in a table
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// File that describes the experiments; default: every variant on mnist-mini
    file: Option<PathBuf>,
    /// Output folder; default: experiments/NAME in the workspace
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How many trials run at once; default: as many as fit the cores
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Threads per trial; default: `threads` of the file, or the cores divided among the jobs
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Seeds to use instead of those of the file, as in 1,2,3
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    seeds: Option<Vec<u64>>,
    /// List the trials and what would be done with each; run nothing
    #[arg(long)]
    dry_run: bool,
    /// A vae binary to use; default: build it
    #[arg(long, value_name = "PATH", conflicts_with = "release")]
    vae: Option<PathBuf>,
    /// Build vae with the release profile
    #[arg(long)]
    release: bool,
}

/// Runs the task.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut experiment = match &options.file {
        Some(file) => Experiment::read(file)?,
        None => Experiment::built_in()?,
    };
    if let Some(seeds) = &options.seeds {
        file::check_seeds(seeds).context("--seeds")?;
        experiment.seeds.clone_from(seeds);
    }
    let program = match &options.vae {
        Some(program) => program.clone(),
        None => workspace::build_vae(options.release)?,
    };
    let vae = Vae::new(program);
    let mut plan = Plan::new(&experiment, &vae)?;
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| workspace::root().join("experiments").join(&experiment.name));
    let trials = out.join("trials");
    let share = share(options, &experiment, plan.trials.len());

    if options.dry_run {
        plan.find_folders(&trials)?;
        print(&listing(&plan, &trials, share))?;
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = lock(&out)?;
    plan.find_folders(&trials)?;
    eprintln!("{}", heading(&plan, &trials, share));
    let outcomes = run_trials(&plan, &trials, &vae, share)?;
    let unfinished = count(&outcomes, |outcome| matches!(outcome, Outcome::Unfinished));
    if unfinished > 0 {
        eprintln!(
            "Stopped: {unfinished} of {} are not finished. To go on: {}",
            trials_text(outcomes.len()),
            again()
        );
        return Ok(ExitCode::from(stop::STOPPED));
    }
    finish(&experiment.name, &plan, &outcomes, &out)
}

/// Writes the results, and tells what failed.
fn finish(name: &str, plan: &Plan, outcomes: &[Outcome], out: &Path) -> Result<ExitCode> {
    let table = results::table(plan, outcomes);
    let text = table.text();
    let (report, csv) = (out.join("report.md"), out.join("results.csv"));
    write(&report, &report::markdown(name, plan, outcomes, table))?;
    write(&csv, &results::csv(plan, outcomes)?)?;
    let (shown, csv) = (report.display(), csv.display());
    print(&format!(
        "\n{text}\n{}\nReport: {shown}\nEvery number: {csv}\n",
        report::LEGEND
    ))?;

    let failures = report::failures(plan, outcomes);
    if failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "\n{} of {} failed:",
        failures.len(),
        trials_text(outcomes.len())
    );
    for (trial, reason) in &failures {
        let (reason, log) = (
            reason.lines().next(),
            Folder::new(&out.join("trials"), trial).log(),
        );
        eprintln!(
            "  {}: {}; see {}",
            trial.folder,
            reason.unwrap_or_default(),
            log.display()
        );
    }
    eprintln!("The table is without them. To try them again: {}", again());
    eprintln!("To start one from the beginning, remove its folder first.");
    Ok(ExitCode::FAILURE)
}

/// Divides the cores among trials; the same however many of them are finished already.
fn share(options: &Options, experiment: &Experiment, trials: usize) -> Share {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let written = experiment.common.get("threads").and_then(Value::as_integer);
    let written = written
        .and_then(|threads| usize::try_from(threads).ok())
        .filter(|t| *t > 0);
    let threads = options.threads.map(NonZeroUsize::get).or(written);
    let jobs = options.jobs.map(NonZeroUsize::get);
    divide(cores, trials, jobs, threads)
}

fn divide(cores: usize, trials: usize, jobs: Option<usize>, threads: Option<usize>) -> Share {
    let jobs = jobs.unwrap_or_else(|| (cores / threads.unwrap_or(1)).clamp(1, trials.max(1)));
    let threads = threads.unwrap_or_else(|| (cores / jobs).max(1));
    Share { jobs, threads }
}

fn heading(plan: &Plan, trials: &Path, share: Share) -> String {
    let states: Vec<State> = plan
        .trials
        .iter()
        .map(|trial| Folder::new(trials, trial).state(trial))
        .collect();
    let finished = count(&states, |state| matches!(state, State::Finished(_)));
    let resumable = count(&states, |state| *state == State::Resumable);
    let new = states.len() - finished - resumable;
    let same = match plan.duplicates {
        0 => String::new(),
        some => format!(" ({some} more left out, the same as another)"),
    };
    format!(
        "{}{same}: {finished} finished before, {resumable} to resume, {new} to run; {} at once, \
         threads for each: {}",
        trials_text(states.len()),
        share.jobs,
        share.threads
    )
}

fn listing(plan: &Plan, trials: &Path, share: Share) -> String {
    let mut text = format!("{}\n", heading(plan, trials, share));
    for trial in &plan.trials {
        let state = match Folder::new(trials, trial).state(trial) {
            State::Finished(_) => "finished",
            State::Resumable => "resume",
            State::New => "run",
        };
        text.push_str(&format!("{state:<8}  {}\n", trial.folder));
    }
    text
}

fn trials_text(count: usize) -> String {
    if count == 1 {
        "1 trial".to_owned()
    } else {
        format!("{count} trials")
    }
}

fn count<T>(items: &[T], is: impl Fn(&T) -> bool) -> usize {
    items.iter().filter(|item| is(item)).count()
}

/// The command to type again.
fn again() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
    format!("cargo xtask {}", arguments.join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Prints to standard output; a reader that went away is no error.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot print the table")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(trials: usize, jobs: Option<usize>, threads: Option<usize>) -> (usize, usize) {
        let share = divide(8, trials, jobs, threads);
        (share.jobs, share.threads)
    }

    #[test]
    fn jobs_times_threads_fit_the_cores() {
        assert_eq!(divided(20, None, None), (8, 1));
        assert_eq!(divided(3, None, None), (3, 2));
        assert_eq!(divided(1, None, None), (1, 8));
        assert_eq!(divided(20, Some(4), None), (4, 2));
        assert_eq!(divided(20, Some(16), None), (16, 1));
        assert_eq!(divided(20, None, Some(3)), (2, 3));
        assert_eq!(divided(20, None, Some(16)), (1, 16));
    }

    #[test]
    fn the_command_to_type_again_is_quoted_where_needed() {
        assert_eq!(quoted("--out=a/b.toml"), "--out=a/b.toml");
        assert_eq!(quoted("my file"), "'my file'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
