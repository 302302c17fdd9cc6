//! What may be a channel's name.

use crate::limits::NAME_LEN_MAX;

/// Why a text is no channel name. The message says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a channel name is empty; give 1 to 255 bytes")]
    Empty,
    /// More than [`NAME_LEN_MAX`] bytes.
    #[error("a channel name has {0} bytes; at most 255 are allowed")]
    Long(usize),
    /// Not UTF-8.
    #[error("a channel name is not UTF-8")]
    Encoding,
    /// A control character.
    #[error("a channel name holds a control character; use printable characters only")]
    Control,
    /// A comma, which separates names.
    #[error("a channel name holds a comma, which separates names; use another character")]
    Comma,
    /// `$…` is kept for the server itself.
    #[error("a channel name begins with $, which is reserved; begin with another character")]
    Reserved,
}

/// Checks that `bytes` are a channel name: UTF-8, 1 to 255 bytes, no control character, no comma,
/// not beginning with `$`.
pub fn check_name(bytes: &[u8]) -> Result<&str, NameError> {
    if bytes.is_empty() {
        return Err(NameError::Empty);
    }
    if bytes.len() > NAME_LEN_MAX {
        return Err(NameError::Long(bytes.len()));
    }
    let name = std::str::from_utf8(bytes).map_err(|_| NameError::Encoding)?;
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if name.contains(',') {
        return Err(NameError::Comma);
    }
    if name.starts_with('$') {
        return Err(NameError::Reserved);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(255);
        for good in ["a", "news", "user.42", "чат", "a b", "a/b", "a$", &long] {
            assert_eq!(check_name(good.as_bytes()), Ok(good));
        }
        assert_eq!(check_name(b""), Err(NameError::Empty));
        assert_eq!(check_name(&[b'x'; 256]), Err(NameError::Long(256)));
        assert_eq!(check_name(b"\xff"), Err(NameError::Encoding));
        assert_eq!(check_name(b"a\nb"), Err(NameError::Control));
        assert_eq!(check_name("a\u{85}b".as_bytes()), Err(NameError::Control));
        assert_eq!(check_name(b"a,b"), Err(NameError::Comma));
        assert_eq!(check_name(b"$sys"), Err(NameError::Reserved));
    }
}
