//! The commands, a file each: its arguments and what it does.

pub mod backends;
pub mod bench;
pub mod complete;
pub mod completions;
pub mod config;
pub mod datasets;
pub mod encode;
mod figures;
pub mod sample;
pub mod train;
mod using;
pub mod variants;

pub use using::INTERRUPTED;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// Makes [`Command`] of a list: the name of each command, its arguments and its function.
macro_rules! commands {
    ($($name:ident($args:ty) => $run:path,)*) => {
        /// What the program is asked to do.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $(#[allow(missing_docs)] $name($args),)*
        }

        impl Command {
            /// Does it.
            ///
            /// # Errors
            /// Whatever keeps it from being done.
            pub fn run(&self) -> Result<ExitCode> {
                match self {
                    $(Self::$name(args) => $run(args),)*
                }
            }
        }
    };
}

commands! {
    Train(train::TrainArgs) => train::run,
    Sample(sample::SampleArgs) => sample::run,
    Encode(encode::EncodeArgs) => encode::run,
    Complete(complete::CompleteArgs) => complete::run,
    Variants(variants::VariantsArgs) => variants::run,
    Datasets(datasets::DatasetsArgs) => datasets::run,
    Backends(backends::BackendsArgs) => backends::run,
    Config(config::ConfigArgs) => config::run,
    Bench(bench::BenchArgs) => bench::run,
    Completions(completions::CompletionsArgs) => completions::run,
}
