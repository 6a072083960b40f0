//! Settings, tried on the binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value as Json;

/// Runs `vae` in a folder, without any `VAE_` variable of the caller.
fn vae(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vae"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VAE_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("vae starts")
}

/// What a call prints that succeeds.
fn printed_in(folder: &Path, arguments: &[&str]) -> String {
    let output = vae(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "vae {arguments:?} failed: {errors}"
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn printed(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    printed_in(folder.path(), arguments)
}

/// Checks that a call fails with a message that holds all of `parts`.
fn refused_in(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let output = vae(folder, arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "vae {arguments:?} succeeded");
    assert!(
        output.status.code().is_some_and(|code| code != 101),
        "{message}"
    );
    assert!(!message.contains("panicked"), "{message}");
    assert!(message.starts_with("error: "), "{message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
    assert!(!folder.join("runs").exists(), "a folder for runs was made");
}

fn refused(arguments: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    refused_in(folder.path(), arguments, parts);
}

#[test]
fn help_names_groups_defaults_and_examples() {
    let help = printed(&["--help"]);
    for part in [
        "Run:",
        "Data:",
        "Model:",
        "Objective:",
        "Training:",
        "Variant: beta:",
        "Configuration:",
        "Output:",
        "Variants:",
        "Presets:",
        "sparse-overcomplete",
        "[default: 20]",
        "[default: 0.001]",
        "VAE_TRAIN__BATCH_SIZE=64",
        "vae.toml",
        "vae --variant beta --beta 4",
        "Next:",
    ] {
        assert!(help.contains(part), "`{part}` is missing in the help");
    }
    let longest = help.lines().map(|line| line.chars().count()).max();
    assert!(
        longest <= Some(100),
        "a line of the help has {longest:?} characters"
    );
    let short = printed(&["-h"]);
    assert!(short.lines().count() <= 52, "{short}");
    for part in [
        "Commands:",
        "--variant",
        "--dataset",
        "--epochs",
        "--resume",
        "--help",
    ] {
        assert!(short.contains(part), "`{part}` is missing in: {short}");
    }
    assert!(!short.contains("--code-width") && help.contains("--code-width"));
    for command in [
        "train",
        "sample",
        "variants",
        "datasets",
        "backends",
        "config",
        "completions",
    ] {
        let help = printed(&[command, "--help"]);
        let example = help.contains("Next:") || help.contains("Examples:");
        assert!(
            example,
            "`vae {command} --help` does not say where to go next"
        );
    }
    assert!(printed(&["config", "--help"]).contains("static-mnist"));
}

#[test]
fn lists() {
    let json = |arguments: &[&str]| -> Vec<Json> {
        serde_json::from_str(&printed(arguments)).expect("a JSON list")
    };
    let variants = json(&["variants", "--format", "json"]);
    let beta = variants
        .iter()
        .find(|variant| variant["name"] == "beta")
        .expect("beta");
    assert_eq!(beta["options"][0]["key"], "beta");
    assert_eq!(beta["options"][0]["default"], 4.0);
    for variant in &variants {
        for key in ["summary", "paper", "example"] {
            assert!(
                variant[key].as_str().is_some_and(|text| !text.is_empty()),
                "{variant}"
            );
        }
    }
    let text = printed(&["variants"]);
    for variant in &variants {
        assert!(text.contains(variant["summary"].as_str().expect("a text")));
    }
    assert!(text.contains("variant.beta = 4"));

    assert_eq!(
        json(&["datasets", "--format", "json"])[0]["name"],
        "mnist-mini"
    );
    let text = printed(&["datasets"]);
    assert!(text.contains("fashion-mnist") && text.contains(".npz"));

    let backends = json(&["backends", "--format", "json"]);
    assert_eq!(
        (&backends[0]["name"], &backends[0]["in_this_build"]),
        (&"flex".into(), &true.into())
    );
    assert!(printed(&["backends"]).contains("--features wgpu"));
}

#[test]
fn config_shows_the_layers() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("vae.toml"), "[model]\nlatent = 8\n").expect("written");
    let arguments = [
        "config",
        "--variant",
        "beta",
        "--beta",
        "2",
        "--set",
        "train.epochs=3",
    ];
    let text = printed_in(folder, &arguments);
    let has = |key: &str, layer: &str| {
        let lines = &mut text.lines();
        assert!(
            lines.any(|line| line.starts_with(key) && line.ends_with(&format!("# {layer}"))),
            "{key} with {layer} is missing in:\n{text}"
        );
    };
    has("beta = 2", "flag --beta");
    has("epochs = 3", "flag --set");
    has("latent = 8", "vae.toml (line 2)");
    has("seed = 42", "default");

    let json = |arguments: &[&str]| -> Json {
        serde_json::from_str(&printed_in(folder, arguments)).expect("JSON")
    };
    let first = json(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(first["settings"]["variant"]["beta"], 2.0);
    assert_eq!(first["layers"]["model.latent"], "vae.toml (line 2)");
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(first["data"].as_str().map(str::len), Some(64));

    fs::write(folder.join("again.toml"), &text).expect("written");
    let again = json(&["config", "--config", "again.toml", "--format", "json"]);
    assert_eq!(again["settings"], first["settings"]);
}

#[test]
fn environment_variables_are_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, value: &str| {
        Command::new(env!("CARGO_BIN_EXE_vae"))
            .args(["config", "--set", "seed=7"])
            .env(name, value)
            .current_dir(folder.path())
            .output()
            .expect("vae starts")
    };
    let output = run("VAE_TRAIN__BATCH_SIZE", "64");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("# environment variable VAE_TRAIN__BATCH_SIZE"),
        "{text}"
    );
    let output = run("VAE_MODEL__LATENT", "-3");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains("`model.latent` is -3") && message.contains("VAE_MODEL__LATENT"));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("batch-size"), "{shell}");
    }
}

#[test]
fn wrong_values_are_named() {
    refused(
        &["--variant", "nvae"],
        &["--variant", "nvae", "possible values: ae, vae, beta"],
    );
    refused(
        &["--variant", "beta", "--beta", "-1"],
        &["`variant.beta` is -1", "at least 0", "flag --beta"],
    );
    refused(
        &["--latent", "0"],
        &["`model.latent` is 0", "at least 1", "flag --latent"],
    );
    refused(
        &["--latent", "-1"],
        &["`model.latent` is -1", "a whole number", "flag --latent"],
    );
    refused(
        &["train", "--beta", "2"],
        &["variant.beta", "flag --beta", "vae", "--variant beta"],
    );
    refused(
        &["--set", "train.epoch=2"],
        &["train.epoch", "flag --set", "`train.epochs`"],
    );
    refused(&["--set", "lr"], &["--set", "KEY=VALUE"]);
    refused(
        &["--resume", "runs/a", "--latent", "3"],
        &["--latent", "--resume"],
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_backend_that_is_not_in_this_build() {
    let parts = [
        "`backend` is cuda",
        "flex, ndarray",
        "--features cuda",
        "flag --backend",
    ];
    refused(&["--backend", "cuda"], &parts);
    refused(&["sample", "runs/a", "--backend", "cuda"], &parts);
}

#[test]
fn wrong_files_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let config = |name: &str, bytes: &[u8], parts: &[&str]| {
        fs::write(folder.join(name), bytes).expect("written");
        refused_in(folder, &["--config", name], &[parts, &[name]].concat());
    };
    config(
        "typo.toml",
        b"[train]\nbatchsize = 3\n",
        &[
            "unknown key `train.batchsize`",
            "(line 2)",
            "did you mean `train.batch_size`?",
        ],
    );
    config(
        "type.toml",
        b"seed = 'x'\n",
        &["`seed` is \"x\"", "a whole number", "(line 1)"],
    );
    config("latin.toml", b"# \xe4\n", &["not UTF-8", "line 1"]);
    config(
        "syntax.toml",
        b"seed = 1\nlr = = 2\n",
        &["not valid TOML", "line 2, column 6"],
    );
    refused_in(
        folder,
        &["--config", "none.toml"],
        &["cannot read --config none.toml"],
    );
}

/// Whoever reads the output may close it early.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    for arguments in [
        &["variants"][..],
        &["completions", "zsh"],
        &["config"],
        &["config", "--schema"],
        &["--help"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vae"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("vae starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("vae ends");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!message.contains("panicked"), "{arguments:?}: {message}");
    }
}

/// What an editor asks for.
#[test]
fn the_schema_of_settings_files() {
    let schema: Json = serde_json::from_str(&printed(&["config", "--schema"])).expect("JSON");
    let latent = &schema["properties"]["model"]["properties"]["latent"];
    assert_eq!(
        (&latent["minimum"], &latent["default"]),
        (&1.into(), &20.into())
    );
    assert!(
        latent["description"]
            .as_str()
            .is_some_and(|text| text.contains("latent code"))
    );
    assert_eq!(schema["additionalProperties"], false);
}
