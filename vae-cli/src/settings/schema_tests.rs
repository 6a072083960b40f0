//! The JSON Schema of settings files, held against a validator that knows nothing of this program.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value as Json;
use toml::{Table, Value};
use vae_variants::Variant;

use super::tests::refused;
use super::{PRESETS, Settings, schema};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema::of_file()).unwrap()
}

fn json(text: &str) -> Json {
    let table: Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap()
}

/// The presets, the settings of runs of earlier versions, and the defaults with every variant.
fn good() -> Vec<(String, Json)> {
    let presets = PRESETS
        .iter()
        .map(|preset| (preset.name.to_owned(), preset.text.to_owned()));
    let runs = files().into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.display().to_string(), text)
    });
    let variants = Variant::all().into_iter().map(|variant| {
        let name = variant.info().name.to_owned();
        let settings = Settings {
            variant,
            ..Settings::default()
        };
        (name, toml::to_string(&settings).unwrap())
    });
    let all = presets.chain(runs).chain(variants);
    all.map(|(name, text)| (name, json(&text))).collect()
}

fn files() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("config.toml") {
                found.push(path);
            }
        }
    }
    assert!(found.len() >= 5, "{found:?}");
    found
}

#[test]
fn accepts_every_preset_and_every_run() {
    let validator = validator();
    for (name, settings) in good() {
        let errors: Vec<_> = validator
            .iter_errors(&settings)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

/// Each with one thing wrong somewhere.
#[test]
fn refuses_their_broken_variants() {
    let validator = validator();
    let breaks: [(&str, Json); 12] = [
        ("/no_such_key", 1.into()),
        ("/seed", "x".into()),
        ("/threads", 2000.into()),
        ("/backend", "gpu".into()),
        ("/variant/name", "nvae".into()),
        ("/variant/no_such_option", 1.into()),
        ("/model/latent", 0.into()),
        ("/model/hidden", serde_json::json!([0])),
        ("/train/lr", (-1).into()),
        (
            "/train/lr",
            serde_json::json!({"kind": "linear", "to": "x"}),
        ),
        ("/data/validation", 1.into()),
        ("/preset", "basics".into()),
    ];
    for (name, settings) in good() {
        for (pointer, wrong) in &breaks {
            let mut broken = settings.clone();
            let (place, key) = pointer.rsplit_once('/').unwrap();
            let section = place.trim_start_matches('/');
            let table = match section {
                "" => &mut broken,
                section => &mut broken[section],
            };
            table[key] = wrong.clone();
            assert!(
                !validator.is_valid(&broken),
                "{name} with {pointer} = {wrong}"
            );
        }
    }
}

/// What the schema says and what the program says is the same.
#[test]
fn refuses_what_the_program_refuses() {
    let validator = validator();
    for text in [
        "seed = -1",
        "seed = 1.5",
        "threads = 1025",
        "preset = 'basics'",
        "variant.name = 'btea'",
        "variant = { name = 'beta', betta = 1 }",
        "variant = { name = 'beta', beta = -1 }",
        "variant = { name = 'beta', rho = 0.1 }",
        "variant = { name = 'sparse', rho = 0 }",
        "variant = { name = 'sparse', rho = 1 }",
        "variant = { name = 'hvae', levels = 9 }",
        "variant = { name = 'semi', labelled_share = 0.0 }",
        "model.latnet = 2",
        "model.latent = 0",
        "model.dropout = 1.0",
        "model.sigma = 0.0",
        "model.hidden = [1, 'a']",
        "model.channels = [0]",
        "model.prior_components = 0",
        "model.arch = 'cnov'",
        "model.tied = 1",
        "data.image_size = '0x1'",
        "data.image_size = true",
        "data.limit = 0",
        "data.mirror = 'ftp://x'",
        "data.condition = 5",
        "train.epochs = 'ten'",
        "train.clip_norm = 0",
        "train.lr = { to = 1 }",
        "train.lr = { kind = 'x' }",
        "train.lr = { kind = 'linear' }",
        "train.lr = { kind = 'linear', tu = 1 }",
        "train.lr = { kind = 'linear', to = 1, until = 2 }",
        "train.optimizer = { kind = 'sgd', rho = 0.1 }",
        "train.optimizer = { kind = 'adam', beta1 = 1.0 }",
        "objective.free_bits = -0.5",
    ] {
        assert!(!validator.is_valid(&json(text)), "{text}");
        assert!(refused(&[text], &[], &[]).contains("vae.toml"), "{text}");
    }
}

/// Layers may hold parts of the whole.
#[test]
fn accepts_parts() {
    let validator = validator();
    for text in [
        "",
        "preset = 'conv'",
        "variant.beta = 3",
        "train.optimizer.beta1 = 0.5",
        "variant = { name = 'beta', beta = { kind = 'cyclic', to = 4 } }",
        "data.image_size = 32",
        "data.image_size = [32, 48]",
        "data.image_size = '32x48'",
        "train.lr = { kind = 'steps', values = [1, 0.1], at = [0.5] }",
        "objective.capacity = 5",
    ] {
        assert!(validator.is_valid(&json(text)), "{text}");
    }
}

/// Every number of the schema that is a default is one that the program takes.
#[test]
fn defaults_are_within_their_bounds() {
    for setting in schema::all() {
        let default = &setting.schema["default"];
        if !default.is_null() {
            let value = Value::try_from(default).unwrap();
            assert_eq!(
                schema::refusal(&setting.schema, &value),
                None,
                "{}",
                setting.key
            );
            let schema = jsonschema::draft202012::new(&setting.schema).unwrap();
            assert!(schema.is_valid(default), "{}", setting.key);
        }
        assert!(!setting.help().is_empty(), "{} has no help", setting.key);
    }
}
