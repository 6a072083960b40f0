//! Colours, and how values become colours.

use plotters::style::RGBAColor;
use vae_variants::Description;

/// A colour, as red, green and blue.
pub type Rgb = [u8; 3];

/// Text and axes.
pub const INK: Rgb = [45, 45, 45];

/// The lines at ticks.
pub const MESH: Rgb = [228, 228, 228];

/// Corrupted inputs.
pub const GREY: Rgb = [120, 120, 120];

/// The colour of a value that is NaN or infinite: it is in no picture otherwise.
pub const NOT_FINITE: Rgb = [255, 0, 255];

/// Blue: the training, the data, what is too low.
pub const BLUE: Rgb = [0, 114, 178];

/// Vermilion: the validation, the samples, what is too high. With [`BLUE`] it is told
/// apart by the colour-blind (Okabe and Ito's palette).
pub const VERMILION: Rgb = [213, 94, 0];

/// A colour for charts and text; its opacity is from 0 to 1.
pub fn color([red, green, blue]: Rgb, opacity: f64) -> RGBAColor {
    RGBAColor(red, green, blue, opacity)
}

/// The values that are drawn as black and as white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    low: f64,
    width: f64,
}

impl Tone {
    /// The tone of values of data: it goes from their lowest to their highest, which are
    /// known unless they were scaled; then those of `values` are taken.
    pub fn of(data: &Description, values: &[f32]) -> Self {
        if data.scaler.is_none() {
            return Self::new(data.range);
        }
        let finite = values.iter().copied().filter(|value| value.is_finite());
        let wider = |(low, high): (f32, f32), value: f32| (low.min(value), high.max(value));
        Self::new(finite.fold((f32::INFINITY, f32::NEG_INFINITY), wider))
    }

    /// A tone for values in a range. A range without width, or with an end that is not
    /// finite, becomes one of width 1 around its lower end, or around 0.
    pub fn new((low, high): (f32, f32)) -> Self {
        let (low, high) = (f64::from(low), f64::from(high));
        let width = high - low;
        if width.is_finite() && width > 0.0 {
            return Self { low, width };
        }
        let low = if low.is_finite() { low - 0.5 } else { -0.5 };
        Self { low, width: 1.0 }
    }

    /// 0 at the lower end of the range, 255 at the upper, and no less or more.
    pub fn level(self, value: f32) -> u8 {
        let part = (f64::from(value) - self.low) / self.width;
        // NaN becomes 0.
        (part * 255.0).round().clamp(0.0, 255.0) as u8
    }

    /// The colour of one pixel with one value per channel: grey for one channel, red,
    /// green and blue for three, of which four channels have one more. Of two channels
    /// the first is orange and the second blue; of five or more the first is shown.
    pub fn color(self, channels: &[f32]) -> Rgb {
        match *channels {
            _ if channels.iter().any(|value| !value.is_finite()) => NOT_FINITE,
            [first, second] => {
                let (first, second) = (self.level(first), self.level(second));
                [first, u8::midpoint(first, second), second]
            }
            [red, green, blue] | [red, green, blue, _] => {
                [red, green, blue].map(|value| self.level(value))
            }
            [grey, ..] => [self.level(grey); 3],
            [] => NOT_FINITE,
        }
    }

    /// The colour of the difference of two pixels, in the channel where it is largest:
    /// white for none, vermilion where `value` is higher by the whole range, blue where
    /// it is lower.
    pub fn difference(self, value: &[f32], from: &[f32]) -> Rgb {
        if value.iter().chain(from).any(|value| !value.is_finite()) {
            return NOT_FINITE;
        }
        let difference = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)) / self.width;
        let differences = value.iter().zip(from).map(difference);
        let largest = differences.max_by(|a, b| a.abs().total_cmp(&b.abs()));
        let part = largest.unwrap_or(0.0).clamp(-1.0, 1.0);
        let end = if part < 0.0 { BLUE } else { VERMILION };
        end.map(|c| (255.0 - part.abs() * (255.0 - f64::from(c))).round() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_are_exact() {
        for range in [(0.0, 1.0), (-1.0, 1.0), (-0.4242, 2.821), (0.0, 255.0)] {
            let tone = Tone::new(range);
            assert_eq!((tone.level(range.0), tone.level(range.1)), (0, 255));
            assert_eq!(tone.level(range.0 - 1.0), 0);
            assert_eq!(tone.level(range.1 + 1.0), 255);
        }
        assert_eq!(Tone::new((0.0, 1.0)).level(0.5), 128);
        assert_eq!(Tone::new((f32::MIN, f32::MAX)).level(f32::MAX), 255);
    }

    #[test]
    fn odd_ranges_have_a_width() {
        assert_eq!(Tone::new((2.0, 2.0)).level(2.0), 128);
        assert_eq!(Tone::new((f32::NAN, 1.0)).level(0.0), 128);
        assert_eq!(Tone::new((0.0, f32::INFINITY)).level(f32::MAX), 255);
        assert_eq!(Tone::new((1.0, 0.0)).level(1.0), 128);
    }

    #[test]
    fn channels_are_colours() {
        let tone = Tone::new((0.0, 1.0));
        assert_eq!(tone.color(&[1.0]), [255; 3]);
        assert_eq!(tone.color(&[1.0, 0.0]), [255, 127, 0]);
        assert_eq!(tone.color(&[1.0, 1.0]), [255; 3]);
        assert_eq!(tone.color(&[1.0, 0.0, 0.2]), [255, 0, 51]);
        assert_eq!(tone.color(&[1.0, 0.0, 0.2, 0.9]), [255, 0, 51]);
        assert_eq!(tone.color(&[0.2, 1.0, 1.0, 1.0, 1.0]), [51; 3]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(tone.color(&[0.0, bad, 0.0]), NOT_FINITE);
        }
        assert_eq!(tone.color(&[]), NOT_FINITE);
    }

    #[test]
    fn differences_go_both_ways() {
        let tone = Tone::new((-1.0, 1.0));
        assert_eq!(tone.difference(&[0.3], &[0.3]), [255; 3]);
        assert_eq!(tone.difference(&[1.0], &[-1.0]), VERMILION);
        assert_eq!(tone.difference(&[-1.0, 0.5], &[1.0, 0.0]), BLUE);
        assert_eq!(tone.difference(&[9.0], &[0.0]), VERMILION);
        assert_eq!(tone.difference(&[0.0], &[f32::NAN]), NOT_FINITE);
    }
}
