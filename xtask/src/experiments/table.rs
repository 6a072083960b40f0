//! A table as plain text and as Markdown.

use super::plan::MISSING;
use super::results::Statistic;

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

    /// The table for a terminal.
    pub fn text(&self) -> String {
        let headings = self.line(|column| column.heading.clone());
        let rule = self.line(|column| "-".repeat(column.width()));
        let mut text = format!("{headings}\n{rule}\n");
        for row in 0..self.height() {
            text.push_str(&self.line(|column| column.cells[row].clone()));
            text.push('\n');
        }
        text
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

    fn line(&self, cell: impl Fn(&Column) -> String) -> String {
        let cells: Vec<String> = self
            .columns
            .iter()
            .map(|column| column.pad(&cell(column)))
            .collect();
        cells.join("  ").trim_end().to_owned()
    }
}

impl Column {
    fn width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| cell.chars().count());
        widths.fold(self.heading.chars().count(), usize::max)
    }

    fn pad(&self, text: &str) -> String {
        let width = self.width();
        if self.right {
            format!("{text:>width$}")
        } else {
            format!("{text:<width$}")
        }
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
