//! Whole programs: from the start of the process to written pictures.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::{Programs, memory};
use crate::workspace::{self, display};

/// What is timed from the start of the process to its end.
pub struct Task {
    /// The name of the case.
    pub name: &'static str,
    /// Arguments of `vae`, besides where the data are.
    pub vae: &'static str,
    /// The script of PyTorch.
    torch: &'static str,
}

/// Training, and the codes of the 60,000 training images in a file, of a model that was trained beforehand.
pub const TASKS: [Task; 2] = [
    Task {
        name: "run",
        vae: "--dataset mnist --epochs 10 --hidden 400 --latent 20 --batch-size 128",
        torch: "torch_run.py",
    },
    Task {
        name: "encode-mnist",
        vae: "encode MODEL --split train",
        torch: "torch_encode.py",
    },
];

/// A run whose model is used, besides where the data are.
const MODEL: &str = "--dataset mnist --epochs 1 --hidden 400 --latent 20";

/// How often the memory of a running program is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Runs of each program.
const RUNS: usize = 3;

/// Runs of one program.
#[derive(Debug, Serialize)]
pub struct WholeRun {
    program: &'static str,
    seconds: Vec<f64>,
    /// The largest of all runs.
    peak_mib: Option<f64>,
    /// Why it was not measured.
    problem: Option<String>,
}

impl WholeRun {
    fn new(program: &'static str) -> Self {
        Self {
            program,
            seconds: Vec::new(),
            peak_mib: None,
            problem: None,
        }
    }

    fn median(&self) -> Option<f64> {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    }
}

/// All programs on a task.
#[derive(Debug, Serialize)]
pub struct Whole {
    pub name: &'static str,
    pub runs: Vec<WholeRun>,
}

/// Runs this workspace's program and PyTorch's in turns. `mnist` is the folder of the four files.
pub fn measure(
    task: &Task,
    programs: &Programs,
    mnist: Option<&Path>,
    folder: &Path,
) -> Result<Whole> {
    let name = task.name;
    let Some(mnist) = mnist else {
        let problem = "not measured: pass --mnist with the folder of the four files of MNIST";
        let run = WholeRun {
            problem: Some(problem.to_owned()),
            ..WholeRun::new("flex")
        };
        return Ok(Whole {
            name,
            runs: vec![run],
        });
    };
    let threads = programs.threads.to_string();
    // `--data-dir` names the folder that holds the one called mnist.
    let data = mnist
        .canonicalize()
        .with_context(|| format!("cannot read {}", mnist.display()))?;
    let Some(parent) = data.parent().filter(|_| data.ends_with("mnist")) else {
        bail!("{} is not called mnist", mnist.display());
    };
    let vae = |arguments: &str, out: &Path| {
        let mut command = Command::new(&programs.vae);
        command.args(arguments.split_whitespace());
        command.args(["--threads", &threads]).arg("--out").arg(out);
        command
    };
    let model = folder.join("model");
    let is_of_model = task.vae.contains("MODEL");
    if is_of_model && !model.exists() {
        time(vae(MODEL, &model).arg("--data-dir").arg(parent))?;
    }
    let ours = |out: &Path| match is_of_model {
        false => {
            let mut command = vae(task.vae, out);
            command.arg("--data-dir").arg(parent);
            command
        }
        true => vae(&task.vae.replace("MODEL", &model.to_string_lossy()), out),
    };
    let torch = |out: &Path| {
        let mut command = Command::new(programs.torch.as_ref()?);
        command.arg(workspace::root().join("xtask/bench").join(task.torch));
        command.arg("--mnist").arg(&data).arg("--out").arg(out);
        command.args(["--threads", &threads]);
        Some(command)
    };
    let mut runs = [WholeRun::new("flex"), WholeRun::new("PyTorch")];
    for round in 0..RUNS {
        for run in &mut runs {
            let out = folder.join(format!("{name}-{}-{round}.npy", run.program));
            let command = match run.program {
                "flex" => Some(ours(&out)),
                _ => torch(&out),
            };
            let Some(mut command) = command else {
                run.problem = Some("not installed".to_owned());
                continue;
            };
            let (seconds, peak) = time(&mut command)?;
            run.seconds.push(seconds);
            run.peak_mib = run.peak_mib.into_iter().chain(peak).reduce(f64::max);
        }
    }
    Ok(Whole {
        name,
        runs: runs.into(),
    })
}

/// Seconds and the peak of the memory in MiB.
fn time(command: &mut Command) -> Result<(f64, Option<f64>)> {
    let shown = display(command);
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let mut peak = None;
    let status = loop {
        peak = memory::peak(child.id()).or(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(LOOK);
    };
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok((started.elapsed().as_secs_f64(), peak))
}

/// For the terminal.
pub fn table(runs: &[WholeRun]) -> String {
    let mut text = format!(
        "  {:<20} {:>10} {:>9} {:>16} {:>16}\n",
        "program", "seconds", "peak MiB", "flex takes of it", "memory of it"
    );
    let share = |ours: Option<f64>, other: Option<f64>| match (ours, other) {
        (Some(ours), Some(other)) => format!("{:.2}", ours / other),
        _ => "–".to_owned(),
    };
    let ours = runs.first();
    for run in runs {
        let line = match (run.median(), &run.problem) {
            (Some(seconds), None) => format!(
                "  {:<20} {seconds:>10.2} {:>9.0} {:>16} {:>16}",
                run.program,
                run.peak_mib.unwrap_or(f64::NAN),
                share(ours.and_then(WholeRun::median), Some(seconds)),
                share(ours.and_then(|run| run.peak_mib), run.peak_mib),
            ),
            (_, problem) => format!(
                "  {:<20} {}",
                run.program,
                problem.as_deref().unwrap_or("not measured")
            ),
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 3 of 6 seconds, 100 of 400 MiB.
    #[test]
    fn shares_are_of_medians() {
        let run = |program, seconds: &[f64], peak| WholeRun {
            seconds: seconds.to_vec(),
            peak_mib: Some(peak),
            ..WholeRun::new(program)
        };
        let runs = [
            run("flex", &[9.0, 3.0, 1.0], 100.0),
            run("PyTorch", &[6.0], 400.0),
        ];
        let table = table(&runs);
        assert!(
            table.contains(
                "PyTorch                    6.00       400             0.50             0.25"
            ),
            "{table}"
        );
    }

    #[test]
    fn a_program_that_fails_is_no_measurement() {
        assert!(time(&mut Command::new("true")).is_ok());
        assert!(time(&mut Command::new("false")).is_err());
    }
}
