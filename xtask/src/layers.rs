//! Who may depend on whom, and where unsafe code may stand.

use std::path::Path;

use crate::Finding;
use crate::files::{Text, texts};
use crate::manifest::entries;

/// Checks all crates.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = texts(root)?;
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        check_lints(file, &mut findings);
        if let Some(name) = crate_of(&file.path) {
            check_arrows(name, file, &mut findings);
        }
    }
    check_unsafe(&files, &mut findings);
    crate::circles::check(&files, &mut findings);
    crate::dialects::check(&files, &mut findings);
    crate::ports::check(&files, &mut findings);
    Ok(findings)
}

/// The crate that a file lies in: a folder under `crates/`, or `web`.
fn crate_of(path: &Path) -> Option<&str> {
    let folder = path.strip_prefix("crates").unwrap_or(path).iter().next()?.to_str()?;
    (path.starts_with("crates") || folder == "web").then_some(folder)
}

/// Dependencies on crates of ours must be those of the table. Those of tests are free.
fn check_arrows(name: &str, file: &Text, findings: &mut Vec<Finding>) {
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        let what = format!(
            "the crate {name} is in no layer; add it to ARROWS in xtask/src/layers.rs and to ARCHITECTURE.md"
        );
        findings.push(Finding::new(&file.path, 0, what));
        return;
    };
    let all = entries(&file.text);
    let of_section = |kind: &'static str| {
        all.iter().filter(move |entry| entry.section == kind || entry.section.ends_with(&format!(".{kind}")))
    };
    let mut missing = allowed.to_vec();
    for entry in of_section("dependencies").chain(of_section("build-dependencies")) {
        let Some(to) = ours(entry.key, entry.value) else { continue };
        missing.retain(|crate_name| *crate_name != to);
        if !allowed.contains(&to) {
            let may = if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") };
            let what = format!("{name} must not know {to}; it may know {may}");
            findings.push(Finding::new(&file.path, entry.line, what));
        }
    }
    for to in missing {
        let what =
            format!("{name} no longer depends on {to}; take the arrow out of ARROWS in xtask/src/layers.rs");
        findings.push(Finding::new(&file.path, 0, what));
    }
}

/// The folder of a crate of ours, by the name under which it is depended on.
fn ours(key: &str, value: &str) -> Option<&'static str> {
    let renamed = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
    let name = renamed.unwrap_or(key);
    let name = name.strip_prefix("multiplexor-").unwrap_or(name);
    let folder = match name {
        "in_line" => "in",
        "multiplexor" => "server",
        name => name,
    };
    ARROWS.iter().map(|(from, _)| *from).find(|from| *from == folder)
}

/// Every crate takes the lints of the workspace, which forbid unsafe code; only `sys` has its own list.
fn check_lints(file: &Text, findings: &mut Vec<Finding>) {
    let all = entries(&file.text);
    let said =
        |section: &str, key: &str| all.iter().find(|entry| entry.section == section && entry.key == key);
    let word = |value: &str| value.trim_matches('"').to_owned();
    if file.path == Path::new("Cargo.toml") {
        if said("workspace.lints.rust", "unsafe_code").is_none_or(|entry| word(entry.value) != "forbid") {
            let what = "[workspace.lints.rust] must say unsafe_code = \"forbid\"";
            findings.push(Finding::new(&file.path, 0, what));
        }
    } else if said("lints", "workspace").is_some_and(|entry| entry.value == "true") {
    } else if crate_of(&file.path) != Some(UNSAFE_CRATE) {
        findings.push(Finding::new(&file.path, 0, "the lints are missing: [lints] and workspace = true"));
    } else {
        for (section, key, level) in UNSAFE_LINTS {
            let found = said(section, key);
            if found.is_none_or(|entry| word(entry.value) != level) {
                let what = format!("[{section}] must say {key} = \"{level}\"");
                findings.push(Finding::new(&file.path, found.map_or(0, |entry| entry.line), what));
            }
        }
    }
}

/// Only files of `sys` may allow unsafe code.
fn check_unsafe(files: &[Text], findings: &mut Vec<Finding>) {
    for file in files.iter().filter(|file| file.path.extension().is_some_and(|extension| extension == "rs")) {
        for (n, line) in file.text.lines().enumerate() {
            if line.contains(ALLOW_UNSAFE) && crate_of(&file.path) != Some(UNSAFE_CRATE) {
                let what = format!("unsafe code is for the crate {UNSAFE_CRATE} alone; do without it");
                findings.push(Finding::new(&file.path, n + 1, what));
            }
        }
    }
}

/// Each crate of ours, and those of ours it depends on. No other arrow may exist.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "cli", "doctor", "migrate", "settings", "wait", "upstream", "in", "access", "exchange", "store",
            "tls", "bench", "sys",
        ],
    ),
    ("cli", &["settings", "access", "dialect", "tls"]),
    ("doctor", &["cli", "settings", "wait", "exchange", "tls", "sys"]),
    ("migrate", &["settings"]),
    ("settings", &["wait", "upstream", "in", "access", "dialect", "exchange", "store", "tls"]),
    ("bench", &["codec"]),
    ("wait", &["transport", "access", "exchange", "tls", "sys"]),
    ("transport", &["codec", "dialect"]),
    ("upstream", &["access", "dialect", "exchange"]),
    ("in", &["access", "exchange", "tls", "codec", "dialect", "web"]),
    ("exchange", &["hub"]),
    ("store", &["exchange"]),
    ("access", &["hub"]),
    ("dialect", &["codec", "hub", "web"]),
    ("codec", &[]),
    ("tls", &[]),
    ("hub", &[]),
    ("web", &[]),
    ("sys", &[]),
    ("testkit", &["wait", "transport", "store"]), // the fake kernel and the simulated disk stand in for the real ones
];
const UNSAFE_CRATE: &str = "sys";
/// What its `Cargo.toml` says in place of the workspace's lints: each file allows for itself, each block states its reason.
const UNSAFE_LINTS: [(&str, &str, &str); 2] =
    [("lints.rust", "unsafe_code", "deny"), ("lints.clippy", "undocumented_unsafe_blocks", "warn")];
/// Put together here, so that this file does not find itself.
const ALLOW_UNSAFE: &str = concat!("allow(", "unsafe_code");

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: &[(usize, &str)]) {
        let file = Text { path: path.into(), text: text.into() };
        let mut findings = Vec::new();
        if let Some(name) = crate_of(&file.path).filter(|_| path.ends_with(".toml")) {
            check_arrows(name, &file, &mut findings);
        } else {
            check_unsafe(&[file], &mut findings);
        }
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, (line, word)) in findings.iter().zip(expected) {
            assert_eq!(finding.line, *line, "{finding}");
            assert!(finding.what.contains(word), "{finding} says nothing of {word}");
        }
    }

    fn check_lints_of(path: &str, text: &str, is_right: bool) {
        let mut findings = Vec::new();
        check_lints(&Text { path: path.into(), text: text.into() }, &mut findings);
        assert_eq!(findings.is_empty(), is_right, "{findings:?}");
    }

    #[test]
    fn arrows_are_those_of_the_table() {
        let path = "crates/dialect/Cargo.toml";
        let ours = "[dependencies]\ncodec.workspace = true\nhub.workspace = true\nweb.workspace = true\n";
        check(path, &format!("{ours}serde = \"1\"\n"), &[]);
        check(path, &format!("{ours}wait.workspace = true\n"), &[(5, "must not know wait")]);
        check(
            path,
            "[dependencies]\ncodec.workspace = true\nweb.workspace = true\n",
            &[(0, "no longer depends on hub")],
        );
        check(
            "crates/hub/Cargo.toml",
            "[dev-dependencies]\ntestkit.workspace = true\nwait.workspace = true\n",
            &[],
        );
        check("crates/hub/Cargo.toml", "[build-dependencies]\nwait = \"1\"\n", &[(2, "none of ours")]);
        check(
            "crates/hub/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nin_line = \"1\"\n",
            &[(2, "must not know in")],
        );
        check("crates/hub/Cargo.toml", "[dependencies.transport]\npath = \"x\"\n", &[(1, "transport")]);
        check(
            "crates/hub/Cargo.toml",
            "[dependencies]\nx = { path = \"../wait\", package = \"multiplexor-wait\" }\n",
            &[(2, "must not know wait")],
        );
        check("crates/new/Cargo.toml", "[dependencies]\n", &[(0, "in no layer")]);
        check("web/Cargo.toml", "[dependencies]\nhub.workspace = true\n", &[(2, "none of ours")]);
    }

    #[test]
    fn unsafe_code_stands_in_one_crate() {
        let allow = format!("#![{ALLOW_UNSAFE})]\n");
        check("crates/sys/src/ring.rs", &allow, &[]);
        check("crates/hub/src/hub.rs", &allow, &[(1, "sys alone")]);
    }

    #[test]
    fn lints_forbid_it_everywhere_else() {
        check_lints_of("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n", true);
        check_lints_of("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"deny\"\n", false);
        check_lints_of("crates/hub/Cargo.toml", "[lints]\nworkspace = true\n", true);
        check_lints_of("crates/hub/Cargo.toml", "[lints.rust]\nunsafe_code = \"deny\"\n", false);
        let reasons = "[lints.clippy]\nundocumented_unsafe_blocks = \"warn\"\n";
        let of_sys = |level| format!("[lints.rust]\nunsafe_code = \"{level}\"\n");
        check_lints_of("crates/sys/Cargo.toml", &format!("{}{reasons}", of_sys("deny")), true);
        check_lints_of("crates/sys/Cargo.toml", &format!("{}{reasons}", of_sys("allow")), false);
        check_lints_of("crates/sys/Cargo.toml", &of_sys("deny"), false);
        check_lints_of("crates/sys/Cargo.toml", "[lints.rust]\n", false);
    }
}
