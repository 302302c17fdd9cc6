//! Checks and generators of this repository: `cargo xtask`.
//!
//! A rule that matters is a check, not a sentence. Every finding says where, what is wrong, and what
//! would be right.

mod circles;
mod deny;
mod dialects;
mod docs;
mod files;
mod layers;
mod log_fields;
mod manifest;
mod paths;
mod ports;
mod source;
mod tidy;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// The file, from the root of the repository.
    file: PathBuf,
    /// Counted from 1; 0 where the whole file is meant.
    line: usize,
    /// What is wrong, and what would be right.
    what: String,
}

impl Finding {
    fn new(file: impl AsRef<Path>, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.as_ref().to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let findings = match words[..] {
        ["tidy"] => tidy::check(root)?,
        ["layers"] => layers::check(root)?,
        ["deny"] => deny::check(root)?,
        ["docs"] => docs::check(root)?,
        ["docs", "--write"] => docs::write(root)?,
        ["all"] => {
            let mut all = tidy::check(root)?;
            all.extend(layers::check(root)?);
            all.extend(docs::check(root)?);
            all.extend(deny::check(root)?);
            all
        }
        _ => bail!(USAGE),
    };
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        eprintln!("xtask {}: nothing to complain about", words.join(" "));
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask {}: {} to be put right", words.join(" "), findings.len());
    Ok(ExitCode::FAILURE)
}

const USAGE: &str = "give one of:
  cargo xtask tidy          lengths of files and functions, first lines, banned words, white space, names of types and files
  cargo xtask layers        who may depend on whom, where unsafe code may stand, where dialects are named, which files
                            need each other
  cargo xtask docs          docs/settings.md is what the program generates
  cargo xtask docs --write  makes it so
  cargo xtask deny          licences, doubles and sources of what we depend on, by deny.toml
  cargo xtask all           all four checks";
