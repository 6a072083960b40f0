//! The table at the end of a run.

use std::path::Path;

use comfy_table::{CellAlignment, ColumnConstraint, Table, Width, presets};
use vae_results::{Named, Scores, Summary};

use crate::watch::{duration, thousands};

/// The terms that come first, in this order.
const FIRST: [&str; 3] = ["loss", "reconstruction", "kl"];

/// What a run shows at its end.
pub fn closing(summary: &Summary, folder: &Path) -> String {
    let mut text = format!(
        "\n{} on {}: {} epochs, {} steps, {} parameters, {} ({} samples/s)\n\n",
        summary.variant,
        summary.dataset,
        summary.epochs,
        thousands(summary.steps as f64),
        thousands(summary.parameters as f64),
        duration(summary.seconds),
        thousands(summary.train_samples_per_second),
    );
    let columns = columns(summary);
    text += &scores_table(summary);
    let accuracies = accuracies(&columns);
    if let (Some((split, values)), false) = (columns.last(), accuracies.is_empty()) {
        let shown = accuracies.iter().filter_map(|name| {
            let percent = 100.0 * values.get(name)?;
            Some(match name.strip_suffix(".accuracy") {
                Some(part) => format!("{part} {percent:.2} %"),
                None => format!("{percent:.2} %"),
            })
        });
        let shown: Vec<_> = shown.collect();
        text += &format!("\naccuracy ({split}): {}\n", shown.join("; "));
    }
    let test = summary.test.as_ref();
    if let (Some(nll), Some(samples)) = (test.and_then(|test| test.nll), summary.nll_samples) {
        let samples = thousands(samples as f64);
        text += &format!("\n-log p(x) of the test data from {samples} samples: {nll:.3}");
        if let Some(bits) = test.and_then(|test| test.bits_per_dim) {
            text += &format!(" ({bits:.4} bits per dimension)");
        }
        text.push('\n');
    }
    if let Some(latent) = test.and_then(|test| test.latent.as_ref()) {
        let units = latent.mean_variance.len();
        text += &format!("\nactive units: {} of {units}", latent.active_units);
        if let (Some(dead), Some(share)) = (latent.dead_units, latent.active_fraction) {
            text += &format!("; on for an example: {:.1} %; dead: {dead}", 100.0 * share);
        }
        if let (Some(perplexity), Some(dead)) = (latent.perplexity, latent.dead_codes) {
            text += &format!(
                "; perplexity: {perplexity:.1}; dead codes: {:.1} %",
                100.0 * dead
            );
        }
        text.push('\n');
    }
    text += &format!("\nrun folder: {}\n", folder.display());
    text
}

/// The scores of each split that there are.
fn columns(summary: &Summary) -> Vec<(&'static str, Named)> {
    let of = |scores: &'_ Option<Scores>| scores.as_ref().map(|scores| scores.values.clone());
    let columns = [
        ("train", summary.train.clone()),
        ("validation", of(&summary.validation)),
        ("test", of(&summary.test)),
        ("test, clean input", of(&summary.test_clean)),
    ];
    let columns = columns.into_iter();
    columns
        .filter_map(|(name, values)| Some((name, values?)))
        .collect()
}

fn accuracies<'a>(columns: &'a [(&str, Named)]) -> Vec<&'a str> {
    let mut names = names(columns);
    names.retain(|name| name.ends_with("accuracy"));
    names
}

/// The means of the objective over each split, in nats per example.
pub fn scores_table(summary: &Summary) -> String {
    let columns = columns(summary);
    let mut text = String::new();
    let mut names = names(&columns);
    names.retain(|name| !name.ends_with("accuracy"));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let heads = columns.iter().map(|(name, _)| *name);
    table.set_header(["nats per example"].into_iter().chain(heads));
    for name in names {
        let label = match summary.estimates.iter().any(|known| known == name) {
            true => format!("{name} (Monte Carlo)"),
            false => name.to_owned(),
        };
        let shown = columns.iter().map(|(_, values)| match values.get(name) {
            Some(value) => format!("{value:.3}"),
            None => "–".to_owned(),
        });
        table.add_row([label].into_iter().chain(shown));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let (alignment, least) = match index {
            0 => (CellAlignment::Left, 24),
            _ => (CellAlignment::Right, 14),
        };
        column.set_cell_alignment(alignment);
        column.set_padding((0, 0));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    for line in table.lines() {
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The names in all columns, the usual ones first.
fn names<'a>(columns: &'a [(&str, Named)]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in columns.iter().flat_map(|(_, values)| values.iter()) {
        if value.is_some() && !names.contains(&name) {
            names.push(name);
        }
    }
    // Stable: the others stay in their order.
    names.sort_by_key(|name| {
        let place = FIRST.iter().position(|first| first == name);
        place.unwrap_or(FIRST.len())
    });
    names
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A summary of which only some values matter.
    fn summary(values: Value) -> Summary {
        let mut all = serde_json::to_value(Summary::default()).unwrap();
        for (key, value) in values.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn the_closing_table_shows_every_split_and_term() {
        let summary = summary(json!({
            "variant": "vae", "dataset": "d", "epochs": 2, "steps": 1200, "parameters": 5000,
            "seconds": 3.0, "train_samples_per_second": 40000.0,
            "train": {"loss": 10.0, "reconstruction": 8.0, "kl": 2.0},
            "validation": null,
            "test": {"loss": 11.0, "reconstruction": 8.5, "kl": 2.5,
                "latent": {"active_units": 3, "mean_variance": [0.1, 0.2, 0.3, 0.0]}},
        }));
        let text = closing(&summary, Path::new("runs/x"));
        assert!(text.contains("1,200 steps, 5,000 parameters"), "{text}");
        assert!(
            text.contains("loss                            10.000        11.000"),
            "{text}"
        );
        assert!(text.contains("active units: 3 of 4"), "{text}");
        assert!(text.ends_with("run folder: runs/x\n"), "{text}");
        for word in ["codes", "Monte Carlo"] {
            assert!(!text.contains(word), "{text}");
        }
    }

    #[test]
    fn the_closing_table_says_which_terms_are_monte_carlo_estimates() {
        let terms = json!({"loss": 10.0, "reconstruction": 8.0, "kl": 2.0, "kl_2": 1.0});
        let summary = summary(json!({
            "variant": "hvae", "dataset": "d", "epochs": 2, "steps": 1200, "parameters": 5000,
            "seconds": 3.0, "train_samples_per_second": 40000.0,
            "train": terms, "validation": null, "test": terms, "estimates": ["kl"],
        }));
        let text = closing(&summary, Path::new("runs/x"));
        assert!(
            text.contains("kl (Monte Carlo)                 2.000         2.000\nkl_2      "),
            "{text}"
        );
    }

    #[test]
    fn the_closing_table_shows_the_use_of_a_codebook_and_what_only_evaluations_know() {
        let summary = summary(json!({
            "variant": "vq", "dataset": "d", "epochs": 2, "steps": 1200, "parameters": 5000,
            "seconds": 3.0, "train_samples_per_second": 40000.0,
            "train": {"loss": 10.0, "reconstruction": 8.0},
            "validation": null, "nll_samples": 2000,
            "test": {"loss": 11.0, "reconstruction": 8.5, "index_nll": 7.25, "nll": 1.0, "bits_per_dim": 0.25,
                "latent": {"active_units": 2, "mean_variance": [0.1, 0.2], "perplexity": 12.34,
                    "dead_codes": 0.025}},
        }));
        let text = closing(&summary, Path::new("runs/x"));
        for line in [
            "index_nll                            –         7.250\n",
            "-log p(x) of the test data from 2,000 samples: 1.000 (0.2500 bits per dimension)\n",
            "active units: 2 of 2; perplexity: 12.3; dead codes: 2.5 %\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(!text.contains("\nnll "), "{text}");
    }
}
