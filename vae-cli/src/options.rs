//! The command line: what can be written, and what it means.

mod command;
mod flags;
mod help;
mod table;

use std::path::PathBuf;

use clap::ArgMatches;
use clap::error::ErrorKind;
use clap_complete::Shell;

pub use command::command;

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
    /// Time training steps.
    Bench(BenchArgs),
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

impl SampleArgs {
    /// The settings that replace those of the run, for
    /// [`resolve_run`](crate::settings::resolve_run).
    pub fn layers(&self) -> LayerArgs {
        let flags = [
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("backend", self.backend.map(|backend| backend.to_string())),
            ("threads", self.threads.map(|threads| threads.to_string())),
        ];
        let given = flags.into_iter().filter_map(|(key, text)| {
            let source = format!("flag --{key}");
            let key = key.to_owned();
            text.map(|text| Override { key, text, source })
        });
        LayerArgs {
            configs: Vec::new(),
            flags: given.collect(),
        }
    }
}

/// Arguments of `vae config`.
#[derive(Debug, Clone)]
pub struct ConfigArgs {
    /// The settings given.
    pub layers: LayerArgs,
    /// Form of the output.
    pub format: ConfigFormat,
}

/// Arguments of `vae bench`.
#[derive(Debug, Clone)]
pub struct BenchArgs {
    /// The settings given.
    pub layers: LayerArgs,
    /// What is timed.
    pub work: Work,
    /// Steps of a round.
    pub steps: usize,
    /// How many rounds.
    pub rounds: usize,
    /// Whether to wait for a line of the standard input before each round.
    pub turns: bool,
    /// Form of the output.
    pub format: Format,
}

/// What `vae bench` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Training steps.
    Train,
    /// Encoding.
    Encode,
    /// Estimating the likelihood by importance sampling.
    Importance,
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
        Some(("bench", matches)) => Command::Bench(BenchArgs {
            layers: layers(matches),
            work: match text(matches, "work").as_deref() {
                Some("encode") => Work::Encode,
                Some("importance") => Work::Importance,
                _ => Work::Train,
            },
            steps: number(matches, "steps"),
            rounds: number(matches, "rounds"),
            turns: matches.get_flag("turns"),
            format: format(matches),
        }),
        Some(("completions", matches)) => {
            let shell = matches.get_one("shell").copied();
            Command::Completions(shell.unwrap_or(Shell::Bash))
        }
        Some((_, matches)) => Command::Train(train(matches)?),
        None => Command::Train(train(&matches)?),
    })
}

fn text(matches: &ArgMatches, id: &str) -> Option<String> {
    matches.get_one::<String>(id).cloned()
}

fn number(matches: &ArgMatches, id: &str) -> usize {
    matches
        .get_one(id)
        .map_or(1, |&number: &u32| number as usize)
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
