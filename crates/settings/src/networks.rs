//! Networks, as settings have them.

use access::IpNet;
use exchange::{UNIX, shown};

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
