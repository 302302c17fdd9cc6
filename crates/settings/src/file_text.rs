//! What is in a file that a setting names.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use access::PublicKey;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use crate::limits::{FILE_LEN_MAX, PEM_LEN_MAX};

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    pub(crate) text: Arc<str>,
    /// When it was last changed.
    pub(crate) changed: SystemTime,
}

impl FileText {
    /// Reads a file; no name is no file, and there is nothing in it.
    pub(crate) fn read(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self { text: "".into(), changed: SystemTime::UNIX_EPOCH });
        }
        let file = std::fs::File::open(name).ok()?;
        let changed = file.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let text = String::from_utf8(read_up_to(file, FILE_LEN_MAX).ok()??).ok()?;
        Some(Self { text: text.into(), changed })
    }
}

/// Why a file cannot be read, and what to do where the program keeps itself from it.
pub fn why_unreadable(path: &Path, error: &io::Error) -> String {
    let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
    // The sandbox takes no part in what is said of the file's own rights.
    if is_denied && accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS).is_ok() {
        return SHUT.to_owned();
    }
    error.to_string()
}

/// What is wrong with a file that should have a public key.
pub(crate) fn why_no_key(file: &str) -> String {
    public_key(file).err().unwrap_or_default()
}

/// The public key in a file.
pub(crate) fn public_key(file: &str) -> Result<PublicKey, String> {
    let read = std::fs::File::open(file).and_then(|file| read_up_to(file, PEM_LEN_MAX));
    let bytes = read
        .map_err(|error| format!("it cannot be read: {}", why_unreadable(Path::new(file), &error)))?
        .ok_or_else(|| format!("it has more than {PEM_LEN_MAX} bytes"))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    PublicKey::read(&text).map_err(|error| error.to_string())
}

/// What there is to read; `None`: more than `max` bytes.
pub fn read_up_to(from: impl Read, max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max).then_some(bytes))
}

const SHUT: &str = "the sandbox shuts it off, since nothing in its folder was named by a setting when the program was started; move \
    it into a folder of which a file was named then, or start the program anew";
