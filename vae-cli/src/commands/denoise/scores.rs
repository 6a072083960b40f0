//! How close noisy and cleaned items are to the clean ones.

use std::path::Path;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use vae_data::{Scaler, ValueRange};
use vae_variants::{
    Description,
    vae_analysis::{ImageShape, median_filter, psnr, ssim},
};

use super::Item;
use crate::{
    commands::using::Given,
    output::{Cell, Field, Form, write_table},
    watch::thousands,
};

/// Width of the window of the median filter.
const MEDIAN: usize = 3;

/// The values that stand for black and white.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    low: f32,
    width: f32,
}

impl Span {
    /// From 0 to 1 for values between them, else the range.
    pub fn of(range: ValueRange) -> Self {
        let (low, width) = match range.max > range.min && !range.is_unit() {
            true => (range.min, range.max - range.min),
            false => (0.0, 1.0),
        };
        Self { low, width }
    }

    /// A value between 0 and 1.
    pub fn unit(self, value: f32) -> f32 {
        ((value - self.low) / self.width).clamp(0.0, 1.0)
    }

    /// A value in its own units, between those of black and white.
    pub fn within(self, value: f32) -> f32 {
        value.clamp(self.low, self.low + self.width)
    }

    /// Each of them between 0 and 1.
    pub fn units(self, values: &[f32]) -> Vec<f32> {
        values.iter().map(|&value| self.unit(value)).collect()
    }
}

/// What is compared: images, or the numbers and dates in rows of a table.
enum Kind {
    Images(ImageShape, Span),
    Rows {
        scaler: Option<Scaler>,
        is_number: Vec<bool>,
    },
}

/// What is measured of each item.
pub struct Scores {
    kind: Kind,
    all: Vec<Vec<f64>>,
}

/// Of images: PSNR of the noisy, the filtered and the cleaned one, and SSIM of the same.
const OF_IMAGES: [&str; 6] = [
    "psnr_noisy",
    "psnr_median",
    "psnr_cleaned",
    "ssim_noisy",
    "ssim_median",
    "ssim_cleaned",
];

/// Of rows: root of the mean squared error in the scale of the model.
const OF_ROWS: [&str; 2] = ["rmse_noisy", "rmse_cleaned"];

impl Scores {
    /// Nothing yet; images have a span.
    ///
    /// # Errors
    /// Never, for the shapes that images have.
    pub fn new(data: &Description, span: Option<Span>) -> Result<Self> {
        let kind = match (data.shape.image(), span) {
            (Some([channels, height, width]), Some(span)) => {
                Kind::Images(ImageShape::new(channels, height, width)?, span)
            }
            _ => Kind::Rows {
                scaler: data.scaler.clone(),
                is_number: (0..data.row_width())
                    .map(|column| data.levels(column).is_empty())
                    .collect(),
            },
        };
        Ok(Self {
            kind,
            all: Vec::new(),
        })
    }

    /// Measures an item of which the clean one is known.
    ///
    /// # Errors
    /// If a pixel is not finite.
    pub fn add(&mut self, item: &Item<'_>) -> Result<()> {
        let Some(clean) = item.clean else {
            return Ok(());
        };
        let measured = match &self.kind {
            Kind::Images(shape, span) => {
                // The filter gets what the model gets, which noise may have taken out of the range.
                let median = median_filter(*shape, item.noisy, MEDIAN)?;
                let clean = span.units(clean);
                let found = [item.noisy, &median, item.cleaned].map(|image| span.units(image));
                let mut measured = Vec::with_capacity(OF_IMAGES.len());
                for image in &found {
                    measured.push(psnr(*shape, image, &clean, 1.0)?);
                }
                for image in &found {
                    measured.push(ssim(*shape, image, &clean, 1.0)?);
                }
                measured
            }
            Kind::Rows { scaler, is_number } => {
                let scaled = |row: &[f32]| {
                    let mut row = row.to_vec();
                    scaler.iter().for_each(|scaler| scaler.apply(&mut row));
                    row
                };
                let clean = scaled(clean);
                let error = |row: &[f32]| {
                    let pairs = scaled(row).into_iter().zip(&clean).zip(is_number);
                    let squares = pairs
                        .filter(|((value, clean), is)| **is && !value.is_nan() && !clean.is_nan())
                        .map(|((value, clean), _)| f64::from(value - clean).powi(2));
                    let (sum, count) =
                        squares.fold((0.0, 0.0), |(sum, count), of| (sum + of, count + 1.0));
                    (sum / count).sqrt()
                };
                vec![error(item.noisy), error(item.cleaned)]
            }
        };
        self.all.push(measured);
        Ok(())
    }

    fn names(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Images(..) => &OF_IMAGES,
            Kind::Rows { .. } => &OF_ROWS,
        }
    }

    /// The means over the items; what could not be measured counts for nothing.
    fn means(&self) -> Vec<f64> {
        let mean = |column: usize| {
            let values = self.all.iter().map(|row| row[column]);
            let values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        (0..self.names().len()).map(mean).collect()
    }

    /// Writes a row for each item: its name and what was measured.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path, form: Form, given: &Given) -> Result<()> {
        let mut fields = vec![Field::text("id")];
        fields.extend(self.names().iter().map(|name| Field::number(*name)));
        write_table(path, form, &fields, self.all.len(), |rows| {
            for (number, values) in self.all.iter().enumerate() {
                let mut cells = vec![Cell::Text(given.id(number)?)];
                cells.extend(values.iter().map(|&value| Cell::Number(value as f32)));
                rows.row(&cells)?;
            }
            Ok(())
        })
    }

    /// The means as a table, and what was gained.
    pub fn text(&self) -> String {
        let means = self.means();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let count = format!("mean of {}", thousands(self.all.len() as f64));
        let gained = match self.kind {
            Kind::Images(..) => {
                table.set_header([&count, "PSNR (dB)", "SSIM"]);
                for (place, name) in ["noisy", "median 3 x 3", "cleaned"].iter().enumerate() {
                    let (psnr, ssim) = (means[place], means[place + 3]);
                    table.add_row([
                        (*name).to_owned(),
                        format!("{psnr:.2}"),
                        format!("{ssim:.4}"),
                    ]);
                }
                format!(
                    "{:+.2} dB on the noisy input, {:+.2} dB on the median filter",
                    means[2] - means[0],
                    means[2] - means[1]
                )
            }
            Kind::Rows { .. } => {
                table.set_header([&count, "error (scaled)"]);
                for (name, error) in ["noisy", "cleaned"].iter().zip(&means) {
                    table.add_row([(*name).to_owned(), format!("{error:.4}")]);
                }
                format!(
                    "{:.2} times the error of the noisy input",
                    means[1] / means[0]
                )
            }
        };
        for (index, column) in table.column_iter_mut().enumerate() {
            let alignment = match index {
                0 => CellAlignment::Left,
                _ => CellAlignment::Right,
            };
            column.set_cell_alignment(alignment);
            column.set_padding((0, if index == 0 { 3 } else { 2 }));
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
        lines.collect::<String>() + "\n" + &gained + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_between_0_and_1_unless_their_range_is_another() {
        let span = |min, max| Span::of(ValueRange { min, max });
        let of = |span: Span| [-1.0, 0.25, 1.0, 300.0].map(|value| span.unit(value));
        assert_eq!(of(span(0.1, 0.9)), [0.0, 0.25, 1.0, 1.0]);
        assert_eq!(of(span(-1.0, 1.0)), [0.0, 0.625, 1.0, 1.0]);
        assert_eq!(span(-1.0, 3.0).within(9.0), 3.0);
        assert_eq!(of(span(0.0, 0.0)), [0.0, 0.25, 1.0, 1.0]);
    }
}
