//! Checks of single lines, and of the length of files.

/// The longest Rust file, in lines.
const LONGEST: usize = 600;

/// Leftovers in Rust code. Split, so that this file passes its own check.
const MACROS: [&str; 3] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
];

/// Words for work that is not done.
const WORDS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];

/// Where the files of one machine are.
const FOLDERS: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
];

const ENDINGS: [&str; 8] = ["rs", "toml", "md", "sh", "py", "yml", "yaml", "txt"];

/// Line numbers, each with what is wrong and what to do.
pub type Found = Vec<(usize, String)>;

/// Whether a file is text that people write, by its name.
pub fn is_written_by_hand(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some(("", _)) | None => name != "LICENSE",
        Some((_, ending)) => ENDINGS.contains(&ending),
    }
}

pub fn check(file: &str, content: &str) -> Found {
    let mut found = Found::new();
    let rust = file.ends_with(".rs");
    for (index, line) in content.split('\n').enumerate() {
        let mut say = |advice: String| found.push((index + 1, advice));
        if line.ends_with([' ', '\t', '\r']) {
            say("whitespace at the end of the line: remove it".to_owned());
        }
        for name in MACROS.iter().filter(|name| rust && has_word(line, name)) {
            say(format!("`{}`: finish the code", name.trim_end_matches('(')));
        }
        for word in WORDS.iter().filter(|word| has_word(line, word)) {
            say(format!("`{word}`: do it, or file it elsewhere"));
        }
        for folder in FOLDERS.iter().filter(|folder| has_path(line, folder)) {
            say(format!(
                "`{folder}…`: a path of one machine; write a relative path"
            ));
        }
    }
    let lines = content.lines().count();
    if rust && lines > LONGEST {
        found.push((
            lines,
            format!("{lines} lines: split the file, {LONGEST} is the most"),
        ));
    }
    if !content.is_empty() && !content.ends_with('\n') {
        found.push((
            lines,
            "no newline at the end of the file: add one".to_owned(),
        ));
    }
    found
}

/// Whether a word is in a line, not as part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let opens = word.ends_with('(');
        !line[..start].ends_with(in_name)
            && (opens || !line[start + word.len()..].starts_with(in_name))
    })
}

/// Whether an absolute path begins in a line with a folder.
fn has_path(line: &str, folder: &str) -> bool {
    let in_path = |c: char| c.is_alphanumeric() || "_-./~})".contains(c);
    line.match_indices(folder)
        .any(|(start, _)| !line[..start].ends_with(in_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &str, content: &str) -> Vec<usize> {
        check(file, content)
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    }

    #[test]
    fn finds_what_should_not_be_there() {
        let leftover = format!("fn f() {{\n    {})\n}}\n", MACROS[0]);
        assert_eq!(lines("a.rs", &leftover), [2]);
        assert_eq!(lines("a.md", &leftover), [0; 0]);
        assert_eq!(lines("a.md", &format!("x\n{}: later\n", WORDS[0])), [2]);
        assert_eq!(
            lines(
                "a.md",
                &format!("{}Y and {}\n", WORDS[0], WORDS[0].to_lowercase())
            ),
            [0; 0]
        );
        assert_eq!(lines("a.md", &format!("see {}me/x\n", FOLDERS[0])), [1]);
        assert_eq!(
            lines(
                "a.md",
                &format!("see net{}x and ~{}x\n", FOLDERS[2], FOLDERS[2])
            ),
            [0; 0]
        );
        assert_eq!(lines("a.md", "x \ny\t\nz\r\n"), [1, 2, 3]);
        assert_eq!(lines("a.md", "x\ny"), [2]);
        assert_eq!(lines("a.md", ""), [0; 0]);
    }

    #[test]
    fn long_rust_files_are_refused() {
        assert_eq!(lines("a.rs", &"x\n".repeat(LONGEST)), [0; 0]);
        assert_eq!(lines("a.rs", &"x\n".repeat(LONGEST + 1)), [LONGEST + 1]);
        assert_eq!(lines("a.md", &"x\n".repeat(LONGEST + 1)), [0; 0]);
    }

    #[test]
    fn knows_text_by_its_name() {
        for file in ["a/b.rs", "Cargo.toml", ".ci/run", ".gitignore", "README.md"] {
            assert!(is_written_by_hand(file), "{file}");
        }
        for file in ["a.png", "data.gz", "Cargo.lock", "LICENSE"] {
            assert!(!is_written_by_hand(file), "{file}");
        }
    }
}
