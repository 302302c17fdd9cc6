//! The native protocol among the dialects. Its requests are HTTP, which all listeners understand, so it claims all bytes that
//! no other dialect does; its commands are text messages of a WebSocket.

use super::command::{command_id, read_command};
use crate::{Claim, Code, Dialect, Heard, Input, Moment, Ours, Problem, State, Wants};

/// The dialect. Nothing is set about it, and it keeps nothing of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Native;

impl Dialect for Native {
    fn claims(&self, _: &[u8], _: Ours<'_>) -> Option<Claim> {
        Some(Claim::Ours)
    }

    fn wants(&self, _: &[u8], _: bool, _: usize) -> Wants {
        Wants::Nothing
    }

    fn is_told_late(&self, _: &[u8], _: Ours<'_>) -> bool {
        true
    }

    fn command(&self, _: Option<&mut dyn State>, input: Input<'_>, at: Moment) -> (usize, Heard) {
        let heard = match input {
            Input::Text(text) => read_command(text, at.cursors, at.now)
                .map_or_else(|(problem, id)| Heard::Refused(problem, id), Heard::Command),
            Input::Binary(bytes) => {
                let problem = Problem::bad(Code::Command, "commands are text frames; this one is binary");
                Heard::Refused(problem, command_id(bytes))
            }
            // Clients of its streams have nothing to say.
            Input::Bytes(_) => Heard::Nothing,
        };
        (input.len(), heard)
    }
}
