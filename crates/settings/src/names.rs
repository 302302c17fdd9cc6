//! Names and addresses, as settings have them.

use upstream::Uri;

/// The name of a host, by the letters that one may have; no port, no wildcard.
pub(crate) fn read_name(item: &str) -> Result<String, String> {
    let fits = item.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if fits { Ok(item.to_owned()) } else { Err(item.to_owned()) }
}

/// The name of a header or a cookie.
pub(crate) fn read_token(item: &str) -> Result<String, String> {
    let fits = item.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits { Ok(item.to_owned()) } else { Err(item.to_owned()) }
}

/// The address of something on the web. One with a user and a password is refused, since they would not be sent.
pub(crate) fn read_url(text: &str) -> Option<Uri> {
    let url: Uri = text.parse().ok()?;
    (matches!(url.scheme_str(), Some("http" | "https"))
        && url.host().is_some()
        && !url.authority()?.as_str().contains('@'))
    .then_some(url)
}
