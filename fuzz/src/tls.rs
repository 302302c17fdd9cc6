//! TLS on a connection: a client that is right at first, and says anything before, in and behind its handshake.

use std::io::IoSlice;

use testkit::kernel::{SimTls, server};
use wait::tls::TlsSession;
use wait::tls::limits::{HANDSHAKE_KEPT_MAX, RECORD_LEN_MAX, WIRE_LEN_MAX};

/// What happens, a byte each and what it takes.
pub(crate) fn tls(data: &[u8]) {
    let mut talk = Talk::new();
    let mut rest = data;
    for _ in 0..STEPS_MAX {
        let Some((what, more)) = rest.split_first() else { break };
        let number = usize::from(what >> 3);
        let (piece, behind) = more.split_at(number.min(more.len()));
        rest = if matches!(what & 7, SAY | RAW | SEAL) { behind } else { more };
        let goes_on = match what & 7 {
            CARRY => talk.carry(number + 1, None),
            SPOIL => talk.carry(usize::MAX, Some(number)),
            SAY => talk.say(piece),
            RAW => talk.hear_wrong(piece),
            SEAL => talk.seal(piece),
            LONG => talk.seal(&vec![b'x'; number * 1_000]),
            CLOSE => talk.close(),
            _ => talk.end(),
        };
        if !goes_on {
            return;
        }
    }
}

struct Talk {
    client: SimTls,
    session: TlsSession,
    /// What the client said, and what of it was heard.
    said: Vec<u8>,
    heard: Vec<u8>,
    /// The client said something that is wrong: it is not answered any more.
    is_spoiled: bool,
    has_ended: bool,
}

impl Talk {
    fn new() -> Self {
        let (said, heard) = Default::default();
        let (client, session) = (SimTls::new(), TlsSession::new(server()));
        Self { client, session, said, heard, is_spoiled: false, has_ended: false }
    }

    /// Carries what the client has to say to the server, in pieces of so many bytes, one bit of it wrong where asked for;
    /// and the answers back. False: it is over.
    fn carry(&mut self, len: usize, wrong: Option<usize>) -> bool {
        for _ in 0..ROUNDS_MAX {
            let mut bytes = self.client.take();
            if bytes.is_empty() {
                break;
            }
            if let Some(at) = wrong {
                let at = at * 37 % bytes.len();
                bytes[at] ^= 1 << (at % 8);
                self.is_spoiled = true;
            }
            // Short pieces of a long flight would try little and take long.
            let len = len.max(bytes.len() / PIECES_MAX);
            if !bytes.chunks(len).all(|piece| self.hear(piece)) {
                return false;
            }
        }
        true
    }

    fn hear_wrong(&mut self, bytes: &[u8]) -> bool {
        self.is_spoiled |= !bytes.is_empty();
        bytes.is_empty() || self.hear(bytes)
    }

    /// The server hears these bytes. False: it wants no more.
    fn hear(&mut self, bytes: &[u8]) -> bool {
        if self.session.has_ended() {
            return false;
        }
        let mut room = vec![0; HANDSHAKE_KEPT_MAX + bytes.len() + WIRE_LEN_MAX];
        let kept = self.session.restore(&mut room);
        assert!(kept <= HANDSHAKE_KEPT_MAX, "{kept} bytes are kept");
        room[kept..kept + bytes.len()].copy_from_slice(bytes);
        let mut out = Vec::new();
        let heard = self.session.receive(&mut room[..kept + bytes.len()], &mut out);
        assert!(out.len() <= ANSWER_LEN_MAX, "{} bytes are said for {}", out.len(), bytes.len());
        let Ok(heard) = heard else {
            assert!(self.is_spoiled || self.has_ended, "a client that was right is refused: {heard:?}");
            return false;
        };
        assert!(heard.len <= kept + bytes.len(), "more was heard than came");
        self.heard.extend_from_slice(&room[..heard.len]);
        assert!(self.said.starts_with(&self.heard), "something else was heard than was said");
        self.tell(&out);
        true
    }

    fn say(&mut self, bytes: &[u8]) -> bool {
        if !self.has_ended {
            self.said.extend_from_slice(bytes);
            self.client.say(bytes);
        }
        true
    }

    /// The server says this.
    fn seal(&mut self, text: &[u8]) -> bool {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < text.len() && !self.session.is_handshaking() {
            let before = out.len();
            match self.session.seal(&[IoSlice::new(&text[at..])], &mut out) {
                Ok(len) => {
                    assert!((1..=RECORD_LEN_MAX).contains(&len), "{len} bytes are in a record");
                    at += len;
                }
                Err(_) => {
                    assert_eq!(out.len(), before, "something stays of what could not be sealed");
                    break;
                }
            }
        }
        self.tell(&out);
        true
    }

    fn close(&mut self) -> bool {
        let mut out = Vec::new();
        self.session.close(&mut out);
        self.tell(&out);
        // Nothing is sealed behind the end.
        false
    }

    fn end(&mut self) -> bool {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.client.say_no_more();
        }
        true
    }

    fn tell(&mut self, bytes: &[u8]) {
        if !self.is_spoiled {
            self.client.hear(bytes);
        }
    }
}

const CARRY: u8 = 0;
const SPOIL: u8 = 1;
const SAY: u8 = 2;
const RAW: u8 = 3;
const SEAL: u8 = 4;
const LONG: u8 = 5;
const CLOSE: u8 = 6;

/// Steps of one input.
const STEPS_MAX: usize = 64;
/// Flights of one step: a handshake has fewer.
const ROUNDS_MAX: usize = 8;
/// Pieces of one flight.
const PIECES_MAX: usize = 256;
/// Bytes said for one read: the flight of a handshake, with one certificate, or an alert.
const ANSWER_LEN_MAX: usize = 8 << 10;
