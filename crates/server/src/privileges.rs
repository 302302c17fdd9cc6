//! Giving up what root may: another user once all ports are bound, and no copy of memory that holds secrets.

use std::ffi::CString;
use std::io;
use std::os::unix::fs::{chown, lchown};
use std::path::Path;

use anyhow::{Context, bail};
use nix::sys::prctl::set_dumpable;
use nix::unistd::{Gid, Group, Uid, User, initgroups, setgid, setuid};
use rustix::process::{Resource, Rlimit, setrlimit};

/// Whom the program becomes.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    name: CString,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// Finds the user, and the group where one is said, else that of the user. `None`: no user is said. `setting` is
    /// what names the user.
    pub(crate) fn find(setting: &str, user: &str, group: &str) -> anyhow::Result<Option<Self>> {
        if user.is_empty() {
            return Ok(None);
        }
        let Some(found) = User::from_name(user).context("users cannot be looked up")? else {
            bail!("{setting} is {user:?}, but there is no such user; give another one, or '' to stay root");
        };
        let gid = if group.is_empty() {
            found.gid
        } else {
            let known = Group::from_name(group).context("groups cannot be looked up")?;
            known.with_context(|| format!("group is {group:?}, but there is no such group"))?.gid
        };
        Ok(Some(Self { name: CString::new(found.name)?, uid: found.uid, gid }))
    }

    /// The number of the user.
    pub(crate) fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Whether the program is this user already.
    pub(crate) fn is_ours(&self) -> bool {
        Uid::effective() == self.uid && Uid::current() == self.uid
    }

    /// Gives a folder of ours, and the files in it, to this user.
    pub(crate) fn own(&self, folder: &Path) -> io::Result<()> {
        let (uid, gid) = (Some(self.uid.as_raw()), Some(self.gid.as_raw()));
        chown(folder, uid, gid)?;
        for entry in folder.read_dir()? {
            // What stands there for another file is not followed.
            lchown(entry?.path(), uid, gid)?;
        }
        Ok(())
    }

    /// Becomes this user, for good and in all threads. Only root may.
    pub(crate) fn become_it(&self) -> anyhow::Result<()> {
        let told = || format!("the program cannot become the user {}", self.name.to_string_lossy());
        // In this order: who is no longer root may change neither groups nor anything else.
        initgroups(&self.name, self.gid).with_context(told)?;
        setgid(self.gid).with_context(told)?;
        // The C library does so in every thread; a shard that stayed root would be a hole.
        setuid(self.uid).with_context(told)
    }
}

/// Whether the program runs as root.
pub(crate) fn is_root() -> bool {
    Uid::effective().is_root()
}

/// What the program holds in memory is written nowhere when it crashes, nor read by others of its user.
pub(crate) fn keep_memory_private() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable(false)?)
}
