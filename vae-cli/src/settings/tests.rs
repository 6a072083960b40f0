//! Layers, tried without the command line.

use std::fs;

use vae_core::{LikelihoodKind, Moving, Schedule, nets::Arch, train::OptimizerConfig};
use vae_data::Binarize;
use vae_variants::{Beta, Sparse, Sparsity};

use super::*;

/// Resolves in a folder with the given files, where the first is `vae.toml` and the others are
/// `--config 1.toml`, `--config 2.toml`, …
fn resolved(
    files: &[&str],
    variables: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Resolved> {
    let folder = tempfile::tempdir().unwrap();
    let mut args = LayerArgs::default();
    for (index, text) in files.iter().enumerate() {
        let name = match index {
            0 => "vae.toml".to_owned(),
            index => format!("{index}.toml"),
        };
        fs::write(folder.path().join(&name), text).unwrap();
        if index > 0 {
            args.configs.push(name.into());
        }
    }
    for (key, text) in flags {
        let source = format!("flag --{}", key.replace(['.', '_'], "-"));
        args.flags.push(Entry::text(*key, *text, source));
    }
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    resolve_in(&args, &[], folder.path(), variables)
}

pub fn settings(files: &[&str], variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Settings {
    resolved(files, variables, flags).unwrap().settings
}

/// The message for settings that are refused.
pub fn refused(files: &[&str], variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    format!("{:#}", resolved(files, variables, flags).unwrap_err())
}

#[test]
fn nothing_given_is_the_defaults() {
    let resolved = resolved(&[], &[], &[]).unwrap();
    assert_eq!(resolved.settings, Settings::default());
    assert!(resolved.layers.values().all(|layer| layer == "default"));
    assert!(resolved.layers.contains_key("train.optimizer.beta1"));
}

#[test]
fn each_layer_covers_the_one_before() {
    let user = "seed = 1\n[train]\nepochs = 1\nbatch_size = 1\nlr = 0.1\n[model]\nlatent = 7";
    let first = "seed = 2\n[train]\nepochs = 2\nbatch_size = 2\nlr = 0.2";
    let second = "preset = 'basic'\nseed = 3\n[train]\nepochs = 3\nbatch_size = 3";
    let variables = [("VAE_SEED", "4"), ("VAE_TRAIN__BATCH_SIZE", "4")];
    let resolved = resolved(&[user, first, second], &variables, &[("seed", "5")]).unwrap();
    let Settings {
        seed, model, train, ..
    } = &resolved.settings;
    assert_eq!((*seed, train.batch_size, train.epochs), (5, 4, 3));
    assert_eq!(train.lr, Schedule::Constant(0.2));
    assert_eq!((model.latent, &model.hidden), (7, &Some(vec![400])));
    let layer = |key: &str| resolved.layers[key].as_str();
    assert_eq!(layer("seed"), "flag --seed");
    assert_eq!(
        layer("train.batch_size"),
        "environment variable VAE_TRAIN__BATCH_SIZE"
    );
    assert_eq!(layer("train.epochs"), "--config 2.toml (line 4)");
    assert_eq!(layer("train.lr"), "--config 1.toml (line 5)");
    assert_eq!(layer("model.latent"), "vae.toml (line 7)");
    assert_eq!(layer("model.hidden"), "preset basic");
    assert_eq!(layer("model.dropout"), "default");
}

#[test]
fn another_variant_drops_the_options_of_the_one_before() {
    let sparse = "[variant]\nname = 'sparse'\nsparsity = 'top-k'\nk = 7";
    let all = settings(
        &[sparse],
        &[],
        &[("variant.name", "beta"), ("variant.beta", "2")],
    );
    let beta = Beta {
        beta: Schedule::Constant(2.0),
    };
    assert_eq!(all.variant, Variant::Beta(beta));

    let back = settings(
        &[sparse, "variant.name = 'vae'"],
        &[],
        &[("variant.name", "sparse")],
    );
    assert_eq!(back.variant, Variant::Sparse(Sparse::default()));

    let same = settings(
        &[sparse],
        &[],
        &[("variant.k", "9"), ("variant.name", "sparse")],
    );
    let expected = Sparse {
        sparsity: Sparsity::TopK,
        k: 9,
        ..Sparse::default()
    };
    assert_eq!(same.variant, Variant::Sparse(expected));

    let waiting = settings(&["variant.beta = 3"], &[], &[("variant.name", "beta")]);
    let beta = Beta {
        beta: Schedule::Constant(3.0),
    };
    assert_eq!(waiting.variant, Variant::Beta(beta));
}

#[test]
fn another_optimizer_drops_the_options_of_the_one_before() {
    let adam = "[train.optimizer]\nbeta1 = 0.5";
    assert!(matches!(
        settings(&[adam], &[], &[]).train.optimizer,
        OptimizerConfig::Adam { beta1: 0.5, .. }
    ));
    assert!(matches!(
        settings(&[adam], &[], &[("train.optimizer.kind", "sgd")])
            .train
            .optimizer,
        OptimizerConfig::Sgd { momentum: 0.9, .. }
    ));
}

#[test]
fn schedules_replace_numbers_and_the_other_way_round() {
    let table = "train.lr = { kind = 'linear', from = 1, to = 0, until = 0.5 }";
    let lr = |files: &[&str], flags: &[(&str, &str)]| settings(files, &[], flags).train.lr;
    assert_eq!(
        lr(&[table], &[("train.lr", "0.5")]),
        Schedule::Constant(0.5)
    );
    let linear = |until| Moving::Linear {
        from: 1.0,
        to: 0.0,
        start: 0.0,
        until,
    };
    assert_eq!(
        lr(&["train.lr = 1", table], &[]),
        Schedule::Moving(linear(0.5))
    );
    let cyclic = "{ kind = 'cyclic', to = 2 }";
    assert!(matches!(
        lr(&[table], &[("train.lr", cyclic)]),
        Schedule::Moving(Moving::Cyclic { cycles: 4, .. })
    ));
    assert_eq!(
        lr(&[table], &[("train.lr.until", "0.25")]),
        Schedule::Moving(linear(0.25))
    );
    let parts = [
        ("VAE_TRAIN__LR__TO", "0"),
        ("VAE_TRAIN__LR__KIND", "linear"),
    ];
    assert!(matches!(
        settings(&[], &parts, &[]).train.lr,
        Schedule::Moving(_)
    ));
}

#[test]
fn texts_are_read_as_the_key_needs() {
    let flags = [
        ("model.hidden", "64, 32"),
        ("model.arch", "mlp"),
        ("data.label", "3"),
        ("data.condition", "a,b"),
        ("data.image_size", "8x9"),
        ("data.skip_bad", "true"),
        ("data.binarize", "static"),
        ("data.dataset", "true"),
        ("objective", "{ free_bits = 0.5 }"),
    ];
    let Settings {
        data,
        model,
        objective,
        ..
    } = settings(&[], &[], &flags);
    assert_eq!((model.arch, model.hidden), (Arch::Mlp, Some(vec![64, 32])));
    assert_eq!(data.label.as_deref(), Some("3"));
    assert_eq!(data.condition, ["a", "b"]);
    assert_eq!(data.image_size.unwrap().to_string(), "8x9");
    assert_eq!((data.skip_bad, data.binarize), (true, Binarize::Static));
    assert_eq!((data.dataset.as_str(), objective.free_bits), ("true", 0.5));
    assert_eq!(
        settings(&[], &[], &[("model.hidden", "")]).model.hidden,
        Some(vec![])
    );
    let condition = settings(&[], &[], &[("data.condition", "7")])
        .data
        .condition;
    assert_eq!(condition, ["7"]);
}

#[test]
fn other_variables_are_left_alone() {
    let others = [("VAE_CI_CACHE", "x"), ("VAE_TCH_DIR", "y"), ("HOME", "z")];
    assert_eq!(settings(&[], &others, &[]), Settings::default());
}

#[test]
fn what_is_serialised_gives_the_same_again() {
    for preset in PRESETS {
        assert!(
            preset.text.starts_with("# "),
            "{} has no summary",
            preset.name
        );
        let settings = settings(&[], &[], &[("preset", preset.name)]);
        let text = toml::to_string(&settings).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let again = resolve_run(file.path(), &LayerArgs::default()).unwrap();
        assert_eq!(again.settings, settings, "{}", preset.name);
    }
}

#[test]
fn settings_that_suit_the_data_lie_right_over_the_defaults() {
    let of_data = [
        ("train.epochs", "64".to_owned()),
        ("train.lr", "{ kind = 'cosine', to = 0.5 }".into()),
    ];
    let on = |flags: &[(&str, &str)]| {
        let flags = flags
            .iter()
            .map(|(key, text)| Entry::text(*key, *text, "flag"));
        let args = LayerArgs {
            configs: vec![],
            flags: flags.collect(),
        };
        resolve_in(&args, &of_data, Path::new("nowhere"), std::iter::empty()).unwrap()
    };
    let plain = on(&[]);
    assert_eq!(
        (
            plain.settings.train.epochs,
            plain.layers["train.epochs"].as_str()
        ),
        (64, "default for these data")
    );
    assert!(matches!(plain.settings.train.lr, Schedule::Moving(_)));
    let vaegan = on(&[("variant.name", "vaegan"), ("train.epochs", "3")]);
    assert_eq!(vaegan.settings.train.epochs, 3);
    assert_eq!(vaegan.layers["train.lr"], "default of vaegan");
}

/// They lie above the defaults of the types and below every other layer, and go with the variant.
#[test]
fn a_variant_brings_its_own_defaults() {
    let own = Variant::all().into_iter().map(|variant| variant.info());
    let own = own.filter(|info| !info.settings.is_empty());
    for info in own {
        let named = resolved(&[], &[], &[("variant.name", info.name)]).unwrap();
        for (key, _) in info.settings {
            let layer = format!("default of {}", info.name);
            assert_eq!(named.layers[*key], layer, "{key}");
        }
        let other = resolved(&[], &[], &[("variant.name", "ae")]).unwrap();
        assert!(
            other
                .layers
                .values()
                .all(|layer| !layer.starts_with("default of"))
        );
    }
    let vaegan = [("variant.name", "vaegan")];
    let of = |resolved: Resolved| resolved.settings.train.optimizer;
    let plain = of(resolved(&[], &[], &vaegan).unwrap());
    assert!(
        matches!(plain, OptimizerConfig::Adam { beta1: 0.5, .. }),
        "{plain:?}"
    );
    let chosen = of(resolved(&["train.optimizer.beta1 = 0.8"], &[], &vaegan).unwrap());
    assert!(
        matches!(chosen, OptimizerConfig::Adam { beta1: 0.8, .. }),
        "{chosen:?}"
    );
    let file = "[train.optimizer]\nkind = \"sgd\"";
    let chosen = of(resolved(&[file], &[], &vaegan).unwrap());
    assert!(matches!(chosen, OptimizerConfig::Sgd { .. }), "{chosen:?}");
}

#[test]
fn presets_are_what_they_say() {
    let of = |name| settings(&[], &[], &[("preset", name)]);
    let basic = of("basic");
    assert_eq!((basic.train.epochs, basic.data.validation), (10, 0.0));
    let lr = of("static-mnist").train.lr;
    assert_eq!(
        (lr.at(199, 500), lr.at(350, 500)),
        (1e-4, 3.98107170553497e-5)
    );
    assert_eq!(of("contractive").model.hidden, Some(vec![]));
    assert!(matches!(of("sparse-overcomplete").variant, Variant::Sparse(ref s) if s.k == 25));
}

#[test]
fn codes_have_a_likelihood_of_their_own() {
    let codes_of = ("codes_of", "run");
    let codes = resolved(&[], &[], &[codes_of]).unwrap();
    assert_eq!(
        codes.settings.model.likelihood,
        Some(LikelihoodKind::GaussianPixel)
    );
    assert_eq!(codes.layers["model.likelihood"], "default with codes_of");
    let chosen = settings(&["model.likelihood = 'gaussian'"], &[], &[codes_of]);
    assert_eq!(chosen.model.likelihood, Some(LikelihoodKind::Gaussian));
    assert_eq!(settings(&[], &[], &[]).model.likelihood, None);
}
