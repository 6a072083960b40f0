//! What was measured, as tables and as JSON.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{runner::Round, whole::Whole};

/// The program that all others are compared with.
const OURS: &str = "flex";
/// How the names of PyTorch's forms begin.
const TORCH: &str = "PyTorch";

/// All cases.
#[derive(Serialize)]
pub struct Report {
    cpu: String,
    threads: usize,
    rounds: usize,
    pub cases: Vec<Measured>,
    /// Whole programs.
    pub whole: Vec<Whole>,
}

/// One case.
#[derive(Serialize)]
pub struct Measured {
    pub name: &'static str,
    pub rows: Vec<Row>,
}

/// One program on one case.
#[derive(Serialize)]
pub struct Row {
    program: &'static str,
    pub rounds: Vec<Round>,
    /// From the start of the program to the end of its first step.
    pub first_step_ms: Option<f64>,
    /// The most resident memory at any time.
    pub peak_mib: Option<f64>,
    /// Why it was not measured.
    pub problem: Option<String>,
}

impl Row {
    pub fn new(program: &'static str) -> Self {
        Self {
            program,
            rounds: Vec::new(),
            first_step_ms: None,
            peak_mib: None,
            problem: None,
        }
    }

    fn median(&self) -> Option<f64> {
        median(self.rounds.iter().map(|round| round.median_ms))
    }

    fn floor(&self) -> Option<f64> {
        median(self.rounds.iter().filter_map(|round| round.floor_ms))
    }

    fn least(&self) -> f64 {
        let all = self.rounds.iter().map(|round| round.min_ms);
        all.fold(f64::INFINITY, f64::min)
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn whole_number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

impl Measured {
    fn ours(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.program == OURS)
    }

    /// The fastest of PyTorch's forms, and what share of its time ours takes.
    fn of_fastest_torch(&self) -> Option<(&'static str, f64)> {
        let ours = self.ours()?.median()?;
        let forms = self
            .rows
            .iter()
            .filter(|row| row.program.starts_with(TORCH));
        let forms = forms.filter_map(|row| Some((row.program, ours / row.median()?)));
        forms.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// For the terminal.
    pub fn table(&self) -> String {
        let mut text = format!(
            "  {:<30} {:>12} {:>10} {:>16} {:>14} {:>9}\n",
            "program", "median ms", "least ms", "flex takes of it", "first step ms", "peak MiB"
        );
        let ours = self.ours().and_then(Row::median);
        let share =
            |other: f64| ours.map_or_else(String::new, |ours| format!("{:.2}", ours / other));
        for row in &self.rows {
            let line = match (row.median(), &row.problem) {
                (Some(median), None) => format!(
                    "  {:<30} {median:>12.3} {:>10.3} {:>16} {:>14} {:>9}",
                    row.program,
                    row.least(),
                    share(median),
                    whole_number(row.first_step_ms),
                    whole_number(row.peak_mib),
                ),
                (_, problem) => format!(
                    "  {:<30} not measured: {}",
                    row.program,
                    problem.as_deref().unwrap_or("no round")
                ),
            };
            let _ = writeln!(text, "{line}");
        }
        if let Some(floor) = self.ours().and_then(Row::floor) {
            let share = share(floor);
            let _ = writeln!(
                text,
                "  {:<30} {floor:>12.3} {:>10} {share:>16}",
                "matrix products", ""
            );
        }
        if let Some((form, share)) = self.of_fastest_torch() {
            let _ = writeln!(text, "  of the fastest PyTorch: {share:.2} ({form})");
        }
        text
    }
}

impl Report {
    pub fn new(threads: usize, rounds: usize) -> Self {
        Self {
            cpu: cpu(),
            threads,
            rounds,
            cases: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// For a page of documentation: milliseconds, one row a case.
    pub fn markdown(&self) -> String {
        let mut programs: Vec<&str> = Vec::new();
        for row in self.cases.iter().flat_map(|case| &case.rows) {
            if !programs.contains(&row.program) {
                programs.push(row.program);
            }
        }
        let mut text = format!(
            "Milliseconds a training step, median of {} rounds in turns; {}, {} threads.\n\n",
            self.rounds, self.cpu, self.threads
        );
        let _ = writeln!(
            text,
            "| case | {} | matrix products | of the fastest PyTorch |",
            programs.join(" | ")
        );
        let _ = writeln!(text, "| --- |{}", " --- |".repeat(programs.len() + 2));
        for case in &self.cases {
            let cell = |value: Option<f64>| value.map_or("–".to_owned(), |ms| format!("{ms:.2}"));
            let mut line = format!("| {} |", case.name);
            for program in &programs {
                let row = case.rows.iter().find(|row| row.program == *program);
                let _ = write!(line, " {} |", cell(row.and_then(Row::median)));
            }
            let floor = case.ours().and_then(Row::floor);
            let share = case.of_fastest_torch().map(|(_, share)| share);
            let _ = writeln!(text, "{line} {} | {} |", cell(floor), cell(share));
        }
        text
    }

    /// How ours compares with PyTorch over all cases.
    pub fn closing(&self) -> String {
        let shares = self.cases.iter().filter_map(|case| {
            let (form, share) = case.of_fastest_torch()?;
            Some((share, case.name, form))
        });
        let shares: Vec<_> = shares.collect();
        let largest = shares.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let middle = median(shares.iter().map(|of| of.0));
        let (Some((share, name, form)), Some(middle)) = (largest, middle) else {
            return "of the fastest PyTorch: not measured".into();
        };
        let count = shares.len();
        format!(
            "of the fastest PyTorch: {middle:.2} in the middle of {count} cases, at most {share:.2} \
             ({name}, {form})"
        )
    }

    /// Writes every number as JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the report is plain data")?;
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let unfinished = path.with_extension("unfinished");
        let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What the system calls its processor.
fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(program: &'static str, medians: &[f64]) -> Row {
        let round = |&median_ms| Round {
            median_ms,
            min_ms: median_ms / 2.0,
            floor_ms: Some(3.0),
        };
        Row {
            rounds: medians.iter().map(round).collect(),
            ..Row::new(program)
        }
    }

    /// By hand: medians 4 and 8, so Flex takes half of the other.
    #[test]
    fn ratios_are_of_medians() {
        let mut missing = row("JAX", &[]);
        let mut ours = row("flex", &[9.0, 4.0, 1.0]);
        ours.first_step_ms = Some(61.4);
        ours.peak_mib = Some(97.0);
        missing.problem = Some("not installed".into());
        let rows = vec![ours, row("PyTorch", &[8.0]), missing];
        let case = Measured { name: "mlp", rows };
        let table = case.table();
        assert!(
            table.contains(
                "PyTorch                               8.000      4.000             0.50"
            )
        );
        assert!(table.contains("1.00             61        97"), "{table}");
        assert!(
            table.contains("JAX                            not measured: not installed"),
            "{table}"
        );
        assert!(table.contains("1.33"), "{table}");
        let mut report = Report::new(2, 3);
        report.cases.push(case);
        let markdown = report.markdown();
        assert!(
            markdown.contains("| mlp | 4.00 | 8.00 | – | 3.00 | 0.50 |"),
            "{markdown}"
        );
    }

    /// By hand: 4 of 8 and of 5 is 0.8 of the fastest, 4 of 10 is 0.4, and JAX does not count.
    #[test]
    fn shares_are_of_the_fastest_form() {
        let mut report = Report::new(2, 3);
        assert!(report.closing().contains("not measured"));
        let (ours, jax) = (row("flex", &[4.0]), row("JAX", &[1.0]));
        let forms = [row("PyTorch", &[8.0]), row("PyTorch compiled", &[5.0])];
        let rows = [ours, jax].into_iter().chain(forms).collect();
        report.cases.push(Measured { name: "mlp", rows });
        let rows = vec![row("flex", &[4.0]), row("PyTorch", &[10.0])];
        report.cases.push(Measured { name: "conv", rows });
        let closing = report.closing();
        let expected = "0.80 in the middle of 2 cases, at most 0.80 (mlp, PyTorch compiled)";
        assert!(closing.contains(expected), "{closing}");
        assert!(report.markdown().contains("| – | 3.00 | 0.40 |"));
    }
}
