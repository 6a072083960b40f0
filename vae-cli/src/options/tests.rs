//! The command line, tried without the binary.

use std::path::PathBuf;

use super::*;
use crate::commands::config::ConfigArgs;
use crate::settings::Settings;

fn parsed(line: &str) -> Result<Command, String> {
    parse_from(line.split_whitespace()).map_err(|error| error.to_string())
}

fn layers_of(line: &str) -> Vec<(String, String, String)> {
    let (Ok(Command::Train(TrainArgs { layers, .. }))
    | Ok(Command::Config(ConfigArgs { layers, .. }))) = parsed(line)
    else {
        panic!("{line} was refused: {:?}", parsed(line));
    };
    let flags = layers.flags.into_iter();
    flags
        .map(|flag| {
            let text = flag.value.as_str().unwrap().to_owned();
            (flag.key, text, flag.source)
        })
        .collect()
}

fn triple(key: &str, text: &str, flag: &str) -> (String, String, String) {
    (key.into(), text.into(), format!("flag {flag}"))
}

#[test]
fn is_well_formed() {
    command().debug_assert();
}

/// By the serialised defaults, which know nothing of the schema.
#[test]
fn every_option_of_every_variant_is_a_flag() {
    let flags = flags::all();
    for variant in vae_variants::Variant::all() {
        let options = serde_json::to_value(&variant).unwrap();
        for option in options.as_object().unwrap().keys() {
            let key = format!("variant.{option}");
            assert_eq!(
                flags.iter().filter(|flag| flag.1.key == key).count(),
                1,
                "{key}"
            );
        }
    }
}

#[test]
fn every_setting_is_a_flag() {
    let flags = flags::all();
    let defaults = serde_json::to_value(Settings::default()).unwrap();
    for (section, value) in defaults.as_object().unwrap() {
        let keys = match value.as_object() {
            Some(fields) => fields
                .keys()
                .map(|field| format!("{section}.{field}"))
                .collect(),
            None => vec![section.clone()],
        };
        for key in keys {
            // The optimizer's own settings are too many for flags.
            let key = key.replace("train.optimizer", "train.optimizer.kind");
            assert!(flags.iter().any(|flag| flag.1.key == key), "{key}");
        }
    }
}

#[test]
fn the_short_help_fits_a_screen() {
    for name in ["vae", "train", "config", "bench", "sample"] {
        let mut root = command();
        let command = match name {
            "vae" => &mut root,
            name => root.find_subcommand_mut(name).unwrap(),
        };
        let (short, long) = (
            command.render_help().to_string(),
            command.render_long_help(),
        );
        // The list of commands alone takes 20 lines.
        let most = if name == "vae" { 52 } else { 40 };
        assert!(short.lines().count() <= most, "{name}: {short}");
        assert!(
            long.to_string().lines().count() >= short.lines().count(),
            "{name}"
        );
    }
}

#[test]
fn the_short_help_takes_the_first_sentence() {
    for (text, first) in [
        ("One. Two.", "One"),
        ("A size, e.g. 32 or eq. 14.", "A size, e.g. 32 or eq. 14"),
        ("No stop", "No stop"),
    ] {
        assert_eq!(help::first_sentence(text), first);
    }
}

#[test]
fn absent_flags_set_nothing() {
    assert_eq!(layers_of("vae"), []);
    assert_eq!(layers_of("vae train"), []);
    assert_eq!(layers_of("vae config --format json"), []);
}

#[test]
fn flags_set_keys_in_order() {
    assert_eq!(
        layers_of("vae train --set seed=1 --beta -1 --seed 2 --tied --hidden 4,5"),
        [
            triple("seed", "1", "--set"),
            triple("variant.beta", "-1", "--beta"),
            triple("seed", "2", "--seed"),
            triple("model.tied", "true", "--tied"),
            triple("model.hidden", "4,5", "--hidden"),
        ]
    );
    assert_eq!(
        layers_of("vae --condition a --condition b,c --skip-bad=false"),
        [
            triple("data.condition", "a,b,c", "--condition"),
            triple("data.skip_bad", "false", "--skip-bad"),
        ]
    );
    assert_eq!(
        layers_of("vae --seed 1 --seed 2"),
        [triple("seed", "2", "--seed")]
    );
    assert_eq!(
        layers_of("vae --preset conv"),
        [triple("preset", "conv", "--preset")]
    );
}

#[test]
fn resuming_takes_no_settings_but_threads() {
    assert_eq!(
        layers_of("vae train --quiet --threads 2 --resume a"),
        [triple("threads", "2", "--threads")]
    );
    for refused in [
        "--latent 3",
        "--backend flex",
        "--config x.toml",
        "--set seed=1",
        "--preset conv",
    ] {
        let message = parsed(&format!("vae --resume a {refused}")).unwrap_err();
        let flag = refused.split(' ').next().unwrap();
        assert!(
            message.contains(&format!(
                "{flag} cannot be used with --resume: a run goes on with"
            )),
            "{message}"
        );
    }
}

#[test]
fn sampling() {
    let Ok(Command::Sample(args)) = parsed("vae sample runs/a --class 7 --count 9 --seed 3") else {
        panic!("refused");
    };
    let model = &args.model;
    assert_eq!(model.run, PathBuf::from("runs/a"));
    assert_eq!(
        (args.class.as_deref(), args.count, model.seed),
        (Some("7"), 9, Some(3))
    );
    assert_eq!((model.backend, model.threads), (None, None));
    let flags = model.layers().flags;
    assert_eq!(flags.len(), 1);
    assert_eq!(
        (flags[0].key.as_str(), flags[0].value.as_str()),
        ("seed", Some("3"))
    );
    assert!(parsed("vae sample runs/a --count 0").is_err());
    assert!(parsed("vae sample").is_err());
}

#[test]
fn refuses_what_it_does_not_know() {
    assert!(
        parsed("vae --variant nvae")
            .unwrap_err()
            .contains("possible values: ae, vae")
    );
    assert!(
        parsed("vae --set seed")
            .unwrap_err()
            .contains("expected KEY=VALUE")
    );
    assert!(parsed("vae --latnet 3").unwrap_err().contains("--latent"));
    assert!(parsed("vae tarin").unwrap_err().contains("train"));
    assert!(parsed("vae -q -v").is_err());
}
