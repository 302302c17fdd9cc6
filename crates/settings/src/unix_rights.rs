//! Who may use the UNIX sockets that are made.

use crate::{Values, keys};

/// Who may use the UNIX sockets that are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixRights {
    /// Bits of the file's mode.
    pub mode: u32,
    /// A user, and behind a colon a group; empty: those of the program.
    pub owner: String,
}

impl UnixRights {
    pub(crate) fn of(values: &Values) -> Self {
        let mode = u32::from_str_radix(&values.get(&keys::UNIX_MODE), 8).expect("its kind is a mode");
        Self { mode, owner: values.get(&keys::UNIX_OWNER) }
    }

    /// Whether others than the owner and the group are shut out.
    pub(crate) fn shut_others_out(&self) -> bool {
        self.mode & 0o007 == 0
    }
}
