//! What the schema says and what the program does. `tests/schema/check.py` holds the schema against a validator
//! that knows nothing of this program, with the same lines of settings.

use toml::Value;

use super::tests::{refused, settings};
use super::{Settings, schema};

#[test]
fn the_program_refuses_what_the_schema_refuses() {
    let lines = include_str!("../../../tests/schema/refused.txt").lines();
    assert!(lines.clone().count() >= 36);
    for line in lines {
        assert!(refused(&[line], &[], &[]).contains("vae.toml"), "{line}");
    }
}

/// Layers may hold parts of the whole; what fits only one variant needs its name in some layer.
#[test]
fn the_program_accepts_what_the_schema_accepts() {
    let lines = include_str!("../../../tests/schema/accepted.txt").lines();
    assert!(lines.clone().count() >= 9);
    for line in lines {
        let variant = [("variant.name", "beta")];
        let flags: &[_] = if line.starts_with("variant.beta") {
            &variant
        } else {
            &[]
        };
        assert_ne!(settings(&[line], &[], flags), Settings::default(), "{line}");
    }
}

/// Every number of the schema that is a default is one that the program takes.
#[test]
fn defaults_are_within_their_bounds() {
    for setting in schema::all() {
        let default = &setting.schema["default"];
        if !default.is_null() {
            let value = Value::try_from(default).unwrap();
            let refusal = schema::refusal(&setting.schema, &value);
            assert_eq!(refusal, None, "{}", setting.key);
        }
        assert!(!setting.help().is_empty(), "{} has no help", setting.key);
    }
}
