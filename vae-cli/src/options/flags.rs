//! The flags that are settings: those of the table, and the variants' own options from their
//! registry.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction};
use toml::{Table, Value};
use vae_variants::Variant;

use super::table::{Flag, GROUPS, RUN, RUN_FLAGS};
use crate::settings::{self, Choice, PRESETS, Settings};

/// An option of one or more variants.
struct VariantFlag {
    flag: String,
    key: &'static str,
    help: &'static str,
    /// The variants that have it, each with its default.
    owners: Vec<(&'static str, String)>,
}

fn fixed() -> impl Iterator<Item = &'static Flag> {
    RUN_FLAGS
        .iter()
        .chain(GROUPS.iter().flat_map(|group| group.1))
}

/// The options of all variants; one that several have is one flag.
fn variant_flags() -> Vec<VariantFlag> {
    const OTHERS: [&str; 8] = [
        "resume", "preset", "config", "set", "quiet", "verbose", "help", "version",
    ];
    let mut found: Vec<VariantFlag> = Vec::new();
    for variant in Variant::all() {
        let info = variant.info();
        let defaults = Table::try_from(&variant).unwrap_or_default();
        for option in info.options {
            let default = defaults.get(option.key).map_or(String::new(), plain);
            if let Some(same) = found.iter_mut().find(|flag| flag.key == option.key) {
                same.owners.push((info.name, default));
                continue;
            }
            let mut flag = option.key.replace('_', "-");
            let taken = OTHERS.contains(&flag.as_str()) || fixed().any(|other| other.0 == flag);
            if taken || matches!(flag.as_str(), "format" | "log-format") {
                flag = format!("variant-{flag}");
            }
            found.push(VariantFlag {
                flag,
                key: option.key,
                help: option.help,
                owners: vec![(info.name, default)],
            });
        }
    }
    found
}

/// Every flag that is a setting, without dashes, with its key.
pub fn all() -> Vec<(String, String)> {
    let fixed = fixed().map(|flag| (flag.0.to_owned(), flag.1.to_owned()));
    let variants = variant_flags().into_iter();
    let options = variants.map(|option| (option.flag, format!("variant.{}", option.key)));
    let preset = ("preset".to_owned(), "preset".to_owned());
    fixed.chain(options).chain([preset]).collect()
}

/// Names of the presets.
pub fn preset_names() -> Vec<&'static str> {
    PRESETS.iter().map(|preset| preset.name).collect()
}

/// The flags on the run as a whole.
pub fn run() -> Vec<Arg> {
    arguments(RUN, RUN_FLAGS)
}

/// The flags of all other settings.
pub fn settings() -> Vec<Arg> {
    let groups = GROUPS.iter();
    let mut args: Vec<_> = groups
        .flat_map(|(heading, flags)| arguments(heading, flags))
        .collect();
    for option in variant_flags() {
        let VariantFlag {
            flag,
            key,
            help,
            owners,
        } = option;
        let names: Vec<_> = owners.iter().map(|owner| owner.0).collect();
        let heading = format!("Variant: {}", names.join(", "));
        let same = owners.iter().all(|owner| owner.1 == owners[0].1);
        let default = if same {
            owners[0].1.clone()
        } else {
            let each = owners
                .iter()
                .map(|(name, default)| format!("{name} {default}"));
            each.collect::<Vec<_>>().join(", ")
        };
        let key = format!("variant.{key}");
        let owner = Some(names[0]);
        // Help texts of options name the values themselves.
        let arg = argument(&flag, &key, owner, "VALUE", help, &default);
        args.push(arg.help_heading(heading));
    }
    args
}

fn arguments(heading: &'static str, flags: &[Flag]) -> Vec<Arg> {
    let defaults = Table::try_from(Settings::default()).unwrap_or_default();
    let defaults = settings::flatten(defaults);
    let argument = |&Flag(flag, key, value, help, unset): &Flag| {
        let default = defaults.iter().find(|default| default.0 == key);
        let default = match default {
            Some((_, default)) if unset.is_empty() => plain(default),
            _ => unset.to_owned(),
        };
        let listed = Choice::ALL[0].key() == key;
        let names = if listed {
            &[]
        } else {
            settings::names(key, None)
        };
        let help = if names.is_empty() {
            help.to_owned()
        } else {
            format!("{help}: {}", names.join(", "))
        };
        argument(flag, key, None, value, &help, &default).help_heading(heading)
    };
    flags.iter().map(argument).collect()
}

fn argument(
    flag: &str,
    key: &str,
    owner: Option<&str>,
    value: &'static str,
    help: &str,
    default: &str,
) -> Arg {
    let arg = Arg::new(flag.to_owned())
        .long(flag.to_owned())
        .hide_possible_values(true);
    if settings::is_switch(key, owner) {
        return arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"]))
            .value_name("BOOL")
            .help(format!("{help} [default: {default}]"));
    }
    let names = settings::names(key, owner);
    let arg = if names.is_empty() {
        arg.allow_negative_numbers(true)
    } else {
        arg.value_parser(PossibleValuesParser::new(names))
    };
    let arg = if key == "data.condition" {
        arg.action(ArgAction::Append)
    } else {
        arg
    };
    arg.value_name(value)
        .help(format!("{help} [default: {default}]"))
}

/// A default as one would write it for a flag.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}
