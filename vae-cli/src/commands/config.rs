//! `vae config`: the settings in force.

use std::io::Write;

use anyhow::Result;
use serde_json::json;
use toml::{Table, Value};

use crate::options::{ConfigArgs, ConfigFormat};
use crate::settings::{self, Resolved, resolve};

/// Shows the settings in force and the layer that each comes from.
///
/// # Errors
/// If the settings are wrong or the output cannot be written.
pub fn config(args: &ConfigArgs, out: &mut dyn Write) -> Result<()> {
    let resolved = resolve(&args.layers)?;
    match args.format {
        ConfigFormat::Toml => out.write_all(annotated(&resolved)?.as_bytes())?,
        ConfigFormat::Json => {
            let all = json!({
                "settings": resolved.settings,
                "layers": resolved.layers,
                "version": env!("CARGO_PKG_VERSION"),
                "data": vae_data::fingerprint(&resolved.settings.data)?,
            });
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// A settings file with the layer of each setting in a comment.
fn annotated(resolved: &Resolved) -> Result<String> {
    let mut lines = Vec::new();
    section(
        &mut lines,
        "",
        Table::try_from(&resolved.settings)?,
        resolved,
    );
    let width = lines.iter().filter(|line| !line.1.is_empty());
    let width = width
        .map(|line| line.0.chars().count())
        .max()
        .unwrap_or(0)
        .min(50);
    let mut text = String::new();
    for (line, note) in lines {
        let line = match note.as_str() {
            "" => line,
            note => format!("{line:width$}  # {note}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// Adds the lines of one table, each with its comment: first the settings, then the tables in it.
fn section(lines: &mut Vec<(String, String)>, name: &str, table: Table, resolved: &Resolved) {
    let key_of = |field: &str| match name {
        "" => field.to_owned(),
        name => format!("{name}.{field}"),
    };
    if !name.is_empty() {
        lines.push((String::new(), String::new()));
        lines.push((format!("[{name}]"), String::new()));
    }
    let chosen = table
        .get("name")
        .or(table.get("kind"))
        .and_then(Value::as_str);
    let known = settings::fields(name, chosen);
    let unset = known.iter().filter(|&&field| !table.contains_key(field));
    let unset: Vec<_> = unset.map(|field| format!("# {field}: not set")).collect();
    let mut tables = Vec::new();
    for (field, value) in table {
        let key = key_of(&field);
        match (resolved.layers.get(&key), value) {
            (Some(layer), value) => lines.push((format!("{field} = {value}"), layer.clone())),
            (None, Value::Table(inner)) => tables.push((key, inner)),
            (None, value) => lines.push((format!("{field} = {value}"), String::new())),
        }
    }
    lines.extend(unset.into_iter().map(|line| (line, String::new())));
    for (key, inner) in tables {
        section(lines, &key, inner, resolved);
    }
}
