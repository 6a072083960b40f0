//! What is shown while trials run: a live line on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Counts of trials, and what is shown of them.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    finished: usize,
    failed: usize,
    jobs: usize,
    /// Durations of the trials that ran here.
    durations: Vec<Duration>,
}

impl Progress {
    pub fn new(total: usize, finished: usize, jobs: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_position(finished as u64);
            bar
        });
        Self {
            bar,
            total,
            finished,
            failed: 0,
            jobs,
            durations: Vec::new(),
        }
    }

    /// Shows a line that stays.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    pub fn finished(&mut self, name: &str, took: Option<Duration>, loss: Option<f64>) {
        self.finished += 1;
        self.durations.extend(took);
        let took = took
            .map(|took| format!(", {}", duration_text(took)))
            .unwrap_or_default();
        let loss = loss
            .map(|loss| format!(", test loss {loss:.3}"))
            .unwrap_or_default();
        self.say(&format!("{} finished {name}{took}{loss}", self.count()));
    }

    pub fn failed(&mut self, name: &str, took: Option<Duration>, reason: &str) {
        self.failed += 1;
        self.durations.extend(took);
        let reason = reason
            .replacen('\n', "; the end of its log:\n", 1)
            .replace('\n', "\n    ");
        self.say(&format!("{} FAILED {name}: {reason}", self.count()));
    }

    /// Renews the live line.
    pub fn show(&self, running: usize) {
        let Some(bar) = &self.bar else { return };
        bar.set_position((self.finished + self.failed) as u64);
        let mut text = format!(
            "{}/{} finished, {running} running",
            self.finished, self.total
        );
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", self.failed));
        }
        if let Some(left) = self.time_left(running) {
            text.push_str(&format!(", about {} left", duration_text(left)));
        }
        bar.set_message(text);
    }

    /// Takes the live line away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn count(&self) -> String {
        let width = self.total.to_string().len();
        format!("[{:>width$}/{}]", self.finished + self.failed, self.total)
    }

    /// Trials that go on, and those that wait, as if each took as long as the mean so far.
    fn time_left(&self, running: usize) -> Option<Duration> {
        if self.durations.is_empty() {
            return None;
        }
        let mean = self.durations.iter().sum::<Duration>() / self.durations.len() as u32;
        let waiting = self
            .total
            .saturating_sub(self.finished + self.failed + running);
        let rounds = waiting as f64 / self.jobs as f64 + if running > 0 { 0.5 } else { 0.0 };
        Some(mean.mul_f64(rounds))
    }
}

/// A duration such as `420ms`, `12s`, `3m 20s` or `2h 5m`.
pub fn duration_text(duration: Duration) -> humantime::FormattedDuration {
    let milliseconds = duration.as_millis() as u64;
    // More digits than anybody reads.
    let coarse = match milliseconds {
        0..1000 => 10,
        1000..3_600_000 => 1000,
        _ => 60_000,
    };
    humantime::format_duration(Duration::from_millis(milliseconds / coarse * coarse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_texts() {
        let texts = [
            (0.42, "420ms"),
            (12.9, "12s"),
            (200.0, "3m 20s"),
            (7500.0, "2h 5m"),
        ];
        for (seconds, text) in texts {
            let duration = Duration::from_secs_f64(seconds);
            assert_eq!(duration_text(duration).to_string(), text);
        }
    }

    #[test]
    fn time_left_follows_from_the_mean() {
        let mut progress = Progress::new(10, 4, 2);
        assert_eq!(progress.time_left(2), None);
        progress.finished("a", Some(Duration::from_secs(10)), None);
        // Three wait for two places, two are half done.
        assert_eq!(progress.time_left(2), Some(Duration::from_secs(20)));
    }
}
