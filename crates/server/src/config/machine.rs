//! What settings ask of this machine: users, a folder for the store, certificates, places for sockets. Nothing is changed.

use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use store::{Folder, FolderError};
use tls::{Pair, read_authorities};

use crate::privileges::{self, Account};
use crate::unix;
use settings::{Address, Settings, Values, keys, why_unreadable};

/// What is missing here, each with where it is asked for.
pub(crate) fn faults(settings: &Settings, values: &Values) -> Vec<String> {
    let mut faults = Vec::new();
    let mut told = |name: &str, why: String| faults.push(format!("{}{why}", values.place(name)));
    let account = Account::find("user", &settings.user, &settings.group).unwrap_or_else(|error| {
        let is_user_there = Account::find("user", &settings.user, "").is_ok();
        told(if is_user_there { keys::GROUP.name() } else { keys::USER.name() }, format!("{error:#}"));
        None
    });
    if let Some(why) = store(settings, account.as_ref()) {
        told(keys::STORE.name(), why);
    }
    for why in certificates(settings) {
        told(keys::TLS_CERTIFICATE.name(), why);
    }
    let wrong = |file: &PathBuf| unreadable(file).or_else(|| Some(read_authorities(file).err()?.to_string()));
    for why in settings.tls.authorities.iter().filter_map(wrong) {
        told(keys::CLIENT_CA.name(), why);
    }
    for (listeners, line) in [(&settings.wait, keys::WAIT.name()), (&settings.in_listeners, keys::IN.name())]
    {
        let paths = listeners.iter().filter_map(|listener| listener.address.path());
        paths.filter_map(socket).for_each(|why| told(line, why));
    }
    let all = settings.wait.iter().chain(&settings.in_listeners);
    let has_sockets =
        all.map(|listener| &listener.address).any(|address| matches!(address, Address::Unix(_)));
    if let Some(error) = unix::owner(&settings.unix.owner).err().filter(|_| has_sockets) {
        told(keys::UNIX_OWNER.name(), format!("{error:#}"));
    }
    faults
}

/// Why nothing could be kept. Where whoever checks is not whoever will serve, as with root where the service has a user
/// of its own, it cannot be seen.
fn store(settings: &Settings, account: Option<&Account>) -> Option<String> {
    let folder = &settings.store.as_ref()?.folder;
    let becomes = account.map(Account::uid);
    let serves = privileges::is_root() || account.is_none_or(Account::is_ours);
    let is_known = account.is_some() || !privileges::is_root();
    match Folder::judge(folder, becomes) {
        Err(FolderError::Owner { .. }) if !is_known => None,
        Err(error @ (FolderError::System(..) | FolderError::Owner { .. })) if serves => {
            Some(format!("nothing could be stored there: {error}"))
        }
        Err(error @ FolderError::Other(_)) => Some(error.to_string()),
        _ => None,
    }
}

/// Why nobody lets the program read a file that is there.
pub(crate) fn unreadable(file: &Path) -> Option<String> {
    let error = File::open(file).err().filter(|error| error.kind() == ErrorKind::PermissionDenied)?;
    Some(format!("{} cannot be read: {}", file.display(), why_unreadable(file, &error)))
}

fn certificates(settings: &Settings) -> Vec<String> {
    let all = settings.tls.wait.iter().chain(&settings.tls.in_line).flatten();
    let each: HashSet<_> = all.collect();
    let why = |pair: &Pair| {
        let files = [&pair.certificate, &pair.key];
        let shut = files.into_iter().find_map(|file| unreadable(file));
        shut.or_else(|| Some(pair.read().err()?.to_string()))
    };
    let mut wrong: Vec<String> = each.into_iter().filter_map(why).collect();
    wrong.sort();
    wrong
}

/// Why no socket could be made at this path.
fn socket(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.is_dir());
    if let Some(folder) = folder {
        return Some(format!(
            "no socket can be made at {}: there is no folder {}",
            path.display(),
            folder.display()
        ));
    }
    let found = path.symlink_metadata().ok()?;
    (!found.file_type().is_socket())
        .then(|| format!("{} is there, and is no socket; move it away, or give another path", path.display()))
}
