//! The report of an experiment as Markdown.

use std::path::Path;

use super::folder::Folder;
use super::plan::{Plan, Trial};
use super::runner::Outcome;
use super::table::Table;

/// What the numbers of the table are.
pub const LEGEND: &str = "Test losses in nats per example: mean over seeds, ± sample standard \
                          deviation where there are several.";

/// Writes the report: the table with a link to every run, then what failed.
pub fn markdown(name: &str, plan: &Plan, outcomes: &[Outcome], mut table: Table) -> String {
    let links = (0..plan.points.len()).filter_map(|point| {
        let trials: Vec<&Trial> = plan
            .trials
            .iter()
            .filter(|trial| trial.point == point)
            .collect();
        let links: Vec<String> = trials.iter().map(|trial| link(trial)).collect();
        (!links.is_empty()).then(|| links.join(" "))
    });
    table.push_text("runs by seed", links.collect());
    let mut text = format!(
        "# {name}\n\n{}\n{LEGEND}\n\nMade by `vae` {} from data `{}`. \
         [Every number of every trial](results.csv).\n",
        table.markdown(),
        plan.version,
        plan.data,
    );
    let failures = failures(plan, outcomes);
    if !failures.is_empty() {
        text.push_str("\n## Failed trials\n");
    }
    for (trial, reason) in failures {
        let folder = Folder::new(Path::new("trials"), trial);
        let (path, log) = (folder.path().display(), folder.log());
        let reason = reason.replace("\n", "\n    ");
        text.push_str(&format!(
            "\n`{path}` ([log]({})):\n\n    {reason}\n",
            log.display()
        ));
    }
    text
}

/// The trials that failed, and why.
pub fn failures<'a>(plan: &'a Plan, outcomes: &'a [Outcome]) -> Vec<(&'a Trial, &'a str)> {
    let trials = plan.trials.iter().zip(outcomes);
    let failed = trials.filter_map(|(trial, outcome)| match outcome {
        Outcome::Failed(reason) => Some((trial, reason.as_str())),
        Outcome::Finished(_) | Outcome::Unfinished => None,
    });
    failed.collect()
}

fn link(trial: &Trial) -> String {
    let run = Folder::new(Path::new("trials"), trial).run();
    format!("[{}]({})", trial.seed, run.display())
}
