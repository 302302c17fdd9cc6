//! One frame: its header, its mask, and how a server writes it.

use super::Error;
use crate::deflate::PIECE_END;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0,
    /// The beginning of a text message.
    Text = 1,
    /// The beginning of a binary message.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// A question whether the other side is there.
    Ping = 9,
    /// The answer to it.
    Pong = 10,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The three reserved bits, RSV1 the highest (4).
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The mask, as every client's frame has one.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow the header.
    pub len: u64,
}

/// The longest header: two bytes, a length of eight, a mask of four.
pub const HEADER_BYTES_MAX: usize = 14;

/// The longest payload of a control frame.
pub const CONTROL_PAYLOAD_MAX: usize = 125;

impl Opcode {
    /// The opcode with that number.
    pub fn decode(number: u8) -> Result<Self, Error> {
        match number {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            _ => Err(Error::ReservedOpcode(number)),
        }
    }

    /// Whether such a frame may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Decodes the header at the front of `bytes`, and tells its length; `None` until all of it is there.
///
/// Reserved bits and a missing mask are told, not judged: [`super::Reader`] does that.
pub fn decode_header(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let fin = first & 0x80 != 0;
    let opcode = Opcode::decode(first & 0x0f)?;
    if opcode.is_control() && !fin {
        return Err(Error::FragmentedControl);
    }
    let short_len = second & 0x7f;
    if opcode.is_control() && usize::from(short_len) > CONTROL_PAYLOAD_MAX {
        return Err(Error::LongControl);
    }
    let Some((len, len_bytes)) = decode_len(short_len, rest)? else { return Ok(None) };
    let (mask, mask_bytes) = match rest[len_bytes..].first_chunk::<4>() {
        _ if second & 0x80 == 0 => (None, 0),
        Some(mask) => (Some(*mask), 4),
        None => return Ok(None),
    };
    let header = FrameHeader { fin, rsv: first >> 4 & 0x07, opcode, mask, len };
    Ok(Some((header, 2 + len_bytes + mask_bytes)))
}

/// Masks or unmasks `data`, which begins `offset` bytes after the beginning of its payload.
pub fn unmask(mask: [u8; 4], offset: usize, data: &mut [u8]) {
    let mut key = mask;
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Appends one whole, unmasked frame, as a server sends it.
pub fn encode_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_PAYLOAD_MAX, "a control frame is short");
    encode_start(opcode, 0, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends one whole message that is compressed already; its [`crate::deflate::PIECE_END`] is taken off
/// (RFC 7692, section 7.2.1).
pub fn encode_deflated(opcode: Opcode, piece: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    encode_frame(opcode, piece.strip_suffix(&PIECE_END).unwrap_or(piece), out);
    out[start] |= RSV1 << 4;
}

/// The reserved bit that says: this message is compressed, as [`FrameHeader::rsv`] has it.
pub const RSV1: u8 = 4;

/// Appends a close frame. A reason that does not fit is cut at the end of a character.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut reason_len = reason.len().min(CONTROL_PAYLOAD_MAX - 2);
    while !reason.is_char_boundary(reason_len) {
        reason_len -= 1;
    }
    let reason = &reason[..reason_len];
    encode_start(Opcode::Close, 0, 2 + reason.len(), out);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends one whole, masked frame, as a client sends it: for tools and tests.
pub fn encode_client_frame(opcode: Opcode, mask: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    encode_start(opcode, 0x80, payload.len(), out);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(mask, 0, &mut out[start..]);
}

/// The length of the payload and of the bytes that spell it out after the second byte.
fn decode_len(short_len: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Error> {
    let (len, len_bytes, len_min) = match short_len {
        126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 2, 126),
        127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 8, 1 << 16),
        _ => (Some(u64::from(short_len)), 0, 0),
    };
    match len {
        None => Ok(None),
        Some(len) if len >> 63 != 0 => Err(Error::LengthTopBit),
        Some(len) if len < len_min => Err(Error::LengthNotMinimal),
        Some(len) => Ok(Some((len, len_bytes))),
    }
}

/// The first two bytes and the length, with FIN set.
fn encode_start(opcode: Opcode, mask_bit: u8, len: usize, out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    if let (Ok(len), true) = (u8::try_from(len), len < 126) {
        out.push(mask_bit | len);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(mask_bit | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(mask_bit | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header decodes the same however the network cut it.
    #[test]
    fn every_split_agrees() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let mut whole = Vec::new();
            encode_client_frame(Opcode::Binary, [1, 2, 3, 4], &vec![b'x'; len], &mut whole);
            let (header, header_len) = decode_header(&whole).unwrap().unwrap();
            assert_eq!((header.len, header.mask, header.fin), (len as u64, Some([1, 2, 3, 4]), true));
            assert_eq!(header_len + len, whole.len());
            for cut in 0..header_len {
                assert_eq!(decode_header(&whole[..cut]), Ok(None), "length {len} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_server_frame_has_no_mask() {
        let mut out = Vec::new();
        encode_frame(Opcode::Text, b"Hello", &mut out);
        assert_eq!(out, b"\x81\x05Hello");
    }

    #[test]
    fn a_close_frame_keeps_whole_characters() {
        let mut out = Vec::new();
        encode_close(1001, "going away", &mut out);
        assert_eq!(out, b"\x88\x0c\x03\xe9going away");
        out.clear();
        encode_close(1000, &"é".repeat(100), &mut out);
        assert_eq!(out[1], 2 + 122);
        assert!(str::from_utf8(&out[4..]).is_ok());
    }
}
