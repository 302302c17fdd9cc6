//! Whose connection or request it is, where known proxies pass it on.
//!
//! Only known proxies are believed, and only by the one way in which they are said to speak: a header that a proxy
//! does not write itself is the client's word.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The proxies that are believed, and how they say whose connection they pass on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Where they are; none: nobody is believed.
    pub networks: Vec<IpNet>,
    /// How they say it.
    pub way: Way,
}

/// How a proxy says whose connection or request it passes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// By `X-Forwarded-For` on each request.
    #[default]
    ForwardedFor,
    /// By `Forwarded` on each request (RFC 7239).
    Forwarded,
    /// By a header of the PROXY protocol at the beginning of each connection.
    Protocol,
}

impl Way {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::ForwardedFor, Self::Forwarded, Self::Protocol];

    /// What it is called in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::Protocol => "proxy-protocol",
        }
    }
}

impl Proxies {
    /// Whether this is the address of a known proxy.
    pub fn know(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether whoever connects from there begins with a header of the PROXY protocol.
    pub fn begin_with_header(&self, address: IpAddr) -> bool {
        self.way == Way::Protocol && self.know(address)
    }

    /// The header of requests by which they say whose they are, if they do so.
    pub fn header(&self) -> Option<&'static str> {
        match self.way {
            _ if self.networks.is_empty() => None,
            Way::ForwardedFor => Some("x-forwarded-for"),
            Way::Forwarded => Some("forwarded"),
            Way::Protocol => None,
        }
    }

    /// The client of a request that came from `peer` with these values of that header, in their order. Each proxy
    /// appends whom it heard, so they are read from their end for as long as those who wrote them are known: the
    /// first address that nobody vouches for is the client's, whatever stands before it. `peer` itself where it is no
    /// proxy; `None`: the proxy does not say.
    pub fn client<'a>(&self, peer: IpAddr, values: impl Iterator<Item = &'a [u8]>) -> Option<IpAddr> {
        if !self.know(peer) {
            return Some(peer);
        }
        let of = if self.way == Way::Forwarded { for_of } else { address };
        let mut hops: Vec<Option<IpAddr>> = values.flat_map(elements).map(of).collect();
        loop {
            match hops.pop()?.map(|hop| hop.to_canonical()) {
                Some(hop) if self.know(hop) => {}
                // Who is hidden is nobody in particular.
                hop => return hop,
            }
        }
    }
}

/// The elements of a list: commas part them, but for those in quotes.
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    value.split(move |byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    })
}

/// The address of an element's `for`; `None`: it has none, or one in no form of an address.
fn for_of(element: &[u8]) -> Option<IpAddr> {
    element.split(|byte| *byte == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then(|| address(value))
    })?
}

/// An address in any of its forms: bare, with a port, in brackets, in quotes.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is in 10.0.0.0/8 and on ::1 is known; `values` are separated by `|`.
    fn check(way: Way, peer: &str, values: &str, expected: &str) {
        let networks = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let proxies = Proxies { networks: networks.into(), way };
        let lines = values.split('|').filter(|line| !line.is_empty()).map(str::as_bytes);
        let client = proxies.client(peer.parse().unwrap(), lines);
        assert_eq!(
            client.map_or_else(|| "-".to_owned(), |client| client.to_string()),
            expected,
            "{peer} {values}"
        );
    }

    #[test]
    fn the_word_of_strangers_is_nothing() {
        check(Way::Forwarded, "192.0.2.1", "for=198.51.100.1", "192.0.2.1");
        check(Way::Forwarded, "10.0.0.1", "for=1.1.1.1, for=192.0.2.7", "192.0.2.7");
        check(Way::ForwardedFor, "10.0.0.1", "1.1.1.1, 192.0.2.7, 10.0.0.9", "192.0.2.7");
        check(Way::ForwardedFor, "10.0.0.1", "1.1.1.1|192.0.2.7", "192.0.2.7");
        check(Way::ForwardedFor, "192.0.2.1", "1.1.1.1", "192.0.2.1");
    }

    #[test]
    fn an_address_has_many_forms() {
        check(Way::Forwarded, "10.0.0.1", "proto=http;For=\"[2001:db8::17]:4711\";by=x", "2001:db8::17");
        check(Way::Forwarded, "10.0.0.1", "for=\"192.0.2.7:80\"", "192.0.2.7");
        check(Way::ForwardedFor, "::1", "2001:db8::1", "2001:db8::1");
        check(Way::ForwardedFor, "::1", "[2001:db8::1]", "2001:db8::1");
        check(Way::ForwardedFor, "10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7");
    }

    #[test]
    fn whoever_is_hidden_is_nobody() {
        for values in ["for=192.0.2.7, for=unknown", "for=_a, for=10.0.0.2", "by=10.0.0.2", "for=\"a,b\"", ""]
        {
            check(Way::Forwarded, "10.0.0.1", values, "-");
        }
        for values in ["192.0.2.7, x", "", "10.0.0.2"] {
            check(Way::ForwardedFor, "10.0.0.1", values, "-");
        }
        check(Way::Forwarded, "10.0.0.1", "for=\"a,b\", for=192.0.2.7", "192.0.2.7");
    }

    #[test]
    fn a_proxy_speaks_in_one_way_only() {
        check(Way::Forwarded, "10.0.0.1", "192.0.2.7", "-");
        check(Way::ForwardedFor, "10.0.0.1", "for=192.0.2.7", "-");
        assert_eq!(Proxies::default().header(), None);
    }
}
