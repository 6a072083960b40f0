//! The same seed and data give the same loss curve on every backend of this build.

mod common;

use common::Place;

/// Loss of every evaluation, on the training and the validation split.
fn curve(place: &Place, backend: &str, args: &str) -> Vec<f64> {
    let out = format!("{backend}{}", args.replace([' ', '-'], ""));
    place.write_tables();
    place.run(&format!(
        "--backend {backend} --out {out} --limit 600 --epochs 3 --batch-size 50 --latent 4 \
         --threads 2 --seed 5 --quiet {args}"
    ));
    let rows = place.metrics(&out);
    let value = |row: &serde_json::Value, split: &str| row[split]["loss"].as_f64().unwrap();
    rows.iter()
        .flat_map(|row| [value(row, "train"), value(row, "validation")])
        .collect()
}

fn assert_close(place: &Place, backend: &str, args: &str) {
    let (expected, found) = (curve(place, "flex", args), curve(place, backend, args));
    assert_same(&format!("{backend} {args}"), &expected, &found);
}

fn assert_same(what: &str, expected: &[f64], found: &[f64]) {
    assert_eq!(expected.len(), 6);
    for (a, b) in expected.iter().zip(found) {
        let difference = (a - b).abs() / a.abs();
        assert!(difference < 1e-3, "{what}: {expected:?} against {found:?}");
    }
}

/// Dense and convolutional networks; one variant of each kind of step.
const RUNS: [&str; 8] = [
    "--variant vae --hidden 64",
    "--arch conv --channels 4,8 --hidden 32 --activation tanh --dropout 0.1",
    "--variant cvae --hidden 64 --dropout 0.1",
    "--variant dae --hidden 64 --norm layer",
    "--variant contractive --hidden 64 --activation tanh",
    "--variant iwae --samples 5 --hidden 64",
    "--variant vaegan --hidden 64",
    "--variant semi --labels 30 --hidden 64",
];

/// Codes on several levels and on a grid, learned priors, flows, and residual networks.
const CODES: [&str; 5] = [
    "--variant hvae --hidden 64",
    "--variant vq --prior-epochs 0 --hidden 64",
    "--prior vamp --prior-components 10 --hidden 64",
    "--prior flow --posterior flow --hidden 64",
    "--arch resnet --channels 4,8 --hidden 32",
];

/// Likelihoods of tables, of counts, and of whole pixels. A rate that does not fall, as rounding grows with the steps.
const LIKELIHOODS: [&str; 7] = [
    "--dataset mixed.csv --lr 0.001 --hidden 64",
    "--dataset counts.csv --likelihood poisson --hidden 64",
    "--dataset counts.csv --likelihood negative-binomial --hidden 64",
    "--dataset counts.csv --likelihood zero-inflated-negative-binomial --hidden 64",
    "--dataset counts.csv --likelihood multinomial --hidden 64",
    "--likelihood categorical --hidden 16",
    "--likelihood discretized-logistic --hidden 64",
];

#[test]
fn ndarray_follows_flex() {
    let place = Place::new();
    for args in RUNS.into_iter().chain(CODES).chain(LIKELIHOODS) {
        assert_close(&place, "ndarray", args);
    }
}

/// The fused kernels against plain tensor operations.
#[test]
fn fast_operations_follow_the_reference() {
    for args in RUNS.into_iter().chain(CODES).chain(LIKELIHOODS) {
        let (fast, reference) = (Place::new(), Place::new());
        let expected = curve(&reference, "flex", &format!("{args} --ops reference"));
        assert_same(args, &expected, &curve(&fast, "flex", args));
        let summary = reference.json(&format!(
            "flex{}opsreference/summary.json",
            args.replace([' ', '-'], "")
        ));
        assert_eq!(summary["ops"], "reference");
    }
}

#[cfg(feature = "tch")]
#[test]
fn tch_follows_flex() {
    let place = Place::new();
    for args in RUNS.into_iter().chain(CODES).chain(LIKELIHOODS) {
        assert_close(&place, "tch", args);
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn wgpu_follows_flex() {
    let place = Place::new();
    for args in RUNS {
        // With noise of the host.
        assert_close(&place, "wgpu", &format!("{args} --ops reference"));
    }
}

#[cfg(all(feature = "wgpu", target_os = "linux"))]
#[test]
fn a_machine_without_a_graphics_card_is_told_so() {
    let place = Place::new();
    let mut command = place.command("--backend wgpu --out run");
    command.env("VK_DRIVER_FILES", "/nonexistent");
    let output = command
        .env("VK_ICD_FILENAMES", "/nonexistent")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(!message.contains("panicked"), "{message}");
    for part in ["wgpu backend finds no graphics card", "--backend flex"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!place.join("run").exists());
}
