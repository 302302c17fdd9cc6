//! The loader page and the library, as they are served at `?identifier=IFRAME` and `?identifier=SCRIPT`.

/// The answer to a browser that asks whether it may send its list from another origin.
pub const OPTIONS: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\
    Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, POST, HEAD, OPTIONS\r\n\
    Access-Control-Allow-Headers: *\r\nAccess-Control-Max-Age: 86400\r\n\r\n";

/// What is said of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageFacts {
    /// Its media type, without the charset.
    pub content_type: &'static str,
    /// What is said of its characters.
    pub charset: Box<str>,
    /// When it was last changed, as HTTP says it.
    pub last_modified: Box<str>,
    /// What tells it from what it was before, in quotes.
    pub tag: Box<str>,
}

impl PageFacts {
    /// A tag for this page.
    pub fn tag_of(body: &[u8]) -> Box<str> {
        format!("\"{:016x}\"", super::hash(body)).into()
    }

    /// Appends the head of the page; `more`: the client speaks HTTP.
    pub fn head(&self, more: bool, out: &mut Vec<u8>) {
        let Self { content_type, charset, last_modified, .. } = self;
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {content_type}; charset={charset}\r\n\
             Last-Modified: {last_modified}\r\n{KEPT}"
        );
        out.extend_from_slice(head.as_bytes());
        if more {
            // A page that sets document.domain can do so only where it shares its process by site (HTML, 7.1.2).
            let more = "Access-Control-Allow-Origin: *\r\nOrigin-Agent-Cluster: ?0\r\n";
            out.extend_from_slice(format!("{more}ETag: {}\r\n", self.tag).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Whether these are tags of pages (RFC 9110, 13.1.2), and this page is one of them.
    pub fn is_among(&self, tags: &[u8]) -> bool {
        let mut tags = tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        tags.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.tag.as_bytes())
    }

    /// The answer to whoever has it already.
    pub fn not_modified(&self) -> Vec<u8> {
        let tag = &self.tag;
        format!(
            "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n{KEPT}Access-Control-Allow-Origin: *\r\nETag: {tag}\r\n\r\n"
        )
        .into()
    }
}

/// How long a page may be kept: a mistake in it is gone after that.
const KEPT: &str = "Cache-Control: public, max-age=3600\r\n";

/// A page in which each `$NAME` is replaced by what is set under that name, or by `undefined-NAME`.
pub fn replaced(page: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = page.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let len = part.bytes().take_while(|byte| super::is_word(*byte)).count();
        let (name, rest) = part.split_at(len);
        if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            out += &value(name).unwrap_or_else(|| format!("undefined-{name}"));
            out += rest;
        } else {
            out.push('$');
            out += part;
        }
    }
    out
}
