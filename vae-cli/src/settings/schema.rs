//! What keys there are and which values they take, asked from the settings' own types: a value is
//! tried by deserialising it alone, and the structured error says what would be right.

use figment::{error::Kind, value::Value as Probe};
use toml::{Table, Value};
use vae_core::Moving;

use super::Settings;

/// A table in which one key, the tag, decides which other keys there are.
#[derive(Debug)]
pub struct Choice {
    /// Dotted key of the table.
    pub section: &'static str,
    /// The key that decides.
    pub tag: &'static str,
    /// What is chosen, for messages.
    pub noun: &'static str,
    /// The flag that chooses.
    pub flag: &'static str,
}

impl Choice {
    /// Every such table.
    pub const ALL: [Self; 2] = [
        Self {
            section: "variant",
            tag: "name",
            noun: "variant",
            flag: "--variant",
        },
        Self {
            section: "train.optimizer",
            tag: "kind",
            noun: "optimizer",
            flag: "--optimizer",
        },
    ];

    /// The table that a key belongs to, if it is one of these, and the key within it.
    pub fn of(key: &str) -> Option<(&'static Self, &str)> {
        Self::ALL.iter().find_map(|choice| {
            let field = key.strip_prefix(choice.section)?.strip_prefix('.')?;
            Some((choice, field))
        })
    }

    /// Dotted key of the tag.
    pub fn key(&self) -> String {
        join(self.section, self.tag)
    }

    /// What can be chosen.
    pub fn names(&self) -> &'static [&'static str] {
        names(&self.key(), None)
    }

    /// Which of them have this key.
    pub fn owners(&self, field: &str) -> Vec<&'static str> {
        let all = self.names().iter().copied();
        all.filter(|name| fields(self.section, Some(name)).contains(&field))
            .collect()
    }
}

/// A dotted key.
pub fn join(section: &str, field: &str) -> String {
    if section.is_empty() {
        field.to_owned()
    } else {
        format!("{section}.{field}")
    }
}

/// The section and the last part of a dotted key.
pub fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// The defaults as a table.
pub fn defaults() -> Table {
    Table::try_from(Settings::default()).unwrap_or_default()
}

/// The value of a dotted key.
pub fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(a, b)| (a, Some(b)));
    match (table.get(first)?, rest) {
        (value, None) => Some(value),
        (Value::Table(inner), Some(rest)) => find(inner, rest),
        _ => None,
    }
}

/// Dotted keys of all tables of settings, `""` first.
pub fn sections() -> Vec<String> {
    fn walk(table: &Table, name: String, found: &mut Vec<String>) {
        found.push(name.clone());
        for (key, value) in table {
            if let Value::Table(inner) = value {
                walk(inner, join(&name, key), found);
            }
        }
    }
    let mut found = Vec::new();
    walk(&defaults(), String::new(), &mut found);
    found
}

/// Whether a dotted key names a table of settings, not a setting.
pub fn is_section(key: &str) -> bool {
    key.is_empty() || find(&defaults(), key).is_some_and(Value::is_table)
}

/// Every setting of a table of settings with its dotted key.
pub fn flatten(table: Table) -> Vec<(String, Value)> {
    fn walk(section: &str, table: Table, found: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let key = join(section, &key);
            match value {
                Value::Table(inner) if is_section(&key) => walk(&key, inner, found),
                value => found.push((key, value)),
            }
        }
    }
    let mut found = Vec::new();
    walk("", table, &mut found);
    found
}

/// A table with one setting.
pub fn nest(key: &str, value: Value) -> Table {
    let (section, field) = split(key);
    let inner = Table::from_iter([(field.to_owned(), value)]);
    if section.is_empty() {
        inner
    } else {
        nest(section, Value::Table(inner))
    }
}

/// Tries one value, under `chosen` if the key belongs to a [`Choice`].
///
/// # Errors
/// What is wrong with it.
pub fn probe(key: &str, value: &Value, chosen: Option<&str>) -> Result<(), Kind> {
    let mut table = nest(key, value.clone());
    if let (Some((choice, field)), Some(chosen)) = (Choice::of(key), chosen)
        && field != choice.tag
    {
        let tag = Value::String(chosen.to_owned());
        let pair = [
            (choice.tag.to_owned(), tag),
            (field.to_owned(), value.clone()),
        ];
        table = nest(choice.section, Value::Table(Table::from_iter(pair)));
    }
    read::<Settings>(&table)?;
    // A number would be taken for the index of a name.
    let names = if value.is_integer() {
        names(key, chosen)
    } else {
        &[]
    };
    if names.is_empty() {
        Ok(())
    } else {
        Err(Kind::UnknownVariant(value.to_string(), names))
    }
}

/// Deserialises, with structured errors.
pub fn read<T: serde::de::DeserializeOwned>(table: &Table) -> Result<T, Kind> {
    let value = Probe::serialize(table).map_err(|error| error.kind)?;
    value.deserialize().map_err(|error| error.kind)
}

/// The keys of a section, optional ones too; under `chosen` if it is a [`Choice`].
pub fn fields(section: &str, chosen: Option<&str>) -> Vec<&'static str> {
    let mut found = match probe(&join(section, "?"), &Value::Boolean(true), chosen) {
        Err(Kind::UnknownField(_, fields)) => fields.to_vec(),
        _ => Vec::new(),
    };
    let choice = Choice::ALL.iter().find(|choice| choice.section == section);
    found.extend(choice.map(|choice| choice.tag));
    found
}

/// The names that a key takes; nothing if it takes something else.
pub fn names(key: &str, chosen: Option<&str>) -> &'static [&'static str] {
    match probe(key, &Value::String("?".to_owned()), chosen) {
        Err(Kind::UnknownVariant(_, names)) => names,
        _ => &[],
    }
}

/// Whether a key takes only true and false.
pub fn is_switch(key: &str, chosen: Option<&str>) -> bool {
    let tried = |value| probe(key, &value, chosen).is_ok();
    tried(Value::Boolean(true)) && !tried(Value::String("?".to_owned()))
}

/// Whether a key takes a number or a schedule.
pub fn is_schedule(key: &str, chosen: Option<&str>) -> bool {
    let linear = [
        ("kind".to_owned(), Value::String("linear".to_owned())),
        ("to".to_owned(), Value::Float(1.0)),
    ];
    probe(key, &Value::Table(Table::from_iter(linear)), chosen).is_ok()
}

/// What a value that was refused as `kind` should have been.
pub fn expected(key: &str, value: &Value, chosen: Option<&str>, kind: &Kind) -> String {
    let names = names(key, chosen);
    if !names.is_empty() {
        let near = value.as_str().and_then(|text| nearest(text, names));
        let hint = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        return format!("one of {}{hint}", names.join(", "));
    }
    if is_schedule(key, chosen) {
        return schedule(value);
    }
    let empty = Value::Array(Vec::new());
    if probe(key, &empty, chosen).is_ok() {
        let strange = Value::Array(vec![Value::Table(Table::new())]);
        let item = probe(key, &strange, chosen).err();
        return match item.as_ref().map(plain) {
            Some(item) => format!("a list, each item {item}"),
            None => "a list".to_owned(),
        };
    }
    if let Kind::Message(_) = kind
        && let Err(Kind::Message(text)) = probe(key, &Value::String("?".to_owned()), chosen)
    {
        let bound = text
            .split_once(", but ")
            .map_or(text.as_str(), |(_, bound)| bound);
        return bound.strip_prefix("must be ").unwrap_or(bound).to_owned();
    }
    plain(kind)
}

/// What was expected, in plain words.
fn plain(kind: &Kind) -> String {
    let (Kind::InvalidType(_, what) | Kind::InvalidValue(_, what)) = kind else {
        return format!("different: {kind}");
    };
    match what.as_str() {
        "usize" => "a whole number, at least 0",
        "u64" => "a whole number, at least 0 and below 2^63",
        "u32" => "a whole number from 0 to 4294967295",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text",
        "path string" => "a path",
        other => other,
    }
    .to_owned()
}

/// What is wrong with a value that should be a schedule.
fn schedule(value: &Value) -> String {
    const FORM: &str = "a number, or a table such as { kind = \"linear\", to = 4 }";
    let Value::Table(table) = value else {
        return FORM.to_owned();
    };
    let kinds = match read::<Moving>(&nest("kind", Value::String("?".to_owned()))) {
        Err(Kind::UnknownVariant(_, kinds)) => kinds.join(", "),
        _ => String::new(),
    };
    let form = match table.get("kind") {
        Some(Value::String(kind)) if kinds.split(", ").any(|name| name == kind) => kind,
        Some(_) => return format!("{FORM}, with a kind that is one of {kinds}"),
        None => return format!("{FORM}, where kind is one of {kinds}"),
    };
    for (key, value) in table {
        let pair = [
            ("kind".to_owned(), Value::String(form.clone())),
            (key.clone(), value.clone()),
        ];
        match read::<Moving>(&Table::from_iter(pair)) {
            Err(Kind::UnknownField(_, fields)) => {
                let near = nearest(key, fields);
                let hint = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
                let all = fields.join(", ");
                return format!("a {form} schedule, whose keys are {all}, not `{key}`{hint}");
            }
            Err(kind @ (Kind::InvalidType(..) | Kind::InvalidValue(..))) => {
                return format!("a {form} schedule, whose `{key}` is {}", plain(&kind));
            }
            _ => {}
        }
    }
    match read::<Moving>(table) {
        Err(Kind::MissingField(field)) => format!("a {form} schedule, which needs `{field}` too"),
        _ => FORM.to_owned(),
    }
}

/// The name most like a text, if any is like it.
pub fn nearest<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(text, name);
    let scored = names.iter().map(|&name| (likeness(name), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|best| best.0 >= 0.5).map(|best| best.1)
}
