//! A run that is stopped, in whatever way and wherever, ends as if it had not been.
#![cfg(unix)]

mod common;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use common::{Place, assert_same_bytes, assert_says};

/// Dropout, batch normalisation, warm-up, a falling rate and a corrupted input: every kind of
/// state takes part. A debug line tells of each checkpoint.
const RUN: &str = "train --hidden 24 --latent 4 --limit 600 --epochs 4 --batch-size 50 --threads 1 \
     --seed 5 --dropout 0.1 --norm batch --binarize dynamic --clip-norm 10 \
     --set train.checkpoint_steps=5 --set objective.kl_schedule={kind=\"linear\",to=1,until=0.5} \
     --set train.lr={kind=\"cosine\",from=0.003,to=0}";

fn start(place: &Place, args: &str) -> Child {
    let mut command = place.command(args);
    command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads what the process says until `count` lines with `text` have come.
fn wait_for(child: &mut Child, text: &str, count: usize) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = lines
        .by_ref()
        .map_while(Result::ok)
        .filter(|line| line.contains(text));
    assert_eq!(seen.take(count).count(), count, "the run ended too early");
}

/// Everything of a metrics line but the times.
fn timeless(place: &Place, run: &str) -> Vec<serde_json::Value> {
    let mut rows = place.metrics(run);
    for row in &mut rows {
        for key in ["seconds", "samples_per_second"] {
            row.as_object_mut().unwrap().remove(key);
        }
    }
    rows
}

fn assert_same_end(place: &Place, run: &str) {
    assert_same_bytes(
        place,
        "whole/model.safetensors",
        &format!("{run}/model.safetensors"),
    );
    assert_eq!(timeless(place, "whole"), timeless(place, run), "{run}");
    let (whole, resumed) = (
        place.json("whole/summary.json"),
        place.json(&format!("{run}/summary.json")),
    );
    assert_eq!(whole["test"], resumed["test"], "{run}");
    assert_eq!(whole["steps"], resumed["steps"]);
}

#[test]
fn a_killed_run_resumes_bit_for_bit() {
    let place = Place::new();
    let portions = "--variant iwae --samples 70 --gradient doubly-reparameterized";
    let runs = [
        ("flex", ""),
        ("ndarray", "--aggressive 8"),
        ("flex", portions),
        ("flex", "--variant vaegan"),
        ("ndarray", "--variant semi --labels 30"),
        ("ndarray", "--variant hvae --prior mixture"),
        ("flex", "--prior vamp --prior-components 20"),
        (
            "flex",
            "--variant vq --codes 20 --code-width 2 --groups 3 --set variant.prior_epochs=2 \
             --prior-hidden 8",
        ),
        (
            "flex",
            "--dataset mixed.csv --variant iwae --samples 5 --prior vamp --prior-components 20 --binarize none",
        ),
        (
            "ndarray",
            "--dataset counts.csv --likelihood negative-binomial --binarize none",
        ),
    ];
    place.write_tables();
    for (number, (backend, more)) in runs.into_iter().enumerate() {
        let whole = place.join("whole");
        if whole.exists() {
            std::fs::remove_dir_all(whole).unwrap();
        }
        let run = format!("{RUN} --backend {backend} {more}");
        place.run(&format!("{run} --out whole"));
        // After the 1st, 3rd, ... checkpoint line: within an epoch, at its end, late. And around the end
        // of the main training, where another follows, and within that one.
        let later: &[usize] = match more.contains("prior_epochs") {
            true => &[16, 17, 18, 19, 21],
            false => &[],
        };
        for &kill_after in [1, 3, 4, 9].iter().chain(later) {
            let out = format!("run-{number}-{kill_after}");
            let mut child = start(&place, &format!("{run} -v --out {out}"));
            wait_for(&mut child, "checkpoint of step", kill_after);
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(
                !place.join(&out).join("summary.json").exists(),
                "killed too late"
            );
            place.run(&format!("--resume {out} --quiet"));
            assert_same_end(&place, &out);
        }
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_again() {
    let place = Place::new();
    place.run(&format!("{RUN} --out whole"));
    let mut child = start(&place, &format!("{RUN} --out early"));
    wait_for(&mut child, "training vae", 1);
    child.kill().unwrap();
    child.wait().unwrap();
    place.run("--resume early --quiet");
    assert_same_end(&place, "early");
}

#[test]
fn ctrl_c_writes_a_checkpoint_and_says_how_to_go_on() {
    let place = Place::new();
    place.run(&format!("{RUN} --out whole"));
    let mut child = start(&place, &format!("{RUN} -v --out stopped"));
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("checkpoint of step 10 ")));
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_says(
        &rest.join("\n"),
        &["stopped at step", "vae --resume stopped"],
    );
    place.run("--resume stopped --quiet");
    assert_same_end(&place, "stopped");
}

#[test]
fn a_finished_run_has_nothing_to_resume() {
    let place = Place::new();
    place.run(&format!("{RUN} --out whole --quiet"));
    let before = place.bytes("whole/summary.json");
    let output = place.run("--resume whole");
    assert_says(
        &String::from_utf8_lossy(&output.stdout),
        &["finished already"],
    );
    assert_eq!(before, place.bytes("whole/summary.json"));
}

/// The folder `earlier` holds runs that earlier versions had been stopped in (`batchnorm` of checkpoints of
/// the second kind, the others of the first), the end that it came to without
/// the break, and what it drew from a model.
#[test]
fn runs_of_an_earlier_version_go_on_to_the_same_end() {
    let place = Place::new();
    place.copy("earlier", "");
    for (variant, near) in [
        ("beta", 1e-3),
        ("dae", 1e-3),
        ("semi", 1e-3),
        ("vaegan", 1e-3),
        // The gradient of a bias before a batch normalisation is rounding alone, of which Adam makes steps as of any
        // other: the statistics follow them with a delay.
        ("batchnorm", 1e-2),
    ] {
        place.run(&format!("--resume {variant} --quiet"));
        let found = &place.json(&format!("{variant}/summary.json"))["test"];
        for (name, expected) in place.json(&format!("{variant}.json")).as_object().unwrap() {
            let (found, expected) = (found[name].as_f64().unwrap(), expected.as_f64().unwrap());
            let apart = (found - expected).abs() / expected.abs().max(1.0);
            assert!(apart < near, "{variant}, {name}: {found}, not {expected}");
        }
    }
    place.run("sample finished --count 5 --draw mean --threads 1 --out new.csv");
    let numbers = |name: &str| -> Vec<f32> {
        let text = std::fs::read_to_string(place.join(name)).unwrap();
        let cells = text.lines().skip(1).flat_map(|line| line.split(','));
        cells.map(|cell| cell.parse().unwrap()).collect()
    };
    let (found, expected) = (numbers("new.csv"), numbers("samples.csv"));
    assert_eq!(found.len(), 25);
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
    }
}
