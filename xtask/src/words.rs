//! One meaning a word: no two crates have a type of the same name, and no file is named by a participle.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Finding;
use crate::files::Text;
use crate::source::{code_only, tests_begin};

/// Checks the sources of all crates, but for tests.
pub(crate) fn check(files: &[Text], findings: &mut Vec<Finding>) {
    check_types(files, findings);
    findings.extend(files.iter().filter_map(participle));
}

/// Each type that has the name of one in another crate is found where it comes second.
fn check_types(files: &[Text], findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_source()) {
        let path = file.path.to_string_lossy();
        let Some((name, _)) = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/")) else {
            continue;
        };
        for (line, defined) in types(&file.text) {
            let here = (name.to_owned(), file.path.clone());
            let (other, at) = known.entry(defined.clone()).or_insert(here);
            if other != name {
                let at = at.display();
                let what = format!("{defined} is a type of {at}, too; give one of them a name of its own");
                findings.push(Finding::new(&file.path, line, what));
            }
        }
    }
}

/// The types that a source defines for all of its module, with their lines.
fn types(text: &str) -> Vec<(usize, String)> {
    let code = code_only(text);
    let tests_at = tests_begin(&code).unwrap_or(usize::MAX);
    let lines = (1..tests_at).zip(code.lines());
    lines.filter_map(|(line, words)| Some((line, defined(words)?.to_owned()))).collect()
}

/// The type whose definition begins on a line.
fn defined(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub") || *word == "unsafe");
    if line.starts_with(' ') || !KINDS.contains(&words.next()?) {
        return None;
    }
    words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// That a file is named by a participle, where it is.
fn participle(file: &Text) -> Option<Finding> {
    let name = file.path.file_stem()?.to_str()?;
    let is_rust = file.path.extension()? == "rs";
    let last = name.rsplit('_').next()?;
    let is_one = ["ing", "ed"].iter().any(|end| last.ends_with(end)) && !NOUNS.contains(&last);
    let what = || format!("{name} is a participle; name the file by a noun, or by a verb as its function is");
    (is_rust && is_one).then(|| Finding::new(&file.path, 0, what()))
}

const KINDS: [&str; 4] = ["struct", "enum", "trait", "union"];
/// Nouns, and terms of the field. `forwarded` is the header of RFC 7239.
const NOUNS: [&str; 8] = ["coding", "encoding", "feed", "finding", "forwarded", "ring", "setting", "timing"];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<Text> =
            files.iter().map(|(path, text)| Text { path: path.into(), text: (*text).into() }).collect();
        let mut findings = Vec::new();
        check(&files, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_type_of_two_crates_is_found() {
        let text = "//! A.\npub(crate) struct Page<'a>(&'a str);\n";
        let doubled = told(&[("crates/a/src/a.rs", text), ("crates/b/src/b.rs", "enum Page {}\n")]);
        assert_eq!(
            doubled,
            [
                "crates/b/src/b.rs:1: Page is a type of crates/a/src/a.rs, too; give one of them a name of its own"
            ]
        );
        for fine in [
            ("crates/a/src/c.rs", "struct Page;\n"),
            ("crates/b/tests/b.rs", "struct Page;\n"),
            ("crates/b/src/tests.rs", "struct Page;\n"),
            ("crates/b/src/b.rs", "// struct Page;\n#[cfg(test)]\nmod tests {\n    struct Page;\n}\n"),
            ("crates/b/src/b.rs", "fn b() {\n    struct Page;\n}\n"),
            ("crates/b/src/b.rs", "type Page = u8;\nuse a::Page;\n"),
        ] {
            assert_eq!(told(&[("crates/a/src/a.rs", text), fine]), [""; 0], "{fine:?}");
        }
    }

    #[test]
    fn a_file_named_by_a_participle_is_found() {
        for bad in ["crates/a/src/asking.rs", "crates/a/src/owed.rs", "xtask/src/half_read_ing.rs"] {
            assert_eq!(told(&[(bad, "")]).len(), 1, "{bad}");
        }
        for good in [
            "crates/a/src/feed.rs",
            "crates/a/src/ring.rs",
            "docs/upgrading.md",
            "crates/a/src/content_coding.rs",
        ] {
            assert_eq!(told(&[(good, "")]), [""; 0], "{good}");
        }
    }
}
