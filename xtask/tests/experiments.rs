//! `cargo xtask experiments` from the outside, with a stand-in for the `vae` binary.

mod harness;

use std::{
    io::{BufRead, BufReader},
    process::Command,
};

use harness::{Bench, errors, signal, text};

const GRID: &str = "
name = 'grid'
seeds = [1, 2, 3]
[grid]
variant.name = ['vae', 'ae']
model.latent = [10, 20]
";

const TWO: &str = "
name = 'two'
[grid]
variant.name = ['vae', 'ae']
";

/// The means and deviations are by hand: losses are latent + 2, + 4, + 6, so latent + 4 ± 2.
#[test]
fn the_table_compares_the_grid() {
    let bench = Bench::new(GRID);
    let output = bench.succeed();
    let printed = text(&output);
    let expected = "\
variant  latent            loss  reconstruction               kl          penalty  samples/s  seconds  seeds
-------  ------  --------------  --------------  ---------------  ---------------  ---------  -------  -----
vae      10      14.000 ± 2.000  10.000 ± 0.000  4.0000 ± 2.0000                –       1000      2.0      3
vae      20      24.000 ± 2.000  20.000 ± 0.000  4.0000 ± 2.0000                –       1000      2.0      3
ae       10      14.000 ± 2.000  10.000 ± 0.000                –  0.5000 ± 0.0000       1000      2.0      3
ae       20      24.000 ± 2.000  20.000 ± 0.000                –  0.5000 ± 0.0000       1000      2.0      3
";
    assert!(printed.contains(expected), "{printed}");
    assert_eq!(bench.calls().len(), 12);

    let report = bench.report();
    let row = "| vae | 10 | 14.000 ± 2.000 | 10.000 ± 0.000 | 4.0000 ± 2.0000 | – | 1000 | 2.0 | 3 | [1](trials/vae-latent10-seed1-";
    assert!(report.contains(row), "{report}");
    for link in report
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        assert!(bench.out().join(link).exists(), "{link}");
    }
    let csv = std::fs::read_to_string(bench.out().join("results.csv")).expect("results.csv");
    assert_eq!(csv.lines().count(), 13);
    assert!(csv.starts_with("trial,status,identity,settings.variant.name,settings.model.latent,"));
}

#[test]
fn what_is_finished_is_not_repeated() {
    let bench = Bench::new(TWO);
    bench.succeed();
    assert_eq!(bench.calls(), ["train ae 10 1 1", "train vae 10 1 1"]);
    let report = bench.report();
    bench.succeed();
    assert_eq!(bench.calls(), [""; 0]);
    assert_eq!(bench.report(), report);
}

#[test]
fn only_what_changed_is_run_again() {
    let bench = Bench::new(TWO);
    bench.succeed();
    bench.calls();

    // Another grid over what ran already: the folders keep their names.
    bench.experiments(&TWO.replace("['vae', 'ae']", "['ae', 'beta']"));
    bench.succeed();
    assert_eq!(bench.calls(), ["train beta 10 1 1"]);

    bench.experiments(&format!("{TWO}\n[settings]\nthreads = 2"));
    bench.succeed();
    assert_eq!(bench.calls(), [""; 0]);

    bench.experiments(&format!("{TWO}\n[settings]\ntrain.epochs = 2"));
    bench.succeed();
    assert_eq!(bench.calls(), ["train ae 10 1 1", "train vae 10 1 1"]);

    for (file, content) in [("version", "2.0"), ("data", "other")] {
        bench.control(file, content);
        bench.succeed();
        assert_eq!(
            bench.calls(),
            ["train ae 10 1 1", "train vae 10 1 1"],
            "{file}"
        );
    }
}

#[test]
fn a_failed_trial_is_reported_and_the_others_go_on() {
    let bench = Bench::new(TWO);
    bench.control("fail-vae", "");
    let output = bench.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let shown = errors(&output);
    assert!(
        shown.contains("    error: the loss of vae is not finite"),
        "{shown}"
    );
    assert!(shown.contains("1 of 2 trials failed"), "{shown}");
    let row = "vae           –               –        –          –        –    0/1";
    assert!(text(&output).contains(row), "{}", text(&output));
    assert!(bench.report().contains("## Failed trials"));

    bench.calls();
    bench.release("fail-vae");
    bench.succeed();
    assert_eq!(bench.calls(), ["train vae 10 1 1"]);
    assert!(!bench.report().contains("Failed"));
}

#[test]
fn after_a_kill_trials_go_on_from_their_checkpoint() {
    let bench = Bench::new(TWO);
    bench.succeed();
    let whole = bench.report();
    std::fs::remove_dir_all(bench.out()).expect("a folder to remove");

    bench.control("hold-vae", "checkpoint");
    let mut xtask = bench.start();
    let vae = bench.wait_for_pid("vae");
    xtask.kill().expect("xtask can be killed");
    xtask.wait().expect("xtask ends");
    signal("KILL", &vae);
    bench.release("hold-vae");
    bench.calls();

    bench.succeed();
    assert!(bench.calls().contains(&"resume vae 10 1 1".to_owned()));
    assert_eq!(bench.report(), whole);
}

#[test]
fn without_a_checkpoint_a_trial_starts_again() {
    let bench = Bench::new(TWO);
    bench.control("hold-vae", "");
    let mut xtask = bench.start();
    let vae = bench.wait_for_pid("vae");
    xtask.kill().expect("xtask can be killed");
    xtask.wait().expect("xtask ends");
    signal("KILL", &vae);
    bench.release("hold-vae");
    bench.calls();

    bench.succeed();
    assert!(bench.calls().contains(&"train vae 10 1 1".to_owned()));
}

#[test]
fn a_trial_that_outlived_a_kill_is_waited_for() {
    let bench = Bench::new("name = 'one'");
    bench.control("hold-vae", "checkpoint");
    let mut first = bench.start();
    bench.wait_for_pid("vae");
    first.kill().expect("xtask can be killed");
    first.wait().expect("xtask ends");

    let mut second = bench.start();
    let said = second.stderr.take().expect("standard error is piped");
    let mut said = BufReader::new(said).lines().map(|line| line.expect("text"));
    assert!(said.any(|line| line.contains("an earlier call left it running")));
    bench.release("hold-vae");
    let rest: Vec<String> = said.collect();
    let output = second.wait_with_output().expect("xtask ends");
    assert!(output.status.success(), "{rest:?}");
    assert_eq!(bench.calls(), ["train vae 10 1 1"]);
}

#[test]
fn one_call_at_a_time_works_in_a_folder() {
    let bench = Bench::new("name = 'one'");
    bench.control("hold-vae", "");
    let first = bench.start();
    bench.wait_for_pid("vae");
    let second = bench.run(&[]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        errors(&second).contains("another `cargo xtask experiments`"),
        "{}",
        errors(&second)
    );
    bench.release("hold-vae");
    assert!(
        first
            .wait_with_output()
            .expect("xtask ends")
            .status
            .success()
    );
    bench.succeed();
}

#[test]
fn a_signal_stops_the_trials_and_tells_how_to_go_on() {
    let bench = Bench::new(TWO);
    bench.control("hold-vae", "checkpoint");
    let xtask = bench.start();
    bench.wait_for_pid("vae");
    signal("TERM", &xtask.id().to_string());
    let output = xtask.wait_with_output().expect("xtask ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(
        errors(&output).contains("To go on: cargo xtask experiments"),
        "{}",
        errors(&output)
    );
    let trial = bench
        .trials()
        .into_iter()
        .find(|name| name.starts_with("vae"))
        .expect("a trial");
    let log = bench.out().join("trials").join(trial).join("log.txt");
    let log = std::fs::read_to_string(log).expect("a log");
    assert_eq!(log, "training vae\nstopped by a signal\n");

    bench.release("hold-vae");
    bench.calls();
    bench.succeed();
    assert!(bench.calls().contains(&"resume vae 10 1 1".to_owned()));
}

#[test]
fn settings_that_vae_refuses_are_named_before_anything_runs() {
    let bench = Bench::new(&TWO.replace("'ae'", "'nonsense'"));
    let output = bench.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let shown = errors(&output);
    let expected = "error: the trial with variant.name=nonsense seed=1 (nothing was run): \
                    variant.name: there is no variant `nonsense`";
    assert!(shown.starts_with(expected), "{shown}");
    assert_eq!(bench.calls(), [""; 0]);
}

#[test]
fn a_dry_run_lists_the_trials() {
    let bench = Bench::new(TWO);
    let output = bench.run(&["--dry-run", "--seeds", "5,6"]);
    let shown = text(&output);
    assert!(
        shown.starts_with("4 trials: 0 finished before, 0 to resume, 4 to run"),
        "{shown}"
    );
    assert!(shown.contains("\nrun       ae-seed6-"), "{shown}");
    assert!(!bench.out().exists());
}

#[test]
fn trials_that_are_the_same_run_once() {
    let bench = Bench::new(&format!("{TWO}\n[[trial]]\nvariant.name = 'ae'"));
    let output = bench.succeed();
    assert!(errors(&output).contains("1 more left out, the same as another"));
    assert_eq!(bench.calls().len(), 2);
    assert_eq!(text(&output).matches("\nae ").count(), 1);
}

#[test]
fn without_a_file_all_variants_are_compared() {
    let bench = Bench::new("");
    let output = bench.bare_command(&[]).output().expect("xtask starts");
    assert!(output.status.success(), "{}", errors(&output));
    let variants: Vec<String> = bench
        .calls()
        .iter()
        .map(|call| call[..9].to_owned())
        .collect();
    assert_eq!(variants, ["train ae ", "train vae"]);
}

#[test]
fn a_base_file_gives_the_settings_below() {
    let bench = Bench::new("name = 'x'\nbase = 'base.toml'\n[grid]\nvariant.name = ['vae', 'ae']");
    let base = bench.out().with_file_name("base.toml");
    std::fs::write(base, "seed = 7\n[model]\nlatent = 33").expect("writable");
    bench.succeed();
    assert_eq!(bench.calls(), ["train ae 33 7 1", "train vae 33 7 1"]);
}

#[test]
fn every_task_has_help_with_examples() {
    let tasks: [&[&str]; 8] = [
        &[],
        &["experiments"],
        &["ci"],
        &["tidy"],
        &["tch"],
        &["tch", "provision"],
        &["tch", "test"],
        &["tch", "run"],
    ];
    for task in tasks {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let output = command
            .args(task)
            .arg("--help")
            .output()
            .expect("xtask starts");
        assert!(output.status.success(), "{task:?}");
        assert!(
            text(&output).contains("Example"),
            "{task:?}: {}",
            text(&output)
        );
    }
}
