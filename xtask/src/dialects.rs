//! Where dialects are named: in their own folders, the settings, the import of old configurations, and where they are
//! registered. Every other file that names one makes the next dialect harder to add.

use crate::Finding;
use crate::files::Text;

/// Checks the sources of all crates.
pub(crate) fn check(files: &[Text], findings: &mut Vec<Finding>) {
    for file in files {
        let path = file.path.to_string_lossy();
        if !file.is_source() || AT_HOME.iter().any(|home| path.starts_with(home)) {
            continue;
        }
        if let Some(line) = file.text.lines().position(names_one) {
            findings.push(Finding::new(&file.path, line + 1, NAMED));
        }
    }
}

/// Whether a line names a dialect, and not only in a comment.
fn names_one(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default().to_ascii_lowercase();
    NAMES.iter().any(|name| code.contains(name))
}

const NAMED: &str =
    "a dialect is named outside its folder; ask for what it does, in the table of shapes or of the trait";

/// Of the native dialect every server speaks, so its name is no seam; `multiplexor` is also the program. The last one is a
/// dialect for tests alone.
const NAMES: [&str; 3] = ["dklab", "realplexor", "telegraph"];

/// Where dialects are at home.
const AT_HOME: &[&str] = &[
    "crates/dialect/src/dklab",
    "crates/dialect/src/realplexor",
    "crates/testkit/src/telegraph",
    "crates/dialect/src/lib.rs", // where they are registered
    "crates/dialect/src/registry.rs",
    "crates/transport/src/shape/table.rs",
    "crates/in/src/dialects", // a row here, too
    "crates/testkit/src/lib.rs",
    "crates/settings/src",
    "crates/migrate/src", // the import of old configurations
    "crates/server/src/predecessor",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str, expected: Option<usize>) {
        let mut findings = Vec::new();
        check(&[Text { path: path.into(), text: text.into() }], &mut findings);
        assert_eq!(findings.first().map(|finding| finding.line), expected, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.what.contains("outside its folder")));
    }

    #[test]
    fn a_dialect_is_named_at_home_only() {
        check_one("crates/hub/src/new.rs", "fn a() {}\nlet x = Dialect::Dklab;\n", Some(2));
        check_one("crates/wait/src/shard/mod.rs", "use testkit::telegraph::Telegraph;\n", Some(1));
        check_one("crates/hub/src/new.rs", "// what Realplexor did\n", None);
        check_one("crates/dialect/src/realplexor/list.rs", "realplexor\n", None);
        check_one("crates/in/src/dialects/dklab.rs", "dklab\n", None);
        check_one("crates/wait/tests/takers.rs", "dklab\n", None);
    }
}
