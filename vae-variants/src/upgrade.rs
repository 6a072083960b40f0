//! Models of earlier versions, brought to the structure of today.

use rmpv::Value;

/// Patterns of names of parameters in files of format 1, and what they are called now.
pub const RENAMED: [(&str, &str); 4] = [
    (r"^(?:vae|ae|cvae)\.", ""),
    (r"^nets\.", "parts.networks."),
    (r"^likelihood\.", "parts.likelihood."),
    (r"^(discriminator|classifier|baseline)\.", "method.$1."),
];

/// Brings the records of a checkpoint of version 0.1, in MessagePack, to the structure of today. There
/// a variant held its networks and its likelihood itself, or held another variant that did.
///
/// # Errors
/// If they are not what they should be.
pub fn upgrade_checkpoint(payload: &[u8]) -> Result<Vec<u8>, String> {
    let mut payload = payload;
    let mut all = rmpv::decode::read_value(&mut payload).map_err(|error| error.to_string())?;
    let unknown = || "its records have an unknown structure".to_owned();
    let Some(Value::Array(records)) = field(&mut all, "item") else {
        return Err(unknown());
    };
    let model = records.first_mut().ok_or_else(unknown)?;
    *model = upgraded(model.clone()).ok_or_else(unknown)?;
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &all).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn upgraded(model: Value) -> Option<Value> {
    let Value::Map(mut of_variant) = model else {
        return None;
    };
    let (variant, mut own) = of_variant.pop()?;
    let held = ["vae", "ae", "cvae"].into_iter();
    let mut held = held.filter_map(|name| field(&mut own, name).cloned());
    let mut holder = held.next().unwrap_or_else(|| own.clone());
    let parts = map([
        ("networks", field(&mut holder, "nets")?.clone()),
        ("likelihood", field(&mut holder, "likelihood")?.clone()),
        ("prior", map([("Normal", Value::Nil)])),
        ("flow", Value::Nil),
    ]);
    let method = Value::Map(vec![(variant, own)]);
    let backend = Value::Nil;
    Some(map([
        ("parts", parts),
        ("method", method),
        ("backend", backend),
    ]))
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.into_iter();
    Value::Map(entries.map(|(key, value)| (key.into(), value)).collect())
}

fn field<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let Value::Map(entries) = value else {
        return None;
    };
    let found = entries
        .iter_mut()
        .find(|(key, _)| key.as_str() == Some(name));
    found.map(|(_, value)| value)
}
