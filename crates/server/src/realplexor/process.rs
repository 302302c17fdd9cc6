//! What a daemon of old does with itself: a file with its process id, and another user than root.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::unistd::{Uid, User, initgroups, setgid, setuid};

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
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&path);
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

/// Becomes this user, for good and in all threads, if the program runs as root; returns whether it did.
pub(super) fn become_user(name: &str) -> anyhow::Result<bool> {
    if name.is_empty() || !Uid::effective().is_root() {
        return Ok(false);
    }
    let Some(user) = User::from_name(name).context("users cannot be looked up")? else {
        bail!("SU_USER is {name:?}, but there is no such user; give another one, or '' to stay root");
    };
    let told = || format!("the program cannot become the user {name}");
    let name = std::ffi::CString::new(user.name).with_context(told)?;
    // In this order: who is no longer root may change neither groups nor anything else.
    initgroups(&name, user.gid).with_context(told)?;
    setgid(user.gid).with_context(told)?;
    // The C library does so in every thread; a shard that stayed root would be a hole.
    setuid(user.uid).with_context(told)?;
    Ok(true)
}
