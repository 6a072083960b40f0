//! `cargo xtask tidy`: checks the text of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use self::manifest::check_members;
use crate::workspace::root;

mod links;
mod manifest;
mod text;

const LARGEST_FILE: u64 = 3 * 1024 * 1024;

/// Runs the task.
pub fn run() -> Result<ExitCode> {
    let problems = problems()?;
    if problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &problems {
        println!("{problem}");
    }
    eprintln!("error: tidy found problems: {}", problems.len());
    Ok(ExitCode::FAILURE)
}

/// All problems of the repository, each with its file, its line and what to do.
pub fn problems() -> Result<Vec<String>> {
    let root = root();
    let files = files(&root)?;
    let mut problems = Vec::new();
    for file in &files {
        let path = root.join(file);
        // A link is checked where it points to.
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        if !about.is_file() {
            continue;
        }
        if about.len() > LARGEST_FILE {
            let size = about.len() / (1024 * 1024);
            problems.push(format!(
                "{file}:1: {size} MB: keep files under 3 MB, or out of git"
            ));
        }
        if text::is_written_by_hand(file) {
            let content = fs::read(&path).with_context(|| format!("cannot read {file}"))?;
            problems.extend(check(file, &content, &files));
        }
    }
    problems.extend(check_members(&root)?);
    Ok(problems)
}

fn check(file: &str, content: &[u8], files: &BTreeSet<String>) -> Vec<String> {
    let Ok(content) = std::str::from_utf8(content) else {
        return vec![format!("{file}:1: not UTF-8: save it as UTF-8")];
    };
    let mut found = text::check(file, content);
    if file.ends_with(".md") {
        found.extend(links::check(file, content, files));
    }
    found.sort_by_key(|(line, _)| *line);
    found
        .into_iter()
        .map(|(line, advice)| format!("{file}:{line}: {advice}"))
        .collect()
}

/// The files of the repository: tracked, or new and not ignored.
fn files(root: &Path) -> Result<BTreeSet<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("cannot start git: install it")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(names.filter(|name| root.join(name).exists()).collect())
}
