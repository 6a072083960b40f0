//! `cargo xtask bench`: training steps of this workspace, and whole runs, beside those of others.

mod cases;
mod check;
mod data;
mod memory;
mod peers;
mod report;
mod runner;
mod whole;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{tch, workspace};
use cases::Case;
use peers::Peers;
use report::{Measured, Report, Row};
use runner::Runner;
use whole::{TASKS, Task};

/// Time training steps and whole runs beside those of others, in turns
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask bench                   every case, some minutes
  cargo xtask bench mlp               one case
  cargo xtask bench conv              the cases whose names begin so
  cargo xtask bench --list            what there is to time
  cargo xtask bench --check           whether PyTorch's models have as many parameters as ours
  cargo xtask bench --only flex,torch ours and PyTorch alone
  cargo xtask bench mlp --jax DIR/bin/python --peers
  cargo xtask bench run --mnist DIR   whole runs, from the start to the pictures
  cargo xtask bench encode-mnist --mnist DIR   codes of 60,000 images in a file

PyTorch is that of `cargo xtask tch provision`; JAX is taken from a Python that has jax and optax,
pythae from one that has that. Whatever is not installed is reported as not measured.")]
pub struct Options {
    /// Only the cases that are called so, or else whose names begin so
    cases: Vec<String>,
    /// List the cases
    #[arg(long)]
    list: bool,
    /// Compare numbers of parameters instead of times
    #[arg(long)]
    check: bool,
    /// Only these programs: flex, reference, ndarray, torch, jax, pythae, peers
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = GROUPS)]
    only: Vec<String>,
    /// How many turns each program takes
    #[arg(long, value_name = "N", default_value = "9")]
    rounds: NonZeroUsize,
    /// Threads of each program; default: one for each core
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// A vae binary to use; default: build it with the release profile
    #[arg(long, value_name = "PATH")]
    vae: Option<PathBuf>,
    /// A Python with PyTorch; default: that of `cargo xtask tch`, if it is there
    #[arg(long, value_name = "PATH")]
    torch: Option<PathBuf>,
    /// A Python with jax and optax
    #[arg(long, value_name = "PATH")]
    jax: Option<PathBuf>,
    /// A Python with pythae
    #[arg(long, value_name = "PATH")]
    pythae: Option<PathBuf>,
    /// Build the other programs in Rust first: candle, tch, and Burn's loop by hand (minutes)
    #[arg(long)]
    peers: bool,
    /// The folder of the four files of MNIST, for the cases `run` and `encode-mnist`
    #[arg(long, value_name = "DIR")]
    mnist: Option<PathBuf>,
    /// Where the numbers are written
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    out: PathBuf,
}

/// What `--only` can name.
const GROUPS: [&str; 7] = [
    "flex",
    "reference",
    "ndarray",
    "torch",
    "jax",
    "pythae",
    "peers",
];

/// Runs the task.
pub fn run(options: &Options) -> Result<ExitCode> {
    let all = cases::all()?;
    let wanted = |case: &&Case| {
        options.cases.is_empty()
            || options
                .cases
                .iter()
                .any(|name| names(name, case.name, &all))
    };
    let cases: Vec<&Case> = all.iter().filter(wanted).collect();
    let named =
        |task: &&Task| options.cases.is_empty() || options.cases.iter().any(|of| of == task.name);
    let tasks: Vec<&Task> = TASKS.iter().filter(named).collect();
    if cases.is_empty() && tasks.is_empty() {
        bail!("no case is called {:?}: see --list", options.cases);
    }
    if options.list {
        for case in cases {
            println!("{:<22} vae bench {}", case.name, case.arguments.join(" "));
        }
        for task in tasks {
            println!("{:<22} vae {}", task.name, task.vae);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Programs::find(options)?;
    if options.peers {
        programs.peers.build()?;
    }
    let images = tempfile::tempdir().context("cannot make a temporary folder")?;
    if options.check {
        return compare(&cases, &programs, images.path());
    }
    let mut report = Report::new(programs.threads, options.rounds.get());
    for case in cases {
        println!("\n{}", case.name);
        let rows = measure(case, &programs, images.path(), options.rounds.get())?;
        let measured = Measured {
            name: case.name,
            rows,
        };
        print!("{}", measured.table());
        report.cases.push(measured);
        // What is known so far is kept, however the task ends.
        report.write(&options.out)?;
    }
    if !report.cases.is_empty() {
        println!("\n{}", report.markdown());
        println!("{}", report.closing());
    }
    for task in tasks {
        println!("\n{}", task.name);
        let whole = whole::measure(task, &programs, options.mnist.as_deref(), images.path())?;
        print!("{}", whole::table(&whole.runs));
        report.whole.push(whole);
        report.write(&options.out)?;
    }
    println!("\nnumbers: {}", options.out.display());
    Ok(ExitCode::SUCCESS)
}

/// Prints the numbers of parameters; a failure if they differ anywhere.
fn compare(cases: &[&Case], programs: &Programs, folder: &Path) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    println!("{:<22} {:>12} {:>12}", "case", "vae", "PyTorch");
    for case in cases {
        match check::parameters(case, programs, folder) {
            Ok([ours, theirs]) => {
                let verdict = if ours == theirs { "" } else { "  differ" };
                println!("{:<22} {ours:>12} {theirs:>12}{verdict}", case.name);
                if ours == theirs {
                    continue;
                }
            }
            Err(error) => println!("{:<22} not compared: {error:#}", case.name),
        }
        code = ExitCode::FAILURE;
    }
    Ok(code)
}

/// Whether `given` is the name, or the beginning of the name of a case and of none as a whole.
fn names(given: &str, name: &str, cases: &[Case]) -> bool {
    let is_whole = cases.iter().any(|case| case.name == given);
    given == name || (!is_whole && name.starts_with(given))
}

/// What takes the turns.
struct Programs {
    vae: PathBuf,
    torch: Option<PathBuf>,
    jax: Option<PathBuf>,
    pythae: Option<PathBuf>,
    peers: Peers,
    threads: usize,
    /// The groups that are wanted; all if there is none.
    only: Vec<String>,
}

impl Programs {
    fn find(options: &Options) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self {
            vae: match &options.vae {
                Some(vae) => vae.clone(),
                None => workspace::build_vae(true)?,
            },
            torch: options.torch.clone().or_else(tch::installed_python),
            jax: options.jax.clone(),
            pythae: options.pythae.clone(),
            peers: Peers::find()?,
            threads: options.threads.map_or(cores, NonZeroUsize::get),
            only: options.only.clone(),
        })
    }

    fn wants(&self, group: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == group)
    }
}

/// All programs on one case, in turns.
fn measure(case: &Case, programs: &Programs, images: &Path, rounds: usize) -> Result<Vec<Row>> {
    let mut runners = Vec::new();
    for (name, command) in case.commands(programs, images, rounds)? {
        runners.push((name, command.and_then(Runner::start)));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (name, runner) in &runners {
        let mut row = Row::new(name);
        match runner {
            Ok(runner) => row.first_step_ms = Some(1e3 * runner.first_step.as_secs_f64()),
            Err(error) => row.problem = Some(format!("{error:#}")),
        }
        rows.push(row);
    }
    for _ in 0..rounds {
        for ((_, runner), row) in runners.iter_mut().zip(&mut rows) {
            let Ok(running) = runner else {
                continue;
            };
            match running.round() {
                Ok(round) => row.rounds.push(round),
                Err(error) => {
                    row.problem = Some(format!("{error:#}"));
                    *runner = Err(error);
                }
            }
        }
    }
    for ((_, runner), row) in runners.iter().zip(&mut rows) {
        row.peak_mib = runner.as_ref().ok().and_then(|runner| runner.peak_memory);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_means_one_case() {
        let cases = cases::all().unwrap();
        let names = |given, name| names(given, name, &cases);
        assert!(names("mlp", "mlp") && !names("mlp", "mlp-128-batch-16"));
        assert!(names("mlp-", "mlp-128-batch-16") && names("conv", "conv-28x28x1"));
        assert!(!names("run", "mlp"));
    }
}
