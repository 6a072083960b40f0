//! Schedules: how a weight or a learning rate moves during training.

use garde::{Error, Validate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vae_data::bounds::finite;

/// A value that may change with the training step. Written as a plain number (constant) or as a
/// table, e.g. `{ kind = "linear", to = 4, until = 0.25 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(untagged)]
pub enum Schedule {
    /// The same value throughout.
    Constant(
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        f64,
    ),
    /// A value that moves.
    Moving(#[garde(dive)] Moving),
}

/// A schedule that moves. `start` and `until` are fractions of the whole training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Moving {
    /// Straight line between two values, constant outside: warm-up (Bowman 2016, Sonderby 2016).
    Linear {
        /// Value up to `start`.
        #[serde(default)]
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        from: f64,
        /// Value after `until`.
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        to: f64,
        /// Fraction of the training at which the line begins.
        #[serde(default)]
        #[garde(range(min = 0.0, max = 1.0), custom(finite))]
        start: f64,
        /// Fraction of the training at which the line ends.
        #[serde(default = "one")]
        #[garde(range(min = 0.0, max = 1.0), custom(finite), custom(after(*start)))]
        until: f64,
    },
    /// Half a cosine between two values, constant outside.
    Cosine {
        /// Value up to `start`.
        #[serde(default)]
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        from: f64,
        /// Value after `until`.
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        to: f64,
        /// Fraction of the training at which the curve begins.
        #[serde(default)]
        #[garde(range(min = 0.0, max = 1.0), custom(finite))]
        start: f64,
        /// Fraction of the training at which the curve ends.
        #[serde(default = "one")]
        #[garde(range(min = 0.0, max = 1.0), custom(finite), custom(after(*start)))]
        until: f64,
    },
    /// Repeated warm-ups (Fu 2019, "Cyclical annealing schedule", eq. 6): each cycle rises linearly
    /// during its first `rise` and stays at `to` for the rest.
    Cyclic {
        /// Value at the start of each cycle.
        #[serde(default)]
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        from: f64,
        /// Value at the end of each cycle.
        #[garde(custom(level))]
        #[schemars(range(min = 0.0))]
        to: f64,
        /// Number of cycles in the whole training.
        #[serde(default = "four")]
        #[garde(range(min = 1))]
        cycles: u32,
        /// Fraction of a cycle in which the value rises.
        #[serde(default = "half")]
        #[garde(range(min = 0.0, max = 1.0), custom(finite))]
        rise: f64,
    },
    /// A constant value in each stage.
    Steps {
        /// Value of each stage.
        #[garde(inner(custom(level)), custom(one_more_than(at)))]
        #[schemars(inner(range(min = 0.0)))]
        values: Vec<f64>,
        /// Fractions of the training at which the second and later stages begin, rising.
        #[garde(custom(rising))]
        #[schemars(inner(range(min = 0.0, max = 1.0)))]
        at: Vec<f64>,
    },
}

/// A rule of `garde`: the values of a schedule are weights and rates.
fn level(value: &f64, (): &()) -> garde::Result {
    holds(
        *value >= 0.0 && value.is_finite(),
        "a finite number, at least 0",
    )
}

fn after(start: f64) -> impl Fn(&f64, &()) -> garde::Result {
    move |until, ()| holds(*until >= start, "from start to 1")
}

fn rising(at: &[f64], (): &()) -> garde::Result {
    let inside = at.iter().all(|x| (0.0..=1.0).contains(x));
    holds(inside && at.is_sorted(), "rising numbers from 0 to 1")
}

fn one_more_than(at: &[f64]) -> impl Fn(&Vec<f64>, &()) -> garde::Result {
    move |values, ()| {
        let fits = values.len() == at.len() + 1;
        holds(fits, "one number more than there are in at")
    }
}

fn holds(holds: bool, bound: &str) -> garde::Result {
    holds.then_some(()).ok_or_else(|| Error::new(bound))
}

fn one() -> f64 {
    1.0
}
fn half() -> f64 {
    0.5
}
fn four() -> u32 {
    4
}

impl From<f64> for Schedule {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl Schedule {
    /// The value at `step` (counted from 0) of `total_steps`.
    pub fn at(&self, step: u64, total_steps: u64) -> f64 {
        let progress = step as f64 / total_steps.max(1) as f64;
        match *self {
            Self::Constant(value) => value,
            Self::Moving(Moving::Steps { ref values, ref at }) => {
                values[at.iter().filter(|&&begin| progress >= begin).count()]
            }
            Self::Moving(Moving::Linear {
                from,
                to,
                start,
                until,
            }) => from + (to - from) * ramp(progress, start, until),
            Self::Moving(Moving::Cosine {
                from,
                to,
                start,
                until,
            }) => {
                let x = ramp(progress, start, until);
                from + (to - from) * 0.5 * (1.0 - (std::f64::consts::PI * x).cos())
            }
            Self::Moving(Moving::Cyclic {
                from,
                to,
                cycles,
                rise,
            }) => {
                let position = (progress * f64::from(cycles)).fract();
                from + (to - from) * ramp(position, 0.0, rise)
            }
        }
    }
}

/// 0 before `start`, 1 after `until`, a straight line between.
fn ramp(x: f64, start: f64, until: f64) -> f64 {
    if x >= until {
        1.0
    } else if x <= start {
        0.0
    } else {
        (x - start) / (until - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::check_bounds;
    use proptest::prelude::*;

    fn read(text: &str) -> Schedule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_number_is_constant() {
        assert_eq!(read("4.0").at(7, 10), 4.0);
        assert_eq!(read("4").at(0, 10), 4.0);
    }

    #[test]
    fn linear_by_hand() {
        let schedule = read(r#"{"kind": "linear", "to": 4.0, "start": 0.2, "until": 0.6}"#);
        let values: Vec<f64> = [0, 20, 40, 60, 100].map(|s| schedule.at(s, 100)).to_vec();
        for (value, expected) in values.iter().zip([0.0, 0.0, 2.0, 4.0, 4.0]) {
            assert!((value - expected).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn cosine_by_hand() {
        let schedule = read(r#"{"kind": "cosine", "from": 1.0, "to": 0.0}"#);
        // At a third of the way 1 - (1 - cos(60 degrees)) / 2 = 0.75.
        assert!((schedule.at(1, 3) - 0.75).abs() < 1e-12);
        assert!((schedule.at(3, 3)).abs() < 1e-12);
    }

    #[test]
    fn cyclic_by_hand() {
        let schedule = read(r#"{"kind": "cyclic", "to": 1.0, "cycles": 2, "rise": 0.5}"#);
        let values = [0, 1, 2, 3, 4, 5].map(|s| schedule.at(s, 8));
        assert_eq!(values, [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]);
    }

    #[test]
    fn steps_by_hand() {
        let schedule = read(r#"{"kind": "steps", "values": [3, 2, 1], "at": [0.5, 0.75]}"#);
        assert!(check_bounds("train.lr", &schedule).is_ok());
        assert_eq!(
            [0, 1, 2, 3, 4].map(|s| schedule.at(s, 4)),
            [3.0, 3.0, 2.0, 1.0, 1.0]
        );
    }

    #[test]
    fn bounds_are_named() {
        let bad = |text| {
            let error = check_bounds("variant.beta", &read(text)).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            bad(r#"{"kind": "linear", "to": -4.0}"#),
            "`variant.beta.to` is -4, but must be a finite number, at least 0"
        );
        assert_eq!(
            bad("-4"),
            "`variant.beta` is -4, but must be a finite number, at least 0"
        );
        assert_eq!(
            bad(r#"{"kind": "cosine", "to": 1, "start": 0.5, "until": 0.25}"#),
            "`variant.beta.until` is 0.25, but must be from start to 1"
        );
        assert_eq!(
            bad(r#"{"kind": "cosine", "to": 1, "start": 2}"#),
            "`variant.beta.start` is 2, but must be from 0 to 1"
        );
        assert_eq!(
            bad(r#"{"kind": "steps", "values": [1, 2], "at": [0.5, 0.1]}"#),
            "`variant.beta.at` is [0.5, 0.1], but must be rising numbers from 0 to 1"
        );
    }

    proptest! {
        #[test]
        fn stays_between_its_ends(
            from in -5.0..5.0, to in -5.0..5.0, step in 0_u64..200, cycles in 1_u32..9, rise in 0.0..1.0
        ) {
            let (low, high) = if from < to { (from, to) } else { (to, from) };
            for schedule in [
                Moving::Linear { from, to, start: 0.1, until: 0.7 },
                Moving::Cosine { from, to, start: 0.0, until: 1.0 },
                Moving::Cyclic { from, to, cycles, rise },
            ] {
                let value = Schedule::Moving(schedule).at(step, 100);
                prop_assert!(value >= low - 1e-9 && value <= high + 1e-9);
            }
        }
    }
}
