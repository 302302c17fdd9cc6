//! Where dialects are named: in their own folders, the settings, the import of old configurations, and where they are
//! registered. Every other file that names one makes the next dialect harder to add.

use crate::Finding;
use crate::files::Text;

/// Checks the sources of all crates.
pub(crate) fn check(files: &[Text], findings: &mut Vec<Finding>) {
    for file in files {
        let path = file.path.to_string_lossy();
        if !is_source(&path) || AT_HOME.iter().any(|home| path.starts_with(home)) {
            continue;
        }
        let named = file.text.lines().position(names_one);
        match (named, STILL.contains(&&*path)) {
            (Some(line), false) => {
                let what =
                    "a dialect is named outside its folder; ask for what it does, in the table of shapes";
                findings.push(Finding::new(&file.path, line + 1, what));
            }
            (None, true) => {
                let what =
                    "no dialect is named here any more; take the file out of STILL in xtask/src/dialects.rs";
                findings.push(Finding::new(&file.path, 0, what));
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    for gone in STILL.iter().filter(|still| !files.iter().any(|file| file.path.to_string_lossy() == ***still))
    {
        let what = format!("{gone} is gone; take it out of STILL");
        findings.push(Finding::new("xtask/src/dialects.rs", 0, what));
    }
}

/// A source file of a crate, that is no test.
fn is_source(path: &str) -> bool {
    let is_of_crate = path.starts_with("crates/") && path.contains("/src/") || path.starts_with("web/src/");
    is_of_crate && path.ends_with(".rs") && !path.ends_with("/tests.rs")
}

/// Whether a line names a dialect, and not only in a comment.
fn names_one(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default().to_ascii_lowercase();
    NAMES.iter().any(|name| code.contains(name))
}

/// Of the native dialect every server speaks, so its name is no seam; `multiplexor` is also the program.
const NAMES: [&str; 2] = ["dklab", "realplexor"];

/// Where dialects are at home.
const AT_HOME: &[&str] = &[
    "crates/dialect/src/dklab",
    "crates/dialect/src/lib.rs", // where they are registered,
    "crates/dialect/src/registry.rs",
    "crates/transport/src/shape.rs", // a row each
    "crates/dialect/src/realplexor",
    "crates/migrate/src", // the import of old configurations
    "crates/server/src/replace_realplexor",
    "crates/settings/src",
];

/// Files that still name one. A file leaves this list when it no longer does; none comes into it.
const STILL: &[&str] = &[
    "crates/hub/src/kind.rs",
    "crates/in/src/legacy.rs",
    "crates/in/src/lib.rs",
    "crates/in/src/limits.rs",
    "crates/in/src/settings.rs",
    "crates/in/src/listener.rs",
    "crates/in/src/realplexor.rs",
    "crates/in/src/realplexor/replies.rs",
    "crates/in/src/realplexor/settings.rs",
    "crates/in/src/realplexor/stats.rs",
    "crates/in/src/realplexor/connection_log.rs",
    "crates/server/src/command.rs",
    "crates/server/src/main.rs",
    "crates/server/src/serve.rs",
    "crates/server/src/reload.rs",
    "crates/server/src/serve/listeners.rs",
    "crates/store/src/record.rs",
    "crates/store/src/record/flags.rs",
    "web/src/lib.rs",
    "web/src/realplexor.rs",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: Option<(usize, &str)>) {
        let mut files = vec![Text { path: path.into(), text: text.into() }];
        let others = STILL.iter().filter(|still| **still != path);
        files.extend(others.map(|still| Text { path: still.into(), text: "dklab".into() }));
        let mut findings = Vec::new();
        check(&files, &mut findings);
        let found = findings.first().map(|finding| (finding.line, &*finding.what));
        assert_eq!(found.map(|(line, _)| line), expected.map(|(line, _)| line), "{findings:?}");
        assert!(expected.is_none_or(|(_, word)| found.is_some_and(|(_, what)| what.contains(word))));
    }

    #[test]
    fn a_dialect_is_named_at_home_only() {
        check_one(
            "crates/hub/src/new.rs",
            "fn a() {}\nlet x = Dialect::Dklab;\n",
            Some((2, "outside its folder")),
        );
        check_one("crates/hub/src/new.rs", "// what Realplexor did\n", None);
        check_one("crates/dialect/src/realplexor/list.rs", "realplexor\n", None);
        check_one("crates/wait/tests/takers.rs", "dklab\n", None);
    }

    #[test]
    fn the_list_of_those_that_still_name_one_only_shrinks() {
        check_one(STILL[0], "fn a() {}\n", Some((0, "no dialect is named here")));
        let mut findings = Vec::new();
        check(&[], &mut findings);
        assert_eq!(findings.len(), STILL.len());
    }
}
