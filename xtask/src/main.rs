//! Developer tasks of this workspace: `cargo xtask --help` lists them.
//!
//! This crate depends on no other crate of the workspace, so that it builds in seconds;
//! it drives the `vae` binary as a separate process.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod ci;
mod experiments;
mod readme;
mod tch;
mod tidy;
mod workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, version)]
#[command(about = "Developer tasks of this workspace")]
#[command(after_help = "Examples:
  cargo xtask experiments            compare every variant on a small data set
  cargo xtask experiments sweep.toml run a grid of trainings from a file
  cargo xtask bench mlp              time training steps beside PyTorch and JAX
  cargo xtask ci                     everything that must pass before a change lands
  cargo xtask tidy                   only the checks of the text of the repository
  cargo xtask tch test               test the LibTorch backend")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Experiments(experiments::Options),
    Bench(bench::Options),
    Ci(ci::Options),
    Readme(readme::Options),
    #[command(subcommand)]
    Tch(tch::Task),
    /// Check the files of the repository: sizes, leftovers, links, lints
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Experiments(options) => experiments::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Ci(options) => ci::run(&options),
        Task::Readme(options) => readme::run(&options),
        Task::Tch(task) => tch::run(&task),
        Task::Tidy => tidy::run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
