//! The flags that are settings, made from the schema of the settings.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, value_parser};
use serde_json::Value as Json;

use super::help::{CONFIGURATION, first_sentence};
use crate::settings::schema::{self, Setting};
use crate::settings::{LayerArgs, Override, PRESETS};

/// More names than this are listed elsewhere.
const MOST_NAMES: usize = 8;

/// Every flag that is a setting with all settings that it stands for: an option that several variants
/// have is one flag.
pub fn all() -> Vec<(String, Vec<&'static Setting>)> {
    let mut found: Vec<(String, Vec<&Setting>)> = Vec::new();
    for setting in schema::all() {
        let Some(flag) = setting.flag() else {
            continue;
        };
        match found
            .iter_mut()
            .find(|(_, same)| same[0].key == setting.key)
        {
            Some((_, same)) => same.push(setting),
            None => found.push((flag, vec![setting])),
        }
    }
    // What is trained comes first, then what is common, and what only some variants have last.
    found.sort_by_key(|(_, settings)| match settings[0] {
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
            .map(|(flag, settings)| argument(flag, &settings));
        command.args(flags).args(configuration())
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
            .map(|(flag, settings)| (flag, settings[0].key.clone()));
        for (flag, key) in keys.chain([("preset".to_owned(), "preset".to_owned())]) {
            let Some(values) = matches.get_many::<String>(&flag) else {
                continue;
            };
            let text = values.map(String::as_str).collect::<Vec<_>>().join(",");
            let source = format!("flag --{flag}");
            flags.push((matches.index_of(&flag), Override { key, text, source }));
        }
        let assigned = matches
            .get_many::<(String, String)>("set")
            .into_iter()
            .flatten();
        let places = matches.indices_of("set").into_iter().flatten();
        for ((key, text), place) in assigned.cloned().zip(places) {
            let source = "flag --set".to_owned();
            flags.push((Some(place), Override { key, text, source }));
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

fn argument(flag: String, settings: &[&Setting]) -> Arg {
    let setting = settings[0];
    let owners: Vec<_> = settings
        .iter()
        .filter_map(|setting| setting.owner)
        .collect();
    let heading = match owners.as_slice() {
        [] => setting.heading.to_owned(),
        owners => format!("Variant: {}", owners.join(", ")),
    };
    let schema = &setting.schema;
    let help = setting.help();
    let (help, first) = (help.trim_end_matches('.'), first_sentence(&help));
    let names = setting.names();
    let (short, long) = match names.join(", ") {
        _ if !(1..=MOST_NAMES).contains(&names.len()) => (first.to_owned(), help.to_owned()),
        names if first == help => (format!("{help}: {names}"), format!("{help}: {names}")),
        names => (
            format!("{first}: {names}"),
            format!("{help}. One of {names}"),
        ),
    };
    let default = match default(settings) {
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
        (false, _) => arg.value_parser(PossibleValuesParser::new(owned(&names))),
        (_, "boolean") => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        (_, "array") if schema["items"]["type"] == "string" => arg.action(ArgAction::Append),
        _ => arg.allow_negative_numbers(true),
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn value_name(setting: &Setting) -> String {
    let schema = &setting.schema;
    let name = match schema["type"].as_str().unwrap_or_default() {
        _ if !setting.names().is_empty() => "NAME",
        "boolean" => "BOOL",
        "integer" => "N",
        "number" => "X",
        "array" => "N,...",
        _ if setting.is_schedule() => "SCHEDULE",
        _ => "TEXT",
    };
    schema["x-value"].as_str().unwrap_or(name).to_owned()
}

/// The default, or what holds where there is none; for options of several variants, that of each.
fn default(settings: &[&Setting]) -> String {
    let of = |setting: &Setting| {
        let default = plain(&setting.schema["default"]);
        let unset = setting.schema["x-unset"].as_str().unwrap_or_default();
        if default.is_empty() {
            unset.to_owned()
        } else {
            default
        }
    };
    let first = of(settings[0]);
    if settings.iter().all(|setting| of(setting) == first) {
        return first;
    }
    let each = settings.iter();
    let each = each.map(|setting| format!("{} {}", setting.owner.unwrap_or_default(), of(setting)));
    each.collect::<Vec<_>>().join(", ")
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

fn configuration() -> [Arg; 3] {
    let names = PRESETS.iter().map(|preset| preset.name);
    [
        Arg::new("preset")
            .long("preset")
            .value_name("NAME")
            .value_parser(PossibleValuesParser::new(names))
            .hide_possible_values(true)
            .help("Start from settings known by name; see Presets in --help"),
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
            .help("Any setting by its key, e.g. --set train.min_delta=0.01; may be repeated")
            .long_help(
                "Any setting by its key, e.g. --set train.min_delta=0.01 or \
                 --set 'train.lr={ kind = \"cosine\", from = 1e-3, to = 0 }'; may be repeated",
            ),
    ]
    .map(|arg| arg.help_heading(CONFIGURATION))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE, e.g. train.epochs=5".to_owned()),
    }
}
