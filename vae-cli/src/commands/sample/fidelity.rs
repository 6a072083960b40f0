//! How like the training table a synthetic one is.

use anyhow::Result;
use vae_data::Part;
use vae_variants::{
    Description,
    vae_analysis::{Column, Fidelity},
};

use crate::commands::using::{DataArgs, Opened};

/// Rows of each table that are compared, and columns at most: all pairs of them are.
const ROWS: usize = 20_000;
const COLUMNS: usize = 100;
/// Fewer rows say little.
const LEAST: usize = 100;

/// The rows that are compared, in the units of the data.
#[derive(Default)]
pub struct Beginning(Vec<f32>);

impl Beginning {
    /// Takes more rows of `width` numbers, as long as there are too few.
    pub fn extend(&mut self, rows: &[f32], width: usize) {
        let wanted = (ROWS * width).saturating_sub(self.0.len());
        self.0.extend_from_slice(&rows[..rows.len().min(wanted)]);
    }

    /// A sentence with the scores beside the training data of the run; nothing where those are not there, or the rows
    /// are few or wide.
    pub fn beside_training(&self, opened: &Opened) -> Option<String> {
        let Self(rows) = self;
        let width = opened.model.data().row_width();
        if !opened.is_run || width > COLUMNS || rows.len() < LEAST * width {
            return None;
        }
        scores(opened, rows)
    }
}

fn scores(opened: &Opened, rows: &[f32]) -> Option<String> {
    let fidelity = compared(opened, rows);
    let fidelity = fidelity.inspect_err(|error| tracing::debug!("no fidelity: {error:#}"));
    let fidelity = fidelity.ok()?;
    let percent =
        |score: Option<f64>| score.map_or("none".into(), |of| format!("{:.2} %", 100.0 * of));
    Some(format!(
        "like the training data (as SDMetrics counts, 100 % is equal): column shapes {}, pairs of columns {}, overall {}",
        percent(fidelity.shape),
        percent(fidelity.trend),
        percent(fidelity.overall)
    ))
}

fn compared(opened: &Opened, rows: &[f32]) -> Result<Fidelity> {
    let training = opened.data_or(&DataArgs::default(), Part::Train)?;
    let examples = training
        .examples(opened, "comparing with the training data")?
        .thinned(ROWS);
    let batches: Result<Vec<_>, _> = opened.model.rows(&examples).collect();
    let real = Table::new(&batches?.concat(), opened.model.data());
    let synthetic = Table::new(rows, opened.model.data());
    Ok(Fidelity::new(&real.columns(), &synthetic.columns())?)
}

/// A table, column after column.
struct Table(Vec<Values>);

enum Values {
    Numbers(Vec<f64>),
    Levels(Vec<Option<u32>>),
}

impl Table {
    fn new(rows: &[f32], data: &Description) -> Self {
        let width = data.row_width();
        let column = |column: usize| {
            let cells = rows.iter().skip(column).step_by(width);
            match data.levels(column).is_empty() {
                true => Values::Numbers(cells.map(|&cell| f64::from(cell)).collect()),
                false => Values::Levels(
                    cells
                        .map(|&cell| (!cell.is_nan()).then_some(cell as u32))
                        .collect(),
                ),
            }
        };
        Self((0..width).map(column).collect())
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let columns = self.0.iter();
        columns.map(Values::column).collect()
    }
}

impl Values {
    fn column(&self) -> Column<'_> {
        match self {
            Self::Numbers(of) => Column::Numbers(of),
            Self::Levels(of) => Column::Categories(of),
        }
    }
}
