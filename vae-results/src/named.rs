//! Numbers by name, in the order in which they were measured.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

/// Numbers by name, in order. One that was not finite is kept without value: JSON has no infinity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named(Vec<(String, Option<f64>)>);

impl Named {
    /// Every name with its value, if that is finite.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<f64>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The value called `name`, if there is one and it is finite.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(key, _)| *key == name)?.1
    }

    /// Whether there is such a name, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(key, _)| key == name)
    }
}

impl<S: Into<String>> FromIterator<(S, f64)> for Named {
    fn from_iter<I: IntoIterator<Item = (S, f64)>>(pairs: I) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.into(), finite(value)))
                .collect(),
        )
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Named(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_what_is_not_finite_has_no_value() {
        let named: Named = [("loss", 3.5), ("kl", f64::INFINITY), ("a", 1.0)]
            .into_iter()
            .collect();
        let text = serde_json::to_string(&named).unwrap();
        assert_eq!(text, r#"{"loss":3.5,"kl":null,"a":1.0}"#);
        let back: Named = serde_json::from_str(&text).unwrap();
        assert_eq!(back, named);
        assert_eq!(back.get("loss"), Some(3.5));
        assert_eq!((back.get("kl"), back.has("kl")), (None, true));
        assert_eq!((back.get("b"), back.has("b")), (None, false));
    }
}
