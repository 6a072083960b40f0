//! Settings that are refused, and what is said of them.

use std::fs;

use super::tests::refused;
use super::{LayerArgs, resolve_in};

#[test]
fn unknown_keys() {
    assert_eq!(
        refused(&["\n[train]\nbatchsize = 3"], &[], &[]),
        "unknown key `train.batchsize` in vae.toml (line 3); did you mean `train.batch_size`?"
    );
    let message = refused(&["", "latent = 3"], &[], &[]);
    assert!(
        message.contains("--config 1.toml (line 1); did you mean `model.latent`?"),
        "{message}"
    );
    let message = refused(&[], &[("VAE_SED", "1")], &[]);
    assert_eq!(
        message,
        "unknown key `sed` in environment variable VAE_SED; did you mean `seed`?"
    );
    let message = refused(&["[objective]\nqwertyuiop = 1"], &[], &[]);
    assert!(
        message.contains("the keys of [objective] are kl_schedule"),
        "{message}"
    );
    for key in [
        "a.b.c.d",
        "seed.x",
        "..",
        ".",
        "variant.",
        "train.optimizer.kind.x",
        "?",
    ] {
        let message = refused(&[], &[], &[(key, "1")]);
        assert!(
            message.contains(&format!("unknown key `{key}`")),
            "{message}"
        );
    }
}

#[test]
fn options_of_other_variants() {
    assert_eq!(
        refused(&[], &[], &[("variant.beta", "2")]),
        "unknown key `variant.beta` in flag --variant-beta: the variant is `vae`, which has no \
         option `beta`; beta has it: choose it with --variant beta"
    );
    let message = refused(&["[train.optimizer]\nkind = 'sgd'\nrho = 0.1"], &[], &[]);
    assert!(
        message.contains("the optimizer is `sgd`") && message.contains("rmsprop"),
        "{message}"
    );
    let message = refused(&["[variant]\nname = 'beta'\nbetta = 1"], &[], &[]);
    assert!(
        message.contains("did you mean `variant.beta`?"),
        "{message}"
    );
}

#[test]
fn wrong_values() {
    let cases = [
        (
            "seed = -1",
            "`seed` is -1, but must be a whole number, at least 0",
        ),
        ("seed = 1.5", "`seed` is 1.5, but must be a whole number"),
        (
            "train.epochs = 'ten'",
            "`train.epochs` is \"ten\", but must be a whole number",
        ),
        (
            "model.latent = 0",
            "`model.latent` is 0, but must be at least 1",
        ),
        (
            "model.dropout = true",
            "`model.dropout` is true, but must be a number",
        ),
        (
            "model.tied = 1",
            "`model.tied` is 1, but must be true or false",
        ),
        (
            "model.hidden = [1, 'a']",
            "a list, each item a whole number, at least 0",
        ),
        (
            "model.hidden = 5",
            "`model.hidden` is 5, but must be a list",
        ),
        ("data.condition = 5", "must be a list, each item a text"),
        (
            "model.arch = 'cnov'",
            "one of linear, mlp, conv, resnet (did you mean `conv`?)",
        ),
        (
            "model.arch = 1",
            "`model.arch` is 1, but must be one of linear, mlp, conv, resnet",
        ),
        ("model.likelihood = 'gausian'", "did you mean `gaussian`?"),
        (
            "model.sigma = nan",
            "`model.sigma` is NaN, but must be a finite number above 0",
        ),
        (
            "data.image_size = true",
            "`data.image_size` is true, but must be a side such as 32",
        ),
        ("data.image_size = '0x1'", "but must be a side such as 32"),
        ("data.label = 3", "`data.label` is 3, but must be a text"),
        (
            "data.validation = 1",
            "`data.validation` is 1, but must be at least 0 and below 1",
        ),
        ("variant.name = 'btea'", "did you mean `beta`?"),
        (
            "variant.name = 1",
            "`variant.name` is 1, but must be one of ae, vae, beta",
        ),
        (
            "variant = 'beta'",
            "a table of settings (did you mean `variant.name`?)",
        ),
        ("train = 3", "`train` is 3, but must be a table of settings"),
        (
            "backend = 'gpu'",
            "must be one of flex, ndarray, tch, wgpu, cuda",
        ),
        ("threads = 100000", "must be from 0 to 1024"),
        (
            "train.clip_norm = -1",
            "`train.clip_norm` is -1, but must be above 0",
        ),
        (
            "objective.capacity = -1",
            "`objective.capacity` is -1, but must be a finite",
        ),
        (
            "train.lr = 'x'",
            "must be a number, or a table such as { kind = \"linear\"",
        ),
        (
            "train.lr = { to = 1 }",
            "where kind is one of linear, cosine, cyclic, steps",
        ),
        (
            "train.lr = { kind = 'x' }",
            "with a kind that is one of linear, cosine",
        ),
        (
            "train.lr = { kind = 'linear' }",
            "a linear schedule, which needs `to` too",
        ),
        (
            "train.lr = { kind = 'linear', tu = 1 }",
            "not `tu` (did you mean `to`?)",
        ),
        (
            "train.lr = { kind = 'linear', to = 'x' }",
            "whose `to` is a number",
        ),
        (
            "train.lr = { kind = 'linear', to = -1 }",
            "`train.lr.to` is -1, but must be a finite",
        ),
        ("seed = 2020-01-01", "no setting takes a date or time"),
        ("preset = 'basics'", "did you mean `basic`?"),
        (
            "seed = 1\nseed = 2",
            "vae.toml is not valid TOML: line 2, column 1: duplicate key",
        ),
    ];
    for (file, expected) in cases {
        let message = refused(&[file], &[], &[]);
        assert!(message.contains(expected), "{file}: {message}");
        assert!(message.contains("vae.toml"), "{file}: {message}");
    }
    let message = refused(&[], &[("VAE_SEED", "x")], &[]);
    assert!(
        message.ends_with("set by environment variable VAE_SEED"),
        "{message}"
    );
}

#[test]
fn a_switch_does_not_hide_mistakes() {
    let file = "[variant]\nname = 'sparse'\nk = 'x'";
    let message = refused(&[file], &[], &[("variant.name", "vae")]);
    assert!(
        message.contains("`variant.k` is \"x\"") && message.contains("line 3"),
        "{message}"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let args = |name: &str| LayerArgs {
        configs: vec![name.into()],
        flags: vec![],
    };
    let refused = |name: &str| {
        let error = resolve_in(&args(name), &[], folder.path(), std::iter::empty());
        format!("{:#}", error.unwrap_err())
    };
    assert!(refused("none.toml").starts_with("cannot read --config none.toml: "));
    fs::write(folder.path().join("latin.toml"), b"seed = 1\n# \xe4").unwrap();
    let message = refused("latin.toml");
    assert!(
        message.contains("--config latin.toml is not UTF-8 text: line 2"),
        "{message}"
    );
    fs::create_dir(folder.path().join("vae.toml")).unwrap();
    assert!(refused("latin.toml").starts_with("cannot read vae.toml: "));
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_backend_that_is_not_built() {
    let message = refused(&[], &[], &[("backend", "wgpu")]);
    assert!(message.contains("`backend` is wgpu, but must be one of those in this build: flex, "));
    assert!(message.contains("cargo run -p vae-cli --features wgpu; set by flag --backend"));
}
