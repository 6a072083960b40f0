//! `vae config`: the settings in force.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use toml::{Table, Value};

use crate::options::help;
use crate::settings::{LayerArgs, Resolved, resolve, schema};

/// Show the settings in force, and the layer that each comes from
#[derive(Debug, Clone, Args)]
#[command(after_long_help = help::after_config())]
pub struct ConfigArgs {
    /// The settings given.
    #[command(flatten)]
    pub layers: LayerArgs,
    /// Form of the output
    #[arg(long, default_value = "toml", help_heading = help::OUTPUT)]
    pub format: ConfigFormat,
    /// Print the JSON Schema of settings files instead, for editors
    #[arg(long, conflicts_with = "format", help_heading = help::OUTPUT)]
    pub schema: bool,
}

/// Form of `vae config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigFormat {
    /// A settings file.
    Toml,
    /// For programs.
    Json,
}

/// Shows the settings in force and the layer that each comes from, or the schema of settings files.
///
/// # Errors
/// If the settings are wrong or the output cannot be written.
pub fn run(args: &ConfigArgs) -> Result<ExitCode> {
    let mut out = stdout().lock();
    if args.schema {
        writeln!(out, "{:#}", schema::of_file())?;
        return Ok(ExitCode::SUCCESS);
    }
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
            serde_json::to_writer_pretty(&mut out, &all)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
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
    let known = schema::fields(name, chosen).map(|setting| schema::split(&setting.key).1);
    let unset = known.filter(|&field| !table.contains_key(field));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::command;
    use crate::settings::Entry;

    fn resolved(text: &str) -> Result<Resolved> {
        resolve(&LayerArgs {
            configs: Vec::new(),
            flags: vec![Entry::text("added_by_tests", text, "flag --added-by-tests")],
        })
    }

    /// The field of [`Settings`](crate::settings::Settings) that tests add stands in no other list.
    #[test]
    fn a_field_is_a_setting_everywhere() {
        let mut command = command();
        let help = command.render_long_help().to_string();
        assert!(help.contains("--added-by-tests <N>"), "{help}");
        assert!(help.contains("They find it everywhere. Nothing else names it [default: 4]"));
        let arguments = ["vae", "--added-by-tests", "5"];
        assert!(command.try_get_matches_from(arguments).is_ok());

        let schema = schema::of_file();
        let field = &schema["properties"]["added_by_tests"];
        assert_eq!(
            (field["minimum"].as_u64(), field["maximum"].as_u64()),
            (Some(1), Some(9))
        );
        assert_eq!(field["default"], 4);

        let text = annotated(&resolved("5").unwrap()).unwrap();
        let mut lines = text.lines();
        let line = lines.find(|line| line.starts_with("added_by_tests = 5"));
        assert!(line.unwrap().ends_with("# flag --added-by-tests"), "{text}");
        assert_eq!(
            resolved("10").unwrap_err().to_string(),
            "`added_by_tests` is 10, but must be at least 1 and at most 9; set by flag --added-by-tests"
        );
    }
}
