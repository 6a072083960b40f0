//! Checks that local links of Markdown files lead to files of the repository.

use std::collections::BTreeSet;

use super::text::Found;

pub fn check(file: &str, content: &str, files: &BTreeSet<String>) -> Found {
    let mut found = Found::new();
    let mut fenced = false;
    for (index, line) in content.lines().enumerate() {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        for target in targets(&without_code(line)) {
            if let Some(path) = local_path(file, &target)
                && !exists(&path, files)
            {
                let advice =
                    format!("the link `{target}` leads to no file of the repository: correct it");
                found.push((index + 1, advice));
            }
        }
    }
    found
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // A backtick without a partner is only a backtick.
    if parts.len().is_multiple_of(2) {
        return line.to_owned();
    }
    parts.into_iter().step_by(2).collect::<Vec<_>>().join("x")
}

/// The targets of `[text](target)`, `![text](target "title")` and `[text]: target`.
fn targets(line: &str) -> Vec<String> {
    let mut found: Vec<String> = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(first_word)
        .collect();
    if line.starts_with('[')
        && let Some((_, target)) = line.split_once("]: ")
    {
        found.push(first_word(target));
    }
    found
}

/// The target without a title.
fn first_word(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.trim_start_matches('<')
        .trim_end_matches('>')
        .to_owned()
}

/// The path of a local link from the root of the repository; nothing for other links.
fn local_path(file: &str, target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => file.split('/').collect(),
    };
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            // Out of the repository: a path that no file has.
            ".." => match parts.last() {
                None | Some(&"..") => parts.push(".."),
                Some(_) => {
                    parts.pop();
                }
            },
            part => parts.push(part),
        }
    }
    Some(parts.join("/").replace("%20", " "))
}

fn exists(path: &str, files: &BTreeSet<String>) -> bool {
    let folder = format!("{path}/");
    path.is_empty()
        || files.contains(path)
        || files
            .range(folder.clone()..)
            .next()
            .is_some_and(|file| file.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_must_lead_to_files() {
        let files = BTreeSet::from(["README.md", "docs/a.md", "docs/img/b.png"].map(str::to_owned));
        let content = "\
[a](a.md) ![b](img/b.png \"title\") [up](../README.md#top) [web](https://x.y/z) [here](#x)
[folder](img) [root](/docs/a.md) [lost](c.md)
`[code](no.md)`
```
[fenced](no.md)
```
[ref]: ../docs/a.md
[ref2]: no.md
[out](../../README.md) [web again](mailto:a@b)
";
        let lines: Vec<usize> = check("docs/x.md", content, &files)
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(lines, [2, 8, 9]);
    }
}
