//! How much of the program one of many may have, and which proxies are believed about who that is.

use access::{IpNet, Proxies, Way};
use exchange::{Quota, Shares, UNIX, shown};
use in_line::Rates;

use super::kind::Kind::{Choice, Count, Networks};
use super::setting::{Setting, line};
use super::values::Values;

/// How many a second; 0 by default, which is any number.
const fn rate(name: &'static str, help: &'static str) -> Setting {
    line(name, Count("0", "1000000"), "0", help)
}

/// The same, of connections at once.
const fn connections(name: &'static str, help: &'static str) -> Setting {
    line(name, Count("0", "10000000"), "0", help)
}

pub(crate) const CONNECTIONS_LIMIT: Setting = line(
    "connections_limit",
    Count("0", "100000000"),
    "0",
    "Connections of the WAIT line in all; 0: as many as the system gives",
);
pub(crate) const ADDRESS_CONNECTIONS: Setting = connections(
    "address_connections",
    "Connections of the WAIT line that one address may have; 0: any number. Many people may share one address",
);
pub(crate) const ADDRESS_REQUESTS: Setting = rate(
    "address_requests",
    "Requests, and handshakes of TLS, that one address may make a second on the WAIT line; 0: any number",
);
pub(crate) const ADDRESS_PREFIX: Setting =
    line("address_prefix", Count("16", "64"), "64", "Bits of an address of IPv6 that count as one address");
pub(crate) const USER_CONNECTIONS: Setting = connections(
    "user_connections",
    "Connections on which one user, by the `sub` of its token, may wait; 0: any number",
);
pub(crate) const USER_REQUESTS: Setting = rate(
    "user_requests",
    "Requests to wait, and changes of channels, that one user may make a second; 0: any number",
);
pub(crate) const PROXIES: Setting = line(
    "proxies",
    Networks,
    "",
    "Networks of the proxies in front of the WAIT line; they are believed when they say whose connection or request \
     they pass on",
);
pub(crate) const IN_PROXIES: Setting =
    line("in_proxies", Networks, "", "The same, of proxies in front of the IN line");
pub(crate) const PROXIES_SAY: Setting = line(
    "proxies_say",
    Choice(&WAYS),
    Way::ForwardedFor.name(),
    "How these proxies say it: by the header X-Forwarded-For or Forwarded on each request, or by the PROXY protocol \
     at the beginning of each connection",
);
pub(crate) const IN_ADDRESS_REQUESTS: Setting =
    rate("in_address_requests", "Requests that one address may make a second on the IN line; 0: any number");
pub(crate) const KEY_REQUESTS: Setting =
    rate("key_requests", "Requests that may be made a second with one API key; 0: any number");
pub(crate) const ADDRESS_PUBLISH_RATE: Setting =
    rate("address_publish_rate", "Messages that one address may publish a second; 0: any number");
pub(crate) const KEY_PUBLISH_RATE: Setting =
    rate("key_publish_rate", "Messages that may be published a second with one API key; 0: any number");

/// Everything that is shared on the WAIT line, of which nothing is taken.
pub fn shares(said: &Said) -> Shares {
    Shares::new(said.address, said.prefix, said.user, said.connections).with_checks(said.checks)
}

/// What was said about shares of the WAIT line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    address: Quota,
    prefix: u8,
    user: Quota,
    connections: u64,
    checks: u32,
}

pub(crate) fn of_wait(values: &Values) -> Said {
    let quota = |connections, requests| Quota {
        connections: values.count_32(connections),
        requests: values.count_32(requests),
    };
    Said {
        address: quota("address_connections", "address_requests"),
        prefix: prefix(values),
        user: quota("user_connections", "user_requests"),
        connections: values.count("connections_limit"),
        checks: values.count_32("token_checks"),
    }
}

pub(crate) fn of_address(values: &Values) -> Rates {
    Rates {
        requests: values.count_32("in_address_requests"),
        messages: values.count_32("address_publish_rate"),
    }
}

pub(crate) fn of_key(values: &Values) -> Rates {
    Rates { requests: values.count_32("key_requests"), messages: values.count_32("key_publish_rate") }
}

pub(crate) fn prefix(values: &Values) -> u8 {
    u8::try_from(values.count("address_prefix")).expect("the table's range fits")
}

/// The proxies of this setting.
pub(crate) fn proxies(values: &Values, name: &str) -> Proxies {
    let said = values.choice("proxies_say");
    let way = Way::ALL.into_iter().find(|way| way.name() == said).unwrap_or_default();
    Proxies { networks: values.networks(name).to_vec(), way }
}

/// A network, or one address.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let one = || Some(IpNet::from(text.parse::<std::net::IpAddr>().ok()?));
    if text == "unix" {
        return Some(UNIX.into());
    }
    text.parse().ok().or_else(one)
}

/// A network as one would write it: an address where it is no more.
pub(crate) fn network_text(network: &IpNet) -> String {
    let is_one = network.prefix_len() == network.max_prefix_len();
    if is_one { shown(network.addr()) } else { network.to_string() }
}

const WAYS: [&str; 3] = [Way::ALL[0].name(), Way::ALL[1].name(), Way::ALL[2].name()];
