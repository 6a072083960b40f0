//! Settings as nested TOML tables: dotted keys, laying one table over another.

use serde_json::Value as Json;
use toml::{Table, Value};

/// Expands dotted keys: `"model.latent" = 10` becomes `model = { latent = 10 }`.
pub fn nest(table: Table) -> Table {
    let mut nested = Table::new();
    for (key, value) in table {
        let value = match value {
            Value::Table(inner) => Value::Table(nest(inner)),
            other => other,
        };
        lay_over(&mut nested, at_key(&key, value));
    }
    nested
}

/// A table with one setting, named by its dotted key.
pub fn at_key(key: &str, value: Value) -> Table {
    let mut parts = key.rsplit('.');
    let last = parts.next().unwrap_or(key);
    let innermost = Table::from_iter([(last.to_owned(), value)]);
    parts.fold(innermost, |inner, part| {
        Table::from_iter([(part.to_owned(), Value::Table(inner))])
    })
}

/// Lays `top` over `base`: tables are merged key by key, other values replaced.
///
/// A table with a `name` or a `kind` is a choice (of a variant, an optimizer, a schedule): when
/// `top` chooses another, the settings that belonged to the choice before are dropped.
pub fn lay_over(base: &mut Table, top: Table) {
    for (key, value) in top {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                for key in ["name", "kind"] {
                    let (old, new) = (below.get(key), above.get(key));
                    if old.is_some() && new.is_some() && old != new {
                        below.clear();
                    }
                }
                lay_over(below, above);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Every setting of a table with its dotted key and its value as text.
pub fn leaves(table: &Table) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(
                    leaves(inner)
                        .into_iter()
                        .map(|(k, v)| (format!("{key}.{k}"), v)),
                );
            }
            other => found.push((key.clone(), toml_text(other))),
        }
    }
    found
}

/// The text of a setting of the resolved settings, if it is there.
pub fn json_leaf(settings: &Json, key: &str) -> Option<String> {
    key.split('.')
        .try_fold(settings, |at, part| at.get(part))
        .and_then(json_text)
}

fn toml_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        Value::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(toml_text).collect::<Vec<_>>().join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// A value as text, numbers as [`toml_text`] writes them; nothing for `null` and objects.
pub fn json_text(value: &Json) -> Option<String> {
    match value {
        Json::Null | Json::Object(_) => None,
        Json::String(text) => Some(text.clone()),
        Json::Number(number) if number.is_f64() => number.as_f64().map(|float| float.to_string()),
        Json::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(json_text).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        toml::from_str(text).expect("valid TOML")
    }

    #[test]
    fn nests_dotted_keys() {
        let nested = nest(table("'a.b' = 1\n'a.c.d' = 2\ne = 3"));
        assert_eq!(nested, table("a = { b = 1, c = { d = 2 } }\ne = 3"));
    }

    #[test]
    fn lays_one_table_over_another() {
        let mut base = table("seed = 1\n[model]\nlatent = 10\nhidden = [4]");
        lay_over(&mut base, table("[model]\nlatent = 20"));
        assert_eq!(base, table("seed = 1\n[model]\nlatent = 20\nhidden = [4]"));
    }

    #[test]
    fn another_name_drops_what_belonged_to_the_one_before() {
        let base = table("variant = { name = 'beta', beta = 4 }");
        let mut changed = base.clone();
        lay_over(&mut changed, table("variant = { name = 'vae' }"));
        assert_eq!(changed, table("variant = { name = 'vae' }"));

        let mut kept = base;
        lay_over(&mut kept, table("variant = { beta = 2 }"));
        assert_eq!(kept, table("variant = { name = 'beta', beta = 2 }"));
    }

    #[test]
    fn toml_and_json_values_have_the_same_text() {
        let values = leaves(&table("a = 4.0\nb = [1, 2]\nc = 'x'\nd = true\ne = 1e-3"));
        let json: Json = serde_json::from_str(
            r#"{"s": {"a": 4.0, "b": [1, 2], "c": "x", "d": true, "e": 0.001, "f": null}}"#,
        )
        .expect("valid JSON");
        for (key, text) in values {
            assert_eq!(json_leaf(&json, &format!("s.{key}")), Some(text), "{key}");
        }
        assert_eq!(json_leaf(&json, "s.f"), None);
        assert_eq!(json_leaf(&json, "s.z.y"), None);
        assert_eq!(json_leaf(&json, "s.a"), Some("4".to_owned()));
    }
}
