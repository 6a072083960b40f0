//! Checks that every package of the workspace takes the lints of the workspace.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::{Table, Value};

pub fn check_members(root: &Path) -> Result<Vec<String>> {
    let manifest = read(root, "Cargo.toml")?;
    let members = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("members"))
        .and_then(Value::as_array)
        .context("Cargo.toml: `workspace.members` is no list")?;
    let mut problems = Vec::new();
    for member in members.iter().filter_map(Value::as_str) {
        let file = format!("{member}/Cargo.toml");
        if !takes_workspace_lints(&read(root, &file)?) {
            problems.push(format!("{file}:1: add `[lints]` with `workspace = true`"));
        }
    }
    Ok(problems)
}

fn read(root: &Path, file: &str) -> Result<Table> {
    let text =
        fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))?;
    toml::from_str(&text).with_context(|| file.to_owned())
}

fn takes_workspace_lints(manifest: &Table) -> bool {
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    lints.and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_of_the_workspace_are_recognised() {
        let takes = |text: &str| takes_workspace_lints(&toml::from_str(text).expect("valid TOML"));
        assert!(takes("[lints]\nworkspace = true"));
        assert!(!takes("[lints.rust]\nmissing_docs = 'warn'"));
        assert!(!takes("[package]\nname = 'x'"));
    }
}
