//! Ways through the space of codes: from one code to another, and along a single latent.

use vae_core::{Error, Result};

use super::{Condition, Examples, Trained, engine::Under};

/// Below this the sine of the angle between two codes is taken for 0: they are parallel.
const PARALLEL: f64 = 1e-6;

/// The way from one code to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The straight line.
    Linear,
    /// The arc of a great circle (White 2016, "Sampling generative networks"): the length of the codes stays
    /// between those of the two, as that of samples of a Gaussian prior does. The straight line for codes
    /// that are parallel.
    Spherical,
}

/// A code, and what a conditional model decodes it under.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// `[latent]`
    pub code: Vec<f32>,
    /// Nothing for an unconditional model.
    pub condition: Option<Condition>,
}

impl Spot {
    /// What is at the part `t` of the way to another, from 0 to 1; conditions go there in a straight line.
    ///
    /// # Panics
    /// If the codes are not of the same width.
    pub fn between(&self, other: &Self, t: f64, course: Course) -> Self {
        let condition = match (&self.condition, &other.condition) {
            (Some(from), Some(to)) => Some(Condition(linear(&from.0, &to.0, t))),
            (from, _) => from.clone(),
        };
        let code = match course {
            Course::Linear => linear(&self.code, &other.code, t),
            Course::Spherical => spherical(&self.code, &other.code, t),
        };
        Self { code, condition }
    }

    /// The same with another value of one latent.
    ///
    /// # Panics
    /// If there is no such latent.
    #[must_use]
    pub fn with(&self, latent: usize, value: f32) -> Self {
        let mut changed = self.clone();
        changed.code[latent] = value;
        changed
    }
}

/// `(1 - t) a + t b`, which at both ends is the end itself.
fn linear(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    weighted(a, b, 1.0 - t, t)
}

/// `sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b`, where `w` is the angle between them.
fn spherical(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    let product = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (product(a, a) * product(b, b)).sqrt();
    let angle = (product(a, b) / lengths).clamp(-1.0, 1.0).acos();
    let sine = angle.sin();
    // NaN where one has no length.
    if sine.is_nan() || sine < PARALLEL {
        return linear(a, b, t);
    }
    let weight = |part: f64| (part * angle).sin() / sine;
    weighted(a, b, weight(1.0 - t), weight(t))
}

fn weighted(a: &[f32], b: &[f32], of_a: f64, of_b: f64) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "codes of one width");
    let pairs = a.iter().zip(b);
    let sum = |(a, b): (&f32, &f32)| (of_a * f64::from(*a) + of_b * f64::from(*b)) as f32;
    pairs.map(sum).collect()
}

impl Trained {
    /// The mean of the mean codes of some examples, and of their conditions: of one example that is its own.
    ///
    /// # Errors
    /// [`Error::Unfit`] if there is no example; those of the data, and [`Error::Stopped`].
    pub fn spot(&self, examples: &Examples<'_>) -> Result<Spot> {
        let mut code = Mean::default();
        for codes in self.encode(examples) {
            code.add(&codes?.mean, self.latent());
        }
        if code.rows == 0.0 {
            return Err(Error::Unfit("there is no example".to_owned()));
        }
        let mut condition = Mean::default();
        for conditions in self.conditions_of(examples) {
            for Condition(row) in conditions? {
                condition.add(&row, row.len());
            }
        }
        Ok(Spot {
            code: code.finish(),
            condition: (condition.rows > 0.0).then(|| Condition(condition.finish())),
        })
    }

    /// What stands on the way between two codes, both of which are part of it, in so many places, at least 2: the means of
    /// the likelihood. Codes in between are decoded as they are, also where a code should be of entries
    /// of a codebook. `[steps, features]`
    pub fn walk(&self, from: &Spot, to: &Spot, steps: usize, course: Course) -> Vec<f32> {
        let last = (steps.max(2) - 1) as f64;
        let spot = |step: usize| from.between(to, step as f64 / last, course);
        self.decode_spots(&(0..steps.max(2)).map(spot).collect::<Vec<_>>())
    }

    /// What becomes of a code if one latent takes these values: the means of the likelihood.
    /// `[values, features]`
    ///
    /// # Panics
    /// If there is no such latent.
    pub fn traverse(&self, from: &Spot, latent: usize, values: &[f32]) -> Vec<f32> {
        let codes = values
            .iter()
            .flat_map(|&value| from.with(latent, value).code);
        self.decode(&codes.collect::<Vec<_>>(), from.condition.as_ref())
    }

    /// The examples that codes stand for, each under its own condition: the means of the likelihood.
    /// `[spots, features]`
    pub fn decode_spots(&self, spots: &[Spot]) -> Vec<f32> {
        let codes: Vec<f32> = spots.iter().flat_map(|spot| spot.code.clone()).collect();
        let conditions = spots.iter().filter_map(|spot| spot.condition.as_ref());
        let conditions: Vec<f32> = conditions.flat_map(|of| of.0.clone()).collect();
        let under = match conditions.is_empty() {
            true => Under::Nothing,
            false => Under::Each(&conditions),
        };
        self.in_units_of_data(self.model.decode(&codes, under, None), None)
    }
}

/// The mean of rows.
#[derive(Default)]
struct Mean {
    sums: Vec<f64>,
    pub rows: f64,
}

impl Mean {
    pub fn add(&mut self, rows: &[f32], width: usize) {
        self.sums.resize(width, 0.0);
        for row in rows.chunks(width) {
            self.rows += 1.0;
            for (sum, value) in self.sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
    }

    pub fn finish(self) -> Vec<f32> {
        let mean = self.sums.into_iter().map(|sum| (sum / self.rows) as f32);
        mean.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(code: &[f32]) -> Spot {
        Spot {
            code: code.to_vec(),
            condition: None,
        }
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    /// By hand: from (2, 0) to (0, 2) the angle is 90 degrees, a third of it 30: 2 (cos 30, sin 30).
    #[test]
    fn an_arc_keeps_the_length_and_goes_by_the_angle() {
        let (a, b) = (spot(&[2.0, 0.0]), spot(&[0.0, 2.0]));
        let at = |t, course| a.between(&b, t, course).code;
        close(&at(1.0 / 3.0, Course::Spherical), &[3_f32.sqrt(), 1.0]);
        close(&at(0.5, Course::Spherical), &[2_f32.sqrt(); 2]);
        close(&at(0.25, Course::Linear), &[1.5, 0.5]);
        for course in [Course::Linear, Course::Spherical] {
            assert_eq!(at(0.0, course), a.code);
            assert_eq!(at(1.0, course), b.code);
        }
    }

    /// By hand: (1, 1) and (3, 3) have no angle, (1, 0) and (-1, 0) no plane, and 0 no direction.
    #[test]
    fn parallel_codes_are_joined_by_a_line() {
        let at = |a: [f32; 2], b: [f32; 2]| {
            let [a, b] = [spot(&a), spot(&b)];
            a.between(&b, 0.25, Course::Spherical).code
        };
        close(&at([1.0, 1.0], [3.0, 3.0]), &[1.5, 1.5]);
        close(&at([1.0, 0.0], [-1.0, 0.0]), &[0.5, 0.0]);
        close(&at([0.0, 0.0], [4.0, 8.0]), &[1.0, 2.0]);
        close(&at([0.0, 0.0], [0.0, 0.0]), &[0.0, 0.0]);
    }

    #[test]
    fn conditions_go_along() {
        let of = |code: f32, condition: [f32; 2]| Spot {
            code: vec![code],
            condition: Some(Condition(condition.to_vec())),
        };
        let (a, b) = (of(0.0, [1.0, 0.0]), of(1.0, [0.0, 1.0]));
        let middle = a.between(&b, 0.25, Course::Spherical);
        assert_eq!(middle, of(0.25, [0.75, 0.25]));
        assert_eq!(a.with(0, 7.0), of(7.0, [1.0, 0.0]));
    }
}
