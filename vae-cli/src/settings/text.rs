//! TOML text: values with the lines they stand in.

use toml::{Table, Value};
use toml_edit::ImDocument;

/// A settings file, which knows where each key stands.
#[derive(Debug)]
pub struct Document(ImDocument<String>);

impl Document {
    /// Reads TOML.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = ImDocument::parse(text.to_owned());
        document.map(Self).map_err(|error| {
            let message = error.message().trim().replace('\n', "; ");
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            format!("line {line}, column {column}: {message}")
        })
    }

    /// The line of a dotted key, from 1.
    pub fn line(&self, key: &str) -> Option<usize> {
        let mut item = self.0.as_item();
        let mut line = None;
        for part in key.split('.') {
            let (key, inner) = item.as_table_like()?.get_key_value(part)?;
            line = key.span().map(|span| position(self.0.raw(), span.start).0);
            item = inner;
        }
        line
    }
}

/// Line and column, from 1, of a byte.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before.iter().rposition(|&byte| byte == b'\n');
    let last = &before[start.map_or(0, |newline| newline + 1)..];
    (line, String::from_utf8_lossy(last).chars().count() + 1)
}

/// The value that TOML makes of a text, if it is one.
pub fn value(text: &str) -> Option<Value> {
    let mut table: Table = toml::from_str(&format!("value = {text}")).ok()?;
    let value = table.remove("value")?;
    (table.is_empty() && !holds_date(&value)).then_some(value)
}

/// Whether there is a date or time anywhere in a value.
pub fn holds_date(value: &Value) -> bool {
    match value {
        Value::Datetime(_) => true,
        Value::Array(items) => items.iter().any(holds_date),
        Value::Table(table) => table.values().any(holds_date),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_keys() {
        let document = Document::parse(
            "seed = 1\n\n[train.optimizer]\nkind = 'sgd'\n[data]\ndataset = 'x'\n\n[variant]\n\
             beta = { kind = 'linear', to = 1 }\nlist = [1, { a = 2 }]",
        )
        .unwrap();
        assert_eq!(document.line("seed"), Some(1));
        assert_eq!(document.line("train.optimizer.kind"), Some(4));
        assert_eq!(document.line("data.dataset"), Some(6));
        assert_eq!(document.line("variant.beta"), Some(9));
        assert_eq!(document.line("variant.beta.to"), Some(9));
        assert_eq!(document.line("variant.gamma"), None);
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let error = Document::parse("seed = 1\nlr = = 2\n").unwrap_err();
        assert!(error.starts_with("line 2, column 6: "), "{error}");
        let error = Document::parse("seed = 1\nseed = 2\n").unwrap_err();
        assert!(
            error.starts_with("line 2, column 1: ") && error.contains("duplicate"),
            "{error}"
        );
        assert_eq!(position("añb\nñx", 7), (2, 2));
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn values() {
        assert_eq!(value("1"), Some(Value::Integer(1)));
        assert_eq!(value("'a'"), Some(Value::String("a".into())));
        assert_eq!(value("a"), None);
        assert_eq!(value("1\nother = 2"), None);
        assert_eq!(value("2020-01-01"), None);
        assert_eq!(value(""), None);
    }
}
