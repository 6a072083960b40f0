//! `cargo xtask readme`: the parts of README.md that are made from the program itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::workspace::{build_vae, root};

const BEGIN: &str = "<!-- variants: made by `cargo xtask readme` -->\n";
const END: &str = "<!-- /variants -->";

/// Write the table of variants in README.md
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask readme           write the table
  cargo xtask readme --check   only say whether it is up to date")]
pub struct Options {
    /// Write nothing; fail if the table is out of date
    #[arg(long)]
    check: bool,
    /// Binary to ask, instead of building one
    #[arg(long, value_name = "PATH")]
    vae: Option<PathBuf>,
}

/// A variant as `vae variants --format json` describes it.
#[derive(Deserialize)]
struct Variant {
    name: String,
    summary: String,
    paper: String,
    options: Vec<VariantOption>,
}

#[derive(Deserialize)]
struct VariantOption {
    key: String,
}

/// Writes or checks the table.
pub fn run(options: &Options) -> Result<ExitCode> {
    let vae = match &options.vae {
        Some(vae) => vae.clone(),
        None => build_vae(false)?,
    };
    if options.check {
        check(&vae)?;
    } else {
        fs::write(path(), updated(&vae)?).context("cannot write README.md")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails if the table in README.md is not what `vae` says.
pub fn check(vae: &Path) -> Result<()> {
    if updated(vae)? != text()? {
        bail!("the table of variants in README.md is out of date: run `cargo xtask readme`");
    }
    Ok(())
}

fn path() -> PathBuf {
    root().join("README.md")
}

fn text() -> Result<String> {
    fs::read_to_string(path()).context("cannot read README.md")
}

/// README.md with a new table.
fn updated(vae: &Path) -> Result<String> {
    let output = Command::new(vae)
        .args(["variants", "--format", "json"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", vae.display()))?;
    let variants: Vec<Variant> = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} variants gave no list", vae.display()))?;
    replace(&text()?, &table(&variants))
}

/// Puts `table` between the two marks.
fn replace(text: &str, table: &str) -> Result<String> {
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some(format!("{before}{BEGIN}{table}{END}{after}"))
    });
    parts.with_context(|| format!("README.md lacks the line {BEGIN} or {END}"))
}

fn table(variants: &[Variant]) -> String {
    let mut text = String::from(
        "| `--variant` | what it is | its options | paper |\n| --- | --- | --- | --- |\n",
    );
    for variant in variants {
        let flags: Vec<String> = variant
            .options
            .iter()
            .map(|option| format!("`--{}`", option.key.replace('_', "-")))
            .collect();
        text += &format!(
            "| `{}` | {} | {} | {} |\n",
            variant.name,
            variant.summary,
            flags.join(" "),
            variant.paper
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_changes() {
        let variant = Variant {
            name: "x".into(),
            summary: "an example".into(),
            paper: "Someone 2000".into(),
            options: vec![VariantOption {
                key: "some_option".into(),
            }],
        };
        let before = format!("a\n{BEGIN}old\n{END}\nb\n");
        let after = replace(&before, &table(&[variant])).unwrap();
        assert!(after.starts_with(&format!("a\n{BEGIN}| `--variant` |")));
        assert!(after.contains("| `x` | an example | `--some-option` | Someone 2000 |\n"));
        assert!(after.ends_with(&format!("{END}\nb\n")));
        assert!(replace("no marks", "").is_err());
    }
}
