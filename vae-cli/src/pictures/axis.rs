//! Axes: which values they show, and where their ticks are.

/// Numbers above this are not drawn: differences of larger ones may overflow.
const LARGEST: f64 = 1e300;

/// One axis of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it shows.
    pub label: String,
    /// The value at its start.
    pub low: f64,
    /// The value at its end.
    pub high: f64,
    /// Where its ticks are, and what is written there.
    pub ticks: Vec<(f64, String)>,
}

/// Whether a value can be drawn.
pub fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

impl Axis {
    /// An axis that shows all values that can be drawn, with a little space at either
    /// end, and about `ticks` ticks.
    pub fn new(label: &str, values: impl IntoIterator<Item = f64>, ticks: usize) -> Self {
        let (low, high) = bounds(values);
        let pad = (high - low) * 0.05;
        // What is never negative should not seem to be.
        let start = if low > 0.0 {
            (low - pad).max(0.0)
        } else {
            low - pad
        };
        Self::between(label, start, high + pad, step(high - low, ticks))
    }

    /// An axis for whole numbers, with ticks at some of them only.
    pub fn whole(label: &str, values: impl IntoIterator<Item = f64>, ticks: usize) -> Self {
        let (low, high) = bounds(values);
        let pad = ((high - low) * 0.03).max(0.1);
        let step = step(high - low, ticks).max(1.0);
        Self::between(label, low - pad, high + pad, step.round())
    }

    fn between(label: &str, low: f64, high: f64, step: f64) -> Self {
        let first = (low / step).ceil();
        let values = (0..100).map(|i| (first + f64::from(i)) * step);
        let values: Vec<f64> = values.take_while(|&value| value <= high).collect();
        let largest = low.abs().max(high.abs());
        let written = |value| (value, number(value, step, largest));
        Self {
            label: label.to_owned(),
            low,
            high,
            ticks: values.into_iter().map(written).collect(),
        }
    }
}

/// The smallest and the largest value that can be drawn, apart from each other.
fn bounds(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let drawn = values.into_iter().filter(|&value| drawable(value));
    let (low, high) = drawn.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let size = low.abs().max(high.abs());
    if size < 1.0 / LARGEST {
        return (-0.5, 0.5);
    }
    if high - low > size * 1e-4 {
        return (low, high);
    }
    // Values that are alike are drawn in the middle.
    (low - size * 0.05, high + size * 0.05)
}

/// The distance of ticks: 1, 2 or 5 times a power of ten.
fn step(width: f64, ticks: usize) -> f64 {
    let rough = width / ticks.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter();
    let mut fits = times.filter(|times| times * power >= rough * 0.999);
    power * fits.next().unwrap_or(10.0)
}

/// A number at a tick, with as many digits as the ticks' distance needs.
fn number(value: f64, step: f64, largest: f64) -> String {
    // No "-0", nor 1e-17 where 0 is meant.
    let value = if value.abs() < step * 1e-6 {
        0.0
    } else {
        value
    };
    let magnitude = |v: f64| v.log10().floor() as i32;
    let text = if value != 0.0 && !(1e-3..1e6).contains(&largest) {
        let digits = magnitude(value.abs()) - magnitude(step * 1.001);
        format!("{value:.*e}", usize::try_from(digits).unwrap_or(0))
    } else {
        let digits = usize::try_from(-magnitude(step * 1.001)).unwrap_or(0);
        format!("{value:.*}", if value == 0.0 { 0 } else { digits })
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let axis = Axis::new("", [98.1, 206.4], 5);
        assert_eq!(written(&axis), ["100", "150", "200"]);
        let axis = Axis::new("", [0.01, 0.26], 5);
        assert_eq!(
            written(&axis),
            ["0", "0.05", "0.10", "0.15", "0.20", "0.25"]
        );
        let axis = Axis::new("", [-1.0, 1.0], 4);
        assert_eq!(written(&axis), ["−1.0", "−0.5", "0", "0.5", "1.0"]);
        let axis = Axis::new("", [0.0, 3e7], 3);
        assert_eq!(written(&axis), ["0", "1e7", "2e7", "3e7"]);
        let axis = Axis::new("", [1.0e-5, 1.5e-5], 3);
        assert_eq!(written(&axis), ["1.0e−5", "1.2e−5", "1.4e−5"]);
    }

    #[test]
    fn whole_numbers_have_ticks_at_whole_numbers() {
        assert_eq!(written(&Axis::whole("", [1.0, 3.0], 6)), ["1", "2", "3"]);
        assert_eq!(written(&Axis::whole("", [7.0], 6)), ["7"]);
        let axis = Axis::whole("", [1.0, 100.0], 6);
        assert_eq!(written(&axis), ["0", "20", "40", "60", "80", "100"]);
    }

    #[test]
    fn every_axis_has_a_width_and_ticks() {
        let odd = [f64::NAN, f64::INFINITY, f64::MAX];
        let sets: [&[f64]; 10] = [
            &[],
            &odd,
            &[0.0],
            &[-3.0],
            &[1e9, 1e9 + 1e-6],
            &[1e-300],
            &[5e-324],
            &[1e300, -1e300],
            &[f64::from(f32::MAX), 0.0],
            &[0.1, 0.1, f64::NAN],
        ];
        for values in sets {
            for axis in [
                Axis::new("", values.iter().copied(), 5),
                Axis::whole("", values.iter().copied(), 5),
            ] {
                assert!(axis.low < axis.high, "{values:?}: {axis:?}");
                assert!(axis.ticks.len() < 20, "{values:?}: {axis:?}");
                for (tick, text) in &axis.ticks {
                    assert!((axis.low..=axis.high).contains(tick), "{values:?}");
                    assert!(text.chars().count() < 24, "{values:?}: {text}");
                }
                let outside = |v: &&f64| drawable(**v) && (**v < axis.low || **v > axis.high);
                assert_eq!(values.iter().find(outside), None);
            }
        }
    }
}
