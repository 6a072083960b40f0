//! `cargo xtask bench`: training steps of this workspace beside PyTorch's and JAX's.

mod cases;
mod report;
mod runner;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{tch, workspace};
use cases::{CASES, Case};
use report::{Measured, Report, Row};
use runner::Runner;

/// Time training steps beside PyTorch and JAX, in turns
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask bench                   every case, some minutes
  cargo xtask bench mlp               the cases whose names begin so
  cargo xtask bench --list            what there is to time
  cargo xtask bench --jax DIR/bin/python

PyTorch is that of `cargo xtask tch provision`; JAX is taken from a Python that has jax and optax.
Whatever is not installed is reported as not measured.")]
pub struct Options {
    /// Only the cases whose names begin with one of these
    cases: Vec<String>,
    /// List the cases
    #[arg(long)]
    list: bool,
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
    /// Where the numbers are written
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    out: PathBuf,
}

/// Runs the task.
pub fn run(options: &Options) -> Result<ExitCode> {
    let wanted = |case: &&Case| {
        options.cases.is_empty() || options.cases.iter().any(|name| case.name.starts_with(name))
    };
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    if cases.is_empty() {
        bail!("no case is called {:?}: see --list", options.cases);
    }
    if options.list {
        for case in cases {
            println!("{:<22} vae bench {}", case.name, case.vae);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Programs::find(options)?;
    let images = tempfile::tempdir().context("cannot make a temporary folder")?;
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
    println!(
        "\n{}\nnumbers: {}",
        report.markdown(),
        options.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// What takes the turns.
struct Programs {
    vae: PathBuf,
    torch: Option<PathBuf>,
    jax: Option<PathBuf>,
    threads: usize,
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
            threads: options.threads.map_or(cores, NonZeroUsize::get),
        })
    }
}

/// All programs on one case, in turns.
fn measure(
    case: &Case,
    programs: &Programs,
    images: &std::path::Path,
    rounds: usize,
) -> Result<Vec<Row>> {
    let mut runners = Vec::new();
    for (name, command) in case.commands(programs, images, rounds)? {
        runners.push((name, command.and_then(Runner::start)));
    }
    let mut rows: Vec<Row> = Vec::new();
    for (name, runner) in &runners {
        let problem = runner.as_ref().err().map(|error| format!("{error:#}"));
        rows.push(Row::new(name, problem));
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
    Ok(rows)
}
