//! Generated pages of the manual are what the program generates.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::Finding;

/// Compares the pages with what the program says now.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let written = fs::read_to_string(root.join(PAGE)).unwrap_or_default();
    Ok(compare(&written, &generated(root)?).into_iter().collect())
}

/// Writes the pages anew.
pub(crate) fn write(root: &Path) -> anyhow::Result<Vec<Finding>> {
    fs::write(root.join(PAGE), generated(root)?).context(PAGE)?;
    Ok(Vec::new())
}

/// What the program says about its settings. The release build is the one that tests and users run.
fn generated(root: &Path) -> anyhow::Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--package", "multiplexor", "--", "settings-doc"])
        .current_dir(root)
        .output()
        .context("cargo does not start")?;
    if !output.status.success() {
        bail!("settings-doc failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("settings-doc printed what is no text")
}

/// The first line that differs.
fn compare(written: &str, generated: &str) -> Option<Finding> {
    if written == generated {
        return None;
    }
    let same = written.lines().zip(generated.lines()).take_while(|(a, b)| a == b).count();
    let right = generated.lines().nth(same).unwrap_or("the end of the page");
    let what = format!("not what the program generates, which is {right:?}; run cargo xtask docs --write");
    Some(Finding::new(PAGE, same + 1, what))
}

const PAGE: &str = "docs/settings.md";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_told() {
        assert_eq!(compare("a\nb\n", "a\nb\n"), None);
        for (written, generated, line, word) in [
            ("a\nb\n", "a\nc\n", 2, "\"c\""),
            ("", "a\n", 1, "\"a\""),
            ("a\nb\n", "a\n", 2, "end of the page"),
        ] {
            let finding = compare(written, generated).unwrap();
            assert_eq!(finding.line, line);
            assert!(finding.what.contains(word), "{finding}");
        }
    }
}
