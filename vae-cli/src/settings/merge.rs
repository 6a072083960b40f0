//! Laying layers over each other.

use anyhow::{Result, anyhow, bail};
use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map},
};
use serde_json::Value as Json;
use toml::{Table, Value};

use super::layers::Entry;
use super::schema::{self, Setting};
use super::{Resolved, text};

/// Where a value comes from that no layer sets.
const DEFAULT: &str = "default";

impl Provider for Entry {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = figment::value::Value::serialize(&self.value)?;
        let nested = figment::util::nest(&self.key, value);
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

/// The layers so far: of each setting the value in force.
#[derive(Debug)]
pub struct Merged(Vec<Entry>);

impl Merged {
    /// No layer but the default variant and optimizer.
    pub fn new() -> Self {
        let default = |tag: &Setting| {
            tag.schema["default"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let tags = schema::tags().map(|tag| Entry::text(&tag.key, default(tag), DEFAULT));
        Self(tags.collect())
    }

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
        // What decides which other keys there are comes first.
        entries.sort_by_key(|entry| !matches!(schema::split(&entry.key).1, "name" | "kind"));
        entries.into_iter().try_for_each(|entry| self.set(entry))
    }

    /// Everything together.
    ///
    /// # Errors
    /// The first value that does not fit the variant or optimizer chosen in the end.
    pub fn finish(self) -> Result<Resolved> {
        let mut all = Figment::new();
        for given in &self.0 {
            let Some(setting) = self.setting(&given.key) else {
                bail!(self.unknown(&given.key, &given.source));
            };
            accept(setting, &given.key, &given.value, &given.source)?;
            all = all.merge(given);
        }
        let settings = all.extract().map_err(|error: figment::Error| {
            let key = error.path.join(".");
            match self.0.iter().find(|given| given.key == key) {
                Some(Entry { value, source, .. }) => {
                    let bound = error.kind.to_string();
                    let bound = bound.split_once("must be ").map_or(bound.as_str(), |b| b.1);
                    anyhow!("`{key}` is {value}, but must be {bound}; set by {source}")
                }
                None => anyhow!("the settings do not fit together: {error}"),
            }
        })?;
        let keys = schema::flatten("", Table::try_from(&settings)?).into_iter();
        let layers = keys.map(|(key, _)| {
            let layer = all
                .find_metadata(&key)
                .map_or(DEFAULT.into(), |layer| layer.name.clone());
            (key, layer.into_owned())
        });
        Ok(Resolved {
            preset: None,
            layers: layers.collect(),
            settings,
        })
    }

    fn given(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|given| given.key == key)
    }

    /// What is chosen in a section with options.
    fn chosen(&self, section: &str) -> Option<&str> {
        let tag = schema::tag(section)?;
        self.given(&tag.key)?.value.as_str()
    }

    /// The setting of a key, if what is chosen has it.
    fn setting(&self, key: &str) -> Option<&'static Setting> {
        let section = schema::split(key).0;
        let mut fields = schema::fields(section, self.chosen(section));
        fields.find(|setting| setting.key == key)
    }

    fn set(&mut self, entry: Entry) -> Result<()> {
        // What is chosen later may have options that what is chosen now has not.
        let place = |key: &str| {
            let any = || schema::all().iter().find(|setting| setting.key == key);
            self.setting(key).or_else(any)
        };
        let (section, field) = schema::split(&entry.key);
        let schedule = place(section).filter(|setting| schema::is_schedule(&setting.schema));
        let is_part = place(&entry.key).is_none() && schedule.is_some();
        let entry = match is_part {
            true => {
                let table = Table::from_iter([(field.to_owned(), plain(&entry))]);
                Entry::value(section, table.into(), &entry.source)
            }
            false => entry,
        };
        let (setting, tag) = (place(&entry.key), schema::tag(schema::split(&entry.key).0));
        if setting.is_none() && tag.is_none() {
            bail!(self.unknown(&entry.key, &entry.source));
        }
        let mut value = match setting {
            Some(setting) if entry.is_text => reading(&setting.schema, &entry),
            _ => plain(&entry),
        };
        let Entry { key, source, .. } = entry;
        match (setting, &mut value) {
            (Some(setting), Value::Table(changes))
                if schema::is_schedule(&setting.schema) && !changes.contains_key("kind") =>
            {
                if let Some(Value::Table(before)) = self.given(&key).map(|given| &given.value) {
                    *changes = before.clone().into_iter().chain(changes.clone()).collect();
                }
            }
            (Some(setting), value) if !is_part && tag.is_none_or(|tag| tag.key == key) => {
                accept(setting, &key, value, &source)?;
            }
            _ => {}
        }
        if tag.is_some_and(|tag| tag.key == key) {
            self.choose(&key, &value)?;
        }
        self.0.retain(|given| given.key != key);
        self.0.push(Entry::value(key, value, source));
        Ok(())
    }

    /// Takes away the options of what was chosen before, if `name` is another one.
    fn choose(&mut self, tag: &str, name: &Value) -> Result<()> {
        let was = self.given(tag).expect("every tag has a default");
        if was.value == *name {
            return Ok(());
        }
        let (section, was_given) = (schema::split(tag).0, was.source != DEFAULT);
        let mut gone = Vec::new();
        for Entry {
            key, value, source, ..
        } in &self.0
        {
            if schema::split(key).0 != section || key == tag {
                continue;
            }
            match self.setting(key) {
                Some(setting) => {
                    accept(setting, key, value, source)?;
                    gone.push(key.clone());
                }
                None if was_given => bail!(self.unknown(key, source)),
                None => {}
            }
        }
        self.0.retain(|given| !gone.contains(&given.key));
        Ok(())
    }

    /// What to say of a key that does not exist.
    fn unknown(&self, key: &str, source: &str) -> String {
        let start = format!("unknown key `{key}` in {source}");
        let (section, field) = schema::split(key);
        let owners = schema::owners(key);
        if let (Some(first), Some(tag)) = (owners.first(), schema::tag(section)) {
            let noun = tag.flag().unwrap_or_default();
            let chosen = self.chosen(section).unwrap_or_default();
            let have = if owners.len() == 1 { "has" } else { "have" };
            return format!(
                "{start}: the {noun} is `{chosen}`, which has no option `{field}`; {} {have} it: \
                 choose it with --{noun} {first}",
                owners.join(", ")
            );
        }
        let likeness = strsim::normalized_damerau_levenshtein;
        let there = schema::all()
            .iter()
            .filter(|other| self.setting(&other.key).is_some());
        let keys = there.map(|other| {
            let (place, name) = schema::split(&other.key);
            let same = if place == section { 0.1 } else { 0.0 };
            let near = likeness(field, name) * 0.9 + same;
            (f64::max(near, likeness(key, &other.key)), &other.key)
        });
        match keys.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((likeness, best)) if likeness >= 0.7 => format!("{start}; did you mean `{best}`?"),
            _ if schema::is_section(section) => {
                let fields = schema::fields(section, self.chosen(section));
                let fields: Vec<_> = fields.map(|other| schema::split(&other.key).1).collect();
                let place = if section.is_empty() {
                    "at the top"
                } else {
                    &format!("of [{section}]")
                };
                format!("{start}; the keys {place} are {}", fields.join(", "))
            }
            _ => format!("{start}; `vae config` lists all keys"),
        }
    }
}

fn accept(setting: &Setting, key: &str, value: &Value, source: &str) -> Result<()> {
    match schema::refusal(&setting.schema, value) {
        Some(bound) => bail!("`{key}` is {value}, but must be {bound}; set by {source}"),
        None => Ok(()),
    }
}

/// The entries for the settings within a table of settings; else the entry itself.
fn spread(entry: Entry) -> Result<Vec<Entry>> {
    if !schema::is_section(&entry.key) {
        return Ok(vec![entry]);
    }
    let Value::Table(table) = plain(&entry) else {
        let Entry {
            key,
            value,
            source,
            is_text,
        } = entry;
        let shown = value.as_str().filter(|_| is_text);
        let shown = shown.map_or(value.to_string(), str::to_owned);
        let hint = schema::tag(&key).map(|tag| format!(" (did you mean `{}`?)", tag.key));
        let hint = hint.unwrap_or_default();
        bail!("`{key}` is {shown}, but must be a table of settings{hint}; set by {source}");
    };
    let inner = schema::flatten(&entry.key, table).into_iter();
    let inner = inner.map(|(key, value)| Entry::value(key, value, &entry.source));
    Ok(inner.collect())
}

/// A value of a key of which nothing is known.
fn plain(entry: &Entry) -> Value {
    let text = entry.value.as_str().filter(|_| entry.is_text);
    text.and_then(text::value)
        .unwrap_or_else(|| entry.value.clone())
}

/// What a text from the command line or the environment means for a setting: the first of a TOML
/// value, the text as it is and a list separated by commas that it takes.
fn reading(schema: &Json, entry: &Entry) -> Value {
    let parts = entry
        .value
        .as_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim);
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let string = |part: &&str| Value::String((*part).to_owned());
    let typed = parts
        .iter()
        .map(|part| text::value(part).unwrap_or_else(|| string(part)));
    let readings = [
        plain(entry),
        entry.value.clone(),
        Value::Array(typed.collect()),
        Value::Array(parts.iter().map(string).collect()),
    ];
    let fitting = readings
        .into_iter()
        .find(|value| schema::refusal(schema, value).is_none());
    fitting.unwrap_or_else(|| plain(entry))
}
