//! Every term of the objective, the output and the gradients against the numbers that PyTorch gives
//! for the same weights, inputs and noise; see `parity/README.md`.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use burn::tensor::backend::AutodiffBackend;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use serde::Deserialize;

#[path = "parity/cases.rs"]
mod cases;
#[path = "parity/measure.rs"]
mod measure;
#[path = "parity/sets.rs"]
mod sets;

use measure::{Built, Digest, Measured};
use sets::Sets;

/// Largest relative difference of a term.
const TERMS: f64 = 1e-4;
/// Largest relative difference of a gradient.
const GRADIENTS: f64 = 1e-3;
/// Largest relative difference of a finite difference, which loses digits.
const DIFFERENCES: f64 = 1e-3;
/// Largest relative difference of examples, noise and parameters: the sums' rounding.
const INPUTS: f64 = 1e-6;

#[derive(Deserialize)]
struct Expected {
    cases: BTreeMap<String, Measured>,
}

#[test]
fn flex() {
    check::<Autodiff<Flex>>("flex");
}

#[test]
fn ndarray() {
    check::<Autodiff<NdArray>>("ndarray");
}

fn check<B: AutodiffBackend>(backend: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/expected.json");
    let expected: Expected = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let sets = Sets::load();
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<&str> = cases::all().iter().map(|case| case.name).collect();
    let mut known: Vec<&str> = expected.cases.keys().map(String::as_str).collect();
    known.sort_by_key(|known| names.iter().position(|name| name == known));
    assert_eq!(names, known, "expected.json is out of date");

    let mut faults = Vec::new();
    let (mut term, mut gradient) = (Worst::default(), Worst::default());
    for case in cases::all() {
        let theirs = &expected.cases[case.name];
        let built = Built::<B>::new(&case, &sets, &B::Device::default());
        let ours = built.measure(&case, &folder.path().join("parameters.safetensors"));
        let mut check = |what: String, difference: f64, limit: f64| {
            if difference > limit || difference.is_nan() {
                faults.push(format!("{}: {what} differs by {difference:.1e}", case.name));
            }
        };
        for (what, difference) in digests(&ours.inputs, &theirs.inputs, 0.0) {
            check(format!("input {what}"), difference, INPUTS);
        }
        for (what, difference) in terms(&ours, theirs) {
            if case.name.contains("stochastic") && what == "contraction" {
                check(what, difference, DIFFERENCES);
            } else {
                term.see(difference, case.name, &what);
                check(what, difference, TERMS);
            }
        }
        // A bias before batch normalisation has the gradient 0.
        let whole: f64 = theirs.gradients.values().map(|d| d.norm * d.norm).sum();
        for (what, difference) in digests(&ours.gradients, &theirs.gradients, 1e-3 * whole.sqrt()) {
            gradient.see(difference, case.name, &what);
            check(format!("gradient of {what}"), difference, GRADIENTS);
        }
    }
    println!("{backend}: largest difference of a term: {term}; of a gradient: {gradient}");
    assert!(faults.is_empty(), "{backend}:\n{}", faults.join("\n"));
}

/// The largest difference, and where it was.
#[derive(Default)]
struct Worst(f64, String);

impl Worst {
    fn see(&mut self, difference: f64, case: &str, what: &str) {
        if difference > self.0 {
            *self = Self(difference, format!("{case}, {what}"));
        }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1e} ({})", self.0, self.1)
    }
}

fn terms(measured: &Measured, expected: &Measured) -> Vec<(String, f64)> {
    let mut all = vec![
        ("loss".to_owned(), apart(&[measured.loss], &[expected.loss])),
        (
            "reconstruction".to_owned(),
            apart(&measured.reconstruction, &expected.reconstruction),
        ),
        (
            "output".to_owned(),
            digest(measured.output, expected.output, expected.output.norm),
        ),
    ];
    assert!(measured.terms.keys().eq(expected.terms.keys()));
    for (name, theirs) in &expected.terms {
        let ours = &measured.terms[name];
        all.push((name.clone(), apart(&ours.values, &theirs.values)));
        let weights = apart(&[ours.weight], &[theirs.weight]);
        all.push((format!("weight of {name}"), weights));
    }
    assert!(measured.monitors.keys().eq(expected.monitors.keys()));
    for (name, theirs) in &expected.monitors {
        all.push((name.clone(), apart(&measured.monitors[name], theirs)));
    }
    all
}

/// The difference of each tensor relative to its norm, or to `least` if that is larger.
fn digests(
    ours: &BTreeMap<String, Digest>,
    theirs: &BTreeMap<String, Digest>,
    least: f64,
) -> Vec<(String, f64)> {
    assert!(ours.keys().eq(theirs.keys()));
    let compare = |(name, theirs): (&String, &Digest)| {
        let size = theirs.norm.max(least);
        (name.clone(), digest(ours[name], *theirs, size))
    };
    theirs.iter().map(compare).collect()
}

/// The largest difference of two examples, and that of the means, relative to the mean size.
fn apart(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let size = theirs.iter().map(|v| v.abs()).sum::<f64>() / theirs.len() as f64;
    let pairs = || ours.iter().zip(theirs);
    let largest = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let mean = pairs().map(|(a, b)| a - b).sum::<f64>().abs();
    let of_mean = mean / theirs.iter().sum::<f64>().abs().max(1e-30);
    (largest / size.max(1e-30)).max(of_mean)
}

/// The difference of the norms and of the probes relative to `size`.
fn digest(ours: Digest, theirs: Digest, size: f64) -> f64 {
    let norm = (ours.norm - theirs.norm).abs();
    let probe = (ours.probe - theirs.probe).abs();
    norm.max(probe) / size.max(1e-30)
}
