//! One connection's TLS, server side: bytes in, bytes out, and what was said.
//!
//! How the network cut the bytes never changes what is told.

mod frozen;
mod handshake;

use std::io::IoSlice;
use std::ops::Range;

use rustls::server::UnbufferedServerConnection;
use rustls::{HandshakeKind, ProtocolVersion};

use crate::limits::{
    HANDSHAKE_KEPT_MAX, HEADER_LEN, HOLLOW_RECORDS_MAX, RECORD_LEN_MAX, RECORDS_PER_KEY_MAX,
    RENEWALS_PER_READ_MAX, WIRE_LEN_MAX,
};
use crate::record::{
    CLOSE_NOTIFY, DECODE_ERROR, DirectionKeys, NO_RENEGOTIATION, RECORD_OVERFLOW, RecordKind,
    UNEXPECTED_MESSAGE, USER_CANCELED, Version,
};
use crate::secret::{CipherSecret, Logged, Traffic};
use crate::{Failure, Server};
use handshake::shake;

/// TLS on one connection.
#[derive(Debug)]
pub struct TlsSession {
    state: SessionState,
    /// Bytes that are no whole record yet, or no whole message of the handshake.
    kept: Vec<u8>,
    /// How many of these the handshake has seen.
    seen: usize,
}

/// What came of bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadBytes {
    /// Bytes that the client said; they stand where the records stood, from the beginning.
    pub len: usize,
    /// The handshake ended with these bytes, in this way.
    pub opened: Option<HandshakeStep>,
}

/// How a handshake went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeStep {
    /// From the beginning, with a signature.
    Full,
    /// By a ticket of an earlier one.
    Resumed,
}

enum SessionState {
    /// Nothing was said yet: nothing is held for it.
    Fresh(Server),
    Handshake(Box<Handshake>),
    Open(Open),
    /// It failed.
    Over,
}

/// A handshake under way.
struct Handshake {
    connection: UnbufferedServerConnection,
    logged: Logged,
}

/// What the next keys come of, in both directions.
struct NextSecrets {
    tx: Traffic,
    rx: Traffic,
}

/// A finished handshake.
struct Open {
    tx: DirectionKeys,
    rx: DirectionKeys,
    /// Renews keys; TLS 1.3 only.
    renewal: Option<Box<NextSecrets>>,
    /// Renewals that the client has made with the last bytes.
    renewals: u16,
    /// Records of the client so far in which nothing was to be heard.
    hollow: u16,
    /// The client wants us to renew our key before we say more.
    is_renewal_due: bool,
    /// The client has said that it says no more.
    has_ended: bool,
    /// We have said so.
    is_closed: bool,
}

impl TlsSession {
    /// A client that has said nothing yet.
    pub fn new(server: Server) -> Self {
        Self { state: SessionState::Fresh(server), kept: Vec::new(), seen: 0 }
    }

    /// Whether the handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.state, SessionState::Fresh(_) | SessionState::Handshake(_))
    }

    /// Whether a part of a record has come, and the rest of it is awaited.
    pub fn has_part(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether the client has said that it says no more.
    pub fn has_ended(&self) -> bool {
        matches!(&self.state, SessionState::Open(open) if open.has_ended)
    }

    /// Puts what is kept of earlier bytes in front of those that are read next; how many there are. There must be
    /// room for [`WIRE_LEN_MAX`] bytes in all.
    pub fn restore(&self, bytes: &mut [u8]) -> usize {
        let len = self.kept.len().min(bytes.len());
        bytes[..len].copy_from_slice(&self.kept[..len]);
        len
    }

    /// Takes in bytes, those of [`Self::restore`] in front. What is to be sent for it is appended to `out`, an
    /// alert where it fails, too.
    pub fn receive(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<ReadBytes, Failure> {
        self.kept = Vec::new();
        let mut heard = ReadBytes::default();
        if let SessionState::Open(open) = &mut self.state {
            open.renewals = 0;
        }
        // Up to `begin` all is done, up to `at` the handshake has seen all.
        let (mut begin, mut at) = (0, std::mem::take(&mut self.seen));
        while let Some(len) = self.record_len(&bytes[at..])? {
            let end = at + len;
            match &mut self.state {
                SessionState::Fresh(server) => {
                    let connection = server.connection().map_err(|_| Failure::Internal)?;
                    self.state = SessionState::Handshake(Box::new(Handshake {
                        connection,
                        logged: Logged::default(),
                    }));
                    continue;
                }
                SessionState::Handshake(handshake) => {
                    let shaken = shake(&mut handshake.connection, &mut bytes[begin..end], out);
                    handshake.logged.add(Logged::take());
                    let (done, is_over) = shaken?;
                    begin += done;
                    if is_over {
                        heard.opened = self.open();
                        begin = end;
                        heard.opened.ok_or(Failure::Internal)?;
                    }
                }
                SessionState::Over => return Err(Failure::Internal),
                SessionState::Open(open) => {
                    if let Some(data) =
                        open.take(&mut bytes[at..end]).inspect_err(|failure| open.fail(*failure, out))?
                    {
                        bytes.copy_within(at + data.start..at + data.end, heard.len);
                        heard.len += data.len();
                    }
                    begin = end;
                }
            }
            at = end;
            if self.has_ended() {
                return Ok(heard);
            }
        }
        if let SessionState::Open(open) = &mut self.state {
            open.renew_if_due(out)?;
        }
        let kept = &bytes[begin..];
        if kept.len() > HANDSHAKE_KEPT_MAX {
            return Err(Failure::Malformed(RECORD_OVERFLOW));
        }
        (self.kept, self.seen) = (kept.to_vec(), at - begin);
        Ok(heard)
    }

    /// Seals what fits into one record, and appends it to `out`: how many bytes it took.
    pub fn seal(&mut self, slices: &[IoSlice<'_>], out: &mut Vec<u8>) -> Result<usize, Failure> {
        let SessionState::Open(open) = &mut self.state else { return Err(Failure::Internal) };
        open.renew_if_due(out)?;
        let mut room = RECORD_LEN_MAX;
        let parts = slices.iter().map(|slice| {
            let len = slice.len().min(room);
            room -= len;
            &slice[..len]
        });
        open.tx.seal(RecordKind::DATA, parts, out)?;
        Ok(RECORD_LEN_MAX - room)
    }

    /// Says that we say no more, once.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if let SessionState::Open(open) = &mut self.state
            && !std::mem::replace(&mut open.is_closed, true)
        {
            open.alert(CLOSE_NOTIFY, out);
        }
    }

    /// How long the record is that begins here; `None` while it is not whole.
    fn record_len(&self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let is_fresh = matches!(self.state, SessionState::Fresh(_));
        match bytes.first() {
            Some(first) if is_fresh && *first != RecordKind::HANDSHAKE.0 => {
                let is_http = first.is_ascii_uppercase();
                return Err(if is_http {
                    Failure::PlainHttp
                } else {
                    Failure::Malformed(UNEXPECTED_MESSAGE)
                });
            }
            _ => {}
        }
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let len = HEADER_LEN + usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[1] != 3 {
            return Err(Failure::Malformed(DECODE_ERROR));
        }
        if len > WIRE_LEN_MAX {
            return Err(Failure::Malformed(RECORD_OVERFLOW));
        }
        Ok((bytes.len() >= len).then_some(len))
    }

    /// Takes the keys of the finished handshake, and lets go of all else.
    fn open(&mut self) -> Option<HandshakeStep> {
        let SessionState::Handshake(handshake) = std::mem::replace(&mut self.state, SessionState::Over)
        else {
            return None;
        };
        let Handshake { connection, logged } = *handshake;
        let is_resumed = connection.handshake_kind()? == HandshakeKind::Resumed;
        self.state = SessionState::Open(Open::new(connection, logged)?);
        Some(if is_resumed { HandshakeStep::Resumed } else { HandshakeStep::Full })
    }
}

impl Open {
    fn new(connection: UnbufferedServerConnection, logged: Logged) -> Option<Self> {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => Version::Tls13,
            _ => Version::Tls12,
        };
        let (secrets, _) = connection.dangerous_into_kernel_connection().ok()?;
        let keys =
            |(seq, secrets)| Some(DirectionKeys::new(seq, CipherSecret::of_rustls(&secrets)?, version));
        let renewal = match version {
            Version::Tls12 => None,
            Version::Tls13 => Some(Box::new(NextSecrets { tx: logged.server?, rx: logged.client? })),
        };
        Some(Self {
            tx: keys(secrets.tx)?,
            rx: keys(secrets.rx)?,
            renewal,
            renewals: 0,
            hollow: 0,
            is_renewal_due: false,
            has_ended: false,
            is_closed: false,
        })
    }

    /// Opens a record: where in it the client's own bytes stand, if it has any.
    fn take(&mut self, record: &mut [u8]) -> Result<Option<Range<usize>>, Failure> {
        let (kind, payload) = self.rx.open(record)?;
        let bytes = &record[payload.clone()];
        if kind != RecordKind::DATA || bytes.is_empty() {
            self.hollow += 1;
            if self.hollow > HOLLOW_RECORDS_MAX {
                return Err(Failure::Malformed(UNEXPECTED_MESSAGE));
            }
        }
        match (kind, bytes) {
            (RecordKind::DATA, _) => return Ok(Some(payload)),
            (RecordKind::ALERT, [_, CLOSE_NOTIFY]) => self.has_ended = true,
            (RecordKind::ALERT, [_, USER_CANCELED]) => {}
            (RecordKind::ALERT, [_, _]) => return Err(Failure::Refused),
            // The only message of a client that has a meaning then (RFC 8446, section 4.6.3).
            (RecordKind::HANDSHAKE, [KEY_UPDATE, 0, 0, 1, asks @ (0 | 1)]) => {
                let renewal = self.renewal.as_mut().ok_or(Failure::Malformed(UNEXPECTED_MESSAGE))?;
                self.renewals += 1;
                if self.renewals > RENEWALS_PER_READ_MAX {
                    return Err(Failure::Malformed(UNEXPECTED_MESSAGE));
                }
                let secret = renewal.rx.renew(self.rx.secret().cipher).ok_or(Failure::Internal)?;
                self.rx = DirectionKeys::new(0, secret, Version::Tls13);
                self.is_renewal_due |= *asks == 1;
            }
            (RecordKind::HANDSHAKE, _) if self.renewal.is_none() => {
                return Err(Failure::Malformed(NO_RENEGOTIATION));
            }
            _ => return Err(Failure::Malformed(UNEXPECTED_MESSAGE)),
        }
        Ok(None)
    }

    /// Renews our key where the client asked for it, or where it has sealed enough.
    fn renew_if_due(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let is_worn = self.tx.seq() >= WORN;
        if !is_worn && !self.is_renewal_due {
            return Ok(());
        }
        let renewal = self.renewal.as_mut().ok_or(Failure::Internal)?;
        let start = out.len();
        self.tx.seal(RecordKind::HANDSHAKE, [[KEY_UPDATE, 0, 0, 1, 0].as_slice()], out)?;
        let Some(secret) = renewal.tx.renew(self.tx.secret().cipher) else {
            // Nobody is told of a key that there is not.
            out.truncate(start);
            return Err(Failure::Internal);
        };
        self.tx = DirectionKeys::new(0, secret, Version::Tls13);
        self.is_renewal_due = false;
        Ok(())
    }

    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        if let Failure::Malformed(alert) = failure {
            self.alert(alert, out);
        }
    }

    fn alert(&mut self, alert: u8, out: &mut Vec<u8>) {
        let level = if alert == CLOSE_NOTIFY { WARNING } else { FATAL };
        // It fails only where nothing can be said any more.
        let _ = self.tx.seal(RecordKind::ALERT, [[level, alert].as_slice()], out);
    }
}

impl std::fmt::Debug for SessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fresh(_) => "Fresh",
            Self::Handshake(_) => "Handshake",
            Self::Open(_) => "Open",
            Self::Over => "Over",
        })
    }
}

/// Records after which a key is worn; tests do not write so many.
const WORN: u64 = if cfg!(test) { 64 } else { RECORDS_PER_KEY_MAX };
/// The type of the message that renews a key (RFC 8446, section 4.6.3).
const KEY_UPDATE: u8 = 24;
/// Levels of alerts.
const WARNING: u8 = 1;
const FATAL: u8 = 2;

#[cfg(test)]
mod tests;
