//! The loader page and the library, as they are served at `?identifier=IFRAME` and `?identifier=SCRIPT`.

/// The answer to a browser that asks whether it may send its list from another origin.
pub const OPTIONS: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\
    Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, POST, HEAD, OPTIONS\r\n\
    Access-Control-Allow-Headers: *\r\nAccess-Control-Max-Age: 86400\r\n\r\n";

/// Appends the head of a page; `more`: the client speaks HTTP.
pub fn page_head(content_type: &str, charset: &str, last_modified: &str, more: bool, out: &mut Vec<u8>) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {content_type}; charset={charset}\r\n\
         Last-Modified: {last_modified}\r\nExpires: Wed, 08 Jul 2037 22:53:52 GMT\r\nCache-Control: public\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    if more {
        // A page that sets document.domain can do so only where it shares its process by site (HTML, 7.1.2).
        out.extend_from_slice(b"Access-Control-Allow-Origin: *\r\nOrigin-Agent-Cluster: ?0\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

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
