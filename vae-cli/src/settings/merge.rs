//! Laying layers over each other.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use figment::error::Kind;
use toml::{Table, Value};

use super::layers::{Entry, Raw};
use super::schema::{self, Choice};
use super::{Resolved, text};

/// What a key has when no layer sets it.
const DEFAULT: &str = "default";

/// The layers so far.
#[derive(Debug, Default)]
pub struct Merged {
    values: BTreeMap<String, (Value, String)>,
}

impl Merged {
    /// Lays a layer on top.
    ///
    /// A layer that makes another choice of variant or optimizer takes away the options of the one
    /// before. A schedule that is a table with a `kind` replaces what was there; one without `kind`
    /// changes single keys of the table that was there.
    ///
    /// # Errors
    /// The first entry that is wrong in itself.
    pub fn add(&mut self, layer: Vec<Entry>) -> Result<()> {
        let mut entries = Vec::new();
        for entry in layer {
            entries.extend(spread(entry)?);
        }
        let is_tag = |entry: &Entry| matches!(Choice::of(&entry.key), Some((c, f)) if c.tag == f);
        let (tags, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_tag);
        for entry in tags {
            if let Some((choice, _)) = Choice::of(&entry.key) {
                self.choose(choice, entry)?;
            }
        }
        for entry in self.with_schedules_whole(others)? {
            self.set(entry)?;
        }
        Ok(())
    }

    /// Everything together.
    ///
    /// # Errors
    /// The first entry that does not fit the variant or optimizer chosen in the end.
    pub fn finish(self) -> Result<Resolved> {
        let mut table = Table::new();
        for choice in &Choice::ALL {
            let name = Value::String(self.chosen(choice));
            insert(&mut table, &choice.key(), name);
        }
        for (key, (value, source)) in &self.values {
            if !self.knows(key) {
                bail!(self.unknown(key, source));
            }
            self.check(key, value, source, self.chosen_at(key).as_deref())?;
            insert(&mut table, key, value.clone());
        }
        let settings = match schema::read(&table) {
            Ok(settings) => settings,
            Err(kind) => bail!("the settings do not fit together: {kind}"),
        };
        let keys = schema::flatten(Table::try_from(&settings)?).into_iter();
        let layers = keys.map(|(key, _)| {
            let set = self.values.get(&key);
            let layer = set.map_or(DEFAULT.to_owned(), |(_, source)| source.clone());
            (key, layer)
        });
        Ok(Resolved {
            layers: layers.collect(),
            settings,
        })
    }

    /// The name chosen so far.
    fn chosen(&self, choice: &Choice) -> String {
        let key = choice.key();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let given = self.values.get(&key).and_then(|(value, _)| text(value));
        given
            .or_else(|| schema::find(&schema::defaults(), &key).and_then(text))
            .unwrap_or_default()
    }

    /// The name chosen where a key belongs to a choice.
    fn chosen_at(&self, key: &str) -> Option<String> {
        Choice::of(key).map(|(choice, _)| self.chosen(choice))
    }

    /// The name under which a key's values are tried: the one chosen, or else one that has it.
    fn context(&self, key: &str) -> Option<String> {
        let (choice, field) = Choice::of(key)?;
        let chosen = self.chosen(choice);
        let owners = choice.owners(field);
        if owners.contains(&chosen.as_str()) {
            return Some(chosen);
        }
        Some(owners.first().map_or(chosen, |&owner| owner.to_owned()))
    }

    fn choose(&mut self, choice: &Choice, entry: Entry) -> Result<()> {
        let Entry { key, raw, source } = entry;
        let value = match raw {
            Raw::Text(text) => Value::String(text),
            Raw::Value(value) => value,
        };
        self.check(&key, &value, &source, None)?;
        let (before, was_given) = (self.chosen(choice), self.values.contains_key(&key));
        if value.as_str() != Some(&before) {
            let own = schema::fields(choice.section, Some(&before));
            let mut gone = Vec::new();
            for (key, (value, source)) in &self.values {
                let Some((of, field)) = Choice::of(key) else {
                    continue;
                };
                if of.section != choice.section || field == choice.tag {
                    continue;
                }
                if own.contains(&field) {
                    self.check(key, value, source, Some(&before))?;
                    gone.push(key.clone());
                } else if was_given {
                    bail!(self.unknown(key, source));
                }
            }
            for key in gone {
                self.values.remove(&key);
            }
        }
        self.values.insert(key, (value, source));
        Ok(())
    }

    /// Makes one entry of all entries for keys within the same schedule.
    fn with_schedules_whole(&self, entries: Vec<Entry>) -> Result<Vec<Entry>> {
        let mut whole: Vec<Entry> = Vec::new();
        for entry in entries {
            let (parent, field) = schema::split(&entry.key);
            let context = self.context(parent);
            let inside = !schema::is_section(parent)
                && !self.knows(&entry.key)
                && schema::is_schedule(parent, context.as_deref());
            if !inside {
                whole.push(entry);
                continue;
            }
            let value = match entry.raw {
                Raw::Value(value) => value,
                Raw::Text(text) => text::value(&text).unwrap_or(Value::String(text)),
            };
            let same = whole.iter_mut().find(|other| other.key == parent);
            match same.map(|other| &mut other.raw) {
                Some(Raw::Value(Value::Table(table))) => {
                    table.insert(field.to_owned(), value);
                }
                _ => whole.push(Entry {
                    key: parent.to_owned(),
                    raw: Raw::Value(Value::Table(schema::nest(field, value))),
                    source: entry.source,
                }),
            }
        }
        Ok(whole)
    }

    fn set(&mut self, entry: Entry) -> Result<()> {
        let Entry { key, raw, source } = entry;
        let is_option = Choice::of(&key).is_some();
        if !is_option && !self.knows(&key) {
            bail!(self.unknown(&key, &source));
        }
        let context = self.context(&key);
        let context = context.as_deref();
        let mut value = match raw {
            Raw::Value(value) => value,
            Raw::Text(text) => reading(&key, &text, context),
        };
        if let Value::Table(changes) = &value
            && !changes.contains_key("kind")
            && let Some((Value::Table(before), _)) = self.values.get(&key)
            && schema::is_schedule(&key, context)
        {
            let mut table = before.clone();
            table.extend(changes.clone());
            value = Value::Table(table);
        }
        if !is_option {
            self.check(&key, &value, &source, context)?;
        }
        self.values.insert(key, (value, source));
        Ok(())
    }

    fn knows(&self, key: &str) -> bool {
        let (section, field) = schema::split(key);
        let chosen = self.chosen_at(key);
        schema::is_section(section) && schema::fields(section, chosen.as_deref()).contains(&field)
    }

    fn check(&self, key: &str, value: &Value, source: &str, chosen: Option<&str>) -> Result<()> {
        let Err(kind) = schema::probe(key, value, chosen) else {
            return Ok(());
        };
        if let Kind::UnknownField(..) = kind
            && !schema::is_schedule(key, chosen)
        {
            bail!(self.unknown(key, source));
        }
        let bound = schema::expected(key, value, chosen, &kind);
        bail!("`{key}` is {value}, but must be {bound}; set by {source}")
    }

    /// What to say of a key that does not exist.
    fn unknown(&self, key: &str, source: &str) -> String {
        let start = format!("unknown key `{key}` in {source}");
        if let Some((choice, field)) = Choice::of(key) {
            let owners = choice.owners(field);
            if let Some(first) = owners.first() {
                let Choice { noun, flag, .. } = choice;
                let chosen = self.chosen(choice);
                let all = owners.join(", ");
                let have = if owners.len() == 1 { "has" } else { "have" };
                return format!(
                    "{start}: the {noun} is `{chosen}`, which has no option `{field}`; {all} \
                     {have} it: choose it with {flag} {first}"
                );
            }
        }
        let (section, field) = schema::split(key);
        let mut keys = vec![(0.0, String::new())];
        for name in schema::sections() {
            let chosen = self.chosen_at(&schema::join(&name, "?"));
            for other in schema::fields(&name, chosen.as_deref()) {
                let full = schema::join(&name, other);
                let near = strsim::normalized_damerau_levenshtein(field, other);
                let same = if name == section { 0.1 } else { 0.0 };
                let whole = strsim::normalized_damerau_levenshtein(key, &full);
                keys.push((f64::max(near * 0.9 + same, whole), full));
            }
        }
        let best = keys.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
        match best {
            Some((likeness, best)) if likeness >= 0.7 => format!("{start}; did you mean `{best}`?"),
            _ if schema::is_section(section) => {
                let chosen = self.chosen_at(key);
                let fields = schema::fields(section, chosen.as_deref()).join(", ");
                let place = match section {
                    "" => "the keys at the top are".to_owned(),
                    _ => format!("the keys of [{section}] are"),
                };
                format!("{start}; {place} {fields}")
            }
            _ => format!("{start}; `vae config` lists all keys"),
        }
    }
}

/// The entries for the settings within a table of settings; else the entry itself.
fn spread(entry: Entry) -> Result<Vec<Entry>> {
    if !schema::is_section(&entry.key) {
        return Ok(vec![entry]);
    }
    let Entry { key, raw, source } = entry;
    let (value, shown) = match raw {
        Raw::Value(value) => (Some(value.clone()), value.to_string()),
        Raw::Text(text) => (text::value(&text), text),
    };
    let Some(Value::Table(table)) = value else {
        let choice = Choice::ALL.iter().find(|choice| choice.section == key);
        let hint = choice.map_or(String::new(), |choice| {
            format!(" (did you mean `{}`?)", choice.key())
        });
        bail!("`{key}` is {shown}, but must be a table of settings{hint}; set by {source}");
    };
    let inner = schema::flatten(schema::nest(&key, Value::Table(table)));
    let entries = inner.into_iter().map(|(key, value)| Entry {
        key,
        raw: Raw::Value(value),
        source: source.clone(),
    });
    Ok(entries.collect())
}

/// What a text from the command line or the environment means for a key: the first of a TOML
/// value, the text as it is and a list separated by commas that the key takes.
fn reading(key: &str, text: &str, chosen: Option<&str>) -> Value {
    let parsed = text::value(text);
    let plain = Value::String(text.to_owned());
    let parts = || {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    let string = |part: &str| Value::String(part.to_owned());
    let typed = parts().map(|part| text::value(part).unwrap_or_else(|| string(part)));
    let readings = [
        parsed.clone(),
        Some(plain.clone()),
        Some(Value::Array(typed.collect())),
        Some(Value::Array(parts().map(string).collect())),
    ];
    let mut fitting = readings.into_iter().flatten();
    fitting
        .find(|value| schema::probe(key, value, chosen).is_ok())
        .unwrap_or(parsed.unwrap_or(plain))
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
