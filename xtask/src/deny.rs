//! What stands in the tree of dependencies: its licences, doubles and sources, by deny.toml.
//!
//! The same that `cargo deny check licenses bans sources` looks at, for those who do not have it: cargo itself tells
//! all that is needed. Known weaknesses are not asked for here.

mod licence;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::Finding;
use licence::is_allowed;

/// Checks the tree of the machine that this runs on.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let text = std::fs::read_to_string(root.join(FILE)).context(FILE)?;
    let rules = Rules::read(&text)?;
    Ok(judge(&rules, &packages(root)?))
}

/// What deny.toml says, as far as it is looked at here.
struct Rules {
    licences: Vec<String>,
    registries: Vec<String>,
    /// `name@version` of doubles that are let be.
    skipped: Vec<String>,
}

/// One crate of the tree.
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// `None`: it is ours.
    source: Option<String>,
}

impl Rules {
    fn read(text: &str) -> anyhow::Result<Self> {
        let table = DeTable::parse(text).with_context(|| format!("{FILE} is no TOML"))?;
        let list = |section: &str, key: &str| -> anyhow::Result<Vec<String>> {
            let section = table.get_ref().get(section).and_then(|value| value.get_ref().as_table());
            let items =
                section.and_then(|section| section.get(key)).and_then(|value| value.get_ref().as_array());
            let items = items.with_context(|| format!("{FILE} has no list {key}"))?;
            Ok(items.iter().filter_map(|item| word(item.get_ref())).collect())
        };
        Ok(Self {
            licences: list("licenses", "allow")?,
            registries: list("sources", "allow-registry")?,
            skipped: list("bans", "skip")?,
        })
    }
}

/// A text, or the crate that an entry names.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Table(entry) => word(entry.get("crate")?.get_ref()),
        _ => None,
    }
}

/// The crates that are built on this machine, as cargo tells them.
fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--filter-platform", HOST])
        .current_dir(root)
        .output()
        .context("cargo metadata cannot be run")?;
    ensure!(told.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).context("cargo metadata tells no JSON")?;
    let nodes = told["resolve"]["nodes"].as_array().into_iter().flatten();
    let used: HashSet<&str> = nodes.filter_map(|node| node["id"].as_str()).collect();
    let all = told["packages"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(all
        .filter(|package| package["id"].as_str().is_some_and(|id| used.contains(id)))
        .map(|package| Package {
            name: text(&package["name"]).unwrap_or_default(),
            version: text(&package["version"]).unwrap_or_default(),
            licence: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect())
}

/// What is not as it should be.
fn judge(rules: &Rules, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    let mut find = |what: String| findings.push(Finding::new(FILE, 0, what));
    for package in packages {
        let Package { name, version, licence, source } = package;
        versions.entry(name).or_default().push(package);
        match licence.as_deref().map(|said| (said, is_allowed(said, &rules.licences))) {
            None => find(format!("{name} {version} says no licence; take another crate")),
            Some((said, Ok(false))) => find(format!(
                "{name} {version} comes under {said}, which the list does not allow; take another crate, or add the licence"
            )),
            Some((said, Err(()))) => {
                find(format!("{name} {version} has a licence that cannot be read: {said}"))
            }
            Some((_, Ok(true))) => {}
        }
        let registry = source.as_deref().map(|source| source.strip_prefix("registry+").unwrap_or(source));
        if let Some(source) = registry.filter(|source| !rules.registries.iter().any(|known| known == source))
        {
            find(format!("{name} {version} comes from {source}; only registries of the list are allowed"));
        }
    }
    for (name, packages) in versions {
        let is_skipped = |package: &&Package| rules.skipped.contains(&format!("{name}@{}", package.version));
        let mut left: Vec<&str> =
            packages.iter().filter(|package| !is_skipped(package)).map(|package| &*package.version).collect();
        left.sort_unstable();
        if left.len() > 1 {
            let left = left.join(" and ");
            find(format!(
                "{name} is there as {left}; `cargo tree -d` shows by whom; keep one, or skip the older with its reason"
            ));
        }
    }
    findings
}

const FILE: &str = "deny.toml";
/// The machine whose tree is looked at; that of the other one in deny.toml has nothing besides.
const HOST: &str = "x86_64-unknown-linux-gnu";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packages: &[(&str, &str, Option<&str>, Option<&str>)], expected: &[&str]) {
        let rules = Rules::read(
            "[licenses]\nallow = [\"MIT\"]\n[bans]\nskip = [{ crate = \"a@1.0.0\", reason = \"old\" }, \"b@1.0.0\"]\n\
             [sources]\nallow-registry = [\"https://here\"]",
        )
        .unwrap();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let packages: Vec<Package> = packages
            .iter()
            .map(|(name, version, licence, source)| Package {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                licence: owned(*licence),
                source: owned(*source),
            })
            .collect();
        let found = judge(&rules, &packages);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.what.contains(expected), "{found}");
        }
    }

    const HERE: Option<&str> = Some("registry+https://here");
    const MIT: Option<&str> = Some("MIT");

    #[test]
    fn what_the_list_allows_is_fine() {
        check(&[("a", "1.0.0", MIT, HERE), ("a", "2.0.0", MIT, HERE), ("ours", "0.1.0", MIT, None)], &[]);
        check(&[("a", "1.0.0", Some("GPL-3.0-only OR MIT"), HERE)], &[]);
    }

    #[test]
    fn what_it_does_not_is_told() {
        check(&[("a", "1.0.0", Some("GPL-3.0-only"), HERE)], &["a 1.0.0 comes under GPL-3.0-only"]);
        check(&[("a", "1.0.0", None, HERE)], &["says no licence"]);
        check(&[("a", "1.0.0", Some("MIT AND"), HERE)], &["cannot be read"]);
        check(&[("a", "1.0.0", MIT, Some("git+https://there"))], &["comes from git+https://there"]);
        check(&[("a", "1.0.0", MIT, Some("registry+https://there"))], &["comes from https://there"]);
    }

    #[test]
    fn doubles_are_told_but_for_those_that_are_skipped() {
        check(&[("c", "1.0.0", MIT, HERE), ("c", "2.0.0", MIT, HERE)], &["c is there as 1.0.0 and 2.0.0"]);
        check(
            &[("b", "1.0.0", MIT, HERE), ("b", "2.0.0", MIT, HERE), ("b", "3.0.0", MIT, HERE)],
            &["b is there as 2.0.0 and 3.0.0"],
        );
    }
}
