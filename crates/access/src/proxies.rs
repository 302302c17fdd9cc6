//! Whose connection or request it is, where known proxies pass it on.
//!
//! Only known proxies are believed, and only by the one way in which they are said to speak: a header that a proxy
//! does not write itself is the client's word.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::forwarded::{Hop, hops};

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

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// That of whoever is at this address.
    Client(IpAddr),
    /// A known proxy, at this address, does not say so that it can be read whose it is: it counts for the proxy.
    Hidden(IpAddr),
    /// The proxy says nothing of that: it may be anybody's.
    Unsaid,
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

    /// Whose a request is that came from `peer` with these lines of that header, in their order. Each proxy appends
    /// whom it heard, so they are read from their end for as long as those who wrote them are known: the first address
    /// that nobody vouches for is the client's, whatever stands before it.
    pub fn whose<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> Whose {
        if !self.know(peer) {
            return Whose::Client(peer);
        }
        let mut lines = lines.peekable();
        if lines.peek().is_none() {
            return Whose::Unsaid;
        }
        let mut last = peer;
        for hop in hops(self.way, lines) {
            match hop {
                Hop::From(hop) if self.know(hop) => last = hop,
                Hop::From(hop) => return Whose::Client(hop),
                Hop::Hidden => return Whose::Hidden(last),
            }
        }
        // All that are named are proxies: the first of them speaks for itself. Where none is, the last hides whom it heard.
        if last == peer { Whose::Hidden(peer) } else { Whose::Client(last) }
    }
}

impl Whose {
    /// For whom it counts; `None`: for nobody.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Client(address) | Self::Hidden(address) => Some(address),
            Self::Unsaid => None,
        }
    }

    /// Whom a known proxy names.
    pub fn client(self) -> Option<IpAddr> {
        match self {
            Self::Client(address) => Some(address),
            Self::Hidden(_) | Self::Unsaid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever is in 10.0.0.0/8 and on ::1 is known; `lines` are separated by `|`. An address that is a proxy's, since
    /// it hides the client's, stands in brackets.
    fn check(way: Way, peer: &str, lines: &str, expected: &str) {
        let networks = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
        let proxies = Proxies { networks: networks.into(), way };
        let all: Vec<_> = lines.split('|').filter(|line| !line.is_empty()).map(str::as_bytes).collect();
        let told = match proxies.whose(peer.parse().unwrap(), all.into_iter()) {
            Whose::Client(address) => address.to_string(),
            Whose::Hidden(address) => format!("({address})"),
            Whose::Unsaid => "-".to_owned(),
        };
        assert_eq!(told, expected, "{peer} {lines}");
    }

    #[test]
    fn the_word_of_strangers_is_nothing() {
        check(Way::Forwarded, "192.0.2.1", "for=198.51.100.1", "192.0.2.1");
        check(Way::Forwarded, "10.0.0.1", "for=1.1.1.1, for=192.0.2.7", "192.0.2.7");
        check(Way::ForwardedFor, "10.0.0.1", "1.1.1.1, 192.0.2.7, 10.0.0.9", "192.0.2.7");
        check(Way::ForwardedFor, "10.0.0.1", "1.1.1.1|192.0.2.7", "192.0.2.7");
        check(Way::ForwardedFor, "10.0.0.1", "\"|192.0.2.7", "192.0.2.7");
        check(Way::ForwardedFor, "10.0.0.1", "\", 192.0.2.7", "192.0.2.7");
        check(Way::ForwardedFor, "192.0.2.1", "1.1.1.1", "192.0.2.1");
    }

    #[test]
    fn whoever_is_hidden_counts_for_the_proxy_that_hides_him() {
        for lines in ["for=192.0.2.7, for=unknown", "for=_a", "by=10.0.0.2", "for=\"a,b\"", "for=\"", " , "] {
            check(Way::Forwarded, "10.0.0.1", lines, "(10.0.0.1)");
        }
        check(Way::Forwarded, "10.0.0.1", "for=_a, for=10.0.0.2", "(10.0.0.2)");
        check(Way::Forwarded, "10.0.0.1", "for=\"a,b\", for=192.0.2.7", "192.0.2.7");
        for lines in ["192.0.2.7, x", "\"", "unknown", ","] {
            check(Way::ForwardedFor, "10.0.0.1", lines, "(10.0.0.1)");
        }
    }

    #[test]
    fn a_proxy_may_say_nothing_or_speak_for_itself() {
        check(Way::ForwardedFor, "10.0.0.1", "", "-");
        check(Way::ForwardedFor, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3");
        check(Way::ForwardedFor, "10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7");
    }

    #[test]
    fn a_proxy_speaks_in_one_way_only() {
        check(Way::Forwarded, "10.0.0.1", "192.0.2.7", "(10.0.0.1)");
        check(Way::ForwardedFor, "10.0.0.1", "for=192.0.2.7", "(10.0.0.1)");
        assert_eq!(Proxies::default().header(), None);
    }
}
