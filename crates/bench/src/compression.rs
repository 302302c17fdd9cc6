//! Compressed messages, and what is in them.
//!
//! Understood is what can be sent to many at once: pieces that refer to nothing before them (gzip with full
//! flushes; permessage-deflate without context takeover). So each is inflated once, whoever else gets it, and a
//! client remembers nothing.

use std::collections::VecDeque;

use codec::deflate::{GZIP_HEAD, PIECE_END, inflate};
use codec::ws::{RSV1, decode_header};

/// What of an answer is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PackedCoding {
    /// Nothing.
    #[default]
    Plain,
    /// All of it.
    Gzip,
    /// The messages of a WebSocket.
    Frames,
}

/// What cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Pieces that came lately, and what was in them.
#[derive(Debug, Default)]
pub(crate) struct Packed(VecDeque<PackedPiece>);

/// As it came, and what was in it.
#[derive(Debug)]
struct PackedPiece {
    wire: Box<[u8]>,
    plain: Box<[u8]>,
}

impl Packed {
    /// Tells what is in the pieces of a gzip stream that are whole, and how many bytes they are.
    /// `at_head`: the stream's head is still to come; afterwards whether it still is.
    pub(crate) fn stream(
        &mut self,
        bytes: &[u8],
        at_head: &mut bool,
        mut tell: impl FnMut(&[u8]),
    ) -> Result<usize, Broken> {
        let mut done = 0;
        if *at_head {
            if bytes.len() < GZIP_HEAD.len() {
                return Ok(0);
            }
            // Flags would say that more follows (RFC 1952, section 2.3.1).
            if bytes[..4] != [GZIP_HEAD[0], GZIP_HEAD[1], GZIP_HEAD[2], 0] {
                return Err(Broken);
            }
            (done, *at_head) = (GZIP_HEAD.len(), false);
        }
        while let Some(&first) = bytes.get(done) {
            let rest = &bytes[done..];
            let piece_len = if first & 0b111 == 0 {
                // A stored block is as long as it says (RFC 1951, section 3.2.4).
                let Some(len) = rest.get(1..3) else { break };
                let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
                let Some(plain) = rest.get(5..5 + len) else { break };
                // An empty one only ends the one before.
                if len > 0 {
                    tell(plain);
                }
                5 + len
            } else {
                let Some(at) = memchr::memmem::find(rest, &PIECE_END) else { break };
                tell(self.open(&rest[..at])?);
                at + PIECE_END.len()
            };
            done += piece_len;
        }
        Ok(done)
    }

    /// The same for frames of a WebSocket.
    pub(crate) fn frames(&mut self, bytes: &[u8], mut tell: impl FnMut(&[u8])) -> Result<usize, Broken> {
        let mut done = 0;
        while let Some((header, head_len)) = decode_header(&bytes[done..]).map_err(|_| Broken)? {
            let len = usize::try_from(header.len).map_err(|_| Broken)?;
            let begin = done + head_len;
            let Some(payload) = bytes.get(begin..begin.saturating_add(len)) else { break };
            tell(if header.rsv == RSV1 { self.open(payload)? } else { payload });
            done = begin + len;
        }
        Ok(done)
    }

    /// What is in a whole gzip document.
    pub(crate) fn document(&mut self, bytes: &[u8]) -> Result<&[u8], Broken> {
        let end = bytes.len().checked_sub(GZIP_TAIL_LEN).ok_or(Broken)?;
        self.open(bytes.get(GZIP_HEAD.len()..end).ok_or(Broken)?)
    }

    fn open(&mut self, piece: &[u8]) -> Result<&[u8], Broken> {
        if let Some(at) = self.0.iter().position(|known| *known.wire == *piece) {
            return Ok(&self.0[at].plain);
        }
        let plain = inflate(piece, PLAIN_LEN_MAX).map_err(|_| Broken)?;
        if self.0.len() == PIECES_MAX {
            self.0.pop_back();
        }
        self.0.push_front(PackedPiece { wire: piece.into(), plain: plain.into() });
        Ok(&self.0[0].plain)
    }
}

/// The check sum and the length at the end of a document.
const GZIP_TAIL_LEN: usize = 8;
const PLAIN_LEN_MAX: usize = 64 << 20;
/// As many messages as may be on their way at a time, and little to search in.
const PIECES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use codec::deflate::{Deflater, store};

    use super::*;

    fn pieces() -> (Vec<u8>, [String; 3]) {
        let texts = ["id: 1\n\n".to_owned(), "data: long ".repeat(50), "data: another ".repeat(50)];
        let mut wire = GZIP_HEAD.to_vec();
        let mut deflater = Deflater::default();
        store(texts[0].as_bytes(), &mut wire);
        deflater.piece(texts[1].as_bytes(), &mut wire);
        deflater.piece(texts[2].as_bytes(), &mut wire);
        (wire, texts)
    }

    /// However a stream is cut in two, each piece is told once.
    #[test]
    fn a_stream_is_read_at_every_cut() {
        let (wire, texts) = pieces();
        for cut in 0..=wire.len() {
            let (mut packed, mut at_head, mut told) = (Packed::default(), true, Vec::new());
            let mut tell = |plain: &[u8]| told.push(String::from_utf8(plain.to_vec()).unwrap());
            let done = packed.stream(&wire[..cut], &mut at_head, &mut tell).unwrap();
            let all = packed.stream(&wire[done..], &mut at_head, &mut tell).unwrap();
            assert_eq!((done + all, &told[..]), (wire.len(), &texts[..]), "cut at {cut}");
            assert!(packed.0.len() <= 2, "each is inflated once");
        }
    }

    #[test]
    fn frames_are_read_at_every_cut() {
        let (mut wire, mut piece, text) = (b"\x81\x02{}".to_vec(), Vec::new(), "{\"data\":1}".repeat(30));
        Deflater::default().piece(text.as_bytes(), &mut piece);
        codec::ws::encode_deflated(codec::ws::Opcode::Text, &piece, &mut wire);
        for cut in 0..=wire.len() {
            let (mut packed, mut told) = (Packed::default(), Vec::new());
            let mut tell = |plain: &[u8]| told.push(String::from_utf8(plain.to_vec()).unwrap());
            let done = packed.frames(&wire[..cut], &mut tell).unwrap();
            packed.frames(&wire[done..], &mut tell).unwrap();
            assert_eq!(told, ["{}", text.as_str()], "cut at {cut}");
        }
    }

    #[test]
    fn a_document_is_inflated() {
        let (mut document, text) = (Vec::new(), "[1]".repeat(99));
        Deflater::default().gzip(text.as_bytes(), &mut document);
        assert_eq!(Packed::default().document(&document), Ok(text.as_bytes()));
        assert_eq!(Packed::default().document(b"short"), Err(Broken));
    }

    #[test]
    fn what_is_no_gzip_is_told() {
        let mut packed = Packed::default();
        assert_eq!(packed.stream(b"data: hello", &mut true, |_| ()), Err(Broken));
        let mut wire = vec![0b110];
        wire.extend(PIECE_END);
        assert_eq!(packed.stream(&wire, &mut false, |_| ()), Err(Broken));
    }
}
