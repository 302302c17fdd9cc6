//! Compression of what clients are told: gzip for streams and long polls, permessage-deflate for WebSocket.
//!
//! A message is compressed once for all who are told it, so nothing in its bytes depends on what a client was
//! told before, and a connection holds no state for it. What is said to one client alone, and what is too short
//! to gain, goes as it is; in a gzip stream as a stored block.

use codec::deflate::{self, Deflater};
use codec::ws;

use crate::limits::COMPRESS_LEN_MIN;

/// How a client is told things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Coding {
    /// As they are.
    #[default]
    Identity,
    /// Compressed where that gains something.
    Deflate,
}

/// Puts bytes into a coding.
#[derive(Debug)]
pub struct Coder<'a> {
    coding: Coding,
    /// What compresses; without it, everything goes as it is.
    deflater: Option<&'a mut Deflater>,
}

impl<'a> Coder<'a> {
    /// Compresses, for a client of this coding.
    pub fn new(coding: Coding, deflater: &'a mut Deflater) -> Self {
        Self { coding, deflater: Some(deflater) }
    }

    /// Compresses nothing: for what one client alone is told.
    pub fn stored(coding: Coding) -> Self {
        Self { coding, deflater: None }
    }

    /// Appends to a stream.
    pub(crate) fn stream(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.coding == Coding::Identity {
            write(out);
            return;
        }
        let mut plain = Vec::new();
        write(&mut plain);
        let start = out.len();
        if let Some(deflater) = self.deflater_for(&plain) {
            deflater.piece(&plain, out);
            if out.len() - start < plain.len() {
                return;
            }
            out.truncate(start);
        }
        deflate::store(&plain, out);
    }

    /// Appends a WebSocket message.
    pub(crate) fn message(&mut self, opcode: ws::Opcode, payload: &[u8], out: &mut Vec<u8>) {
        if let Some(deflater) = self.deflater_for(payload) {
            let mut piece = Vec::new();
            deflater.piece(payload, &mut piece);
            if piece.len() < payload.len() {
                ws::encode_deflated(opcode, &piece, out);
                return;
            }
        }
        ws::encode_frame(opcode, payload, out);
    }

    /// A long poll's document as gzip, where that is shorter.
    pub(crate) fn document(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let mut document = Vec::new();
        self.deflater_for(body)?.gzip(body, &mut document);
        (document.len() < body.len()).then_some(document)
    }

    fn deflater_for(&mut self, plain: &[u8]) -> Option<&mut Deflater> {
        let compresses = self.coding == Coding::Deflate && plain.len() >= COMPRESS_LEN_MIN;
        self.deflater.as_deref_mut().filter(|_| compresses)
    }
}
