//! A picture of the first items.

use anyhow::Result;
use vae_variants::{Description, Reconstructions};

use super::Item;
use crate::pictures::{self, COLUMNS, DIFFERENCE, Picture, Row, Sheet};

/// Rows of a table that a picture shows.
const ROWS: usize = 500;

/// The first items, for a picture.
#[derive(Default)]
pub struct Shown {
    noisy: Vec<f32>,
    cleaned: Vec<f32>,
    clean: Vec<f32>,
}

impl Shown {
    /// How many items a picture shows.
    pub fn most(data: &Description) -> usize {
        match data.shape.image() {
            Some(_) => COLUMNS,
            None => ROWS,
        }
    }

    /// Takes an item, unless there are enough.
    pub fn add(&mut self, item: &Item<'_>, data: &Description) {
        if item.number < Self::most(data) {
            self.noisy.extend(item.noisy);
            self.cleaned.extend(item.cleaned);
            self.clean.extend(item.clean.unwrap_or_default());
        }
    }

    /// Of images rows, of tables a chart for each column.
    ///
    /// # Errors
    /// If there is no item.
    pub fn picture(self, data: &Description) -> Result<Picture> {
        let has_clean = !self.clean.is_empty();
        if data.shape.image().is_none() {
            return pictures::reconstructions(
                &Reconstructions {
                    target: if has_clean {
                        self.clean
                    } else {
                        self.noisy.clone()
                    },
                    corrupted: has_clean.then_some(self.noisy),
                    reconstructed: self.cleaned,
                },
                data,
            );
        }
        let mut rows = vec![
            ("noisy", Row::Images(&self.noisy)),
            ("cleaned", Row::Images(&self.cleaned)),
        ];
        match has_clean {
            true => rows.extend([
                (DIFFERENCE, Row::Difference(&self.cleaned, &self.clean)),
                ("clean", Row::Images(&self.clean)),
            ]),
            false => rows.push((
                "taken away\norange: added\nblue: removed",
                Row::Difference(&self.cleaned, &self.noisy),
            )),
        }
        let tone = if has_clean {
            &self.clean
        } else {
            &self.cleaned
        };
        let columns = self.noisy.len() / data.row_width();
        Sheet::new(data, tone)?.rows(&rows, columns)
    }
}
