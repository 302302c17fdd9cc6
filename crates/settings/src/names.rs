//! Names and addresses, as settings have them.

use std::net::IpAddr;

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

/// Whether this host, as it stands in a URL, is this machine and nothing else.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(
        |_| host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
        |address| address.to_canonical().is_loopback(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost", "Keys.Localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["10.0.0.1", "[::2]", "[::ffff:10.0.0.1]", "127.0.0.1.example", "localhost.example", "0.0.0.0"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
