//! Minimisation with gradients: limited-memory BFGS (Nocedal 1980; algorithms 7.4 and 3.1 of Nocedal and Wright 2006).

use std::collections::VecDeque;

/// Pairs of steps and changes of the gradient that are kept.
const PAIRS: usize = 10;
/// Sufficient decrease.
const ARMIJO: f64 = 1e-4;
/// Halvings of a step before it is given up.
const HALVINGS: usize = 30;

/// When to stop.
#[derive(Clone, Copy)]
pub(crate) struct Stop {
    /// Most steps.
    pub steps: usize,
    /// The largest entry of a gradient that counts as zero.
    pub gradient: f64,
}

/// Moves `at` to where `value_and_gradient` is least; whether the gradient vanished there. Where rounding hides any further
/// decrease, `at` stays at the best found.
pub(crate) fn minimise(
    at: &mut Vec<f64>,
    stop: Stop,
    mut value_and_gradient: impl FnMut(&[f64]) -> (f64, Vec<f64>),
) -> bool {
    let (mut value, mut gradient) = value_and_gradient(at);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    for _ in 0..stop.steps {
        if largest(&gradient) <= stop.gradient {
            return true;
        }
        let mut direction = descent(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            pairs.clear();
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        let mut step = if pairs.is_empty() {
            (1.0 / slope.abs().sqrt()).min(1.0)
        } else {
            1.0
        };
        let mut found = None;
        for _ in 0..HALVINGS {
            let tried: Vec<f64> = at
                .iter()
                .zip(&direction)
                .map(|(a, d)| a + step * d)
                .collect();
            let (next, next_gradient) = value_and_gradient(&tried);
            if next <= value + ARMIJO * step * slope {
                found = Some((tried, next, next_gradient));
                break;
            }
            step /= 2.0;
        }
        let Some((tried, next, next_gradient)) = found else {
            return false;
        };
        let moved: Vec<f64> = tried.iter().zip(&*at).map(|(a, b)| a - b).collect();
        let changed: Vec<f64> = next_gradient
            .iter()
            .zip(&gradient)
            .map(|(a, b)| a - b)
            .collect();
        let curvature = dot(&moved, &changed);
        if curvature > f64::EPSILON * dot(&changed, &changed) {
            if pairs.len() == PAIRS {
                pairs.pop_front();
            }
            pairs.push_back((moved, changed, curvature));
        }
        (*at, value, gradient) = (tried, next, next_gradient);
    }
    largest(&gradient) <= stop.gradient
}

/// The two-loop recursion.
fn descent(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for (moved, changed, curvature) in pairs.iter().rev() {
        let factor = dot(moved, &direction) / curvature;
        add(&mut direction, -factor, changed);
        factors.push(factor);
    }
    if let Some((_, changed, curvature)) = pairs.back() {
        let scale = curvature / dot(changed, changed);
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((moved, changed, curvature), factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = dot(changed, &direction) / curvature;
        add(&mut direction, factor - back, moved);
    }
    direction
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(a, b)| *a += factor * b);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a: f64, b| a.max(b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's function has its only minimum, 0, at (1, 1).
    #[test]
    fn finds_the_minimum_of_a_curved_valley() {
        let mut at = vec![-1.2, 1.0];
        let stop = Stop {
            steps: 200,
            gradient: 1e-8,
        };
        let done = minimise(&mut at, stop, |x| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            let gradient = vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b];
            (a * a + 100.0 * b * b, gradient)
        });
        assert!(done, "{at:?}");
        assert!(
            (at[0] - 1.0).abs() < 1e-6 && (at[1] - 1.0).abs() < 1e-6,
            "{at:?}"
        );
    }
}
