//! Examples as the page shows them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use vae_variants::{Description, Trained};

/// An example: an image, or the cells of a row.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Bytes of its pixels, row after row, each with its channels, in base64.
    Image {
        /// `[height, width, channels]`
        pixels: String,
    },
    /// The texts of its cells, and their numbers where they have such.
    Row {
        /// `[columns]`
        cells: Vec<String>,
        /// `[columns]`
        numbers: Vec<Option<f32>>,
    },
}

impl Shown {
    /// Examples in the units of the data, `[examples, row width]`.
    pub fn all(model: &Trained, values: &[f32]) -> Vec<Self> {
        let data = model.data();
        values
            .chunks(data.row_width())
            .map(|row| Self::of(data, row))
            .collect()
    }

    fn of(data: &Description, row: &[f32]) -> Self {
        if let Some(shape) = data.shape.image() {
            let (low, high) = range(data);
            let scale = 255.0 / (high - low);
            let bytes = row
                .iter()
                .map(|value| ((value - low) * scale).round().clamp(0.0, 255.0) as u8);
            return Self::Image {
                pixels: encode(&channels_last(&bytes.collect::<Vec<_>>(), shape)),
            };
        }
        let cells = row.iter().enumerate().map(|(column, value)| {
            match data.table.is_some() && !(data.levels(column).is_empty() && value.is_finite()) {
                true => data.text(column, *value),
                false => rounded(data, column, *value),
            }
        });
        Self::Row {
            cells: cells.collect(),
            numbers: row
                .iter()
                .map(|value| value.is_finite().then_some(*value))
                .collect(),
        }
    }
}

/// A number with as many digits as one reads; a date as the table writes it.
fn rounded(data: &Description, column: usize, value: f32) -> String {
    let text = data.text(column, value);
    match text.parse::<f32>() {
        Ok(number) if number.fract() != 0.0 => format!("{number:.4}"),
        _ => text,
    }
}

/// How far each number is from its reconstruction, 255 where that is farthest; of an image in the order of
/// [`Shown::Image`], whose channels are averaged.
pub fn error_map(data: &Description, errors: &[f32]) -> (String, f32) {
    let errors: Vec<f32> = match data.shape.image() {
        Some([channels, height, width]) => {
            let places = height * width;
            let mean = |place: usize| {
                (0..channels)
                    .map(|c| errors[c * places + place])
                    .sum::<f32>()
                    / channels as f32
            };
            (0..places).map(mean).collect()
        }
        None => errors.to_vec(),
    };
    let largest = errors
        .iter()
        .copied()
        .filter(|error| error.is_finite())
        .fold(0.0, f32::max);
    let scale = if largest > 0.0 { 255.0 / largest } else { 0.0 };
    let bytes: Vec<u8> = errors
        .iter()
        .map(|error| (error * scale).round().clamp(0.0, 255.0) as u8)
        .collect();
    (encode(&bytes), largest)
}

/// What black and white stand for.
fn range(data: &Description) -> (f32, f32) {
    let range = data.range();
    match data.scaler.is_none() && range.max > range.min && (range.min < 0.0 || range.max > 1.0) {
        true => (range.min, range.max),
        false => (0.0, 1.0),
    }
}

fn channels_last(bytes: &[u8], [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let places = height * width;
    (0..places)
        .flat_map(|place| (0..channels).map(move |channel| bytes[channel * places + place]))
        .collect()
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
