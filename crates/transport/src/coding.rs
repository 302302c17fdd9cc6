//! Compression of what clients are told: gzip for streams and long polls, permessage-deflate for WebSocket.
//!
//! A message is compressed once for all who are told it, so nothing in its bytes depends on what a client was
//! told before, and a connection holds no state for it. Pages of history are compressed as long as there is time for it
//! (`pages.rs`). What is said to one client alone, and what is too short to gain, goes as it is; in a gzip stream as a
//! stored block. So it is with the chunks of an HTTP/1.1 answer: each piece of a stream is one, head and tail
//! included, whoever else gets it.

use codec::deflate::{self, Deflater};
use codec::{http, ws};

use crate::limits::COMPRESS_LEN_MIN;
use crate::pages::{PageForm, Pages};

/// How a client is told things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Coding {
    /// As they are.
    #[default]
    Identity,
    /// Compressed where that gains something.
    Deflate,
    /// As they are, in chunks: a stream to who speaks HTTP/1.1. It is read at once by those who read an answer that ends
    /// with its connection in whole lots, and a cut is no end.
    Chunked,
    /// Compressed, and in chunks.
    ChunkedDeflate,
}

impl Coding {
    /// The coding that is this.
    pub fn new(deflates: bool, is_chunked: bool) -> Self {
        match (deflates, is_chunked) {
            (false, false) => Self::Identity,
            (true, false) => Self::Deflate,
            (false, true) => Self::Chunked,
            (true, true) => Self::ChunkedDeflate,
        }
    }

    /// Whether it compresses.
    pub fn deflates(self) -> bool {
        matches!(self, Self::Deflate | Self::ChunkedDeflate)
    }

    /// Whether a stream goes in chunks.
    pub fn is_chunked(self) -> bool {
        matches!(self, Self::Chunked | Self::ChunkedDeflate)
    }
}

/// Puts bytes into a coding.
#[derive(Debug)]
pub struct Coder<'a> {
    coding: Coding,
    by: By<'a>,
}

/// What compresses.
#[derive(Debug)]
enum By<'a> {
    /// Nothing: everything goes as it is.
    Nothing,
    /// A message, for all who get it.
    Message(&'a mut Deflater),
    /// Pages of history.
    Pages(&'a mut Pages),
}

impl<'a> Coder<'a> {
    /// Compresses, for a client of this coding.
    pub fn new(coding: Coding, deflater: &'a mut Deflater) -> Self {
        Self { coding, by: By::Message(deflater) }
    }

    /// Compresses pages of history, for a client of this coding.
    pub fn of_pages(coding: Coding, pages: &'a mut Pages) -> Self {
        Self { coding, by: By::Pages(pages) }
    }

    /// Compresses nothing: for what one client alone is told.
    pub fn stored(coding: Coding) -> Self {
        Self { coding, by: By::Nothing }
    }

    /// Appends to a stream: where that goes in chunks, one.
    pub(crate) fn stream(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        if self.coding.deflates() {
            self.deflate(out, write);
        } else {
            write(out);
        }
        if self.coding.is_chunked() {
            http::enclose_chunk(start, out);
        }
    }

    fn deflate(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let mut plain = Vec::new();
        write(&mut plain);
        let start = out.len();
        if self.pack(PageForm::Piece, &plain, out) {
            if out.len() - start < plain.len() {
                return;
            }
            out.truncate(start);
        }
        deflate::store(&plain, out);
    }

    /// Appends a WebSocket message.
    pub(crate) fn message(&mut self, opcode: ws::Opcode, payload: &[u8], out: &mut Vec<u8>) {
        let mut piece = Vec::new();
        if self.pack(PageForm::Piece, payload, &mut piece) && piece.len() < payload.len() {
            ws::encode_deflated(opcode, &piece, out);
            return;
        }
        ws::encode_frame(opcode, payload, out);
    }

    /// A long poll's document as gzip, where that is shorter.
    pub(crate) fn document(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let mut document = Vec::new();
        (self.pack(PageForm::Gzip, body, &mut document) && document.len() < body.len()).then_some(document)
    }

    /// The same of a document to which something is added for each of its readers.
    pub(crate) fn open_document(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let mut document = deflate::GZIP_HEAD.to_vec();
        let is_shorter = |document: &[u8]| document.len() + deflate::DOCUMENT_END_LEN < body.len();
        (self.pack(PageForm::Piece, body, &mut document) && is_shorter(&document)).then_some(document)
    }

    /// Appends this in compressed form; false: it goes as it is.
    fn pack(&mut self, form: PageForm, plain: &[u8], out: &mut Vec<u8>) -> bool {
        if !self.coding.deflates() || plain.len() < COMPRESS_LEN_MIN {
            return false;
        }
        match (&mut self.by, form) {
            (By::Nothing, _) => return false,
            (By::Pages(pages), _) => return pages.pack(form, plain, out),
            (By::Message(deflater), PageForm::Piece) => deflater.piece(plain, out),
            (By::Message(deflater), PageForm::Gzip) => deflater.gzip(plain, out),
        }
        true
    }
}
