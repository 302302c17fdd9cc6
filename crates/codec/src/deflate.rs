//! Compression (RFC 1951, RFC 1952) in pieces that know nothing of each other, so that all who get the same
//! message get the same bytes.
//!
//! A piece refers to nothing before it and ends at a whole byte. Pieces follow each other in any order, and
//! none is the last: the trailer of a gzip stream that has no end never comes.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

/// How a gzip stream begins: deflate, no name, no time, an unknown system.
pub const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// How every piece ends, behind a byte that says that it is not the last: an empty stored block.
pub const PIECE_END: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses. Its tables, some 300 KiB, are there from the first use on.
#[derive(Debug, Default)]
pub struct Deflater {
    state: Option<Box<Compress>>,
    level: Compression,
}

impl Deflater {
    /// One that takes a third of the time, and makes more of it.
    pub fn fast() -> Self {
        Self { state: None, level: Compression::fast() }
    }

    /// Appends `bytes` as one piece.
    pub fn piece(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.is_empty() {
            out.push(0);
            out.extend_from_slice(&PIECE_END);
            return;
        }
        // After a full flush nothing is remembered (RFC 1951 leaves that to the compressor; zlib's manual says so).
        self.run(bytes, FlushCompress::Full, out);
    }

    /// Appends `bytes` as a whole gzip document.
    pub fn gzip(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&GZIP_HEAD);
        let state = self.run(bytes, FlushCompress::Finish, out);
        state.reset();
        let mut crc = Crc::new();
        crc.update(bytes);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
    }

    fn run(&mut self, bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> &mut Compress {
        let state = self.state.get_or_insert_with(|| Box::new(Compress::new(self.level, false)));
        let start = state.total_in();
        out.reserve(bytes.len() / 2 + SPARE);
        loop {
            let done = usize::try_from(state.total_in() - start).unwrap_or(bytes.len());
            let status = state.compress_vec(&bytes[done..], out, flush).expect("the state is sound");
            // What fills the room to the last byte may not be all.
            if status == Status::StreamEnd || (flush == FlushCompress::Full && out.len() < out.capacity()) {
                return state;
            }
            out.reserve(SPARE);
        }
    }
}

/// Appends `bytes` uncompressed, as a piece: ten bytes more. It ends like all pieces, by an empty block: Go's reader
/// holds back a stored block until something follows it.
pub fn store(bytes: &[u8], out: &mut Vec<u8>) {
    for block in bytes.chunks(usize::from(u16::MAX)) {
        let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.push(0);
    out.extend_from_slice(&PIECE_END);
}

/// Appends the end of a gzip document: `tail`, uncompressed, and what stands behind it all. In front of it are [`GZIP_HEAD`]
/// and pieces, of so many bytes with this checksum. `tail` is shorter than 64 KiB.
pub fn end_document(tail: &[u8], sum: u32, len: u32, out: &mut Vec<u8>) {
    let mut all = crc32fast::Hasher::new_with_initial_len(sum, len.into());
    all.update(tail);
    let tail_len = u16::try_from(tail.len()).expect("the caller keeps it short");
    out.push(1);
    out.extend_from_slice(&tail_len.to_le_bytes());
    out.extend_from_slice(&(!tail_len).to_le_bytes());
    out.extend_from_slice(tail);
    out.extend_from_slice(&all.finalize().to_le_bytes());
    out.extend_from_slice(&len.wrapping_add(tail_len.into()).to_le_bytes());
}

/// What [`end_document`] appends besides the tail.
pub const DOCUMENT_END_LEN: usize = 13;

/// Why bytes cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InflateError {
    /// They are no deflate data, or end too early.
    Data,
    /// They are more than allowed.
    TooLong,
}

/// Inflates what [`Deflater::piece`] made, its [`PIECE_END`] taken off, to at most `len_max` bytes.
pub fn inflate(bytes: &[u8], len_max: usize) -> Result<Vec<u8>, InflateError> {
    let mut state = Decompress::new(false);
    let mut out = Vec::new();
    for part in [bytes, &PIECE_END] {
        let start = state.total_in();
        loop {
            let done = usize::try_from(state.total_in() - start).unwrap_or(part.len());
            let room = (len_max + 1).saturating_sub(out.len()).min(INFLATE_STEP);
            out.reserve_exact(room);
            let before = (done, out.len());
            let status = state.decompress_vec(&part[done..], &mut out, FlushDecompress::Sync);
            let status = status.map_err(|_| InflateError::Data)?;
            if out.len() > len_max {
                return Err(InflateError::TooLong);
            }
            if status == Status::StreamEnd {
                return Ok(out);
            }
            let done = usize::try_from(state.total_in() - start).unwrap_or(part.len());
            if (done, out.len()) == before || (done == part.len() && out.len() < out.capacity()) {
                if done < part.len() {
                    return Err(InflateError::Data);
                }
                break;
            }
        }
    }
    Ok(out)
}

/// Room for the end of a piece, and for what does not get shorter.
const SPARE: usize = 64;
/// Bytes inflated before it is looked at how many there are.
const INFLATE_STEP: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// So many bytes; a thousandth of them under Miri, which takes a thousand times as long for each.
    const fn size(bytes: usize) -> usize {
        if cfg!(miri) { bytes / 1_000 } else { bytes }
    }

    fn pieces(texts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut deflater = Deflater::default();
        let piece = |text: &&[u8]| {
            let mut out = Vec::new();
            deflater.piece(text, &mut out);
            assert!(out.ends_with(&PIECE_END), "{out:x?}");
            out
        };
        texts.iter().map(piece).collect()
    }

    #[test]
    fn a_piece_refers_to_nothing_before_it() {
        let text = b"the same words once more, the same words once more".repeat(20);
        let all = pieces(&[&text, &text, b"", b"x", &text]);
        assert_eq!(all[0], all[1]);
        assert_eq!(all[0], all[4]);
        assert!(all[0].len() < text.len() / 4);
        for (piece, text) in all.iter().zip([&text[..], &text, b"", b"x", &text]) {
            assert_eq!(inflate(&piece[..piece.len() - PIECE_END.len()], 10_000).unwrap(), text);
        }
    }

    #[test]
    fn pieces_follow_each_other_in_any_order() {
        let long: Vec<u8> = (0..size(200_000)).flat_map(|n| (n as u64 % 251).to_le_bytes()).collect();
        let all = pieces(&[b"first", &long]);
        let mut stream = GZIP_HEAD.to_vec();
        let mut expected = Vec::new();
        for piece in [1, 0, 1] {
            store(&long, &mut stream);
            stream.extend_from_slice(&all[piece]);
            expected.extend_from_slice(&long);
            expected.extend_from_slice(if piece == 1 { &long } else { b"first" });
        }
        let mut got = vec![0; expected.len()];
        flate2::read::GzDecoder::new(&stream[..]).read_exact(&mut got).unwrap();
        assert!(got == expected);
    }

    #[test]
    fn what_is_stored_ends_as_every_piece_does() {
        let mut out = Vec::new();
        store(b"x", &mut out);
        assert_eq!(out, b"\x00\x01\x00\xfe\xffx\x00\x00\x00\xff\xff");
    }

    #[test]
    fn a_document_is_whole() {
        for mut deflater in [Deflater::default(), Deflater::fast()] {
            for text in [&b""[..], b"x", &[b'x'; size(100_000)]] {
                let mut out = Vec::new();
                deflater.gzip(text, &mut out);
                let mut got = Vec::new();
                flate2::read::GzDecoder::new(&out[..]).read_to_end(&mut got).unwrap();
                assert!(got == text);
            }
        }
    }

    #[test]
    fn a_document_may_end_by_what_each_reader_has_for_himself() {
        for text in [&b""[..], b"x", &[b'x'; size(100_000)]] {
            let mut out = GZIP_HEAD.to_vec();
            Deflater::default().piece(text, &mut out);
            for tail in [&b""[..], b"mine", &[7; 60_000]] {
                let (mut whole, before) = (out.clone(), out.len());
                end_document(tail, crc32fast::hash(text), u32::try_from(text.len()).unwrap(), &mut whole);
                assert_eq!(whole.len(), before + tail.len() + DOCUMENT_END_LEN);
                let mut got = Vec::new();
                flate2::read::GzDecoder::new(&whole[..]).read_to_end(&mut got).unwrap();
                assert!(got == [text, tail].concat());
            }
        }
    }

    #[test]
    fn what_does_not_get_shorter_comes_through_too() {
        let noise: Vec<u8> =
            (0..size(100_000) as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let piece = &pieces(&[&noise])[0];
        assert!(inflate(&piece[..piece.len() - 4], noise.len()).unwrap() == noise);
        assert_eq!(inflate(&piece[..piece.len() - 4], noise.len() - 1), Err(InflateError::TooLong));
    }

    #[test]
    fn a_bomb_is_put_out() {
        let bomb = vec![0; size(10 << 20)];
        let piece = &pieces(&[&bomb])[0];
        assert!(piece.len() < bomb.len() / 500 + 64);
        assert_eq!(inflate(&piece[..piece.len() - 4], size(1 << 20)), Err(InflateError::TooLong));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(inflate(b"\xff\xff\xff", 100), Err(InflateError::Data));
        let text = &b"some words, some words"[..];
        let piece = &pieces(&[text])[0];
        for cut in 1..piece.len() - 5 {
            assert_ne!(inflate(&piece[..cut], 100).as_deref(), Ok(text), "{cut}");
        }
        assert_eq!(inflate(b"", 100).unwrap(), b"");
    }
}
