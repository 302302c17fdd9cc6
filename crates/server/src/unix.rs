//! UNIX sockets in the file system: made with their rights, left by nobody who still listens, removed at the end.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use nix::unistd::{Group, User};
use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, chownat, flock};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::umask;

use crate::limits::{SOCKET_LOCK_PAUSE, SOCKET_LOCK_WAIT, UNIX_BACKLOG};
use settings::UnixRights;

/// The file of a UNIX socket that listens, for as long as it is to be there.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Which file it is: another program may have put its own there.
    id: (u64, u64),
}

/// Makes a socket that listens at this path. What a program left there that has ended is replaced.
pub(crate) fn open(path: &Path, rights: &UnixRights) -> anyhow::Result<(UnixListener, SocketFile)> {
    let folder = path.parent().context("the path of a socket has a folder")?;
    let wrong = || format!("no socket can be made at {}", path.display());
    let lock = lock(folder).with_context(wrong)?;
    clear(path)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).with_context(wrong)?;
    // Made with its mode, not given it after: by then a link may stand there, which leads to somebody else's file.
    let masked = umask(Mode::from_raw_mode(!rights.mode & 0o777));
    let bound = SocketAddrUnix::new(path).and_then(|address| bind(&socket, &address));
    umask(masked);
    bound.with_context(wrong)?;
    let (made, id) = made(path).with_context(wrong)?;
    let file = SocketFile { path: path.to_owned(), id };
    // Until it listens nobody gets in, whatever the rights are.
    own(&made, path, &rights.owner)?;
    listen(&socket, UNIX_BACKLOG).with_context(wrong)?;
    drop(lock);
    Ok((UnixListener::from(socket), file))
}

/// A socket that another program made at this path, which listens and goes over to this one.
pub(crate) fn adopt(path: &Path, socket: OwnedFd) -> anyhow::Result<(UnixListener, SocketFile)> {
    let found = fs::symlink_metadata(path).with_context(|| format!("{} is gone", path.display()))?;
    let file = SocketFile { path: path.to_owned(), id: (found.dev(), found.ino()) };
    Ok((UnixListener::from(socket), file))
}

/// The socket that stands there, and which file it is. The folder's owner may have put something else in its place, which is
/// not to be given away.
fn made(path: &Path) -> io::Result<(OwnedFd, (u64, u64))> {
    let made = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = File::from(made.try_clone()?).metadata()?;
    if !found.file_type().is_socket() {
        return Err(io::Error::other("something else stands there"));
    }
    Ok((made, (found.dev(), found.ino())))
}

/// Nobody else of us looks at the sockets of this folder meanwhile: of two programs that start at once, one would
/// take the other's for a stale one.
fn lock(folder: &Path) -> io::Result<File> {
    // What is no folder is not waited for.
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let (lock, began) = (File::from(rustix::fs::open(folder, flags, Mode::empty())?), Instant::now());
    while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if began.elapsed() > SOCKET_LOCK_WAIT {
            return Err(error.into());
        }
        sleep(SOCKET_LOCK_PAUSE);
    }
    Ok(lock)
}

/// Removes what a dead program left.
fn clear(path: &Path) -> anyhow::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.with_context(|| format!("{} cannot be looked at", path.display()))?,
    };
    ensure!(
        found.file_type().is_socket(),
        "{} is there, and is no socket; move it away, or give another path",
        path.display()
    );
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(_) => bail!("another program listens at {}; stop it, or give another path", path.display()),
        Err(error) => {
            bail!("it cannot be seen whether another program listens at {}: {error}", path.display())
        }
    }
    fs::remove_file(path).with_context(|| format!("the stale socket {} cannot be removed", path.display()))
}

/// Gives the socket to whom it is to belong.
fn own(socket: &OwnedFd, path: &Path, owner: &str) -> anyhow::Result<()> {
    if owner.is_empty() {
        return Ok(());
    }
    let (user, group) = self::owner(owner)?;
    let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
    let given = chownat(socket, "", user, group, AtFlags::EMPTY_PATH);
    given.with_context(|| format!("{} cannot be given to {owner:?}", path.display()))
}

/// The numbers of a user, and behind a colon a group; `None`: that one is not said.
pub(crate) fn owner(owner: &str) -> anyhow::Result<(Option<u32>, Option<u32>)> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let user =
        (!user.is_empty()).then(|| User::from_name(user).ok().flatten().context("there is no such user"));
    let group =
        (!group.is_empty()).then(|| Group::from_name(group).ok().flatten().context("there is no such group"));
    let told = || format!("unix_owner is {owner:?}");
    let user = user.transpose().with_context(told)?;
    let group = group.transpose().with_context(told)?;
    Ok((user.map(|user| user.uid.as_raw()), group.map(|group| group.gid.as_raw())))
}

impl Drop for SocketFile {
    /// Removes it, unless another one is there by now.
    fn drop(&mut self) {
        let is_ours = |found: fs::Metadata| (found.dev(), found.ino()) == self.id;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // Whose folder it is has changed, perhaps; then the next start finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}
