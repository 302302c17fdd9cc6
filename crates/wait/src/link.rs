//! What lies between a connection and the kernel: nothing, or (later) TLS. No transport knows which.

use std::io::IoSlice;

use crate::kernel::{Errno, Kernel};

/// The way a connection's bytes take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Bytes go as they are.
    Plain,
}

impl Link {
    /// Reads what the client said.
    pub(crate) fn read<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        bytes: &mut [u8],
    ) -> Result<usize, Errno> {
        match self {
            Self::Plain => kernel.read(socket, bytes),
        }
    }

    /// Writes what can be written at once.
    pub(crate) fn writev<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        match self {
            Self::Plain => kernel.writev(socket, slices),
        }
    }
}
