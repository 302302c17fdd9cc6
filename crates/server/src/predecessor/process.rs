//! What a daemon does with itself: a file with its process id, and another user than root.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::privileges::{self, Account};

/// A file with this process's id, for as long as it runs.
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Writes it.
    pub(super) fn write(path: &Path) -> anyhow::Result<Self> {
        let wrong =
            || format!("the process id cannot be written to {}; give another path with -p", path.display());
        // Its folder may belong to a user that we are not when it is to be deleted.
        let path = std::path::absolute(path).with_context(wrong)?;
        // The folder's owner may have put a link there, which root would follow.
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        let opened = options.open(&path);
        let mut file = opened.with_context(wrong)?;
        writeln!(file, "{}", std::process::id()).with_context(wrong)?;
        Ok(Self { path, file })
    }
}

impl Drop for PidFile {
    /// Deletes it. Another user may only empty it, so that nobody takes its number for that of a process.
    fn drop(&mut self) {
        if fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

/// Becomes this user, if the program runs as root; returns whether it did.
pub(super) fn become_user(name: &str) -> anyhow::Result<bool> {
    if !privileges::is_root() {
        return Ok(false);
    }
    let Some(account) = Account::find("SU_USER", name, "")? else { return Ok(false) };
    account.become_it()?;
    Ok(true)
}
