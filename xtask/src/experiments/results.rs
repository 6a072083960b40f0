//! What the trials of an experiment gave: a table over the grid, and every number as CSV.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;
use vae_results::Summary;

use super::plan::{MISSING, Plan};
use super::runner::Outcome;
use super::settings::json_text;
use super::table::Table;

/// The terms of the test loss that come first, in this order; the rest is alphabetical.
const FIRST_TERMS: [&str; 3] = ["loss", "reconstruction", "kl"];
/// The column of the estimate of `-log p(x)`.
const NLL: &str = "nll";

/// One row per point of the grid: its settings, then means over seeds.
pub fn table(plan: &Plan, outcomes: &[Outcome]) -> Table {
    let mut table = Table::default();
    for (index, column) in plan.columns.iter().enumerate() {
        let cells = plan.points.iter().map(|row| row[index].clone()).collect();
        table.push_text(&column.label, cells);
    }
    let groups: Vec<Vec<&Summary>> = (0..plan.points.len())
        .map(|point| summaries(plan, outcomes, point))
        .collect();
    for term in test_terms(&groups) {
        let column = statistics(&groups, |summary| {
            let test = summary.test.as_ref()?;
            match term.as_str() {
                NLL => test.nll,
                term => test.values.get(term),
            }
        });
        table.push_numbers(&term, &column, None);
    }
    let mean_only = |of: fn(&Summary) -> f64| -> Vec<Statistic> {
        let mut column = statistics(&groups, |summary| Some(of(summary)));
        let means = column.iter_mut().flatten();
        means.for_each(|(_, deviation)| *deviation = None);
        column
    };
    let speed = mean_only(|summary| summary.train_samples_per_second);
    table.push_numbers("samples/s", &speed, Some(0));
    table.push_numbers("seconds", &mean_only(|summary| summary.seconds), Some(1));
    let seeds = (0..plan.points.len()).map(|point| {
        let all = plan
            .trials
            .iter()
            .filter(|trial| trial.point == point)
            .count();
        let finished = groups[point].len();
        if finished == all {
            all.to_string()
        } else {
            format!("{finished}/{all}")
        }
    });
    table.push_right("seeds", seeds.collect());
    // A point all of whose trials are those of another point has no row of its own.
    table.retain_rows(|point| plan.trials.iter().any(|trial| trial.point == point));
    table
}

/// A mean, with the standard deviation where there are several values.
pub type Statistic = Option<(f64, Option<f64>)>;

fn summaries<'a>(plan: &Plan, outcomes: &'a [Outcome], point: usize) -> Vec<&'a Summary> {
    let trials = plan
        .trials
        .iter()
        .zip(outcomes)
        .filter(|(trial, _)| trial.point == point);
    trials
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Finished(summary) => Some(&**summary),
            Outcome::Failed(_) | Outcome::Unfinished => None,
        })
        .collect()
}

fn test_terms(groups: &[Vec<&Summary>]) -> Vec<String> {
    let summaries = groups.iter().flatten();
    let tests = summaries.filter_map(|summary| summary.test.as_ref());
    let mut found = BTreeSet::new();
    for test in tests {
        let values = test.values.iter();
        let names = values.filter_map(|(name, value)| value.map(|_| name));
        found.extend(names.chain(test.nll.map(|_| NLL)));
    }
    let mut terms: Vec<String> = FIRST_TERMS.map(str::to_owned).into();
    terms.retain(|term| found.is_empty() || found.contains(term.as_str()));
    let others = found.into_iter();
    let others = others.filter(|name| !FIRST_TERMS.contains(name));
    terms.extend(others.map(str::to_owned));
    terms
}

fn statistics(groups: &[Vec<&Summary>], of: impl Fn(&Summary) -> Option<f64>) -> Vec<Statistic> {
    let values = |group: &Vec<&Summary>| -> Vec<f64> {
        group.iter().filter_map(|summary| of(summary)).collect()
    };
    groups
        .iter()
        .map(|group| statistic(&values(group)))
        .collect()
}

/// Mean and sample standard deviation.
fn statistic(values: &[f64]) -> Statistic {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
    Some((mean, deviation))
}

/// One row per trial, with all that its summary says.
pub fn csv(plan: &Plan, outcomes: &[Outcome]) -> Result<String> {
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    for outcome in outcomes {
        rows.push(match outcome {
            Outcome::Finished(summary) => flat("", &serde_json::to_value(summary)?),
            Outcome::Failed(_) | Outcome::Unfinished => Vec::new(),
        });
    }
    let keys: BTreeSet<&String> = rows.iter().flatten().map(|(key, _)| key).collect();

    let mut header = vec![
        "trial".to_owned(),
        "status".to_owned(),
        "identity".to_owned(),
    ];
    header.extend(
        plan.columns
            .iter()
            .map(|column| format!("settings.{}", column.key)),
    );
    header.extend(keys.iter().map(|key| key.to_string()));

    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for ((trial, outcome), row) in plan.trials.iter().zip(outcomes).zip(&rows) {
        let status = match outcome {
            Outcome::Finished(_) => "finished",
            Outcome::Failed(_) => "failed",
            Outcome::Unfinished => "unfinished",
        };
        let mut record = vec![
            trial.folder.clone(),
            status.to_owned(),
            trial.identity.clone(),
        ];
        let settings = plan.points[trial.point].iter();
        record.extend(settings.map(|text| {
            if text == MISSING {
                String::new()
            } else {
                text.clone()
            }
        }));
        record.extend(keys.iter().map(|key| {
            let cell = row.iter().find(|(name, _)| name == *key);
            cell.map(|(_, text)| text.clone()).unwrap_or_default()
        }));
        writer.write_record(&record)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes).context("results.csv is not UTF-8")
}

/// Every value of a summary with its dotted key.
fn flat(prefix: &str, value: &Value) -> Vec<(String, String)> {
    let key = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}.{name}")
        }
    };
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(name, value)| flat(&key(name), value))
            .collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(index, item)| flat(&key(&index.to_string()), item))
                .collect()
        }
        other => json_text(other)
            .map(|text| (prefix.to_owned(), text))
            .into_iter()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use vae_results::Scores;

    use super::super::plan::{Column, Trial};
    use super::*;

    fn trial(point: usize, seed: u64) -> Trial {
        Trial {
            point,
            seed,
            config: String::new(),
            identity: format!("id{point}{seed}"),
            folder: format!("p{point}-seed{seed}"),
        }
    }

    fn example() -> (Plan, Vec<Outcome>) {
        let summary = |seconds: f64, speed: f64, test: &[(&str, f64)]| {
            Outcome::Finished(Box::new(Summary {
                seconds,
                train_samples_per_second: speed,
                steps: 5,
                test: Some(Scores {
                    values: test.iter().copied().collect(),
                    ..Scores::default()
                }),
                ..Summary::default()
            }))
        };
        let plan = Plan {
            columns: vec![Column {
                key: "variant.name".into(),
                label: "variant".into(),
            }],
            points: vec![vec!["vae".into()], vec!["ae".into()]],
            trials: vec![trial(0, 1), trial(0, 2), trial(1, 1), trial(1, 2)],
            duplicates: 0,
            version: "1".into(),
            data: "d".into(),
        };
        let outcomes = vec![
            summary(
                2.0,
                900.0,
                &[("loss", 101.0), ("reconstruction", 80.5), ("kl", 20.5)],
            ),
            summary(
                4.0,
                1100.0,
                &[("loss", 103.0), ("reconstruction", 81.5), ("kl", 21.5)],
            ),
            summary(
                1.5,
                2000.0,
                &[
                    ("loss", 70.0),
                    ("reconstruction", 70.0),
                    ("weights", 0.25),
                    ("kl", f64::NAN),
                ],
            ),
            Outcome::Failed("exit status: 1".into()),
        ];
        (plan, outcomes)
    }

    #[test]
    fn the_table_has_means_and_deviations() {
        let (plan, outcomes) = example();
        // By hand: the deviation of two values is their distance over the square root of 2,
        // 2 / 1.41421 = 1.41421 and 1 / 1.41421 = 0.70711.
        let expected = "\
variant           loss  reconstruction              kl  weights  samples/s  seconds  seeds
-------  -------------  --------------  --------------  -------  ---------  -------  -----
vae      102.00 ± 1.41  81.000 ± 0.707  21.000 ± 0.707        –       1000      3.0      2
ae               70.00          70.000               –   0.2500       2000      1.5    1/2
";
        assert_eq!(table(&plan, &outcomes).text(), expected);
    }

    #[test]
    fn csv_has_every_number_of_every_trial() {
        let (plan, outcomes) = example();
        let csv = csv(&plan, &outcomes).expect("CSV");
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let columns = [
            "trial",
            "status",
            "identity",
            "settings.variant.name",
            "seconds",
            "steps",
            "test.kl",
            "test.loss",
            "test.reconstruction",
            "test.weights",
            "train_samples_per_second",
        ];
        let expected = [
            "p0-seed1,finished,id01,vae,2,5,20.5,101,80.5,,900",
            "p0-seed2,finished,id02,vae,4,5,21.5,103,81.5,,1100",
            "p1-seed1,finished,id11,ae,1.5,5,,70,70,0.25,2000",
            "p1-seed2,failed,id12,ae,,,,,,,",
        ];
        let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(expected) {
            let cell = |name: &str| {
                let place = header.iter().position(|other| other == name);
                row.get(place.expect(name)).expect("a cell")
            };
            assert_eq!(columns.map(cell).join(","), expected);
        }
    }

    #[test]
    fn a_deviation_needs_two_values() {
        assert_eq!(statistic(&[]), None);
        assert_eq!(statistic(&[3.0]), Some((3.0, None)));
        assert_eq!(statistic(&[1.0, 2.0, 3.0]), Some((2.0, Some(1.0))));
    }
}
