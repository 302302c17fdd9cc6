//! Giving up what root may: another user once all ports are bound, and no copy of memory that holds secrets.

use std::ffi::CString;
use std::fs::metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, absolute};

use anyhow::{Context, bail, ensure};
use nix::sys::prctl::set_dumpable;
use nix::unistd::{
    Gid, Group, Uid, User, getgroups, initgroups, setegid, seteuid, setgid, setgroups, setuid,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use store::Folder;

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

    /// Has a folder for a store at this path that is this user's: it is made, or is given to the user with the files in it, where
    /// it is a store, or empty, and root's.
    ///
    /// Nothing is done with the rights of root where others could have put a link or a second name of a file that stands
    /// elsewhere: it would give that one away.
    pub(crate) fn have_store(&self, path: &Path) -> anyhow::Result<()> {
        if !path.try_exists()? && self.acting(|| Folder::make(path))?.is_err() {
            self.ensure_roots_way(path)?;
            Folder::make(path)?;
        }
        if metadata(path)?.uid() != 0 || self.uid.is_root() {
            return Ok(());
        }
        self.ensure_roots_way(path)?;
        Folder::judge(path, Some(self.uid()))?;
        let (uid, gid) = (Some(self.uid.as_raw()), Some(self.gid.as_raw()));
        for entry in path.read_dir()? {
            let file = entry?.path();
            let found = file.symlink_metadata()?;
            if found.is_file() && found.nlink() == 1 {
                lchown(file, uid, gid)?;
            }
        }
        Ok(lchown(path, uid, gid)?)
    }

    /// Fails unless root alone decides what stands at this path: no part of it is a link, or is written by somebody else.
    fn ensure_roots_way(&self, path: &Path) -> anyhow::Result<()> {
        let there =
            path.ancestors().find(|part| part.symlink_metadata().is_ok()).unwrap_or_else(|| Path::new("."));
        let there = absolute(there)?;
        for part in there.ancestors() {
            let found = part.symlink_metadata()?;
            let is_open = found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0;
            ensure!(
                found.uid() == 0 && !found.is_symlink() && !is_open && !part.ends_with(".."),
                "others than root may decide what {} is, by {}; make the folder, and give it to {} with chown -R",
                path.display(),
                part.display(),
                self.name.to_string_lossy()
            );
        }
        Ok(())
    }

    /// Does something with the rights of this user, and is root again.
    pub(crate) fn acting<T>(&self, act: impl FnOnce() -> T) -> anyhow::Result<T> {
        let told = || format!("the program cannot act as the user {}", self.name.to_string_lossy());
        let (uid, gid, groups) = (Uid::effective(), Gid::effective(), getgroups().with_context(told)?);
        initgroups(&self.name, self.gid).with_context(told)?;
        setegid(self.gid).with_context(told)?;
        seteuid(self.uid).with_context(told)?;
        let done = act();
        seteuid(uid).and_then(|()| setegid(gid)).and_then(|()| setgroups(&groups)).with_context(told)?;
        Ok(done)
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

/// What more than the owner may write.
const OTHERS_WRITE: u32 = 0o022;
/// Where others may write, but not remove what is not theirs.
const STICKY: u32 = 0o1000;
