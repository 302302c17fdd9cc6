//! The native protocol in its framings: how messages are put, and how notices are.

mod notice;
mod render;

use codec::ws;

pub(crate) use notice::{
    tell_by_empty_line, tell_by_event, tell_by_frame, tell_by_frame_beside_payloads, tell_by_line,
};
pub(crate) use render::{
    event_bare, event_beside, event_object, frame_object, frame_object_uncovered, frame_raw, line_object,
    line_raw, poll_object, poll_raw,
};

/// A text frame of what is written.
pub(crate) fn text_frame(write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    let mut text = Vec::new();
    write(&mut text);
    ws::encode_frame(ws::Opcode::Text, &text, out);
}
