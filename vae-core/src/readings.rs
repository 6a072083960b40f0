//! Reading the values of an objective, and averaging them over examples.

use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use crate::{Objective, Term, error::Error};

/// The values of one objective, averaged over its batch, in nats per example.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// `loss`, `reconstruction`, then terms and monitors by name, in order.
    pub values: Vec<(String, f64)>,
    /// Weight in force of each term.
    pub weights: Vec<(String, f64)>,
    /// Of how many examples a value is the mean, where it is not all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<(String, u64)>,
    /// Which values are Monte Carlo estimates of what has no closed form: [`Objective::estimates`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<String>,
    /// The values by which the pace of the updates decides: [`Objective::signals`].
    #[serde(skip)]
    pub signals: Vec<f64>,
}

impl Readings {
    /// Reads an objective. The values of its players carry their names, e.g. `discriminator.loss`.
    pub(crate) fn of<B: Backend>(objective: &Objective<B>) -> Self {
        let (readings, _) = Unread::of(objective).read(Vec::new());
        readings
    }

    /// What is minimised.
    pub fn loss(&self) -> f64 {
        self.values.first().map_or(f64::NAN, |(_, loss)| *loss)
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values
            .iter()
            .find_map(|(key, value)| (key == name).then_some(*value))
    }

    /// The first value that is not finite, looking at the terms before their sum.
    pub(crate) fn check_finite(
        &self,
        step: u64,
        advice: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let bad = |(_, value): &&(String, f64)| !value.is_finite();
        let found = self.values.iter().skip(1).find(bad);
        match found.or_else(|| self.values.iter().find(bad)) {
            None => Ok(()),
            Some((term, value)) => Err(Error::NonFinite {
                step,
                term: term.clone(),
                value: *value,
                advice: advice(),
            }),
        }
    }
}

/// The readings of an objective while their values are still on the device: all of them are transferred at once, as
/// the device computes nothing while it is waited for.
pub(crate) struct Unread<B: Backend> {
    batch: usize,
    values: Vec<Tensor<B, 1>>,
    signals: Vec<Tensor<B, 1>>,
    names: Vec<String>,
    rest: Readings,
}

impl<B: Backend> Unread<B> {
    pub fn of(objective: &Objective<B>) -> Self {
        let mut all = Self {
            batch: objective.reconstruction.dims()[0],
            values: Vec::new(),
            signals: Vec::new(),
            names: Vec::new(),
            rest: Readings::default(),
        };
        all.add("loss", "", objective.total());
        let reconstruction = objective.reconstruction.clone();
        all.add("reconstruction", "", reconstruction.mean());
        all.list("", &objective.terms, &objective.monitors);
        for player in &objective.players {
            let prefix = format!("{}.", player.name);
            all.add("loss", &prefix, player.total());
            all.list(&prefix, &player.terms, &player.monitors);
        }
        let signals = objective.signals.iter();
        all.signals = signals.map(|signal| signal.clone().mean()).collect();
        let estimates = objective.estimates.iter().map(|name| (*name).to_owned());
        all.rest.estimates = estimates.filter(|name| all.names.contains(name)).collect();
        all
    }

    fn add(&mut self, name: &str, prefix: &str, value: Tensor<B, 1>) {
        self.names.push(format!("{prefix}{name}"));
        self.values.push(value);
    }

    fn list(&mut self, prefix: &str, terms: &[Term<B>], monitors: &[(&str, Tensor<B, 1>)]) {
        for term in terms {
            self.add(term.name, prefix, term.value.clone().mean());
            let name = format!("{prefix}{}", term.name);
            self.rest.weights.push((name, term.weight));
        }
        for (name, value) in monitors {
            let [count] = value.dims();
            if count != self.batch {
                let name = format!("{prefix}{name}");
                self.rest.counts.push((name, count as u64));
            }
            if count > 0 {
                self.add(name, prefix, value.clone().mean());
            }
        }
    }

    /// Reads them, and with them `others`.
    ///
    /// # Shapes
    /// - `others`: `[1]` each
    pub fn read(self, others: Vec<Tensor<B, 1>>) -> (Readings, Vec<f64>) {
        let [named, signals] = [self.values.len(), self.signals.len()];
        let all = [self.values, self.signals, others].concat();
        let values = Tensor::cat(all, 0).into_data();
        let mut values: Vec<f64> = values.iter::<f32>().map(f64::from).collect();
        let others = values.split_off(named + signals);
        let signals = values.split_off(named);
        let readings = Readings {
            values: self.names.into_iter().zip(values).collect(),
            signals,
            ..self.rest
        };
        (readings, others)
    }
}

/// A mean of readings, each weighted by its number of examples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Meter {
    examples: u64,
    sums: Vec<Sum>,
    weights: Vec<(String, f64)>,
    #[serde(default)]
    estimates: Vec<String>,
}

/// The sum of a value over the examples that have it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sum {
    name: String,
    sum: f64,
    examples: u64,
}

impl Meter {
    /// Adds the readings of `examples` examples.
    pub fn add(&mut self, readings: &Readings, examples: usize) {
        self.examples += examples as u64;
        self.weights.clone_from(&readings.weights);
        self.estimates.clone_from(&readings.estimates);
        for (name, value) in &readings.values {
            let count = readings.counts.iter().find(|(key, _)| key == name);
            let examples = count.map_or(examples as u64, |(_, count)| *count);
            let sum = value * examples as f64;
            match self.sums.iter_mut().find(|sum| sum.name == *name) {
                Some(known) => {
                    (known.sum, known.examples) = (known.sum + sum, known.examples + examples)
                }
                None => self.sums.push(Sum {
                    name: name.clone(),
                    sum,
                    examples,
                }),
            }
        }
    }

    /// Examples seen.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// The means, with the weights last in force.
    pub fn mean(&self) -> Readings {
        let sums = self.sums.iter();
        let counts = self.sums.iter().filter(|sum| sum.examples != self.examples);
        Readings {
            values: sums
                .map(|sum| (sum.name.clone(), sum.sum / sum.examples.max(1) as f64))
                .collect(),
            weights: self.weights.clone(),
            estimates: self.estimates.clone(),
            counts: counts.map(|sum| (sum.name.clone(), sum.examples)).collect(),
            signals: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(loss: f64) -> Readings {
        Readings {
            values: vec![("loss".into(), loss), ("reconstruction".into(), 2.0 * loss)],
            ..Readings::default()
        }
    }

    /// By hand: 3 right of 4, then 1 of 1, then none to judge: 4 of 5. The loss is that of all 6.
    #[test]
    fn what_only_some_examples_have_is_a_mean_over_those() {
        let mut meter = Meter::default();
        for (right, count, examples) in [(Some(0.75), 4, 4), (Some(1.0), 1, 1), (None, 0, 1)] {
            let mut readings = readings(3.0);
            readings
                .values
                .extend(right.map(|right| ("accuracy".into(), right)));
            readings.counts.push(("accuracy".into(), count));
            meter.add(&readings, examples);
        }
        let mean = meter.mean();
        assert_eq!(mean.get("accuracy"), Some(0.8));
        assert_eq!((mean.get("loss"), meter.examples()), (Some(3.0), 6));
        assert_eq!(mean.counts, [("accuracy".to_owned(), 5)]);
    }

    proptest::proptest! {
        /// A checkpoint holds the sums of an epoch, and a resumed run must end as one without a break.
        #[test]
        fn sums_come_back_to_the_last_bit(losses in proptest::collection::vec(-1e4f64..1e4, 1..9)) {
            let mut meter = Meter::default();
            for loss in losses {
                meter.add(&readings(loss), 3);
            }
            let text = serde_json::to_vec(&meter).unwrap();
            let back: Meter = serde_json::from_slice(&text).unwrap();
            proptest::prop_assert_eq!(back, meter);
        }
    }

    /// The objective says by the length of a monitor how many examples have it.
    #[test]
    fn short_monitors_are_counted() {
        use burn_flex::Flex;
        let vector = |values: &[f32]| Tensor::<Flex, 1>::from_data(values, &Default::default());
        let objective = Objective::new(vector(&[1.0, 3.0]))
            .with_monitor_of_some("accuracy", vector(&[1.0]))
            .with_monitor_of_some("nobody", Tensor::empty([0], &Default::default()));
        let read = Readings::of(&objective);
        assert_eq!(read.get("accuracy"), Some(1.0));
        assert_eq!(read.get("nobody"), None);
        assert_eq!(
            read.counts,
            [("accuracy".to_owned(), 1), ("nobody".to_owned(), 0)]
        );
    }

    /// By hand: (128 * 1 + 72 * 3) / 200 = 1.72. Averaging batch means would give 2.
    #[test]
    fn a_short_last_batch_counts_less() {
        let mut meter = Meter::default();
        meter.add(&readings(1.0), 128);
        meter.add(&readings(3.0), 72);
        assert!((meter.mean().get("loss").unwrap() - 1.72).abs() < 1e-12);
        assert!((meter.mean().get("reconstruction").unwrap() - 3.44).abs() < 1e-12);
        assert_eq!(meter.examples(), 200);
    }

    #[test]
    fn the_term_is_named_before_the_sum() {
        let mut bad = readings(f64::NAN);
        bad.values[1].1 = f64::INFINITY;
        let error = bad
            .check_finite(7, || "no checkpoint yet".into())
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("reconstruction became inf at step 7; no checkpoint yet"),
            "{text}"
        );
    }
}
