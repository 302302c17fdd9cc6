//! What lies between a connection and the kernel: nothing, or TLS. No transport knows which.

use std::io::IoSlice;

use tls::{Failure, HandshakeStep, TlsSession};

use crate::kernel::{Errno, Kernel};
use crate::limits::PENDING_LEN_MAX;

/// The way a connection's bytes take.
#[derive(Debug)]
pub(crate) enum Link {
    /// Bytes go as they are.
    Plain,
    /// They are encrypted.
    Tls(Box<TlsLink>),
}

/// TLS on a connection, and what the kernel has not taken of it.
#[derive(Debug)]
pub(crate) struct TlsLink {
    session: TlsSession,
    /// Encrypted bytes that are still to be written, before any others.
    pending: Vec<u8>,
    /// It waits for its turn in the handshake.
    pub(crate) is_queued: bool,
    /// It has a place among those whose handshake is under way.
    pub(crate) is_placed: bool,
}

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadError {
    Kernel(Errno),
    /// The connection broke off in the middle of its handshake.
    Left,
    Tls(Failure),
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkRead {
    /// Bytes that the client said, 0: the client has closed its side; `None`: nothing for now.
    pub(crate) len: Option<usize>,
    /// The handshake ended.
    pub(crate) opened: Option<HandshakeStep>,
}

impl Link {
    /// TLS with somebody who has said nothing yet.
    pub(crate) fn tls(server: tls::Server) -> Self {
        Self::Tls(Box::new(TlsLink {
            session: TlsSession::new(server),
            pending: Vec::new(),
            is_queued: false,
            is_placed: false,
        }))
    }

    /// What goes over of it to another shard: of TLS keys, and what is sealed already. The outer `None`: it cannot go over now.
    #[expect(clippy::option_option, reason = "nothing to go over, and nothing that can, are two answers")]
    pub(crate) fn freeze(&self) -> Option<Option<(Vec<u8>, Vec<u8>)>> {
        match self {
            Self::Plain => Some(None),
            Self::Tls(tls) => Some(Some((tls.session.freeze()?, tls.pending.clone()))),
        }
    }

    /// What [`Self::freeze`] gave; `None`: it is none of ours.
    pub(crate) fn thaw(frozen: Option<(Vec<u8>, Vec<u8>)>) -> Option<Self> {
        let Some((session, pending)) = frozen else { return Some(Self::Plain) };
        let session = TlsSession::thaw(&session)?;
        let tls = TlsLink { session, pending, is_queued: false, is_placed: false };
        (tls.pending.len() <= PENDING_LEN_MAX).then(|| Self::Tls(Box::new(tls)))
    }

    /// TLS whose handshake is under way.
    pub(crate) fn handshake(&mut self) -> Option<&mut TlsLink> {
        match self {
            Self::Tls(tls) if tls.session.is_handshaking() => Some(tls),
            _ => None,
        }
    }

    /// Whether its handshake is under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.session.is_handshaking())
    }

    /// Bytes that were taken to be written, and are not.
    pub(crate) fn pending_len(&self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Tls(tls) => tls.pending.len(),
        }
    }

    /// Whether a part of a record has come.
    pub(crate) fn has_part(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.session.has_part())
    }

    /// Whether the client has said that it says no more, though its side may be open.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.session.has_ended())
    }

    /// Reads what the client said, into at least [`crate::limits::READ_MORE_LEN`] bytes. What is to be said
    /// for it is said, as far as the kernel takes it.
    pub(crate) fn read<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        bytes: &mut [u8],
        sealed: &mut Vec<u8>,
    ) -> Result<LinkRead, ReadError> {
        let read = |len| LinkRead { len: Some(len), opened: None };
        match self {
            Self::Plain => kernel.read(socket, bytes).map(read).map_err(ReadError::Kernel),
            Self::Tls(tls) => tls.read(kernel, socket, bytes, sealed),
        }
    }

    /// Writes what can be written at once; of TLS, also what is taken for later.
    pub(crate) fn writev<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        slices: &[IoSlice<'_>],
        sealed: &mut Vec<u8>,
    ) -> Result<usize, Errno> {
        match self {
            Self::Plain => kernel.writev(socket, slices),
            Self::Tls(tls) => tls.writev(kernel, socket, slices, sealed),
        }
    }

    /// Writes what is pending, as far as the kernel takes it.
    pub(crate) fn flush<K: Kernel>(&mut self, kernel: &mut K, socket: &K::Socket) -> Result<(), Errno> {
        match self {
            Self::Plain => Ok(()),
            Self::Tls(tls) => tls.flush(kernel, socket),
        }
    }

    /// Says, where there is a word for it and the kernel takes it at once, that we say no more.
    pub(crate) fn say_last_word<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        sealed: &mut Vec<u8>,
    ) {
        if let Self::Tls(tls) = self
            && tls.pending.is_empty()
        {
            sealed.clear();
            tls.session.close(sealed);
            // Whoever is gone need not hear it.
            let _ = tls.send(kernel, socket, sealed);
        }
    }

    /// Says that we say no more. False: the kernel has still to take that.
    pub(crate) fn close<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        sealed: &mut Vec<u8>,
    ) -> bool {
        if let Self::Tls(tls) = self {
            sealed.clear();
            tls.session.close(sealed);
            // Where the client is gone, nobody waits for the word.
            if tls.send(kernel, socket, sealed).is_ok() && !tls.pending.is_empty() {
                return false;
            }
        }
        kernel.shutdown(socket);
        true
    }
}

impl TlsLink {
    fn read<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        bytes: &mut [u8],
        sealed: &mut Vec<u8>,
    ) -> Result<LinkRead, ReadError> {
        if self.session.has_ended() {
            return Ok(LinkRead { len: Some(0), opened: None });
        }
        let kept = self.session.restore(bytes);
        let len = match kernel.read(socket, &mut bytes[kept..]) {
            Ok(len) => len,
            Err(error @ (Errno::AGAIN | Errno::INTR)) => return Err(ReadError::Kernel(error)),
            Err(_) if self.session.is_handshaking() => return Err(ReadError::Left),
            Err(error) => return Err(ReadError::Kernel(error)),
        };
        if len == 0 {
            return match self.session.is_handshaking() {
                true => Err(ReadError::Left),
                false => Ok(LinkRead { len: Some(0), opened: None }),
            };
        }
        sealed.clear();
        let heard = self.session.receive(&mut bytes[..kept + len], sealed);
        self.send(kernel, socket, sealed).map_err(ReadError::Kernel)?;
        let heard = heard.map_err(ReadError::Tls)?;
        let is_end = heard.len == 0 && self.session.has_ended();
        Ok(LinkRead { len: (heard.len > 0 || is_end).then_some(heard.len), opened: heard.opened })
    }

    fn writev<K: Kernel>(
        &mut self,
        kernel: &mut K,
        socket: &K::Socket,
        slices: &[IoSlice<'_>],
        sealed: &mut Vec<u8>,
    ) -> Result<usize, Errno> {
        self.flush(kernel, socket)?;
        let mut slices: smallvec::SmallVec<[IoSlice<'_>; 8]> = slices.iter().copied().collect();
        let (mut rest, mut taken) = (slices.as_mut_slice(), 0);
        // What is pending is no more than one record.
        while !rest.is_empty() && self.pending.is_empty() {
            sealed.clear();
            let len = self.session.seal(rest, sealed).map_err(|_| Errno::PROTO)?;
            self.send(kernel, socket, sealed)?;
            IoSlice::advance_slices(&mut rest, len);
            taken += len;
        }
        if taken == 0 { Err(Errno::AGAIN) } else { Ok(taken) }
    }

    fn flush<K: Kernel>(&mut self, kernel: &mut K, socket: &K::Socket) -> Result<(), Errno> {
        let pending = std::mem::take(&mut self.pending);
        self.send(kernel, socket, &pending)
    }

    /// Writes these bytes behind what is pending, and keeps what the kernel does not take.
    fn send<K: Kernel>(&mut self, kernel: &mut K, socket: &K::Socket, bytes: &[u8]) -> Result<(), Errno> {
        let mut sent = 0;
        while self.pending.is_empty() && sent < bytes.len() {
            match kernel.writev(socket, &[IoSlice::new(&bytes[sent..])]) {
                Ok(len) => sent += len,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error),
            }
        }
        self.pending.extend_from_slice(&bytes[sent..]);
        if self.pending.len() > PENDING_LEN_MAX { Err(Errno::NOBUFS) } else { Ok(()) }
    }
}
