//! The commands, a file each: its arguments and what it does.

pub mod backends;
pub mod bench;
pub mod complete;
pub mod completions;
pub mod config;
pub mod datasets;
pub mod decode;
pub mod denoise;
pub mod encode;
pub mod explore;
pub mod export;
pub mod features;
mod figures;
pub mod import;
pub mod info;
pub mod interpolate;
mod items;
pub mod map;
pub mod reconstruct;
pub mod sample;
pub mod score;
pub mod search;
pub mod train;
pub mod traverse;
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
    Info(info::InfoArgs) => info::run,
    Reconstruct(reconstruct::ReconstructArgs) => reconstruct::run,
    Sample(sample::SampleArgs) => sample::run,
    Score(score::ScoreArgs) => score::run,
    Encode(encode::EncodeArgs) => encode::run,
    Decode(decode::DecodeArgs) => decode::run,
    Interpolate(interpolate::InterpolateArgs) => interpolate::run,
    Traverse(traverse::TraverseArgs) => traverse::run,
    Denoise(denoise::DenoiseArgs) => denoise::run,
    Complete(complete::CompleteArgs) => complete::run,
    Features(features::FeaturesArgs) => features::run,
    Search(search::SearchArgs) => search::run,
    Map(map::MapArgs) => map::run,
    Explore(explore::ExploreArgs) => explore::run,
    Export(export::ExportArgs) => export::run,
    Import(import::ImportArgs) => import::run,
    Variants(variants::VariantsArgs) => variants::run,
    Datasets(datasets::DatasetsArgs) => datasets::run,
    Backends(backends::BackendsArgs) => backends::run,
    Config(config::ConfigArgs) => config::run,
    Bench(bench::BenchArgs) => bench::run,
    Completions(completions::CompletionsArgs) => completions::run,
}
