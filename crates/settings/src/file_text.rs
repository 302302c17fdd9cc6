//! What is in a file that a setting names.

use std::io::Read;
use std::sync::Arc;
use std::time::SystemTime;

use access::PublicKey;

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
        let mut text = String::new();
        let len = file.take(FILE_LEN_MAX + 1).read_to_string(&mut text).ok()?;
        (len as u64 <= FILE_LEN_MAX).then(|| Self { text: text.into(), changed })
    }
}

/// What is wrong with a file that should have a public key.
pub(crate) fn why_no_key(file: &str) -> String {
    public_key(file).err().unwrap_or_default()
}

/// The public key in a file.
pub(crate) fn public_key(file: &str) -> Result<PublicKey, String> {
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(PEM_LEN_MAX).read_to_string(&mut text));
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    PublicKey::read(&text).map_err(|error| error.to_string())
}
