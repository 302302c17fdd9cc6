//! A request's body: plain bytes out of a length or out of chunks.
//!
//! The state between two reads is a few plain bytes, so a connection in the middle of an upload
//! can be kept small and handed over.

use super::{BodyFraming, Error};

/// How much of a body was read, and what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// In `Length` and `Data`, bytes still to come; in `Size`, the size as far as it was read.
    left: u64,
    /// Bytes that extensions and trailers of the whole body may still take.
    extras_left: u16,
    /// In `Size`, digits read.
    digits_count: u8,
    step: BodyStep,
}

impl Body {
    /// The body of a request just decoded.
    pub fn new(framing: BodyFraming) -> Self {
        let (step, left) = match framing {
            BodyFraming::None | BodyFraming::Length(0) => (BodyStep::Done, 0),
            BodyFraming::Length(length) => (BodyStep::Length, length),
            BodyFraming::Chunked => (BodyStep::Size, 0),
        };
        Self { left, extras_left: EXTRAS_BYTES_MAX, digits_count: 0, step }
    }

    /// Takes what of `input` belongs to the body, appends its data to `out`, and tells how many bytes
    /// were consumed and whether the body is complete.
    ///
    /// All of `input` is consumed unless the body ends inside it. `out` holds the body from its
    /// beginning and never grows beyond `limit` bytes: a length or chunk that would make it do so is
    /// refused before its data come. Chunk extensions and trailers are skipped.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(usize, bool), Error> {
        let mut at = 0;
        while at < input.len() && !self.is_done() {
            match self.step {
                BodyStep::Length | BodyStep::Data => at += self.take_data(&input[at..], out, limit)?,
                _ => {
                    self.take_framing(input[at], out.len(), limit)?;
                    at += 1;
                }
            }
        }
        Ok((at, self.is_done()))
    }

    /// Passes over what of `input` belongs to the body, and tells how many bytes that is. All of it does unless the body
    /// ends inside it.
    pub fn skip(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut at = 0;
        while at < input.len() && !self.is_done() {
            match self.step {
                BodyStep::Length | BodyStep::Data => at += self.pass(input.len() - at),
                _ => {
                    self.take_framing(input[at], 0, usize::MAX)?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// Whether all of the body was read.
    pub fn is_done(&self) -> bool {
        self.step == BodyStep::Done
    }

    /// The reader's state as bytes, for a connection that is handed to another process.
    pub fn freeze(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.left.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.extras_left.to_le_bytes());
        bytes[10] = self.digits_count;
        bytes[11] = self.step as u8;
        bytes
    }

    /// A reader that goes on where a frozen one stopped; `None` when the bytes are none of ours.
    pub fn thaw(bytes: [u8; 12]) -> Option<Self> {
        let [l0, l1, l2, l3, l4, l5, l6, l7, e0, e1, digits_count, step] = bytes;
        let step = STEPS.into_iter().find(|known| *known as u8 == step)?;
        let left = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        Some(Self { left, extras_left: u16::from_le_bytes([e0, e1]), digits_count, step })
    }

    fn take_data(&mut self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<usize, Error> {
        self.check_limit(out.len(), limit)?;
        let taken = self.pass(input.len());
        out.extend_from_slice(&input[..taken]);
        Ok(taken)
    }

    /// So many bytes have come, of which these are data.
    fn pass(&mut self, come: usize) -> usize {
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(come);
        self.left -= taken as u64;
        if self.left == 0 {
            self.step = if self.step == BodyStep::Length { BodyStep::Done } else { BodyStep::DataCr };
        }
        taken
    }

    /// One byte that is not data.
    fn take_framing(&mut self, byte: u8, out_len: usize, limit: usize) -> Result<(), Error> {
        self.step = match (self.step, byte) {
            (BodyStep::Size, b'\r') if self.digits_count > 0 => BodyStep::SizeLf,
            (BodyStep::Size, b';') if self.digits_count > 0 => BodyStep::Extension,
            (BodyStep::Size, _) => self.take_digit(byte)?,
            (BodyStep::Extension, b'\r') => BodyStep::SizeLf,
            (BodyStep::Extension, _) => self.take_extra(byte, BodyStep::Extension, Error::ChunkExtension)?,
            (BodyStep::SizeLf, b'\n') if self.left == 0 => BodyStep::Trailer,
            (BodyStep::SizeLf, b'\n') => {
                self.check_limit(out_len, limit)?;
                BodyStep::Data
            }
            (BodyStep::SizeLf, _) => return Err(Error::ChunkSize),
            (BodyStep::DataCr, b'\r') => BodyStep::DataLf,
            (BodyStep::DataLf, b'\n') => {
                self.digits_count = 0;
                BodyStep::Size
            }
            (BodyStep::DataCr | BodyStep::DataLf, _) => return Err(Error::ChunkEnd),
            (BodyStep::Trailer, b'\r') => BodyStep::LastLf,
            (BodyStep::Trailer, b' ' | b'\t' | b':') => return Err(Error::Trailer),
            (BodyStep::TrailerLine, b'\r') => BodyStep::TrailerLf,
            (BodyStep::Trailer | BodyStep::TrailerLine, _) => {
                self.take_extra(byte, BodyStep::TrailerLine, Error::Trailer)?
            }
            (BodyStep::TrailerLf, b'\n') => BodyStep::Trailer,
            (BodyStep::LastLf, b'\n') => BodyStep::Done,
            (BodyStep::TrailerLf | BodyStep::LastLf, _) => return Err(Error::Trailer),
            (BodyStep::Length | BodyStep::Data | BodyStep::Done, _) => self.step,
        };
        Ok(())
    }

    fn take_digit(&mut self, byte: u8) -> Result<BodyStep, Error> {
        let digit = char::from(byte).to_digit(16).ok_or(Error::ChunkSize)?;
        if self.digits_count == CHUNK_DIGITS_MAX {
            return Err(Error::ChunkSize);
        }
        self.digits_count += 1;
        self.left = self.left * 16 + u64::from(digit);
        Ok(BodyStep::Size)
    }

    fn take_extra(&mut self, byte: u8, next: BodyStep, fault: Error) -> Result<BodyStep, Error> {
        if byte.is_ascii_control() && byte != b'\t' {
            return Err(fault);
        }
        self.extras_left = self.extras_left.checked_sub(1).ok_or(Error::ChunkExtrasTooLong)?;
        Ok(next)
    }

    fn check_limit(&self, out_len: usize, limit: usize) -> Result<(), Error> {
        let room = limit.saturating_sub(out_len) as u64;
        if self.left > room { Err(Error::BodyTooLong) } else { Ok(()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyStep {
    /// Data up to the announced length.
    Length,
    /// Hexadecimal digits of a chunk's size.
    Size,
    /// What follows the size's semicolon.
    Extension,
    /// The line feed that ends the size.
    SizeLf,
    /// A chunk's data.
    Data,
    DataCr,
    DataLf,
    /// The beginning of a line after the last chunk.
    Trailer,
    TrailerLine,
    TrailerLf,
    /// The line feed that ends the body.
    LastLf,
    Done,
}

const STEPS: [BodyStep; 12] = [
    BodyStep::Length,
    BodyStep::Size,
    BodyStep::Extension,
    BodyStep::SizeLf,
    BodyStep::Data,
    BodyStep::DataCr,
    BodyStep::DataLf,
    BodyStep::Trailer,
    BodyStep::TrailerLine,
    BodyStep::TrailerLf,
    BodyStep::LastLf,
    BodyStep::Done,
];

/// No body we take needs a chunk of 4 GiB.
const CHUNK_DIGITS_MAX: u8 = 8;

/// Bytes of extensions and trailers of one body.
const EXTRAS_BYTES_MAX: u16 = 8 << 10;

const _: () = assert!(size_of::<Body>() <= 16);
