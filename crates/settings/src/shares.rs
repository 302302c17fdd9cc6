//! How much of the program one of many may have, and which proxies are believed about who that is.

use access::{IpNet, Proxies, Way};
use exchange::{MessageRates, Quota, Shares};
use in_line::Rates;

use crate::key::SettingKey;
use crate::keys;
use crate::millis;
use crate::values::Values;

/// Everything that is shared on the WAIT line, of which nothing is taken.
pub fn shares(said: &ClientShares) -> Shares {
    Shares::new(said.address, said.prefix, said.user, said.connections)
        .with_checks(said.checks)
        .with_messages(said.messages)
}

/// What was said about shares of the WAIT line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientShares {
    address: Quota,
    prefix: u8,
    user: Quota,
    connections: u64,
    checks: u32,
    messages: MessageRates,
}

pub(crate) fn of_wait(values: &Values) -> ClientShares {
    let quota = |connections: &SettingKey<u64>, requests: &SettingKey<u64>| Quota {
        connections: values.get_32(connections),
        requests: values.get_32(requests),
    };
    ClientShares {
        address: quota(&keys::ADDRESS_CONNECTIONS, &keys::ADDRESS_REQUESTS),
        prefix: prefix(values),
        user: quota(&keys::USER_CONNECTIONS, &keys::USER_REQUESTS),
        connections: values.get(&keys::CONNECTIONS_LIMIT),
        checks: values.get_32(&keys::TOKEN_CHECKS),
        messages: MessageRates {
            connection: values.get_32(&keys::CONNECTION_MESSAGES),
            user: values.get_32(&keys::USER_MESSAGES),
            address: values.get_32(&keys::ADDRESS_MESSAGES),
            all: values.get_32(&keys::CLIENT_MESSAGES),
            keys_age: millis(values.get(&keys::IDEMPOTENCY_AGE)),
        },
    }
}

pub(crate) fn of_address(values: &Values) -> Rates {
    Rates {
        requests: values.get_32(&keys::IN_ADDRESS_REQUESTS),
        messages: values.get_32(&keys::ADDRESS_PUBLISH_RATE),
    }
}

pub(crate) fn of_key(values: &Values) -> Rates {
    Rates { requests: values.get_32(&keys::KEY_REQUESTS), messages: values.get_32(&keys::KEY_PUBLISH_RATE) }
}

pub(crate) fn prefix(values: &Values) -> u8 {
    u8::try_from(values.get(&keys::ADDRESS_PREFIX)).expect("the table's range fits")
}

/// The proxies of this setting.
pub(crate) fn proxies(values: &Values, key: &SettingKey<Vec<IpNet>>) -> Proxies {
    let said = values.get(&keys::PROXIES_SAY);
    let way = Way::ALL.into_iter().find(|way| way.name() == said).unwrap_or_default();
    Proxies { networks: values.get(key), way }
}
