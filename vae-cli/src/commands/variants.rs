//! `vae variants`: what can be trained.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value as Json, json};
use toml::{Table, Value};
use vae_variants::Variant;

use crate::options::Format;
use crate::settings::schema::{self, Setting};

/// List the variants with their options
#[derive(Debug, Args)]
#[command(after_help = "Next: vae --variant NAME trains one; `vae --help` lists all options.")]
pub struct VariantsArgs {
    /// Form of the output
    #[arg(long, default_value = "text")]
    format: Format,
}

/// Lists the variants with their options.
///
/// # Errors
/// If the output cannot be written.
pub fn run(args: &VariantsArgs) -> Result<ExitCode> {
    let mut out = stdout().lock();
    match args.format {
        Format::Text => text(&mut out)?,
        Format::Json => {
            let all = Variant::all();
            let all: Result<Vec<_>> = all.iter().map(object).collect();
            serde_json::to_writer_pretty(&mut out, &all?)?;
            writeln!(out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The options of a variant, each with its key in the `[variant]` table.
fn options(variant: &str) -> impl Iterator<Item = (&'static str, &'static Setting)> {
    let all = schema::fields("variant", Some(variant)).filter(|setting| setting.owner.is_some());
    all.map(|setting| (schema::split(&setting.key).1, setting))
}

fn object(variant: &Variant) -> Result<Json> {
    let info = variant.info();
    let defaults = serde_json::to_value(variant)?;
    let options: Vec<_> = options(info.name)
        .map(|(key, option)| {
            json!({
                "key": key,
                "help": option.help(),
                "default": defaults.get(key),
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
        for (key, option) in options(info.name) {
            let default = defaults.get(key).map_or(String::new(), Value::to_string);
            writeln!(out, "              variant.{key} = {default}")?;
            let names = match schema::names(&option.schema).join(", ") {
                names if names.is_empty() => names,
                names => format!(" One of {names}."),
            };
            writeln!(out, "                       {}{names}", option.help())?;
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
