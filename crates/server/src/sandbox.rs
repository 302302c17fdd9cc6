//! What the program takes from itself, so that whoever takes it over gets no further: all files but those that it needs
//! (Landlock), and the calls of the kernel that no server makes (seccomp).
//!
//! Landlock binds a thread and those that it starts, so files are shut before there is a second one. Calls are shut for all
//! threads at once, when ports are bound and root is given up. Both last as long as the program does.

mod calls;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use landlock::{
    ABI, Access, AccessFs, BitFlags, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use settings::Settings;
use tracing::{debug, info, warn};

use crate::serve::Files;
use crate::upgrade;

/// What became of the files: whether they are shut off; not where the kernel has no Landlock.
pub(crate) type FilesShut = anyhow::Result<bool>;

/// Shuts all files but those that settings and the role need. To be called while there is one thread.
pub(crate) fn shut_files(settings: &Settings, role: &Files) -> FilesShut {
    let threads = Path::new("/proc/self/task").read_dir().map_or(1, Iterator::count);
    ensure!(threads == 1, "{threads} threads run already");
    restrict(&needed(settings, role)?)
}

/// Shuts the calls that no server makes, for all threads and for good, and tells what is shut. A program that is kept from
/// shutting something, by a filter of its container, serves without.
pub(crate) fn shut_calls(files: FilesShut) {
    let calls = calls::shut();
    match &files {
        Ok(true) => debug!("the sandbox shuts files off"),
        Ok(false) => info!(
            "the kernel has no Landlock, or a filter keeps it from us: the sandbox does not shut files off"
        ),
        Err(error) => warn!(error = format!("{error:#}"), "the sandbox cannot shut files off"),
    }
    match &calls {
        Ok(true) => debug!("the sandbox shuts calls of the kernel off"),
        Ok(false) => info!("the sandbox shuts no calls off on this kind of processor"),
        Err(error) => warn!(error = format!("{error:#}"), "the sandbox cannot shut calls of the kernel off"),
    }
}

/// Paths, and what may be done there and beneath.
type Rules = Vec<(PathBuf, BitFlags<AccessFs>)>;

fn needed(settings: &Settings, role: &Files) -> anyhow::Result<Rules> {
    let mut rules: Rules = SYSTEM.iter().map(|path| (path.into(), READ)).collect();
    let certificates = env::var_os("SSL_CERT_DIR").unwrap_or_default();
    rules.extend(env::split_paths(&certificates).map(|folder| (folder, READ)));
    let of_system = FOLLOWED.iter().map(PathBuf::from).chain(env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    for file in of_system.chain(settings.files.iter().cloned()).chain(role.read.iter().cloned()) {
        rules.extend(places(&file).into_iter().map(|place| (place, READ)));
    }
    rules.extend(settings.store.iter().map(|store| (store.folder.clone(), READ | CHANGE)));
    // Another program may go on in the place of this one: of this folder, with what loads it.
    let program = env::current_exe().ok().and_then(|file| folder(&file));
    rules.extend(program.into_iter().map(|folder| (folder, READ | RUN)));
    rules.extend(LOADERS.iter().map(|file| (file.into(), READ_FILE | RUN)));
    rules.extend(upgrade::control::own_folder().into_iter().map(|folder| (folder, READ | SOCKETS)));
    let listeners = settings.wait.iter().chain(&settings.in_listeners);
    let sockets = listeners.filter_map(|one| one.address.path()).map(|path| (path, SOCKETS));
    for (file, access) in sockets.chain(role.written.iter().map(|file| (&**file, CHANGE))) {
        let folder = folder(file).with_context(|| {
            format!("{} is made in the root, beneath which all is; give it a folder", file.display())
        })?;
        rules.push((folder, READ | access));
    }
    Ok(rules)
}

/// Where a file is looked for: its folder, since another may be put in its place, and that of the file it stands for, if it is a
/// link. Of one that stands in the root only itself, as it is now.
fn places(file: &Path) -> Vec<PathBuf> {
    let linked = file.canonicalize().ok();
    let all = [Some(file.to_owned()), linked].into_iter().flatten();
    let mut places: Vec<PathBuf> = all.map(|file| folder(&file).unwrap_or(file)).collect();
    places.dedup();
    places
}

/// The folder of a file, whatever way leads there; `None`: it is the root, beneath which all is.
fn folder(file: &Path) -> Option<PathBuf> {
    let folder = match file.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    (folder != Path::new("/")).then_some(folder)
}

fn restrict(rules: &[(PathBuf, BitFlags<AccessFs>)]) -> FilesShut {
    let ruleset =
        Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.scope(Scope::Signal)?.create()?;
    // What is not there now is left out.
    let shut = rules.iter().try_fold(ruleset, |ruleset, (path, access)| {
        ruleset.add_rules(path_beneath_rules([path], *access))
    })?;
    let RestrictionStatus { ruleset, .. } = shut.restrict_self()?;
    Ok(ruleset != RulesetStatus::NotEnforced)
}

/// The newest rights that we know of. A kernel that has less shuts what it can.
const KNOWN: ABI = ABI::V6;
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
const CHANGE: BitFlags<AccessFs> =
    make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | RemoveFile | Refer});
const READ_FILE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile});
const RUN: BitFlags<AccessFs> = make_bitflags!(AccessFs::{Execute});
const SOCKETS: BitFlags<AccessFs> = make_bitflags!(AccessFs::{MakeSock | RemoveFile});

/// What C library, resolver and TLS read of a system, and what the program looks at: memory, cgroups, processors.
const SYSTEM: &[&str] = &[
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/run",
    "/proc",
    "/sys",
    "/dev",
    "/var/lib/ca-certificates",
    "/nix/store",
];
/// What the system loads programs with that are not static.
const LOADERS: &[&str] = &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
/// Files of the system that stand elsewhere on some.
const FOLLOWED: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/etc/localtime"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{self, ErrorKind};

    /// In a thread of its own, which alone is bound.
    fn bound<T: Send>(rules: Rules, act: impl FnOnce() -> T + Send) -> Option<T> {
        std::thread::scope(|scope| {
            let act = || restrict(&rules).unwrap().then(act);
            scope.spawn(act).join().unwrap()
        })
    }

    fn why_not<T>(done: io::Result<T>) -> Option<ErrorKind> {
        done.err().map(|error| error.kind())
    }

    #[test]
    fn what_is_not_named_is_shut() {
        let root = env::temp_dir().join(format!("sandbox-{}", std::process::id()));
        for folder in ["read", "store", "other"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("file"), "text").unwrap();
        }
        let rules = vec![(root.join("read"), READ), (root.join("store"), READ | CHANGE)];
        let seen = bound(rules, || {
            [
                why_not(fs::read(root.join("read/file"))),
                why_not(fs::write(root.join("read/file"), "")),
                why_not(fs::write(root.join("store/new"), "")),
                why_not(fs::rename(root.join("store/new"), root.join("store/file"))),
                why_not(fs::read(root.join("other/file"))),
                why_not(fs::read_dir(root.join("other"))),
            ]
        });
        fs::remove_dir_all(&root).unwrap();
        let denied = Some(ErrorKind::PermissionDenied);
        // Where the kernel has no Landlock there is nothing to see.
        assert!(seen.is_none_or(|seen| seen == [None, denied, None, None, denied, denied]), "{seen:?}");
    }

    #[test]
    fn the_root_is_nobodys_folder() {
        assert_eq!(folder(Path::new("/settings.toml")), None);
        assert_eq!(folder(Path::new("/etc/../settings.toml")), None);
        assert_eq!(folder(Path::new("settings.toml")), env::current_dir().ok());
        assert_eq!(places(Path::new("/no/such/file")), [PathBuf::from("/no/such")]);
        assert_eq!(places(Path::new("/no-such-file")), [PathBuf::from("/no-such-file")]);
    }
}
