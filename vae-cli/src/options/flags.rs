//! The flags that are settings: a table for the settings that every variant has, and the variants'
//! own options from their registry.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction};
use toml::{Table, Value};
use vae_variants::Variant;

use crate::settings::{self, Choice, PRESETS, Settings};

/// Heading of the flags on the run as a whole.
pub const RUN: &str = "Run";
const DATA: &str = "Data";
const MODEL: &str = "Model";
const OBJECTIVE: &str = "Objective";
const TRAINING: &str = "Training";

/// A flag, without dashes; its key; the name of its value; its help; what holds where there is no
/// default value.
struct Flag(
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const RUN_FLAGS: &[Flag] = &[
    Flag(
        "variant",
        "variant.name",
        "NAME",
        "What to train; see Variants below",
        "",
    ),
    Flag("seed", "seed", "N", "Seed of all randomness", ""),
    Flag(
        "backend",
        "backend",
        "NAME",
        "What computes; see `vae backends`",
        "",
    ),
    Flag(
        "threads",
        "threads",
        "N",
        "Threads; 0 means one for each core",
        "",
    ),
    Flag(
        "out",
        "out",
        "DIR",
        "Folder of the run, new or empty",
        "a new folder in runs/",
    ),
];

const GROUPS: &[(&str, &[Flag])] = &[
    (
        DATA,
        &[
            Flag(
                "dataset",
                "data.dataset",
                "NAME|PATH",
                "A name of `vae datasets`, or a folder of images, an IDX, .npy, .npz, .csv or \
                 .tsv file",
                "",
            ),
            Flag(
                "data-dir",
                "data.data_dir",
                "DIR",
                "Where the files of datasets are looked for, and downloaded to",
                "the user's data folder",
            ),
            Flag(
                "image-size",
                "data.image_size",
                "H[xW]",
                "Size that the images of a folder are resized to, e.g. 32 or 32x48",
                "their own",
            ),
            Flag(
                "color",
                "data.color",
                "MODE",
                "Channels of the images of a folder",
                "",
            ),
            Flag(
                "label",
                "data.label",
                "COLUMN",
                "Column of a table that holds the class",
                "none",
            ),
            Flag(
                "condition",
                "data.condition",
                "COLUMN,...",
                "Numeric columns of a table to condition on; may be repeated",
                "none",
            ),
            Flag("scale", "data.scale", "MODE", "How features are scaled", ""),
            Flag(
                "validation",
                "data.validation",
                "PART",
                "Part of the examples kept for validation, at least 0 and below 1",
                "",
            ),
            Flag(
                "test",
                "data.test",
                "PART",
                "Part kept for testing where the dataset has no test split of its own",
                "",
            ),
            Flag(
                "binarize",
                "data.binarize",
                "MODE",
                "How values become 0 or 1",
                "",
            ),
            Flag(
                "limit",
                "data.limit",
                "N",
                "Train on only this many examples, chosen at random",
                "all",
            ),
            Flag(
                "mirror",
                "data.mirror",
                "URL",
                "Where to download datasets from",
                "the public mirrors",
            ),
            Flag(
                "skip-bad",
                "data.skip_bad",
                "",
                "Skip images that cannot be decoded, with a warning",
                "",
            ),
        ],
    ),
    (
        MODEL,
        &[
            Flag("arch", "model.arch", "KIND", "Kind of network", ""),
            Flag(
                "latent",
                "model.latent",
                "N",
                "Width of the latent code, at least 1",
                "",
            ),
            Flag(
                "hidden",
                "model.hidden",
                "N,...",
                "Widths of the dense hidden layers from the data inwards; '' for none",
                "512,256 for mlp, 256 for conv",
            ),
            Flag(
                "channels",
                "model.channels",
                "N,...",
                "Channels of the convolutions, each halving the resolution",
                "",
            ),
            Flag(
                "upsample",
                "model.upsample",
                "HOW",
                "How a convolutional decoder doubles the resolution",
                "",
            ),
            Flag(
                "activation",
                "model.activation",
                "NAME",
                "Activation of the hidden layers",
                "",
            ),
            Flag(
                "norm",
                "model.norm",
                "KIND",
                "Normalisation of the hidden layers",
                "",
            ),
            Flag(
                "dropout",
                "model.dropout",
                "P",
                "Probability that a hidden unit is dropped, at least 0 and below 1",
                "",
            ),
            Flag(
                "tied",
                "model.tied",
                "",
                "Let the decoder use the encoder's weights transposed; dense networks only",
                "",
            ),
            Flag(
                "likelihood",
                "model.likelihood",
                "KIND",
                "Distribution of the data given the code",
                "bernoulli for images in [0, 1], else gaussian",
            ),
            Flag(
                "sigma",
                "model.sigma",
                "S",
                "Standard deviation of the gaussian likelihood, above 0",
                "",
            ),
        ],
    ),
    (
        OBJECTIVE,
        &[
            Flag(
                "kl-schedule",
                "objective.kl_schedule",
                "SCHEDULE",
                "Factor of the KL term: a number or a schedule, e.g. \
                 '{ kind = \"linear\", to = 1, until = 0.25 }' to warm up",
                "",
            ),
            Flag(
                "free-bits",
                "objective.free_bits",
                "NATS",
                "Nats that each latent dimension may use free of charge, at least 0",
                "",
            ),
            Flag(
                "capacity",
                "objective.capacity",
                "SCHEDULE",
                "Target of the KL in nats, a number or a schedule",
                "none",
            ),
            Flag(
                "capacity-weight",
                "objective.capacity_weight",
                "W",
                "Weight of the KL's distance from --capacity, at least 0",
                "",
            ),
        ],
    ),
    (
        TRAINING,
        &[
            Flag(
                "epochs",
                "train.epochs",
                "N",
                "Passes over the training split",
                "",
            ),
            Flag(
                "max-steps",
                "train.max_steps",
                "N",
                "Stop after this many steps even if epochs are left",
                "none",
            ),
            Flag(
                "batch-size",
                "train.batch_size",
                "N",
                "Examples per step",
                "",
            ),
            Flag(
                "lr",
                "train.lr",
                "SCHEDULE",
                "Learning rate, a number or a schedule",
                "",
            ),
            Flag(
                "optimizer",
                "train.optimizer.kind",
                "KIND",
                "Optimizer; its own settings by --set, e.g. --set train.optimizer.beta1=0.5",
                "",
            ),
            Flag(
                "clip-norm",
                "train.clip_norm",
                "X",
                "Limit of the joint norm of all gradients, above 0",
                "none",
            ),
            Flag(
                "clip-value",
                "train.clip_value",
                "X",
                "Limit of every gradient entry's size, above 0",
                "none",
            ),
            Flag(
                "patience",
                "train.patience",
                "N",
                "Stop when the validation loss has not improved for this many epochs, and keep \
                 the best model",
                "none",
            ),
        ],
    ),
];

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
        let arg = argument(&flag, &key, owner, "VALUE", help, &default).hide_possible_values(true);
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
        let hide = Choice::ALL[0].key() == key;
        argument(flag, key, None, value, help, &default)
            .hide_possible_values(hide)
            .help_heading(heading)
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
    let arg = Arg::new(flag.to_owned()).long(flag.to_owned());
    if settings::is_switch(key, owner) {
        return arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"]))
            .hide_possible_values(true)
            .value_name("BOOL")
            .help(help.to_owned());
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
