//! What a run shows while it works: bars on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use vae_core::train::{EpochReport, Observer, Readings, StepReport};
use vae_data::Progress;
use vae_results::{MetricsRow, Named, RunWriter};

use crate::commands::train::LogFormat;

/// How much is shown and how.
#[derive(Debug, Clone)]
pub struct Screen {
    bars: Option<MultiProgress>,
    json: bool,
}

impl Screen {
    /// Sets up logging on standard error. Bars are drawn only on a terminal, and not with `quiet`
    /// or JSON logs.
    pub fn start(quiet: bool, verbose: u8, format: LogFormat) -> Self {
        let json = matches!(format, LogFormat::Json);
        let shows_bars = !quiet && !json && std::io::stderr().is_terminal();
        let screen = Self {
            bars: shows_bars.then(MultiProgress::new),
            json,
        };
        let level = match (quiet, verbose) {
            (true, _) => "warn",
            (false, 0) => "vae=info,warn",
            (false, 1) => "vae=debug,vae_core=debug,vae_data=debug,info",
            (false, _) => "vae=trace,vae_core=trace,vae_data=trace,debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        let writer = screen.clone();
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || BelowBars(writer.bars.clone()));
        let result = if json {
            builder.json().try_init()
        } else if verbose == 0 {
            builder
                .without_time()
                .with_target(false)
                .with_level(false)
                .with_ansi(false)
                .try_init()
        } else {
            builder.with_ansi(shows_bars).try_init()
        };
        // A second call in one process keeps the first subscriber.
        drop(result);
        screen
    }

    fn bar(&self, length: Option<u64>, template: &str) -> Option<ProgressBar> {
        let bar = self.bars.as_ref()?.add(match length {
            Some(length) => ProgressBar::new(length),
            None => ProgressBar::new_spinner(),
        });
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸ ");
        bar.set_style(style);
        Some(bar)
    }
}

/// Writes log lines without tearing the bars.
struct BelowBars(Option<MultiProgress>);

impl Write for BelowBars {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &self.0 {
            Some(bars) => bars.suspend(|| std::io::stderr().write_all(bytes))?,
            None => std::io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Shows downloads and decoding.
#[derive(Debug)]
pub struct Loading {
    screen: Screen,
    bar: std::sync::Mutex<Option<ProgressBar>>,
}

impl Loading {
    /// Shows on `screen`.
    pub fn new(screen: &Screen) -> Self {
        Self {
            screen: screen.clone(),
            bar: std::sync::Mutex::new(None),
        }
    }

    fn with_bar(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        act(&mut self
            .bar
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}

impl Progress for Loading {
    fn start(&self, what: &str, total: Option<u64>) {
        if self.screen.bars.is_none() {
            tracing::info!("{what}");
        }
        let bar = self
            .screen
            .bar(total, "{msg}  {bar:30}  {pos}/{len}  {eta} left");
        if let Some(bar) = &bar {
            bar.set_message(what.to_owned());
        }
        self.with_bar(|slot| *slot = bar);
    }

    fn advance(&self, n: u64) {
        self.with_bar(|slot| {
            if let Some(bar) = slot {
                bar.inc(n);
            }
        });
    }

    fn finish(&self) {
        self.with_bar(|slot| {
            if let Some(bar) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}

/// Writes `metrics.jsonl` and shows the training.
pub struct Watch<'a> {
    folder: &'a RunWriter,
    screen: Screen,
    epochs: usize,
    bar: Option<ProgressBar>,
    shown: Instant,
    first_step: Option<(Instant, u64)>,
    examples: u64,
    epoch_start: Instant,
    collapsed: bool,
    /// Values of which it has been said that they are Monte Carlo estimates.
    estimates: Vec<String>,
}

impl<'a> Watch<'a> {
    /// Watches a run of `epochs` epochs in all.
    pub fn new(folder: &'a RunWriter, screen: &Screen, epochs: usize) -> Self {
        Self {
            folder,
            screen: screen.clone(),
            epochs,
            bar: None,
            shown: Instant::now(),
            first_step: None,
            examples: 0,
            epoch_start: Instant::now(),
            collapsed: false,
            estimates: Vec::new(),
        }
    }
}

impl Observer for Watch<'_> {
    fn step(&mut self, report: &StepReport<'_>) {
        let now = Instant::now();
        let (started, first) = *self.first_step.get_or_insert((now, report.step));
        self.examples += report.examples as u64;
        if self.bar.is_none() {
            let template = "{prefix}  {bar:24}  {msg}";
            self.bar = self.screen.bar(Some(report.batches as u64), template);
            self.epoch_start = now;
            self.examples = 0;
        }
        let is_due = now - self.shown >= Duration::from_millis(100);
        if let Some(bar) = &self.bar
            && (is_due || report.batch == 1 || report.batch == report.batches)
        {
            self.shown = now;
            bar.set_position(report.batch as u64);
            let what = (report.stage).map_or(String::new(), |stage| format!("  {stage}"));
            bar.set_prefix(format!("epoch {}/{}{what}", report.epoch, self.epochs));
            let seconds = (now - self.epoch_start).as_secs_f64();
            let speed = self.examples as f64 / seconds.max(1e-3);
            let per_step = (now - started).as_secs_f64() / (report.step - first).max(1) as f64;
            let left = per_step * (report.total_steps - report.step) as f64;
            bar.set_message(format!(
                "{}  {} samples/s  {} left",
                list(report.readings, 4),
                thousands(speed),
                duration(left)
            ));
        }
    }

    fn epoch(&mut self, report: &EpochReport<'_>) -> vae_core::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.folder.append_metrics(&metrics_row(report))?;
        if self.screen.json {
            let text = |values: &[(String, f64)]| serde_json::to_string(&named(values));
            let validation = report.validation.map(|of| text(&of.readings.values));
            tracing::info!(
                epoch = report.epoch,
                step = report.step,
                stage = report.stage,
                train = text(&report.train.values).unwrap_or_default(),
                validation = validation
                    .transpose()
                    .unwrap_or_default()
                    .unwrap_or("null".into()),
                samples_per_second = report.samples_per_second,
                "epoch done"
            );
        } else {
            tracing::info!("{}", epoch_line(report, self.epochs));
        }
        if self.estimates != report.train.estimates {
            self.estimates.clone_from(&report.train.estimates);
            tracing::info!(
                "Monte Carlo estimates, from the codes drawn, as there is no closed form: {}",
                self.estimates.join(", ")
            );
        }
        let was_collapsed = std::mem::replace(&mut self.collapsed, has_collapsed(report));
        if self.collapsed && !was_collapsed {
            tracing::warn!(
                "the posterior has collapsed: no latent dimension is active after epoch {}; if it stays so, \
                 try a smaller KL weight, a warm-up (--kl-schedule), --free-bits or --aggressive",
                report.epoch
            );
        }
        warn_of_winner(report);
        Ok(())
    }

    fn checkpoint(&mut self, path: &Path, step: u64) {
        tracing::debug!("checkpoint of step {step} written to {}", path.display());
    }
}

/// Steps without a break after which a competition counts as won.
const WON: u64 = 100;

/// The end of an epoch in one line: the terms of the validation split, or of training without one.
fn epoch_line(report: &EpochReport<'_>, epochs: usize) -> String {
    let width = epochs.to_string().len();
    let mut text = format!("epoch {:>width$}/{epochs}", report.epoch);
    if let Some(stage) = report.stage {
        text += &format!("  {stage}:");
    }
    let shown = match report.validation {
        Some(evaluation) => {
            let loss = report.train.get("loss").unwrap_or(f64::NAN);
            text += &format!("  train {loss:.2}  validation");
            &evaluation.readings
        }
        None => report.train,
    };
    text += &format!("  {}", list(shown, 4));
    let accuracies = shown
        .values
        .iter()
        .filter(|(name, _)| name.ends_with("accuracy"));
    for (name, value) in accuracies {
        text += &format!("  {name} {:.1} %", 100.0 * value);
    }
    if let Some(latent) = report.validation.and_then(|e| e.latent.as_ref()) {
        let units = latent.mean_variance.len();
        text += &format!("  active {}/{units}", latent.active_units);
        if let (Some(perplexity), Some(dead)) = (latent.perplexity, latent.dead_codes) {
            text += &format!("  perplexity {perplexity:.1}  dead {:.1} %", 100.0 * dead);
        }
        if let Some(dead) = latent.dead_units {
            text += &format!("  dead {dead}");
        }
    }
    text += &format!("  {}/s", thousands(report.samples_per_second));
    if report.is_best {
        text += "  best";
    }
    text
}

/// Whether a Gaussian code carries nothing.
fn has_collapsed(report: &EpochReport<'_>) -> bool {
    let latent = report.validation.and_then(|e| e.latent.as_ref());
    latent.is_some_and(|latent| latent.kl_per_dimension.is_some() && latent.active_units == 0)
}

/// Says so when one of two competitors has won for long.
fn warn_of_winner(report: &EpochReport<'_>) {
    for (winner, steps) in report.rests {
        if *steps >= WON {
            tracing::warn!(
                "the {winner} has won, and rested, for {} steps: the competition has collapsed; try \
                 another weight of its terms, a smaller learning rate or smaller networks",
                thousands(*steps as f64)
            );
        }
    }
}

/// What `metrics.jsonl` keeps of an epoch.
fn metrics_row(report: &EpochReport<'_>) -> MetricsRow {
    MetricsRow {
        epoch: report.epoch,
        step: report.step,
        seconds: report.seconds,
        samples_per_second: report.samples_per_second,
        lr: report.lr,
        best: report.is_best,
        train: named(&report.train.values),
        validation: report.validation.map(|of| named(&of.readings.values)),
        weights: named(&report.train.weights),
        latent: report.validation.and_then(|of| of.latent.clone()),
        stage: report.stage.map(str::to_owned),
        estimates: report.train.estimates.clone(),
    }
}

fn named(values: &[(String, f64)]) -> Named {
    values.iter().cloned().collect()
}

/// The first `most` values as text.
fn list(readings: &Readings, most: usize) -> String {
    let shown = readings.values.iter().take(most);
    let parts: Vec<String> = shown
        .map(|(name, value)| format!("{name} {value:.2}"))
        .collect();
    parts.join("  ")
}

/// A whole number with separators.
pub fn thousands(value: f64) -> HumanCount {
    HumanCount(value.round() as u64)
}

/// Seconds as `12s`, `3m 5s` or `2h 10m`.
pub fn duration(seconds: f64) -> humantime::FormattedDuration {
    // More digits than anybody reads.
    let coarse = if seconds < 3600.0 { 1.0 } else { 60.0 };
    let seconds = (seconds / coarse).round() * coarse;
    humantime::format_duration(Duration::from_secs(seconds as u64))
}

#[cfg(test)]
mod tests {
    use vae_core::train::Evaluation;

    use super::*;

    #[test]
    fn an_epoch_is_one_line() {
        let readings = |loss: f64| Readings {
            values: vec![("loss".into(), loss), ("kl".into(), 2.0)],
            ..Readings::default()
        };
        let evaluation = Evaluation {
            examples: 10,
            readings: readings(9.5),
            latent: None,
        };
        let train = readings(10.0);
        let mut report = EpochReport {
            epoch: 3,
            step: 30,
            stage: None,
            train: &train,
            validation: Some(&evaluation),
            lr: 0.1,
            seconds: 1.0,
            samples_per_second: 12_345.0,
            is_best: true,
            rests: &[],
        };
        assert_eq!(
            epoch_line(&report, 20),
            "epoch  3/20  train 10.00  validation  loss 9.50  kl 2.00  12,345/s  best"
        );
        report.validation = None;
        report.is_best = false;
        assert_eq!(
            epoch_line(&report, 5),
            "epoch 3/5  loss 10.00  kl 2.00  12,345/s"
        );
        assert!(metrics_row(&report).stage.is_none());
        report.stage = Some("prior");
        assert_eq!(
            epoch_line(&report, 5),
            "epoch 3/5  prior:  loss 10.00  kl 2.00  12,345/s"
        );
        assert_eq!(metrics_row(&report).stage.as_deref(), Some("prior"));
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(thousands(1_234_567.4).to_string(), "1,234,567");
        assert_eq!(thousands(999.0).to_string(), "999");
        assert_eq!(duration(59.4).to_string(), "59s");
        assert_eq!(duration(65.0).to_string(), "1m 5s");
        assert_eq!(duration(7801.0).to_string(), "2h 10m");
    }
}
