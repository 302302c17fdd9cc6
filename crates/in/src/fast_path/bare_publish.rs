//! The plainest of publishes: data for channels, of which nothing else is said. Nearly all are of this kind, and
//! the types of HTTP would cost as much as all the rest of it.
//!
//! What is not in order is not refused here: it is read as any other request is, which tells what is wrong.

use dialect::hub::Publish;
use dialect::native::{check_content_type, has_star, names_in_path};

use crate::doubts::Doubts;
use crate::publish::payload;
use crate::state::InLine;
use crate::{admission, guard};

/// A request of which everything is known to be in order.
pub(crate) struct BarePublish<'a> {
    /// Where it was sent to.
    pub(crate) target: &'a str,
    /// What is to be given its place.
    pub(crate) publish: Publish,
}

impl<'a> BarePublish<'a> {
    /// `None`: more is said than what is looked at here, or not all of it is in order, or it is to be counted.
    pub(crate) fn read(line: &InLine, head: &httparse::Request<'_, 'a>, body: &[u8]) -> Option<Self> {
        let settings = line.settings();
        let is_counted = settings.address_rates.requests > 0;
        if is_counted || !settings.keys.is_empty() {
            return None;
        }
        let (mut host, mut kind) = (None, None);
        for header in head.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let first = if is("host") {
                host.replace(header.value)
            } else if is("content-type") {
                kind.replace(header.value)
            } else if UNHEEDED.iter().any(|name| is(name)) {
                None
            } else {
                return None;
            };
            if first.is_some() {
                return None;
            }
        }
        let host = str::from_utf8(host?).ok()?;
        if !guard::host_is_ours(host, &settings.hosts) {
            return None;
        }
        let content_type = check_content_type(kind.unwrap_or_default()).ok()?;
        let target = head.path?;
        let names = target.strip_prefix("/pub/").filter(|names| names.bytes().all(is_of_names))?;
        let names = names_in_path(names).ok()?;
        // Of a `*` there is something to say, however it is written.
        if has_star(&names) {
            return None;
        }
        if body.len() > admission::payload_limit(line, &names) {
            return None;
        }
        let payload = payload(body, None, content_type).ok()?;
        if !Doubts::of(&payload).are_none() {
            return None;
        }
        let channels = names.into_iter().collect();
        Some(Self { target, publish: Publish { channels, aliases: Default::default(), payload, ttl: None } })
    }
}

/// Headers that say nothing about a message: how long it is was read already, as was whether the connection stays.
const UNHEEDED: &[&str] =
    &["content-length", "user-agent", "accept", "connection", "accept-encoding", "accept-language"];

/// Whether a byte stands for itself in the path of a URL, or is a part of one that does not.
fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%,:@!$+;=/".contains(&byte)
}
