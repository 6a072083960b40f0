//! `cargo xtask ci`: everything that must pass before a change lands.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::workspace::{build_vae, built_vae, cargo, display};
use crate::{readme, tch, tidy};

/// The arguments of Cargo that test the workspace.
const TEST: [&str; 2] = ["test", "--workspace"];

/// The settings of the end-to-end check, and how many steps it trains.
const TRAIN: [&str; 2] = ["variant.name=beta", "train.max_steps=50"];
const STEPS: u64 = 50;

/// What the end-to-end check expects in a run folder.
const RUN_FILES: [&str; 11] = [
    "config.toml",
    "metrics.jsonl",
    "summary.json",
    "model.safetensors",
    "model.json",
    "reconstructions.png",
    "samples.png",
    "curves.png",
    "curves.svg",
    "checkpoints/last.ckpt",
    "checkpoints/best.ckpt",
];

/// Run all checks: format, lints, tests, documentation, text, a training, LibTorch
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask ci             all checks, as .ci/run does
  cargo xtask ci --no-tch    without the tch backend, which installs PyTorch if it is not there")]
pub struct Options {
    /// Leave the test of the tch backend out
    #[arg(long)]
    no_tch: bool,
}

/// Runs the task.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut steps = Steps::default();
    steps.step("format", || {
        check(cargo().args(["fmt", "--all", "--check"]))
    })?;
    steps.step("text", || match tidy::problems()? {
        problems if problems.is_empty() => Ok(()),
        problems => bail!("{}", problems.join("\n")),
    })?;
    steps.step("lints", || {
        let arguments = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        check(cargo().args(arguments))
    })?;
    steps.step("without kernels", || {
        let arguments = ["clippy", "-p", "vae-core", "--no-default-features"];
        check(cargo().args(arguments).args(["--", "-D", "warnings"]))
    })?;
    let vae = steps.step("build", build_tests)?;
    let exports = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut counts = steps.step("tests", || {
        test(cargo().args(TEST).env("KEEP_EXPORTS", exports.path()))
    })?;
    steps.step("documentation", || {
        let arguments = ["doc", "--workspace", "--no-deps"];
        check(cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.step("end to end", || train(&vae))?;
    steps.step("readme", || readme::check(&vae))?;
    let torch = if options.no_tch {
        None
    } else {
        steps.step("provision tch", torch)?
    };
    if let Some(torch) = torch {
        steps.step("schema", || {
            check(torch.python().arg("tests/schema/check.py").arg(&vae))
        })?;
        let script = |path: &str| {
            let mut script = torch.python();
            script.arg(path);
            script
        };
        steps.step("exports", || {
            let mut script = script("tests/export/check.py");
            check(script.arg(exports.path()).arg(&vae))
        })?;
        steps.step("explore", || {
            let mut load = script("tests/explore/load.py");
            check(load.arg(&vae).args(["--clients", "50", "--seconds", "6"]))?;
            match Command::new("chromedriver").arg("--version").output() {
                Ok(_) => check(script("tests/explore/check.py").arg(&vae)),
                Err(_) => {
                    println!("SKIPPED: the page is not clicked through without chromedriver");
                    Ok(())
                }
            }
        })?;
        let more = steps.step("tests of tch", || {
            test(cargo().args(tch::TEST).envs(torch.variables()))
        })?;
        counts.add(more);
    }
    steps.summary();
    println!("\ntests: {}", counts.text());
    Ok(ExitCode::SUCCESS)
}

/// The steps done so far, and how long each took.
#[derive(Default)]
struct Steps(Vec<(&'static str, Duration)>);

impl Steps {
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name} ==");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        println!("-- {name}: {:.1} s", took.as_secs_f64());
        self.0.push((name, took));
        result.with_context(|| format!("ci: the step `{name}` FAILED"))
    }

    fn summary(&self) {
        println!("\n== all steps passed ==");
        for (name, took) in &self.0 {
            println!("{name:<15} {:>7.1} s", took.as_secs_f64());
        }
    }
}

/// Runs a command that must succeed.
fn check(command: &mut Command) -> Result<()> {
    let shown = display(command);
    println!("{shown}");
    let status = command.stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}: see its messages above");
    }
    Ok(())
}

/// Builds the tests and the binary that they use.
fn build_tests() -> Result<PathBuf> {
    let mut command = cargo();
    command.args(TEST).arg("--no-run");
    println!("{}", display(&command));
    match built_vae(&mut command)? {
        Some(vae) => Ok(vae),
        None => build_vae(false),
    }
}

/// Runs tests, shows what they print, and counts them.
fn test(command: &mut Command) -> Result<Counts> {
    let shown = display(command);
    println!("{shown}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let mut counts = Counts::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.with_context(|| format!("cannot read the output of `{shown}`"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts.add(Counts::of_line(&line));
        }
    }
    let status = child.wait().with_context(|| format!("lost `{shown}`"))?;
    if !status.success() {
        bail!(
            "`{shown}` ended with {status} ({}): see above",
            counts.text()
        );
    }
    if counts.passed == 0 {
        bail!("`{shown}` ran no test");
    }
    Ok(counts)
}

/// How many tests did what.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// The counts of a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn of_line(line: &str) -> Self {
        let mut counts = Self::default();
        let Some(result) = line.strip_prefix("test result: ") else {
            return counts;
        };
        let words: Vec<&str> = result.split([' ', ';']).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse() else {
                continue;
            };
            match pair[1] {
                "passed" => counts.passed = number,
                "failed" => counts.failed = number,
                "ignored" => counts.ignored = number,
                _ => {}
            }
        }
        counts
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    fn text(&self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.ignored
        )
    }
}

/// Trains for some steps, and looks at what the run wrote.
fn train(vae: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let run = folder.path().join("run");
    let mut command = Command::new(vae);
    command
        .arg("train")
        .args(TRAIN.iter().flat_map(|set| ["--set", set]));
    check(command.arg("--quiet").arg("--out").arg(&run))?;
    let summary = check_run(&run)?;
    println!("test: {}", summary["test"]);
    Ok(())
}

fn check_run(run: &Path) -> Result<Value> {
    for file in RUN_FILES {
        if !run.join(file).is_file() {
            bail!("`vae train` ended well but wrote no {file}");
        }
    }
    let text = std::fs::read(run.join("summary.json")).context("cannot read summary.json")?;
    let summary: Value = serde_json::from_slice(&text).context("summary.json is not valid JSON")?;
    if summary["steps"] != STEPS {
        bail!("summary.json: `steps` is {}, not {STEPS}", summary["steps"]);
    }
    for term in ["loss", "reconstruction", "kl"] {
        if !summary["test"][term].is_number() {
            bail!(
                "summary.json: `test.{term}` is {}, not a number",
                summary["test"][term]
            );
        }
    }
    Ok(summary)
}

/// PyTorch, or nothing where it cannot be installed.
fn torch() -> Result<Option<tch::Environment>> {
    Ok(tch::Environment::provision()
        .inspect_err(|error| println!("SKIPPED: no tests of tch: {error:#}"))
        .ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_closing_lines_of_tests() {
        let line = "test result: ok. 13 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out";
        assert_eq!(
            Counts::of_line(line),
            Counts {
                passed: 13,
                failed: 2,
                ignored: 1
            }
        );
        assert_eq!(Counts::of_line("test a ... 3 passed"), Counts::default());
        assert_eq!(
            Counts::of_line(line).text(),
            "13 passed, 2 failed, 1 skipped"
        );
    }

    #[test]
    fn a_run_without_its_results_is_refused() {
        let run = tempfile::tempdir().expect("a temporary folder");
        let message = || format!("{:#}", check_run(run.path()).expect_err("refused"));
        std::fs::create_dir(run.path().join("checkpoints")).expect("writable");
        for missing in RUN_FILES {
            assert!(message().contains(&format!("wrote no {missing}")));
            std::fs::write(run.path().join(missing), "").expect("writable");
        }
        let write = |text: &str| {
            std::fs::write(run.path().join("summary.json"), text).expect("writable");
        };
        write("{");
        assert!(message().contains("not valid JSON"));
        write(r#"{"steps": 49}"#);
        assert!(message().contains("`steps` is 49, not 50"));
        write(r#"{"steps": 50, "test": {"loss": 1.0, "reconstruction": 1.0, "kl": null}}"#);
        assert!(message().contains("`test.kl` is null"));
        write(r#"{"steps": 50, "test": {"loss": 1.0, "reconstruction": 1.0, "kl": 0.5}}"#);
        assert!(check_run(run.path()).is_ok());
    }
}
