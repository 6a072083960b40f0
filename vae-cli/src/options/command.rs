//! The command line as clap knows it.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, value_parser};
use clap_complete::Shell;

use super::{flags, help, table};
use crate::settings::Backend;

/// The whole command line.
pub fn command() -> clap::Command {
    let root = clap::Command::new("vae")
        .about(
            "Train, compare and use autoencoders. Without a command, `vae` trains, as `vae train`",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .subcommand_value_name("COMMAND")
        .after_help(help::after(true));
    let train = clap::Command::new("train")
        .about("Train a model (the default)")
        .after_help(help::after(true));
    let config = clap::Command::new("config")
        .about("Show the settings in force, and the layer that each comes from")
        .arg(format_arg(["toml", "json"]).help_heading(help::OUTPUT))
        .after_help(help::after(false));
    let bench = clap::Command::new("bench")
        .about("Time training steps with the settings given; writes no file")
        .args(bench_args().map(|arg| arg.help_heading(help::BENCH)))
        .after_help(help::AFTER_BENCH);
    let sample = clap::Command::new("sample")
        .about("Draw new examples from a trained model")
        .args(sample_args())
        .after_help(help::SAMPLE);
    let listing = |name: &'static str, about: &'static str, next: &'static str| {
        clap::Command::new(name)
            .about(about)
            .arg(format_arg(["text", "json"]))
            .after_help(next)
    };
    let completions = clap::Command::new("completions")
        .about("Write a completion script for a shell")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .help("The shell"),
        )
        .after_help(help::COMPLETIONS);
    let all = [
        with_layers(train, true),
        sample,
        listing(
            "variants",
            "List the variants with their options",
            help::VARIANTS,
        ),
        listing(
            "datasets",
            "List the datasets, and the files that can be read",
            help::DATASETS,
        ),
        listing(
            "backends",
            "List the backends, and how to get them",
            help::BACKENDS,
        ),
        with_layers(config, false),
        with_layers(bench, false),
        completions,
    ];
    with_layers(root, true)
        .subcommands(all.map(finished))
        .max_term_width(100)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help_arg())
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help_heading(help::OUTPUT)
                .help("Print the version"),
        )
}

fn finished(command: clap::Command) -> clap::Command {
    let heading = command
        .get_arguments()
        .any(|arg| arg.get_help_heading().is_some());
    let help = if heading {
        help_arg()
    } else {
        help_arg().help_heading(None::<&str>)
    };
    command
        .args_override_self(true)
        .max_term_width(100)
        .disable_help_flag(true)
        .arg(help)
}

fn help_arg() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .help_heading(help::OUTPUT)
        .help("Print this help")
}

fn format_arg<const N: usize>(names: [&'static str; N]) -> Arg {
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .default_value(names[0])
        .value_parser(PossibleValuesParser::new(names))
        .help("Form of the output")
}

/// Adds the flags of all settings and, to train, those of the run itself.
fn with_layers(command: clap::Command, trains: bool) -> clap::Command {
    let command = command.args(flags::run());
    let command = if trains {
        command.arg(resume_arg())
    } else {
        command
    };
    let command = command.args(flags::settings()).args(configuration_args());
    if trains {
        command.args(output_args())
    } else {
        command
    }
}

fn resume_arg() -> Arg {
    Arg::new("resume")
        .long("resume")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help_heading(table::RUN)
        .help("Go on with the run in this folder, from its last checkpoint and with its settings")
}

fn configuration_args() -> [Arg; 3] {
    [
        Arg::new("preset")
            .long("preset")
            .value_name("NAME")
            .value_parser(PossibleValuesParser::new(flags::preset_names()))
            .hide_possible_values(true)
            .help("Start from settings known by name; see Presets below"),
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .action(ArgAction::Append)
            .help("Settings file (TOML), e.g. the config.toml of a run; may be repeated"),
        Arg::new("set")
            .long("set")
            .value_name("KEY=VALUE")
            .value_parser(assignment)
            .action(ArgAction::Append)
            .help(
                "Any setting by its key, e.g. --set train.min_delta=0.01 or \
                 --set 'train.lr={ kind = \"cosine\", from = 1e-3, to = 0 }'; may be repeated",
            ),
    ]
    .map(|arg| arg.help_heading(help::CONFIGURATION))
}

fn output_args() -> [Arg; 3] {
    [
        Arg::new("quiet")
            .short('q')
            .long("quiet")
            .action(ArgAction::SetTrue)
            .conflicts_with("verbose")
            .help("Print nothing but warnings and errors"),
        Arg::new("verbose")
            .short('v')
            .long("verbose")
            .action(ArgAction::Count)
            .help("Print more; -vv prints all"),
        Arg::new("log-format")
            .long("log-format")
            .value_name("FORMAT")
            .default_value("text")
            .value_parser(PossibleValuesParser::new(["text", "json"]))
            .help("Form of the log"),
    ]
    .map(|arg| arg.help_heading(help::OUTPUT))
}

fn sample_args() -> [Arg; 7] {
    [
        Arg::new("run")
            .value_name("RUN")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("Folder of the run"),
        Arg::new("class")
            .long("class")
            .value_name("NAME|INDEX")
            .help("Class to draw from, for a conditional model [default: all in turn]"),
        Arg::new("count")
            .long("count")
            .value_name("N")
            .default_value("64")
            .value_parser(value_parser!(u32).range(1..=65_536))
            .help("How many examples, from 1 to 65536"),
        Arg::new("out")
            .long("out")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help(
                "Picture (.png), table (.csv) or array (.npy) to write [default: one in the folder of the \
                 run]",
            ),
        Arg::new("seed")
            .long("seed")
            .value_name("N")
            .value_parser(value_parser!(u64).range(..1 << 63))
            .help("Seed of the codes [default: that of the run]"),
        Arg::new("backend")
            .long("backend")
            .value_name("NAME")
            .value_parser(PossibleValuesParser::new(Backend::ALL.map(Backend::name)))
            .hide_possible_values(true)
            .help("What computes, see `vae backends` [default: that of the run]"),
        Arg::new("threads")
            .long("threads")
            .value_name("N")
            .value_parser(value_parser!(u32).range(0..=1024))
            .help("Threads; 0 means one for each core [default: that of the run]"),
    ]
}

fn bench_args() -> [Arg; 5] {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value(default)
            .value_parser(value_parser!(u32).range(1..=1_000_000))
            .help(help)
    };
    [
        Arg::new("work")
            .long("work")
            .value_name("WORK")
            .default_value("train")
            .value_parser(["train", "encode", "importance"])
            .help(
                "A training step, the mean codes of a batch, or an estimate of its likelihood from \
                 50 codes for each example",
            ),
        number("rounds", "10", "How many rounds"),
        number("steps", "100", "Steps of a round"),
        Arg::new("turns")
            .long("turns")
            .action(ArgAction::SetTrue)
            .help("Wait for a line of the standard input before each round, to take turns"),
        format_arg(["text", "json"]),
    ]
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, e.g. train.epochs=5".to_owned()),
    }
}
