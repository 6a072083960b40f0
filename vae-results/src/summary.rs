//! `summary.json`: how a run ended, and how good its model is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{LatentDiagnostics, Named};

/// Means over a split in nats per example, and the state of its codes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// `loss`, `reconstruction`, then terms and monitors by name.
    #[serde(flatten)]
    pub values: Named,
    /// An estimate of `-log p(x)` by importance sampling, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nll: Option<f64>,
    /// The same in bits, divided by the number of features, where these are whole pixels: what a file of them
    /// could be compressed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits_per_dim: Option<f64>,
    /// The code, if the objective gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<LatentDiagnostics>,
}

/// Examples in each split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examples {
    /// Trained on.
    pub train: usize,
    /// Watched while training.
    pub validation: usize,
    /// Evaluated on at the end.
    pub test: usize,
}

/// How a run ended, and how good its model is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of the program.
    pub version: String,
    /// Seed of all randomness.
    pub seed: u64,
    /// Name of the variant.
    pub variant: String,
    /// Name of the data set.
    pub dataset: String,
    /// Fingerprint of the data.
    pub data: String,
    /// What computed.
    pub backend: String,
    /// How it computed: `fast` or `reference`.
    pub ops: String,
    /// Threads in use.
    pub threads: usize,
    /// How the data were made binary.
    pub binarize: String,
    /// The run whose codes it learned, if it did.
    pub codes_of: Option<PathBuf>,
    /// Distribution of the data given the code.
    pub likelihood: String,
    /// `finished` or `stopped early`.
    pub ending: String,
    /// Epochs done.
    pub epochs: usize,
    /// Optimizer steps done.
    pub steps: u64,
    /// Numbers that were trained.
    pub parameters: usize,
    /// Examples in each split.
    pub examples: Examples,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds of the process that ended the run, from its start.
    pub process_seconds: f64,
    /// Training examples per second.
    pub train_samples_per_second: f64,
    /// Least validation loss, with early stopping.
    pub best_validation_loss: Option<f64>,
    /// The step that it is of.
    pub best_step: Option<u64>,
    /// Means over the last epoch of the main training.
    pub train: Option<Named>,
    /// The validation split.
    pub validation: Option<Scores>,
    /// The test split; its input corrupted as in the training.
    pub test: Option<Scores>,
    /// The test split with clean input, where the training corrupts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_clean: Option<Scores>,
    /// What the training does to the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corruption: Option<String>,
    /// Codes for each example behind `nll`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nll_samples: Option<usize>,
    /// Which values are Monte Carlo estimates of what has no closed form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values stand beside the code and the likelihood, under their own names.
    #[test]
    fn scores_are_one_table() {
        let text = r#"{"loss":3.5,"latent":{"active_units":1,"mean_variance":[0.5],"kl_per_dimension":null,
            "active_fraction":null,"dead_units":null},"kl":null,"nll":3.25,"accuracy":1}"#;
        let scores: Scores = serde_json::from_str(text).unwrap();
        let values: Vec<_> = scores.values.iter().collect();
        let expected = [("loss", Some(3.5)), ("kl", None), ("accuracy", Some(1.0))];
        assert_eq!(values, expected);
        assert_eq!(scores.nll, Some(3.25));
        assert_eq!(scores.latent.as_ref().unwrap().mean_variance, [0.5]);
        let again = serde_json::to_string(&scores).unwrap();
        assert_eq!(serde_json::from_str::<Scores>(&again).unwrap(), scores);
        assert!(
            again.starts_with(r#"{"loss":3.5,"kl":null,"accuracy":1.0,"#),
            "{again}"
        );
    }

    #[test]
    fn a_summary_comes_back() {
        let summary = Summary {
            test: Some(Scores {
                values: [("loss", 1.5)].into_iter().collect(),
                ..Scores::default()
            }),
            estimates: vec!["kl".into()],
            ..Summary::default()
        };
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
        assert!(!text.contains("test_clean"), "{text}");
    }
}
