//! The files of the repository: what is written by hand, not what is built or fetched.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A file, its path from the root, and its text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Text {
    /// Whether it is a source file of a crate, and no test.
    pub(crate) fn is_source(&self) -> bool {
        let path = self.path.to_string_lossy();
        let is_of_crate =
            path.starts_with("crates/") && path.contains("/src/") || path.starts_with("web/src/");
        is_of_crate && path.ends_with(".rs") && !path.ends_with("/tests.rs")
    }
}

/// All text files under `root`, in the order of their paths.
pub(crate) fn texts(root: &Path) -> anyhow::Result<Vec<Text>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, name, kind) = (entry.path(), entry.file_name(), entry.file_type()?);
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
                // What is no text is none of our business here.
                if let Ok(text) = String::from_utf8(bytes) {
                    found.push(Text { path: path.strip_prefix(root)?.to_owned(), text });
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Folders that are built, fetched, git's own, or bytes that need not be text.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    "node_modules",
    ".venv",
    "__pycache__",
    ".tools",
    ".pytest_cache",
    "corpus",
    "found",
    "crashes",
];
