//! A table as plain text and as Markdown.

use comfy_table::{CellAlignment, presets};

use super::plan::MISSING;
use super::results::Statistic;

/// Between two columns.
const GAP: u16 = 2;
/// Beyond this width, the table for a terminal has the columns that most rows have only.
const WIDE: usize = 120;

/// Columns of cells, all of the same height.
#[derive(Default)]
pub struct Table {
    columns: Vec<Column>,
}

struct Column {
    heading: String,
    right: bool,
    cells: Vec<String>,
}

impl Table {
    /// Adds a column of text, aligned left.
    pub fn push_text(&mut self, heading: &str, cells: Vec<String>) {
        self.columns.push(Column {
            heading: heading.to_owned(),
            right: false,
            cells,
        });
    }

    /// Adds a column of short texts, aligned right.
    pub fn push_right(&mut self, heading: &str, cells: Vec<String>) {
        self.columns.push(Column {
            heading: heading.to_owned(),
            right: true,
            cells,
        });
    }

    /// Adds a column of numbers, all with the same number of decimals: by default, as many as
    /// show the largest with five digits.
    pub fn push_numbers(&mut self, heading: &str, numbers: &[Statistic], decimals: Option<usize>) {
        let means = numbers.iter().flatten().map(|(mean, _)| mean.abs());
        let decimals = decimals.unwrap_or_else(|| five_digits(means.fold(0.0, f64::max)));
        let cell = |number: &Statistic| match number {
            None => MISSING.to_owned(),
            Some((mean, None)) => format!("{mean:.decimals$}"),
            Some((mean, Some(deviation))) => format!("{mean:.decimals$} ± {deviation:.decimals$}"),
        };
        self.push_right(heading, numbers.iter().map(cell).collect());
    }

    /// Keeps the rows whose index passes.
    pub fn retain_rows(&mut self, keep: impl Fn(usize) -> bool) {
        for column in &mut self.columns {
            let cells = std::mem::take(&mut column.cells).into_iter().enumerate();
            column.cells = cells
                .filter(|(row, _)| keep(*row))
                .map(|(_, cell)| cell)
                .collect();
        }
    }

    /// The table for a terminal. If it is too wide, it has no columns that are empty in more than half
    /// of the rows, and says so.
    pub fn text(&self) -> String {
        let (columns, rare): (Vec<&Column>, Vec<&Column>) =
            self.columns.iter().partition(|column| column.is_common());
        let widths = self
            .columns
            .iter()
            .map(|column| column.width() + GAP as usize);
        if rare.is_empty() || widths.sum::<usize>() <= WIDE + GAP as usize {
            return self.text_of(&self.columns.iter().collect::<Vec<_>>());
        }
        let (text, left) = (self.text_of(&columns), rare.len());
        let columns = if left == 1 { "column" } else { "columns" };
        format!("{text}\n{left} more {columns} that few rows have: in the report\n")
    }

    fn text_of(&self, columns: &[&Column]) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(columns.iter().map(|column| &column.heading));
        table.add_row(columns.iter().map(|column| "-".repeat(column.width())));
        for row in 0..self.height() {
            table.add_row(columns.iter().map(|column| &column.cells[row]));
        }
        let last = columns.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            let gap = if index == last { 0 } else { GAP };
            column.set_padding((0, gap));
            if columns[index].right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines = table.lines();
        lines
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }

    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let line = |cell: &dyn Fn(&Column) -> String| {
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let escaped = |text: &str| text.replace('|', "\\|");
        let mut text = line(&|column| escaped(&column.heading));
        text.push_str(&line(&|column| {
            if column.right { "---:" } else { "---" }.to_owned()
        }));
        for row in 0..self.height() {
            text.push_str(&line(&|column| escaped(&column.cells[row])));
        }
        text
    }

    fn height(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }
}

impl Column {
    fn is_common(&self) -> bool {
        let empty = self.cells.iter().filter(|cell| *cell == MISSING).count();
        2 * empty <= self.cells.len()
    }

    fn width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| cell.chars().count());
        widths.fold(self.heading.chars().count(), usize::max)
    }
}

/// As many decimals as show five digits of a number, at most four.
fn five_digits(number: f64) -> usize {
    match number {
        1e4.. => 0,
        1e3.. => 1,
        1e2.. => 2,
        1e1.. => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::default();
        table.push_text("variant", vec!["vae".into(), "a|e".into()]);
        table.push_numbers(
            "loss",
            &[Some((102.0, Some(1.412))), Some((70.125, None))],
            None,
        );
        table.push_numbers("kl", &[Some((21.0, Some(0.7069))), None], None);
        table
    }

    #[test]
    fn text_is_aligned() {
        let expected = "\
variant           loss              kl
-------  -------------  --------------
vae      102.00 ± 1.41  21.000 ± 0.707
a|e              70.12               –
";
        assert_eq!(example().text(), expected);
    }

    #[test]
    fn a_wide_table_keeps_what_most_rows_have() {
        let mut table = example();
        table.push_numbers("two of two", &[Some((1.0, None)); 2], None);
        table.push_numbers(&"x".repeat(70), &[None, Some((2.0, None))], None);
        assert!(table.text().contains("xxx"), "not too wide");
        table.push_numbers("accuracy", &[None, None], None);
        table.push_numbers(&"y".repeat(40), &[None, None], None);
        let text = table.text();
        assert!(
            text.contains("two of two") && text.contains("xxx"),
            "{text}"
        );
        assert!(
            !text.contains("accuracy") && !text.contains("yyy"),
            "{text}"
        );
        assert!(
            text.ends_with("\n2 more columns that few rows have: in the report\n"),
            "{text}"
        );
        assert!(table.markdown().contains("yyy"));
    }

    #[test]
    fn markdown_is_escaped() {
        let expected = "\
| variant | loss | kl |
| --- | ---: | ---: |
| vae | 102.00 ± 1.41 | 21.000 ± 0.707 |
| a\\|e | 70.12 | – |
";
        assert_eq!(example().markdown(), expected);
    }
}
