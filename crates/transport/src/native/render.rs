//! Messages in the framings of the native protocol.

use codec::{sse, ws};
use dialect::Cors;
use dialect::hub::{Cursors, Kind, Message, Origin, addressed};
use dialect::native;

use super::text_frame;
use crate::{Coder, PollEnd, answer};

/// A long poll's document, left open for the id of each client's connection.
pub(crate) fn poll_object(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    let end = PollEnd { connection: Some(""), ..PollEnd::at(message.position) };
    let object = [object(message, matches, cursors)];
    let objects: [&[Vec<u8>]; 2] = if message.movement().is_some() { [&[], &object] } else { [&object, &[]] };
    answer::poll_document(objects, &end, cursors, Cors::default(), coder, out);
}

/// A long poll's answer that is one payload.
pub(crate) fn poll_raw(
    message: &Message,
    _: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    answer::poll_raw(message, false, cursors, Cors::default(), coder, out);
}

/// An event whose data is the object.
pub(crate) fn event_object(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    coder.stream(out, |out| match message.payload().origin {
        Origin::Removal => write_removal(message, cursors, out),
        Origin::Presence => write_movement(message, cursors, out),
        _ => write_event(message, &object(message, matches, cursors), cursors, out),
    });
}

/// An event whose data is the payload, unless that is binary.
pub(crate) fn event_bare(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    let payload = message.payload();
    if matches.iter().any(|one| addressed(&message.targets()[*one].name).is_some()) {
        return event_beside(message, matches, cursors, coder, out);
    }
    if matches!(payload.origin, Origin::Removal | Origin::Presence) || payload.kind == Kind::Binary {
        return event_object(message, matches, cursors, coder, out);
    }
    coder.stream(out, |out| write_event(message, &native::bare_data(payload), cursors, out));
}

/// Beside bare payloads: an event of a name of its own whose data is the object, of a channel that was not asked for.
pub(crate) fn event_beside(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    if matches!(message.payload().origin, Origin::Removal | Origin::Presence) {
        return event_object(message, matches, cursors, coder, out);
    }
    coder.stream(out, |out| {
        let mut id = Vec::with_capacity(16);
        cursors.write(message.position, &mut id);
        let data = object(message, matches, cursors);
        sse::encode(&sse::Event { id: Some(&id), event: Some(BESIDE), data: Some(&data) }, out);
    });
}

/// The object in a line.
pub(crate) fn line_object(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    coder.stream(out, |out| {
        native::write_told(message, matches, cursors, out);
        out.push(b'\n');
    });
}

/// The payload in a line.
pub(crate) fn line_raw(message: &Message, _: &[usize], _: Cursors, coder: &mut Coder<'_>, out: &mut Vec<u8>) {
    coder.stream(out, |out| {
        out.extend_from_slice(&native::bare_data(message.payload()));
        out.push(b'\n');
    });
}

/// The object in a text frame.
pub(crate) fn frame_object(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    coder.message(ws::Opcode::Text, &object(message, matches, cursors), out);
}

/// The object in a text frame, without a cursor. Nobody else gets the same.
pub(crate) fn frame_object_uncovered(
    message: &Message,
    matches: &[usize],
    cursors: Cursors,
    _: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    text_frame(|text| native::write_uncovered(message, matches, cursors, text), out);
}

/// The payload in a frame.
pub(crate) fn frame_raw(
    message: &Message,
    _: &[usize],
    _: Cursors,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    let payload = message.payload();
    let opcode = if payload.kind == Kind::Binary { ws::Opcode::Binary } else { ws::Opcode::Text };
    coder.message(opcode, payload.data(), out);
}

fn object(message: &Message, matches: &[usize], cursors: Cursors) -> Vec<u8> {
    let mut object = Vec::with_capacity(message.payload().data().len() + OBJECT_LEN);
    native::write_told(message, matches, cursors, &mut object);
    object
}

fn write_removal(message: &Message, cursors: Cursors, out: &mut Vec<u8>) {
    let (mut id, mut data) = (Vec::with_capacity(16), Vec::with_capacity(OBJECT_LEN));
    cursors.write(message.position, &mut id);
    native::write_removal(message, cursors, &mut data);
    sse::encode(&sse::Event { id: Some(&id), event: Some("deleted-message"), data: Some(&data) }, out);
}

fn write_movement(message: &Message, cursors: Cursors, out: &mut Vec<u8>) {
    let (mut id, mut data) = (Vec::with_capacity(16), Vec::with_capacity(OBJECT_LEN));
    cursors.write(message.position, &mut id);
    native::write_movement(message, &mut data);
    let event = if message.movement().is_some_and(|movement| movement.joined) { "joined" } else { "left" };
    sse::encode(&sse::Event { id: Some(&id), event: Some(event), data: Some(&data) }, out);
}

fn write_event(message: &Message, data: &[u8], cursors: Cursors, out: &mut Vec<u8>) {
    let mut id = Vec::with_capacity(16);
    cursors.write(message.position, &mut id);
    sse::encode(&sse::Event { id: Some(&id), event: message.payload().event, data: Some(data) }, out);
}

/// The name of such an event.
const BESIDE: &str = "multiplexor";
/// About what an object adds to its data.
const OBJECT_LEN: usize = 96;
