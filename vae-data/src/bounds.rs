//! Bounds of settings. Each field states its own, for `garde`, which checks it, and for `schemars`, which
//! writes it into the schema. What is said of a value that is out of bounds is made here.

use figment::value::{Num, Value};
use garde::{Path, Validate};
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde::Serialize;
use serde_json::Value as Json;

/// The least number above 0: the minimum of a setting that must be above it.
pub const ABOVE_0: f64 = f64::from_bits(1);
/// The greatest number below 1: the maximum of a setting that must be below it.
pub const BELOW_1: f64 = 1.0_f64.next_down();

/// Keyword of the schema for the words that say what a setting must be, where its numbers are not enough.
pub const WORDS: &str = "x-bound";

const NOT_FINITE: &str = "not finite";

/// A setting that is out of bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfBounds {
    /// Its key within the settings that were checked.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it must be, e.g. `at least 1`.
    pub bound: String,
}

/// Checks every setting against its bound.
///
/// # Errors
/// The first that is out of bounds.
pub fn check<T>(settings: &T) -> Result<(), OutOfBounds>
where
    T: Validate<Context = ()> + JsonSchema + Serialize,
{
    let Err(report) = settings.validate() else {
        return Ok(());
    };
    let Some((path, error)) = report.iter().next() else {
        return Ok(());
    };
    let parts = parts(path);
    let error = error.message();
    let is_range = ["lower than", "greater than", NOT_FINITE]
        .iter()
        .any(|start| error.starts_with(start));
    let schema = schema::<T>();
    let bound = match find(&schema, &parts) {
        Some(schema) if is_range => words(schema),
        _ => error.to_owned(),
    };
    let names = parts.iter().filter(|part| part.parse::<usize>().is_err());
    let value = Value::serialize(settings).ok();
    Err(OutOfBounds {
        key: names.map(String::as_str).collect::<Vec<_>>().join("."),
        value: value.map_or(String::new(), |value| text(inside(&value, &parts))),
        bound,
    })
}

/// A rule for `garde`: no range refuses NaN or infinity.
///
/// # Errors
/// If the number is neither absent nor finite.
pub fn finite<T: Copy + Into<Option<f64>>>(value: &T, (): &()) -> garde::Result {
    match (*value).into() {
        Some(number) if !number.is_finite() => Err(garde::Error::new(NOT_FINITE)),
        _ => Ok(()),
    }
}

/// The schema of settings: without references, and without `null`, which no settings file can hold.
pub fn schema<T: JsonSchema>() -> Json {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(tidy).transform(&mut schema);
    schema.to_value()
}

fn tidy(schema: &mut Schema) {
    let is_null = |schema: &Json| schema["type"] == "null";
    if let Some(Json::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Json::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| !is_null(choice));
        if let [Json::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (keyword, value) in only {
                if schema.get(&keyword).is_none() {
                    schema.insert(keyword, value);
                }
            }
        }
    }
    if schema.get("default").is_some_and(Json::is_null) {
        schema.remove("default");
    }
    for (inclusive, bound, exclusive, limit) in [
        ("minimum", ABOVE_0, "exclusiveMinimum", 0),
        ("maximum", BELOW_1, "exclusiveMaximum", 1),
    ] {
        if schema.get(inclusive).and_then(Json::as_f64) == Some(bound) {
            schema.remove(inclusive);
            schema.insert(exclusive.into(), limit.into());
        }
    }
}

/// What a number must be, by its schema.
fn words(schema: &Json) -> String {
    if let Some(words) = schema[WORDS].as_str() {
        return words.to_owned();
    }
    if schema["type"] == "number"
        && let (Some(low), Some(high)) = (schema["minimum"].as_f64(), schema["maximum"].as_f64())
    {
        return format!("from {low} to {high}");
    }
    let limit = |name: &str, key: &str| schema[key].as_f64().map(|limit| format!("{name} {limit}"));
    let low = limit("at least", "minimum").or(limit("above", "exclusiveMinimum"));
    let high = limit("at most", "maximum").or(limit("below", "exclusiveMaximum"));
    let both: Vec<_> = [low, high].into_iter().flatten().collect();
    both.join(" and ")
}

/// The keys and places in lists that lead to a value; `lr[0].to` is `lr`, `0` and `to`.
fn parts(path: &Path) -> Vec<String> {
    let path = path.to_string();
    let parts = path.split(['.', '[', ']']);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// The schema that `parts` lead to. What an enum holds has a place too, which no schema knows.
fn find<'a>(schema: &'a Json, parts: &[String]) -> Option<&'a Json> {
    let [first, rest @ ..] = parts else {
        return Some(schema);
    };
    if let Some(inner) = schema["properties"].get(first) {
        return find(inner, rest);
    }
    let choices = [&schema["anyOf"], &schema["oneOf"]];
    let mut choices = choices.into_iter().filter_map(Json::as_array).flatten();
    match (first.parse::<usize>(), schema.get("items")) {
        (Ok(_), Some(items)) => find(items, rest),
        (Ok(_), None) => find(schema, rest),
        (Err(_), _) => choices.find_map(|choice| find(choice, parts)),
    }
}

/// As [`find`], for values.
fn inside<'a>(value: &'a Value, parts: &[String]) -> &'a Value {
    let [first, rest @ ..] = parts else {
        return value;
    };
    let inner = match value {
        Value::Dict(_, fields) => fields.get(first),
        Value::Array(_, items) => first.parse().ok().and_then(|i: usize| items.get(i)),
        _ => None,
    };
    inside(inner.unwrap_or(value), rest)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Num(_, Num::F64(number)) => number.to_string(),
        Value::Num(_, number) => match number.to_u128() {
            Some(number) => number.to_string(),
            None => number.to_i128().unwrap_or_default().to_string(),
        },
        Value::Array(_, items) => {
            let items: Vec<_> = items.iter().map(text).collect();
            format!("[{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Validate, JsonSchema, Serialize)]
    struct Example {
        #[garde(range(min = 1, max = 9))]
        count: Option<usize>,
        #[garde(range(min = 0.0, max = BELOW_1), custom(finite))]
        share: f64,
        #[garde(range(min = ABOVE_0), custom(finite))]
        limit: Option<f64>,
        #[garde(dive)]
        inner: Inner,
        #[garde(inner(range(min = 2)))]
        widths: Vec<usize>,
    }

    #[derive(Validate, JsonSchema, Serialize)]
    #[serde(untagged)]
    enum Inner {
        Plain(#[garde(custom(even))] i32),
        Table {
            #[garde(range(min = -2))]
            to: i32,
        },
    }

    fn even(value: &i32, (): &()) -> garde::Result {
        match value % 2 {
            0 => Ok(()),
            _ => Err(garde::Error::new("an even number")),
        }
    }

    fn example() -> Example {
        Example {
            count: None,
            share: 0.0,
            limit: None,
            inner: Inner::Plain(2),
            widths: vec![2],
        }
    }

    fn said(change: impl FnOnce(&mut Example)) -> (String, String, String) {
        let mut example = example();
        change(&mut example);
        let OutOfBounds { key, value, bound } = check(&example).unwrap_err();
        (key, value, bound)
    }

    fn triple(key: &str, value: &str, bound: &str) -> (String, String, String) {
        (key.into(), value.into(), bound.into())
    }

    #[test]
    fn key_value_and_bound_are_named() {
        assert_eq!(check(&example()), Ok(()));
        assert_eq!(
            said(|e| e.count = Some(0)),
            triple("count", "0", "at least 1 and at most 9")
        );
        let share = |value: f64| said(move |e| e.share = value);
        let bound = "at least 0 and below 1";
        assert_eq!(share(1.0), triple("share", "1", bound));
        assert_eq!(share(-0.5), triple("share", "-0.5", bound));
        assert_eq!(share(f64::NAN), triple("share", "NaN", bound));
        assert_eq!(
            said(|e| e.limit = Some(f64::INFINITY)),
            triple("limit", "inf", "above 0")
        );
        assert_eq!(
            said(|e| e.limit = Some(0.0)),
            triple("limit", "0", "above 0")
        );
        assert_eq!(
            said(|e| e.widths = vec![5, 1]),
            triple("widths", "1", "at least 2")
        );
        assert_eq!(
            said(|e| e.inner = Inner::Plain(3)),
            triple("inner", "3", "an even number")
        );
        assert_eq!(
            said(|e| e.inner = Inner::Table { to: -3 }),
            triple("inner.to", "-3", "at least -2")
        );
    }

    #[test]
    fn the_schema_has_the_bounds_and_no_null() {
        let schema = schema::<Example>();
        let of = |key: &str| schema["properties"][key].clone();
        assert_eq!(of("count")["type"], "integer");
        assert_eq!((of("count")["minimum"].as_u64()), Some(1));
        assert_eq!(of("share")["exclusiveMaximum"], 1);
        assert_eq!(of("limit")["exclusiveMinimum"], 0);
        assert_eq!(of("limit")["minimum"], Json::Null);
        assert_eq!(of("widths")["items"]["minimum"], 2);
        assert!(!schema.to_string().contains("null"));
    }
}
