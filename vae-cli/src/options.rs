//! The command line: what can be written, and what it means.

mod flags;
mod help;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use clap_complete::Shell;

use crate::settings::{Backend, LayerArgs, Override};

/// What the program is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Train a model.
    Train(TrainArgs),
    /// Draw new examples from a trained model.
    Sample(SampleArgs),
    /// List the variants.
    Variants(Format),
    /// List the datasets.
    Datasets(Format),
    /// List the backends.
    Backends(Format),
    /// Show the settings in force.
    Config(ConfigArgs),
    /// Write a completion script.
    Completions(Shell),
}

/// Arguments of `vae train`.
#[derive(Debug, Clone)]
pub struct TrainArgs {
    /// The settings given; with `resume`, `threads` at most.
    pub layers: LayerArgs,
    /// Folder of the run to go on with.
    pub resume: Option<PathBuf>,
    /// Print nothing but errors and the results.
    pub quiet: bool,
    /// How much more to print.
    pub verbose: u8,
    /// Form of the log.
    pub log_format: LogFormat,
}

/// Arguments of `vae sample`.
#[derive(Debug, Clone)]
pub struct SampleArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// Name or index of the class to draw from.
    pub class: Option<String>,
    /// How many examples.
    pub count: usize,
    /// The picture to write.
    pub out: Option<PathBuf>,
    /// Seed, in place of the run's.
    pub seed: Option<u64>,
    /// Backend, in place of the run's; in this build.
    pub backend: Option<Backend>,
    /// Threads, in place of the run's.
    pub threads: Option<usize>,
}

/// Arguments of `vae config`.
#[derive(Debug, Clone)]
pub struct ConfigArgs {
    /// The settings given.
    pub layers: LayerArgs,
    /// Form of the output.
    pub format: ConfigFormat,
}

/// Form of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Form of `vae config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFormat {
    /// A configuration file.
    Toml,
    /// For programs.
    Json,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Parses the command line; prints help or what is wrong and ends the program where it must.
pub fn parse() -> Command {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

fn parse_from<I, T>(arguments: I) -> Result<Command, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let matches = command().try_get_matches_from(arguments)?;
    Ok(match matches.subcommand() {
        Some(("sample", matches)) => Command::Sample(sample(matches)?),
        Some(("variants", matches)) => Command::Variants(format(matches)),
        Some(("datasets", matches)) => Command::Datasets(format(matches)),
        Some(("backends", matches)) => Command::Backends(format(matches)),
        Some(("config", matches)) => Command::Config(ConfigArgs {
            layers: layers(matches),
            format: match text(matches, "format").as_deref() {
                Some("json") => ConfigFormat::Json,
                _ => ConfigFormat::Toml,
            },
        }),
        Some(("completions", matches)) => {
            let shell = matches.get_one("shell").copied();
            Command::Completions(shell.unwrap_or(Shell::Bash))
        }
        Some((_, matches)) => Command::Train(train(matches)?),
        None => Command::Train(train(&matches)?),
    })
}

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
        .help_heading(flags::RUN)
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
            .help("Print nothing but warnings, errors and the results"),
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
            .value_name("FILE.png")
            .value_parser(value_parser!(PathBuf))
            .help("Picture to write [default: a name in the folder of the run]"),
        Arg::new("seed")
            .long("seed")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .help("Seed of the codes [default: that of the run]"),
        Arg::new("backend")
            .long("backend")
            .value_name("NAME")
            .value_parser(PossibleValuesParser::new(Backend::ALL.map(Backend::name)))
            .help("What computes [default: that of the run]"),
        Arg::new("threads")
            .long("threads")
            .value_name("N")
            .value_parser(value_parser!(u32).range(0..=1024))
            .help("Threads; 0 means one for each core [default: that of the run]"),
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

fn text(matches: &ArgMatches, id: &str) -> Option<String> {
    matches.get_one::<String>(id).cloned()
}

fn format(matches: &ArgMatches) -> Format {
    match text(matches, "format").as_deref() {
        Some("json") => Format::Json,
        _ => Format::Text,
    }
}

fn layers(matches: &ArgMatches) -> LayerArgs {
    let mut flags = Vec::new();
    for (flag, key) in flags::all() {
        let Ok(Some(values)) = matches.try_get_many::<String>(&flag) else {
            continue;
        };
        let text = values.map(String::as_str).collect::<Vec<_>>().join(",");
        let source = format!("flag --{flag}");
        flags.push((matches.index_of(&flag), Override { key, text, source }));
    }
    let assigned = matches.get_many::<(String, String)>("set");
    let places = matches.indices_of("set");
    for ((key, text), place) in assigned
        .into_iter()
        .flatten()
        .zip(places.into_iter().flatten())
    {
        let (key, text) = (key.clone(), text.clone());
        let source = "flag --set".to_owned();
        flags.push((Some(place), Override { key, text, source }));
    }
    flags.sort_by_key(|(place, _)| *place);
    let configs = matches.get_many("config").into_iter().flatten();
    LayerArgs {
        configs: configs.cloned().collect(),
        flags: flags.into_iter().map(|(_, flag)| flag).collect(),
    }
}

fn train(matches: &ArgMatches) -> Result<TrainArgs, clap::Error> {
    let args = TrainArgs {
        layers: layers(matches),
        resume: matches.get_one("resume").cloned(),
        quiet: matches.get_flag("quiet"),
        verbose: matches.get_count("verbose"),
        log_format: match text(matches, "log-format").as_deref() {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        },
    };
    if let Some(folder) = &args.resume {
        let file = args.layers.configs.first().map(|_| "--config");
        let mut flags = args.layers.flags.iter();
        let flag = flags.find(|flag| flag.key != "threads");
        let flag = flag.map(|flag| flag.source.trim_start_matches("flag "));
        if let Some(refused) = file.or(flag) {
            let message = format!(
                "{refused} cannot be used with --resume: a run goes on with the settings it \
                 began with, so that its result is the same as without the break. Of the \
                 settings only --threads may change. To train anew with other settings, start \
                 from its own: --config {} {refused} ...",
                folder.join("config.toml").display()
            );
            return Err(command().error(ErrorKind::ArgumentConflict, message));
        }
    }
    Ok(args)
}

fn sample(matches: &ArgMatches) -> Result<SampleArgs, clap::Error> {
    let name = text(matches, "backend");
    let mut all = Backend::ALL.into_iter();
    let backend = name.and_then(|name| all.find(|backend| backend.name() == name));
    if let Some(backend) = backend
        && let Some(bound) = backend.missing()
    {
        let message = format!("`backend` is {backend}, but must be {bound}; set by flag --backend");
        return Err(command().error(ErrorKind::InvalidValue, message));
    }
    Ok(SampleArgs {
        run: matches.get_one("run").cloned().unwrap_or_default(),
        class: text(matches, "class"),
        count: matches
            .get_one("count")
            .map_or(64, |&count: &u32| count as usize),
        out: matches.get_one("out").cloned(),
        seed: matches.get_one("seed").copied(),
        backend,
        threads: matches
            .get_one("threads")
            .map(|&threads: &u32| threads as usize),
    })
}

#[cfg(test)]
mod tests;
