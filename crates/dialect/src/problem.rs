//! What is said to somebody whose request cannot be carried out: a problem document (RFC 9457).

pub use hub::Code;
use hub::excerpt_of_fault;
use serde::Serialize;

use crate::native::escape_line_ends;

/// What was wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// For programs, stable between versions.
    pub code: Code,
    /// A sentence or two for people.
    pub detail: String,
}

impl Problem {
    /// A problem with this status, code and explanation.
    pub fn new(status: u16, code: Code, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into() }
    }

    /// A bad request.
    pub fn bad(code: Code, detail: impl Into<String>) -> Self {
        Self::new(400, code, detail)
    }

    /// Somebody speaks plain HTTP where TLS is spoken.
    pub fn plain_http() -> Self {
        Self::bad(Code::Tls, "this port speaks TLS, and the request came in plain HTTP: use https://")
    }

    /// Appends the document to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let document = Document {
            kind: "about:blank",
            title: title(self.status),
            status: self.status,
            code: self.code.name(),
            detail: &self.detail,
        };
        let from = out.len();
        serde_json::to_writer(&mut *out, &document).expect("a vector takes everything, and strings are JSON");
        escape_line_ends(from, out);
    }

    /// The document.
    pub fn document(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160 + self.detail.len());
        self.write(&mut out);
        out
    }
}

/// What is wrong with a JSON text, in a sentence that repeats little of it.
pub fn fault(error: &serde_json::Error) -> String {
    excerpt_of_fault(&error.to_string()).into()
}

/// The members of RFC 9457, section 3.1, and `code`.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

/// The phrase of a status; with the type `about:blank` the title says no more than that.
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_a_document() {
        let problem = Problem::bad(Code::Since, "`since` is \"x\"; give a cursor");
        let text = String::from_utf8(problem.document()).unwrap();
        assert_eq!(
            text,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"since","detail":"`since` is \"x\"; give a cursor"}"#
        );
    }
}
