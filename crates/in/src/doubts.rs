//! What of a message its publisher probably does not mean. It is published all the same, and the answer says so.

use std::ops::BitOrAssign;

use axum::http::HeaderValue;
use axum::response::Response;
use dialect::hub::{Kind, Payload};
use dialect::native::{RESERVED, WARNING, is_json_text, is_reserved};

/// What is to be said of a message, or of some of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Doubts {
    /// It is text that reads as JSON.
    is_json: bool,
    /// The name of its event is one of the server's own.
    is_reserved: bool,
}

impl Doubts {
    /// What is to be said of this.
    pub(crate) fn of(payload: &Payload) -> Self {
        Self { is_json: was_json(payload), is_reserved: payload.event.as_deref().is_some_and(is_reserved) }
    }

    /// Whether nothing is.
    pub(crate) fn are_none(self) -> bool {
        self == Self::default()
    }

    /// Says it with the answer.
    pub(crate) fn tell(self, response: &mut Response) {
        let told = [(self.is_json, TAKEN_AS_TEXT), (self.is_reserved, RESERVED)];
        for (_, text) in told.into_iter().filter(|(is_told, _)| *is_told) {
            response.headers_mut().append(WARNING, HeaderValue::from_static(text));
        }
    }
}

impl BitOrAssign for Doubts {
    fn bitor_assign(&mut self, other: Self) {
        self.is_json |= other.is_json;
        self.is_reserved |= other.is_reserved;
    }
}

/// Whether this is text that earlier versions took for a JSON object or array, whatever its type.
fn was_json(payload: &Payload) -> bool {
    let text = || std::str::from_utf8(payload.data()).is_ok_and(is_json_text);
    payload.kind == Kind::Text
        && matches!(payload.data().trim_ascii_start().first(), Some(b'{' | b'['))
        && text()
}

/// What a publisher may not have meant.
const TAKEN_AS_TEXT: &str = "the data reads as JSON, and was taken as text, so clients get a string: text/plain, which fetch \
    says by itself, and a string in a batch are text; send Content-Type: application/json, or in a batch the JSON itself or \
    \"json\": true";
