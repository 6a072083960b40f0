//! What settings there are and which values they take: read from the schema of their types.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};
use toml::{Table, Value};
use vae_data::bounds;

use super::{PRESETS, Settings};

/// The key that chooses the variant.
pub const VARIANT: &str = "variant.name";

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Dotted key.
    pub key: String,
    /// The variant or optimizer that it is an option of, if it is one.
    pub owner: Option<&'static str>,
    /// Heading of its flag.
    pub heading: &'static str,
    /// The schema of its values.
    pub schema: Json,
}

static ROOT: LazyLock<Json> = LazyLock::new(bounds::schema::<Settings>);
static ALL: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut found = Vec::new();
    walk("", "Run", &ROOT, &mut found);
    found
});

/// Every setting, in order of declaration; one for each variant that has it.
pub fn all() -> &'static [Setting] {
    &ALL
}

fn walk(key: &str, heading: &'static str, schema: &'static Json, found: &mut Vec<Setting>) {
    let heading = schema["x-heading"].as_str().unwrap_or(heading);
    let mut push = |key: String, owner, schema| {
        found.push(Setting {
            key,
            owner,
            heading,
            schema,
        });
    };
    if let Some((tag, alternatives)) = tagged(schema) {
        let mut own = schema.clone();
        own["default"] = schema["default"][tag].clone();
        own["oneOf"] = alternatives
            .iter()
            .map(|(name, _)| json!({"const": name}))
            .collect();
        push(join(key, tag), None, own);
        for (name, fields) in alternatives {
            for (field, schema) in fields.iter().filter(|(field, _)| *field != tag) {
                push(join(key, field), Some(name), schema.clone());
            }
        }
    } else if let Some(fields) = schema["properties"].as_object() {
        for (field, schema) in fields {
            walk(&join(key, field), heading, schema, found);
        }
    } else {
        push(key.to_owned(), None, schema.clone());
    }
}

/// Names, each with the keys that go with it.
type Alternatives<'a> = Vec<(&'a str, &'a Map<String, Json>)>;

/// The tag and the alternatives of a table in which one key, the tag, decides which others there are.
fn tagged(schema: &Json) -> Option<(&str, Alternatives<'_>)> {
    let mut found = Vec::new();
    let mut tag = None;
    for alternative in schema["oneOf"].as_array()? {
        let fields = alternative["properties"].as_object()?;
        let (key, name) = fields
            .iter()
            .find_map(|(key, schema)| Some((key.as_str(), schema["const"].as_str()?)))?;
        tag = Some(key);
        found.push((name, fields));
    }
    Some((tag?, found))
}

/// The schema of a settings file, for editors. Tags may be missing, as another layer may set them.
pub fn of_file() -> Json {
    let mut schema = ROOT.clone();
    let names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
    schema["title"] = "Settings of vae".into();
    schema["properties"]["preset"] =
        json!({"description": "Settings known by name to start from.", "enum": names});
    for pointer in [
        "/properties/variant",
        "/properties/train/properties/optimizer",
    ] {
        let choice = schema.pointer_mut(pointer).and_then(Json::as_object_mut);
        let choice = choice.expect("a table with a tag");
        let mut alternatives = choice.remove("oneOf").unwrap_or_default();
        for alternative in alternatives.as_array_mut().into_iter().flatten() {
            alternative["required"] = json!([]);
        }
        choice.insert("anyOf".into(), alternatives);
    }
    schema
}

impl Setting {
    /// The flag without dashes, if it has one. Settings far down have none.
    pub fn flag(&self) -> Option<String> {
        if let Some(flag) = self.schema["x-flag"].as_str() {
            return Some(flag.to_owned());
        }
        let (section, field) = split(&self.key);
        (!section.contains('.')).then(|| field.replace('_', "-"))
    }

    /// What it does.
    pub fn help(&self) -> String {
        let text = self.schema["description"].as_str().unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
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

/// Whether a dotted key names a table of settings, not a setting.
pub fn is_section(key: &str) -> bool {
    let inside = |other: &str| {
        other
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    key.is_empty() || all().iter().any(|setting| inside(&setting.key))
}

/// The settings of a table of settings, with the options of what is `chosen` in it.
pub fn fields(section: &str, chosen: Option<&str>) -> impl Iterator<Item = &'static Setting> {
    let inside = move |setting: &&Setting| split(&setting.key).0 == section;
    let there = move |setting: &&Setting| setting.owner.is_none() || setting.owner == chosen;
    all().iter().filter(inside).filter(there)
}

/// The variants or optimizers that have an option.
pub fn owners(key: &str) -> Vec<&'static str> {
    let same = all().iter().filter(|setting| setting.key == key);
    same.filter_map(|setting| setting.owner).collect()
}

/// The setting that decides which options a table of settings has, if there is such a one.
pub fn tag(section: &str) -> Option<&'static Setting> {
    let has_options = all()
        .iter()
        .any(|s| s.owner.is_some() && split(&s.key).0 == section);
    has_options.then(|| fields(section, None).next())?
}

/// Every such setting.
pub fn tags() -> impl Iterator<Item = &'static Setting> {
    let is_tag =
        |setting: &&Setting| tag(split(&setting.key).0).is_some_and(|tag| tag.key == setting.key);
    all().iter().filter(is_tag)
}

/// Every setting of a table of settings with its dotted key.
pub fn flatten(section: &str, table: Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let key = join(section, &key);
        match value {
            Value::Table(inner) if is_section(&key) => found.extend(flatten(&key, inner)),
            value => found.push((key, value)),
        }
    }
    found
}

/// The names that a setting takes; nothing if it takes something else.
pub fn names(schema: &Json) -> Vec<&str> {
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().filter_map(Json::as_str).collect();
    }
    let members = schema["oneOf"].as_array().into_iter().flatten();
    members
        .flat_map(|member| match member["const"].as_str() {
            Some(name) => vec![name],
            None => names(member),
        })
        .collect()
}

/// Whether a setting takes a number or a schedule.
pub fn is_schedule(schema: &Json) -> bool {
    schedules(schema).is_some()
}

/// The kinds of schedules, if these are values that may be one, each with its keys.
fn schedules(schema: &Json) -> Option<Alternatives<'_>> {
    let choices = schema["anyOf"].as_array()?;
    choices.iter().find_map(tagged).map(|(_, kinds)| kinds)
}

/// What a setting must be, if it cannot be this value.
pub fn refusal(schema: &Json, value: &Value) -> Option<String> {
    let names = names(schema);
    if !names.is_empty() {
        let text = value.as_str().unwrap_or_default();
        let hint = hint(text, &names);
        return (!names.contains(&text)).then(|| format!("one of {}{hint}", names.join(", ")));
    }
    if let Some(kinds) = schedules(schema) {
        return not_a_schedule(&kinds, value);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices
            .iter()
            .any(|choice| refusal(choice, value).is_none());
        return (!fits).then(|| words(schema));
    }
    let fits = match (schema["type"].as_str().unwrap_or_default(), value) {
        ("boolean", Value::Boolean(_)) | ("string", Value::String(_)) => true,
        ("integer", Value::Integer(number)) => {
            *number >= 0 && (schema["format"] != "uint32" || u32::try_from(*number).is_ok())
        }
        ("number", Value::Integer(_) | Value::Float(_)) => true,
        ("array", Value::Array(items)) => items
            .iter()
            .all(|item| refusal(&schema["items"], item).is_none()),
        _ => false,
    };
    (!fits).then(|| words(schema))
}

/// What values must be, in plain words.
fn words(schema: &Json) -> String {
    if let Some(words) = schema[bounds::WORDS].as_str() {
        return words.to_owned();
    }
    let format = schema["format"].as_str().unwrap_or_default();
    match (schema["type"].as_str().unwrap_or_default(), format) {
        ("boolean", _) => "true or false".into(),
        ("integer", "uint64") => "a whole number, at least 0 and below 2^63".into(),
        ("integer", "uint32") => "a whole number from 0 to 4294967295".into(),
        ("integer", _) => "a whole number, at least 0".into(),
        ("number", _) => "a number".into(),
        ("array", _) => format!("a list, each item {}", words(&schema["items"])),
        _ => "a text".into(),
    }
}

/// What is wrong with a value that should be a schedule.
fn not_a_schedule(kinds: &[(&str, &Map<String, Json>)], value: &Value) -> Option<String> {
    const FORM: &str = "a number, or a table such as { kind = \"linear\", to = 4 }";
    let table = match value {
        Value::Integer(_) | Value::Float(_) => return None,
        Value::Table(table) => table,
        _ => return Some(FORM.to_owned()),
    };
    let names = kinds
        .iter()
        .map(|kind| kind.0)
        .collect::<Vec<_>>()
        .join(", ");
    let Some(kind) = table.get("kind") else {
        return Some(format!("{FORM}, where kind is one of {names}"));
    };
    let Some((kind, fields)) = kinds.iter().find(|other| Some(other.0) == kind.as_str()) else {
        return Some(format!("{FORM}, with a kind that is one of {names}"));
    };
    for (key, value) in table.iter().filter(|(key, _)| *key != "kind") {
        let Some(schema) = fields.get(key) else {
            let keys = fields
                .keys()
                .map(String::as_str)
                .filter(|key| *key != "kind");
            let keys: Vec<_> = keys.collect();
            let (all, hint) = (keys.join(", "), hint(key, &keys));
            return Some(format!(
                "a {kind} schedule, whose keys are {all}, not `{key}`{hint}"
            ));
        };
        if let Some(bound) = refusal(schema, value) {
            return Some(format!("a {kind} schedule, whose `{key}` is {bound}"));
        }
    }
    let needed = fields
        .iter()
        .filter(|(_, schema)| schema.get("default").is_none());
    let mut missing = needed.filter(|(key, _)| !table.contains_key(*key) && *key != "kind");
    missing
        .next()
        .map(|(key, _)| format!("a {kind} schedule, which needs `{key}` too"))
}

/// A question for the name most like a text, if any is like it.
pub fn hint(text: &str, names: &[&str]) -> String {
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(text, name);
    let scored = names.iter().map(|&name| (likeness(name), name));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, name)) if likeness >= 0.5 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}
