//! What a file must look like: not too long, with a first line that says what it is for, no leftovers.

use std::path::Path;

use crate::files::{Text, texts};
use crate::source::{code_only, functions, tests_begin};
use crate::{Finding, log_fields, words};

/// Checks all files of the repository.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = texts(root)?;
    let mut findings: Vec<Finding> = files.iter().flat_map(check_file).collect();
    log_fields::check(&files, &mut findings);
    words::check(&files, &mut findings);
    Ok(findings)
}

fn check_file(file: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_text(file, &mut findings);
    if file.path.extension().is_some_and(|extension| extension == "rs") {
        check_source(file, &mut findings);
    }
    findings
}

/// What holds for every text.
fn check_text(file: &Text, findings: &mut Vec<Finding>) {
    for (n, line) in file.text.lines().enumerate() {
        if line.ends_with([' ', '\t']) {
            findings.push(Finding::new(&file.path, n + 1, "white space ends the line; remove it"));
        }
        if line.contains(FOREIGN_FOLDER) {
            let what =
                format!("{FOREIGN_FOLDER} is no folder of this repository; name what a stranger's clone has");
            findings.push(Finding::new(&file.path, n + 1, what));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let last = file.text.lines().count();
        findings.push(Finding::new(&file.path, last, "the last line does not end; end it with a line feed"));
    }
}

/// What holds for Rust.
fn check_source(file: &Text, findings: &mut Vec<Finding>) {
    let first = file.text.lines().next().unwrap_or_default();
    if !first.starts_with("//!") && !first.starts_with("#!") {
        findings.push(Finding::new(&file.path, 1, "the first line must say what the file is for: //! …"));
    }
    for (n, line) in file.text.lines().enumerate() {
        for word in BANNED.iter().filter(|word| contains_word(line, word)) {
            let what = format!("{word} must not stay; finish it, or file an issue");
            findings.push(Finding::new(&file.path, n + 1, what));
        }
    }
    check_lengths(file, findings);
}

fn check_lengths(file: &Text, findings: &mut Vec<Finding>) {
    let code = code_only(&file.text);
    let all = code.lines().count();
    let is_test =
        file.path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches")));
    let tests_at = if is_test { 0 } else { tests_begin(&code).map_or(all + 1, |line| line) };
    let own = if is_test { 0 } else { tests_at - 1 };
    if own > FILE_LINES_MAX {
        let what = format!("{own} lines without tests; split it: at most {FILE_LINES_MAX}");
        findings.push(Finding::new(&file.path, 0, what));
    }
    if all > FILE_LINES_WITH_TESTS_MAX {
        let what = format!("{all} lines; split it: at most {FILE_LINES_WITH_TESTS_MAX} with tests");
        findings.push(Finding::new(&file.path, 0, what));
    }
    for function in functions(&code) {
        let max = if function.line >= tests_at { TEST_LINES_MAX } else { FUNCTION_LINES_MAX };
        if function.lines > max {
            let what = format!("fn {} has {} lines; split it: at most {max}", function.name, function.lines);
            findings.push(Finding::new(&file.path, function.line, what));
        }
    }
}

/// Whether `word` stands in `line` with no letter or digit around it.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next())
    })
}

/// Lines of a file, its trailing test module not counted.
const FILE_LINES_MAX: usize = 400;
/// Lines of a file with its tests, or of a file of tests.
const FILE_LINES_WITH_TESTS_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 60;
/// Lines of a function in tests, where a table may be long.
const TEST_LINES_MAX: usize = 120;
/// Put together here, so that this file does not find itself.
const BANNED: &[&str] = &[
    concat!("dbg", "!"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("XX", "X"),
    concat!("FIX", "ME"),
];
const FOREIGN_FOLDER: &str = concat!("shared", "/");

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` are line and a word of each finding.
    fn check(path: &str, text: &str, expected: &[(usize, &str)]) {
        let findings = check_file(&Text { path: path.into(), text: text.into() });
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, (line, word)) in findings.iter().zip(expected) {
            assert_eq!(finding.line, *line, "{finding}");
            assert!(finding.what.contains(word), "{finding} says nothing of {word}");
        }
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        check("crates/a/src/b.rs", "//! For this.\n\nfn a() {}\n", &[]);
        check("README.md", "# A\n", &[]);
        check("crates/a/src/empty.md", "", &[]);
    }

    #[test]
    fn the_first_line_says_what_it_is_for() {
        check("a.rs", "fn a() {}\n", &[(1, "//!")]);
        check("a.rs", "#!/usr/bin/env run\n", &[]);
        check("a.rs", "", &[(1, "//!")]);
    }

    #[test]
    fn leftovers_are_found() {
        for word in BANNED {
            check("a.rs", &format!("//! A.\n{word}(x);\n"), &[(2, word)]);
            check("a.md", &format!("{word}\n"), &[]);
        }
        check("a.rs", &format!("//! A.\nmy_{}(x);\n", BANNED[1]), &[]);
    }

    #[test]
    fn texts_are_clean() {
        check("a.md", "a \nb\t\nc\n", &[(1, "white space"), (2, "white space")]);
        check("a.md", "a\nb", &[(2, "line feed")]);
        check("a.md", &format!("see ../{FOREIGN_FOLDER}x\n"), &[(1, "no folder")]);
    }

    #[test]
    fn files_have_an_end() {
        let lines = |count: usize| "//! A.\n".to_owned() + &"const _: () = ();\n".repeat(count - 1);
        let tests = |count: usize| {
            format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    const _: () = ();\n".repeat(count - 3))
        };
        check("crates/a/src/a.rs", &lines(400), &[]);
        check("crates/a/src/a.rs", &lines(401), &[(0, "401")]);
        check("crates/a/src/a.rs", &(lines(400) + &tests(400)), &[]);
        check("crates/a/src/a.rs", &(lines(400) + &tests(401)), &[(0, "801")]);
        check("crates/a/tests/a.rs", &lines(800), &[]);
        check("crates/a/tests/a.rs", &lines(801), &[(0, "801")]);
    }

    #[test]
    fn functions_fit_a_screen() {
        let function = |lines: usize| format!("fn a() {{\n{}}}\n", "    x();\n".repeat(lines - 2));
        check("a.rs", &format!("//! A.\n{}", function(60)), &[]);
        check("a.rs", &format!("//! A.\n{}", function(61)), &[(2, "61")]);
        check(
            "a.rs",
            &format!("//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n", function(61).replace("\n}", "\n    }")),
            &[],
        );
        check("crates/a/tests/a.rs", &format!("//! A.\n{}", function(120)), &[]);
        check("crates/a/tests/a.rs", &format!("//! A.\n{}", function(121)), &[(2, "121")]);
    }
}
