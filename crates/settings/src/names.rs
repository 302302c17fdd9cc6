//! Names and addresses, as settings have them.

use upstream::Uri;

/// Whether a text is of the letters that the name of a host, a header, a cookie, a user may have; no port, no wildcard.
pub(crate) fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Such a name; the error is what is none.
pub(crate) fn read_name(item: &str) -> Result<String, String> {
    if is_name(item) { Ok(item.to_owned()) } else { Err(item.to_owned()) }
}

/// The address of something on the web. One with a user and a password is refused, since they would not be sent.
pub(crate) fn read_url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    (matches!(url.scheme_str(), Some("http" | "https"))
        && url.host().is_some()
        && !url.authority()?.as_str().contains('@'))
    .then_some(url)
}
