//! Through which of its ports a crate sees the exchange: who publishes takes no mail, and a shard looks after no store.

use crate::Finding;
use crate::files::Text;
use crate::source::code_only;

/// Checks the sources of all crates, but for tests.
pub(crate) fn check(files: &[Text], findings: &mut Vec<Finding>) {
    for file in files {
        let path = file.path.to_string_lossy();
        let Some((name, rest)) = path.strip_prefix("crates/").and_then(|path| path.split_once("/src/"))
        else {
            continue;
        };
        if name == "exchange" || !rest.ends_with(".rs") || rest.ends_with("tests.rs") {
            continue;
        }
        let allowed = PORTS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, ports)| ports);
        for port in used(&file.text).filter(|port| !allowed.contains(port)) {
            let may = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            let what = format!("{name} must not use the port {port} of the exchange; it may use {may}");
            findings.push(Finding::new(&file.path, 0, what));
        }
    }
}

/// The ports that a text asks an exchange for.
fn used(text: &str) -> impl Iterator<Item = &'static str> {
    let code: String = code_only(text).lines().map(str::trim).collect();
    ALL.into_iter().filter(move |port| code.contains(&format!("exchange.{port}(")))
}

const ALL: [&str; 5] = ["publisher", "shard", "registry", "store", "admin"];

/// What each crate may use. Those that are not listed use none.
const PORTS: &[(&str, &[&str])] = &[
    ("in", &["publisher", "registry", "admin"]),
    ("server", &["admin"]),
    ("store", &["store"]),
    ("testkit", &["publisher"]),
    ("upstream", &["publisher", "admin"]),
    ("wait", &["shard", "registry"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_uses_its_own_ports_only() {
        let told = |path: &str, text: &str| {
            let mut findings = Vec::new();
            check(&[Text { path: path.into(), text: text.into() }], &mut findings);
            findings.len()
        };
        let text = "self.exchange\n    .store()\n    .kept(taken); // exchange.admin()";
        assert_eq!(told("crates/store/src/keeper.rs", text), 0);
        assert_eq!(told("crates/wait/src/shard/mod.rs", text), 1);
        assert_eq!(told("crates/cli/src/lib.rs", "exchange.admin().tick()"), 1);
        assert_eq!(told("crates/wait/tests/loop.rs", text), 0);
    }
}
