//! The flags that are settings, made from the schema of the settings.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};
use serde_json::Value as Json;

use super::help::{CONFIGURATION, first_sentence};
use crate::settings::schema::{self, Setting};
use crate::settings::{Entry, LayerArgs, PRESETS};

/// More names than this are listed elsewhere.
const MOST_NAMES: usize = 8;

/// The settings that are flags. An option that several variants have is one.
pub fn all() -> Vec<(String, &'static Setting)> {
    let all = schema::all().iter();
    let mut found: Vec<_> = all
        .filter_map(|setting| Some((setting.flag()?, setting)))
        .collect();
    let mut seen = HashSet::new();
    found.retain(|(_, setting)| seen.insert(&setting.key));
    // What is trained comes first, then what is common, and what only some variants have last.
    found.sort_by_key(|(_, setting)| match setting {
        setting if setting.owner.is_some() => 3,
        setting if setting.key == schema::VARIANT => 0,
        setting if setting.schema["x-common"] == true => 1,
        _ => 2,
    });
    found
}

impl Args for LayerArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let flags = all()
            .into_iter()
            .map(|(flag, setting)| argument(flag, setting));
        Configuration::augment_args(command.args(flags))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LayerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Vec::new();
        let keys = all()
            .into_iter()
            .map(|(flag, setting)| (flag, setting.key.clone()));
        for (flag, key) in keys.chain([("preset".to_owned(), "preset".to_owned())]) {
            let Some(values) = matches.get_many::<String>(&flag) else {
                continue;
            };
            let text = values.map(String::as_str).collect::<Vec<_>>().join(",");
            let source = format!("flag --{flag}");
            flags.push((matches.index_of(&flag), Entry::text(key, text, source)));
        }
        let assigned = matches
            .get_many::<(String, String)>("set")
            .into_iter()
            .flatten();
        let places = matches.indices_of("set").into_iter().flatten();
        for ((key, text), place) in assigned.cloned().zip(places) {
            let source = "flag --set".to_owned();
            flags.push((Some(place), Entry::text(key, text, source)));
        }
        flags.sort_by_key(|(place, _)| *place);
        let configs = matches.get_many("config").into_iter().flatten();
        Ok(Self {
            configs: configs.cloned().collect(),
            flags: flags.into_iter().map(|(_, flag)| flag).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(flag: String, setting: &Setting) -> Arg {
    let heading = match schema::owners(&setting.key).join(", ") {
        none if none.is_empty() => setting.heading.to_owned(),
        owners => format!("Variant: {owners}"),
    };
    let schema = &setting.schema;
    let help = setting.help();
    let (help, first) = (help.trim_end_matches('.'), first_sentence(&help));
    let names = schema::names(&setting.schema);
    let (short, long) = match names.join(", ") {
        _ if !(1..=MOST_NAMES).contains(&names.len()) => (first.to_owned(), help.to_owned()),
        names => (
            format!("{first}: {names}"),
            format!("{help}. One of {names}"),
        ),
    };
    let default = match default(&setting.key) {
        default if default.is_empty() => String::new(),
        default => format!(" [default: {default}]"),
    };
    let arg = Arg::new(flag.clone())
        .long(flag)
        .help_heading(heading)
        .help(short + &default)
        .long_help(long + &default)
        .hide_short_help(schema["x-common"] != true)
        .hide_possible_values(true)
        .value_name(value_name(setting));
    let kind = schema["type"].as_str().unwrap_or_default();
    match (names.is_empty(), kind) {
        (false, _) => {
            let names = names.iter().map(|name| (*name).to_owned());
            arg.value_parser(PossibleValuesParser::new(names))
        }
        (_, "boolean") => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        (_, "array") if schema["items"]["type"] == "string" => arg.action(ArgAction::Append),
        _ => arg.allow_negative_numbers(true),
    }
}

fn value_name(setting: &Setting) -> String {
    let schema = &setting.schema;
    let name = match schema["type"].as_str().unwrap_or_default() {
        _ if !schema::names(&setting.schema).is_empty() => "NAME",
        "boolean" => "BOOL",
        "integer" => "N",
        "number" => "X",
        "array" => "N,...",
        _ if schema::is_schedule(schema) => "SCHEDULE",
        _ => "TEXT",
    };
    schema["x-value"].as_str().unwrap_or(name).to_owned()
}

/// The default, or what holds where there is none; of options of several variants, those of all.
fn default(key: &str) -> String {
    let same = schema::all().iter().filter(|setting| setting.key == key);
    let mut all: Vec<_> = same
        .map(|setting| match plain(&setting.schema["default"]) {
            none if none.is_empty() => plain(&setting.schema["x-unset"]),
            default => default,
        })
        .collect();
    all.dedup();
    all.join(" or ")
}

/// A default as one would write it for a flag.
fn plain(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Json::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// The flags that name other layers.
#[derive(Args)]
#[command(next_help_heading = CONFIGURATION)]
#[allow(
    dead_code,
    reason = "they are read in the order in which they are given"
)]
struct Configuration {
    /// Start from settings known by name; see Presets in --help
    #[arg(long, value_name = "NAME", value_parser = presets(), hide_possible_values = true)]
    preset: Option<String>,
    /// Settings file (TOML), e.g. the config.toml of a run; may be repeated
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Any setting by its key, e.g. --set train.min_delta=0.01; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

fn presets() -> PossibleValuesParser {
    PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, e.g. train.epochs=5".to_owned()),
    }
}
