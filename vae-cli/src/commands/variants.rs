//! `vae variants`: what can be trained.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};
use toml::{Table, Value};
use vae_variants::Variant;

use crate::options::Format;

/// Lists the variants with their options.
///
/// # Errors
/// If the output cannot be written.
pub fn variants(format: Format, out: &mut dyn Write) -> Result<()> {
    match format {
        Format::Text => text(out),
        Format::Json => {
            let all = Variant::all();
            let all: Result<Vec<_>> = all.iter().map(object).collect();
            serde_json::to_writer_pretty(&mut *out, &all?)?;
            writeln!(out)?;
            Ok(())
        }
    }
}

fn object(variant: &Variant) -> Result<Json> {
    let info = variant.info();
    let defaults = serde_json::to_value(variant)?;
    let options: Vec<_> = info
        .options
        .iter()
        .map(|option| {
            json!({
                "key": option.key,
                "help": option.help,
                "default": defaults.get(option.key),
            })
        })
        .collect();
    Ok(json!({
        "name": info.name,
        "summary": info.summary,
        "paper": info.paper,
        "options": options,
        "settings": info.settings.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        "example": info.example,
    }))
}

fn text(out: &mut dyn Write) -> Result<()> {
    for variant in Variant::all() {
        let info = variant.info();
        let defaults = Table::try_from(&variant)?;
        writeln!(out, "{:<12}  {}", info.name, info.summary)?;
        writeln!(out, "              paper:   {}", info.paper)?;
        for option in info.options {
            let default = defaults
                .get(option.key)
                .map_or(String::new(), Value::to_string);
            writeln!(out, "              variant.{} = {default}", option.key)?;
            writeln!(out, "                       {}", option.help)?;
        }
        for (key, default) in info.settings {
            writeln!(out, "              by default {key} = {default}")?;
        }
        writeln!(out, "              example: vae {}", info.example)?;
        writeln!(out)?;
    }
    writeln!(
        out,
        "An option is a flag too, with dashes: variant.some_option is --some-option."
    )?;
    Ok(())
}
