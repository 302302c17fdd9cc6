//! What a client says, frame by frame: the server's side of one connection.
//!
//! Between messages a reader holds nothing. The bytes of an incomplete frame stay in the caller's
//! buffer; the fragments of an incomplete message are gathered here, in a box of their own.

use std::borrow::Cow;

use super::Error;
use super::frame::{FrameHeader, Opcode, RSV1, decode_header, unmask};
use crate::deflate::{self, InflateError};

/// The reader of one connection's frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// A message of which some fragments came, and not the last.
    partial: Option<Box<Partial>>,
}

/// How long a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// Bytes of a message, all its fragments together; of a compressed one before and after it is inflated.
    pub message_bytes: usize,
    /// Frames of one message.
    pub fragments: usize,
    /// Bytes that a compressed message may become for each byte of it that came.
    pub inflate_ratio: usize,
    /// Whether messages may be compressed: [`super::accept_deflate`] took an offer.
    pub deflate: bool,
}

/// What one frame told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameFact<'b> {
    /// A text message; borrowed if it came in one frame, and not compressed.
    Text(Cow<'b, str>),
    /// A binary message; borrowed if it came in one frame, and not compressed.
    Binary(Cow<'b, [u8]>),
    /// A fragment of a message was kept: its bytes are consumed, there is nothing to do yet.
    Fragment,
    /// To be answered with a pong of the same bytes.
    Ping(&'b [u8]),
    /// An answer to a ping, or a sign of life nobody asked for.
    Pong(&'b [u8]),
    /// The client is done; nothing that follows is to be read.
    Close {
        /// Why, if it was said: a code that may be sent, so it can be echoed.
        code: Option<u16>,
        /// The same in words; often empty.
        reason: &'b str,
    },
}

/// An incomplete message as plain data, for a connection that is handed to another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenPartial {
    /// [`Opcode::Text`] or [`Opcode::Binary`].
    pub opcode: Opcode,
    /// Whether it is compressed.
    pub deflated: bool,
    /// What came of it. Text may end inside a character.
    pub bytes: Vec<u8>,
    /// In how many fragments.
    pub fragments: usize,
}

impl FrameReader {
    /// A reader at the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the frame at the front of `bytes`, and tells how many bytes it took; `None`, and nothing
    /// changed, until all of it is there.
    ///
    /// Call it again with what follows until it says `None`; keep those bytes and call again when more
    /// came. No more than `limits.message_bytes` and a header need ever be kept: a longer frame is
    /// refused from its header. A complete frame is unmasked where it lies. An error is final.
    pub fn decode<'b>(
        &mut self,
        bytes: &'b mut [u8],
        limits: &MessageLimits,
    ) -> Result<Option<(FrameFact<'b>, usize)>, Error> {
        let Some((header, header_len)) = decode_header(bytes)? else { return Ok(None) };
        let mask = self.judge(&header, limits)?;
        let Ok(len) = usize::try_from(header.len) else { return Err(Error::MessageTooLong) };
        let Some(payload) = bytes[header_len..].get_mut(..len) else { return Ok(None) };
        unmask(mask, 0, payload);
        let fact = match header.opcode {
            Opcode::Ping => FrameFact::Ping(payload),
            Opcode::Pong => FrameFact::Pong(payload),
            Opcode::Close => decode_close(payload)?,
            Opcode::Text | Opcode::Binary if header.fin && header.rsv != 0 => {
                inflate(header.opcode, payload, limits)?
            }
            Opcode::Text if header.fin => FrameFact::Text(Cow::Borrowed(decode_text(payload)?)),
            Opcode::Binary if header.fin => FrameFact::Binary(Cow::Borrowed(payload)),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.take_fragment(&header, payload, limits)?
            }
        };
        Ok(Some((fact, header_len + len)))
    }

    /// Bytes held for an incomplete message.
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| size_of::<Partial>() + partial.bytes.capacity())
    }

    /// The incomplete message, if there is one, as plain data.
    pub fn freeze(&self) -> Option<FrozenPartial> {
        self.partial.as_ref().map(|partial| FrozenPartial {
            opcode: partial.opcode,
            deflated: partial.deflated,
            bytes: partial.bytes.clone(),
            fragments: partial.fragments_count,
        })
    }

    /// A reader that goes on where a frozen one stopped.
    pub fn thaw(frozen: Option<FrozenPartial>) -> Self {
        let partial = frozen.map(|frozen| {
            debug_assert!(!frozen.opcode.is_control() && frozen.opcode != Opcode::Continuation);
            // Text is looked at from its beginning once more when the next fragment comes.
            Box::new(Partial {
                opcode: frozen.opcode,
                deflated: frozen.deflated,
                bytes: frozen.bytes,
                valid_len: 0,
                fragments_count: frozen.fragments,
            })
        });
        Self { partial }
    }

    /// Refuses from its header a frame that must not come, or not now; returns its mask.
    fn judge(&self, header: &FrameHeader, limits: &MessageLimits) -> Result<[u8; 4], Error> {
        // The first frame of a message says whether it is compressed (RFC 7692, section 6.1).
        let begins = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        if header.rsv != 0 && !(header.rsv == RSV1 && begins && limits.deflate) {
            return Err(Error::ReservedBits);
        }
        let mask = header.mask.ok_or(Error::Unmasked)?;
        if header.opcode.is_control() {
            return Ok(mask);
        }
        let (held_len, fragments_count) = match (&self.partial, header.opcode) {
            (Some(partial), Opcode::Continuation) => (partial.bytes.len(), partial.fragments_count),
            (None, Opcode::Continuation) => return Err(Error::StrayContinuation),
            (Some(_), _) => return Err(Error::NestedMessage),
            (None, _) => (0, 0),
        };
        if header.len > limits.message_bytes.saturating_sub(held_len) as u64 {
            return Err(Error::MessageTooLong);
        }
        if fragments_count >= limits.fragments {
            return Err(Error::TooManyFragments);
        }
        Ok(mask)
    }

    /// Adds a fragment; the whole message if it was the last.
    fn take_fragment<'b>(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        limits: &MessageLimits,
    ) -> Result<FrameFact<'b>, Error> {
        let mut partial = self.partial.take().unwrap_or_else(|| Box::new(Partial::new(header)));
        partial.append(payload)?;
        if header.fin {
            return partial.finish(limits);
        }
        self.partial = Some(partial);
        Ok(FrameFact::Fragment)
    }
}

/// The beginning of a message in fragments.
#[derive(Debug)]
struct Partial {
    /// Text or Binary.
    opcode: Opcode,
    deflated: bool,
    bytes: Vec<u8>,
    /// Of text that is not compressed, the bytes known to be valid; at most three follow, the beginning of a character.
    valid_len: usize,
    fragments_count: usize,
}

impl Partial {
    fn new(header: &FrameHeader) -> Self {
        let (opcode, deflated) = (header.opcode, header.rsv != 0);
        Self { opcode, deflated, bytes: Vec::new(), valid_len: 0, fragments_count: 0 }
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.bytes.extend_from_slice(payload);
        self.fragments_count += 1;
        if self.opcode == Opcode::Text && !self.deflated {
            self.valid_len += valid_prefix(&self.bytes[self.valid_len..])?;
            debug_assert!(self.bytes.len() - self.valid_len <= 3);
        }
        Ok(())
    }

    fn finish(self, limits: &MessageLimits) -> Result<FrameFact<'static>, Error> {
        if self.deflated {
            return inflate(self.opcode, &self.bytes, limits);
        }
        if self.opcode == Opcode::Binary {
            return Ok(FrameFact::Binary(Cow::Owned(self.bytes)));
        }
        let text = String::from_utf8(self.bytes).map_err(|_| Error::Utf8)?;
        Ok(FrameFact::Text(Cow::Owned(text)))
    }
}

/// A whole message that was compressed.
fn inflate(opcode: Opcode, bytes: &[u8], limits: &MessageLimits) -> Result<FrameFact<'static>, Error> {
    let by_ratio = bytes.len().saturating_mul(limits.inflate_ratio);
    let bytes = deflate::inflate(bytes, limits.message_bytes.min(by_ratio)).map_err(|error| match error {
        InflateError::Data => Error::Deflate,
        InflateError::TooLong if by_ratio < limits.message_bytes => Error::InflateRatio,
        InflateError::TooLong => Error::MessageTooLong,
    })?;
    if opcode == Opcode::Binary {
        return Ok(FrameFact::Binary(Cow::Owned(bytes)));
    }
    String::from_utf8(bytes).map(|text| FrameFact::Text(Cow::Owned(text))).map_err(|_| Error::Utf8)
}

/// The length of the whole characters in `bytes`, which may end inside one that can still become valid.
fn valid_prefix(bytes: &[u8]) -> Result<usize, Error> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(text) => Ok(text.len()),
        Err(fault) if fault.error_len().is_none() => Ok(fault.valid_up_to()),
        Err(_) => Err(Error::Utf8),
    }
}

fn decode_text(payload: &[u8]) -> Result<&str, Error> {
    simdutf8::basic::from_utf8(payload).map_err(|_| Error::Utf8)
}

fn decode_close(payload: &[u8]) -> Result<FrameFact<'_>, Error> {
    match payload {
        [] => Ok(FrameFact::Close { code: None, reason: "" }),
        [_] => Err(Error::CloseLength),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !may_be_sent(code) {
                return Err(Error::CloseCode(code));
            }
            Ok(FrameFact::Close { code: Some(code), reason: decode_text(reason)? })
        }
    }
}

/// Codes that RFC 6455 and its registry allow on the wire; 1004 to 1006 and 1015 are for programs only.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

const _: () = assert!(size_of::<FrameReader>() <= 8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::encode_client_frame;

    const LIMITS: MessageLimits =
        MessageLimits { message_bytes: 100, fragments: 10, inflate_ratio: 50, deflate: false };

    /// A frame of a client; not the last of its message unless `fin`.
    fn wire(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        encode_client_frame(opcode, [1, 2, 3, 4], payload, &mut wire);
        wire[0] &= if fin { 0xff } else { 0x7f };
        wire
    }

    #[test]
    fn a_message_in_one_frame_is_borrowed() {
        let mut reader = FrameReader::new();
        let mut text = wire(true, Opcode::Text, "é".as_bytes());
        let told = reader.decode(&mut text, &LIMITS).unwrap().unwrap();
        assert!(matches!(told, (FrameFact::Text(Cow::Borrowed("é")), 8)), "{told:?}");
        let mut binary = wire(true, Opcode::Binary, b"\xff");
        let told = reader.decode(&mut binary, &LIMITS).unwrap().unwrap();
        assert!(matches!(told, (FrameFact::Binary(Cow::Borrowed(b"\xff")), 7)), "{told:?}");
    }

    #[test]
    fn an_incomplete_frame_is_left_as_it_is() {
        let whole = wire(true, Opcode::Text, b"Hello");
        let mut part = whole[..whole.len() - 1].to_vec();
        assert_eq!(FrameReader::new().decode(&mut part, &LIMITS), Ok(None));
        assert_eq!(part, whole[..whole.len() - 1]);
    }

    #[test]
    fn nothing_is_held_between_messages() {
        let mut reader = FrameReader::new();
        assert_eq!(reader.held_bytes(), 0);
        let mut frame = wire(false, Opcode::Binary, b"abc");
        let told = reader.decode(&mut frame, &LIMITS);
        assert!(matches!(told, Ok(Some((FrameFact::Fragment, 9)))));
        assert!(reader.held_bytes() >= 3);
        let mut frame = wire(true, Opcode::Continuation, b"d");
        let told = reader.decode(&mut frame, &LIMITS);
        assert!(matches!(told, Ok(Some((FrameFact::Binary(_), 7)))));
        assert_eq!(reader.held_bytes(), 0);
    }

    /// A connection may be handed over inside a character.
    #[test]
    fn a_thawed_reader_goes_on_where_the_frozen_one_stopped() {
        let mut reader = FrameReader::new();
        reader.decode(&mut wire(false, Opcode::Text, b"a\xe2\x82"), &LIMITS).unwrap();
        let frozen = reader.freeze().unwrap();
        let expected = FrozenPartial {
            opcode: Opcode::Text,
            deflated: false,
            bytes: b"a\xe2\x82".to_vec(),
            fragments: 1,
        };
        assert_eq!(frozen, expected);

        let mut thawed = FrameReader::thaw(Some(frozen.clone()));
        let mut frame = wire(true, Opcode::Continuation, b"\xac");
        let told = thawed.decode(&mut frame, &LIMITS);
        assert_eq!(told, Ok(Some((FrameFact::Text("a€".into()), 7))));
        assert_eq!(thawed.freeze(), None);

        let mut thawed = FrameReader::thaw(Some(frozen));
        let mut frame = wire(false, Opcode::Continuation, b"x");
        let told = thawed.decode(&mut frame, &LIMITS);
        assert_eq!(told, Err(Error::Utf8));
    }

    /// The frames of a compressed message, in fragments of so many bytes.
    fn compressed(opcode: Opcode, payload: &[u8], step: usize) -> Vec<u8> {
        let mut piece = Vec::new();
        deflate::Deflater::default().piece(payload, &mut piece);
        let piece = piece.strip_suffix(&deflate::PIECE_END).unwrap();
        let count = piece.len().div_ceil(step);
        let frames = piece.chunks(step).enumerate().flat_map(|(number, part)| {
            let opcode = if number == 0 { opcode } else { Opcode::Continuation };
            let mut frame = wire(number + 1 == count, opcode, part);
            frame[0] |= if number == 0 { RSV1 << 4 } else { 0 };
            frame
        });
        frames.collect()
    }

    fn read_all(mut bytes: Vec<u8>, limits: &MessageLimits) -> Result<FrameFact<'static>, Error> {
        let (mut reader, mut at) = (FrameReader::new(), 0);
        loop {
            let (fact, taken) = reader.decode(&mut bytes[at..], limits)?.expect("a message is whole");
            at += taken;
            match fact {
                FrameFact::Text(text) => return Ok(FrameFact::Text(Cow::Owned(text.into_owned()))),
                FrameFact::Binary(bytes) => return Ok(FrameFact::Binary(Cow::Owned(bytes.into_owned()))),
                _ => reader = FrameReader::thaw(reader.freeze()),
            }
        }
    }

    #[test]
    fn a_compressed_message_is_inflated_however_it_came() {
        let limits = MessageLimits { deflate: true, ..LIMITS };
        for step in [1_000, 10, 3] {
            let said = read_all(compressed(Opcode::Text, "é€ é€ é€ é€".as_bytes(), step), &limits);
            assert_eq!(said, Ok(FrameFact::Text("é€ é€ é€ é€".into())), "{step}");
            let said = read_all(compressed(Opcode::Binary, b"\xff\x00", step), &limits);
            assert_eq!(said, Ok(FrameFact::Binary(b"\xff\x00"[..].into())), "{step}");
        }
    }

    #[test]
    fn a_compressed_message_is_judged_by_what_it_says() {
        let limits = MessageLimits { deflate: true, ..LIMITS };
        let read = |bytes| read_all(bytes, &limits);
        assert_eq!(read(compressed(Opcode::Text, b"\xff", 1_000)), Err(Error::Utf8));
        assert_eq!(read(compressed(Opcode::Text, &[b'x'; 101], 1_000)), Err(Error::MessageTooLong));
        let ratio = MessageLimits { message_bytes: 10_000, ..limits };
        let text = compressed(Opcode::Text, &[b'x'; 9_000], 1_000);
        assert!(text.len() < 9_000 / 50, "{}", text.len());
        assert_eq!(read_all(text.clone(), &ratio), Err(Error::InflateRatio));
        assert!(read_all(text, &MessageLimits { inflate_ratio: 1_000, ..ratio }).is_ok());
        let mut nonsense = wire(true, Opcode::Text, b"\xff\xff");
        nonsense[0] |= RSV1 << 4;
        assert_eq!(read(nonsense), Err(Error::Deflate));
    }

    #[test]
    fn the_bit_has_no_other_meaning() {
        let text = compressed(Opcode::Text, b"x", 1_000);
        assert_eq!(read_all(text, &LIMITS), Err(Error::ReservedBits), "nothing was negotiated");
        let limits = MessageLimits { deflate: true, ..LIMITS };
        for opcode in [Opcode::Ping, Opcode::Continuation] {
            let mut frame = wire(true, opcode, b"x");
            frame[0] |= RSV1 << 4;
            assert_eq!(read_all(frame, &limits), Err(Error::ReservedBits), "{opcode:?}");
        }
        for bits in [1, 2, 5, 7] {
            let mut frame = wire(true, Opcode::Text, b"x");
            frame[0] |= bits << 4;
            assert_eq!(read_all(frame, &limits), Err(Error::ReservedBits), "{bits}");
        }
    }
}
