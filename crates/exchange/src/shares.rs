//! Shares of the WAIT line: how much of it one address, one user, and all together may have.

use std::fmt::{Display, Formatter, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hub::Millis;

use crate::limits::CHECKS_PER_S;
use crate::sync::{AtomicU64, Ordering};
use crate::{Budget, Quota, Quotas, SaidKeys};

/// Who has how much of the WAIT line, over all shards.
pub struct Shares {
    /// By address.
    pub addresses: Quotas,
    /// By the user that a session names.
    pub users: Quotas,
    /// Checks of tokens' signatures by public keys that come to nothing.
    pub checks: Budget,
    /// What clients publish.
    pub messages: Messages,
    /// Bits of an address of IPv6 that tell one stranger from another.
    pub prefix: u8,
    connections_max: AtomicU64,
    connections: AtomicU64,
}

/// How many messages a second clients may publish; who publishes none has no entry anywhere.
pub struct Messages {
    /// Of one connection.
    pub connections: Quotas,
    /// Of one user.
    pub users: Quotas,
    /// Of one address.
    pub addresses: Quotas,
    /// Of all together: each has a share of it.
    pub all: Budget,
    /// Under which keys they came.
    pub keys: SaidKeys,
}

/// How many messages a second clients may publish; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageRates {
    /// Of one connection.
    pub connection: u32,
    /// Of one user.
    pub user: u32,
    /// Of one address.
    pub address: u32,
    /// Of all together.
    pub all: u32,
    /// How long an idempotency key is remembered, in milliseconds.
    pub keys_age: Millis,
}

/// The address of all who come through a UNIX socket, which has none: no host has it (RFC 1122, section 3.2.1.3).
pub const UNIX: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// An address for people.
pub fn shown(address: IpAddr) -> String {
    if address == UNIX { "unix".to_owned() } else { address.to_string() }
}

/// An address as it counts: one of IPv6 for its network, all of which one stranger has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(u64);

impl Shares {
    /// Shares of which nothing is taken. `prefix` is at most 64.
    pub fn new(addresses: Quota, prefix: u8, users: Quota, connections_max: u64) -> Self {
        let (addresses, users) = (Quotas::new(addresses), Quotas::new(users));
        let (checks, messages) = (Budget::new(CHECKS_PER_S), Messages::new(MessageRates::default()));
        let (connections_max, connections) = (AtomicU64::new(connections_max), AtomicU64::new(0));
        Self { addresses, users, checks, messages, prefix, connections_max, connections }
    }

    /// The same, with so many checks of tokens' signatures a second.
    #[must_use]
    pub fn with_checks(self, per_second: u32) -> Self {
        Self { checks: Budget::new(per_second), ..self }
    }

    /// The same, where clients publish so much.
    #[must_use]
    pub fn with_messages(self, rates: MessageRates) -> Self {
        Self { messages: Messages::new(rates), ..self }
    }

    /// From now on there is so much of everything, as `new` has it, of which nothing is taken. Networks stay as they are, since
    /// connections count for them; and so does how long keys are remembered.
    pub fn set(&self, new: &Self) {
        self.addresses.set(new.addresses.most());
        self.users.set(new.users.most());
        self.checks.set(new.checks.per_second());
        self.messages.connections.set(new.messages.connections.most());
        self.messages.users.set(new.messages.users.most());
        self.messages.addresses.set(new.messages.addresses.most());
        self.messages.all.set(new.messages.all.per_second());
        self.connections_max.store(new.connections_max(), Ordering::Relaxed);
    }

    /// Whom an address counts for.
    pub fn network(&self, address: IpAddr) -> Network {
        Network::of(address, self.prefix)
    }

    /// Connections in all; 0: any number.
    pub fn connections_max(&self) -> u64 {
        self.connections_max.load(Ordering::Relaxed)
    }

    /// One more connection; false: there are as many as there may be, and this one does not count.
    pub fn enter(&self) -> bool {
        let max = self.connections_max();
        let one_more = |count: u64| (max == 0 || count < max).then_some(count + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// One more connection, which was let in by another program, however many there are.
    pub fn enter_anyway(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// One connection that entered has ended.
    pub fn leave(&self) {
        let one_less = |count: u64| count.checked_sub(1);
        let left = self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        debug_assert!(left.is_ok(), "who leaves has entered");
    }
}

impl Messages {
    fn new(rates: MessageRates) -> Self {
        let quotas = |requests| Quotas::new(Quota { connections: 0, requests });
        Self {
            connections: quotas(rates.connection),
            users: quotas(rates.user),
            addresses: quotas(rates.address),
            all: Budget::new(if rates.all == 0 { u32::MAX } else { rates.all }),
            keys: SaidKeys::new(rates.keys_age),
        }
    }
}

impl Default for Shares {
    /// Everybody may have everything.
    fn default() -> Self {
        Self::new(Quota::default(), Network::PREFIX_MAX, Quota::default(), 0)
    }
}

impl Network {
    /// Bits of an address of IPv6 that are looked at, at the most: what one host is given.
    pub const PREFIX_MAX: u8 = 64;

    /// As a number: no two are alike.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The network that this address counts for: itself, or so many bits of it where it is of IPv6.
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        match address.to_canonical() {
            // No address of IPv6 that a stranger could have begins with 32 bits of 0.
            IpAddr::V4(four) => Self(four.to_bits().into()),
            IpAddr::V6(six) => {
                let [front @ .., _, _, _, _] = six.segments();
                let front = front.iter().fold(0, |bits, segment| bits << 16 | u64::from(*segment));
                let cut = u64::BITS - u32::from(prefix.clamp(1, Self::PREFIX_MAX));
                Self(front >> cut << cut)
            }
        }
    }
}

/// Whether an address may well be that of many people: of this machine, of a private network, or of one that a provider
/// shares out (RFC 6598), so that what is there may be a proxy that nobody told us of.
pub fn is_of_many(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let shared = four.octets()[0] == 100 && four.octets()[1] & 0xc0 == 64;
            address == UNIX || four.is_loopback() || four.is_private() || four.is_link_local() || shared
        }
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
    }
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match u32::try_from(self.0) {
            Ok(four) => f.write_str(&shown(Ipv4Addr::from_bits(four).into())),
            Err(_) => write!(f, "the network of {}", Ipv6Addr::from_bits(u128::from(self.0) << 64)),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_counts_for_its_network() {
        let check = |address: &str, prefix, expected: &str| {
            assert_eq!(Network::of(address.parse().unwrap(), prefix).to_string(), expected);
        };
        check("192.0.2.7", 64, "192.0.2.7");
        check("::ffff:192.0.2.7", 48, "192.0.2.7");
        check("2001:db8:1:2:3:4:5:6", 64, "the network of 2001:db8:1:2::");
        check("2001:db8:1:2:3:4:5:6", 48, "the network of 2001:db8:1::");
        check("2001:db8:1:2:3:4:5:6", 56, "the network of 2001:db8:1::");
    }

    #[test]
    fn what_is_of_this_machine_or_a_private_network_may_be_many() {
        for many in
            ["127.0.0.9", "10.1.2.3", "192.168.0.1", "172.31.0.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"]
        {
            assert!(is_of_many(many.parse().unwrap()), "{many}");
        }
        for one in ["198.51.100.7", "100.128.0.1", "172.32.0.1", "2001:db8::1", "::ffff:198.51.100.7"] {
            assert!(!is_of_many(one.parse().unwrap()), "{one}");
        }
    }

    #[test]
    fn so_many_connections_there_are_in_all() {
        let shares = Shares::new(Quota::default(), 64, Quota::default(), 2);
        assert!(shares.enter() && shares.enter() && !shares.enter());
        shares.leave();
        assert!(shares.enter() && !shares.enter());
        assert!((0..9).all(|_| Shares::default().enter()));
        let open = Shares::default();
        assert!((0..3).all(|_| open.enter()));
        open.set(&shares);
        assert!(!open.enter());
        (0..2).for_each(|_| open.leave());
        assert!(open.enter() && !open.enter(), "those that came before count, too");
    }
}
