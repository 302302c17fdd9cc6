//! How much one of many may have, and which proxies are believed about who that is.

use access::IpNet;
use access::Way;

use crate::Effect;
use crate::key::{SettingKey, choice, count, networks};

pub const CONNECTIONS_LIMIT: SettingKey<u64> = count(
    Effect::NewConnections,
    "connections_limit",
    ["0", "100000000"],
    "0",
    "Connections of the WAIT line in all; 0: as many as the system gives",
);
pub const ADDRESS_CONNECTIONS: SettingKey<u64> = count(
    Effect::NewConnections,
    "address_connections",
    ["0", "10000000"],
    "0",
    "Connections of the WAIT line that one address may have; 0: any number. Many people may share one address",
);
pub const ADDRESS_REQUESTS: SettingKey<u64> = count(
    Effect::NewConnections,
    "address_requests",
    ["0", "1000000"],
    "0",
    "Requests, and handshakes of TLS, that one address may make a second on the WAIT line; 0: any number",
);
pub const ADDRESS_PREFIX: SettingKey<u64> = count(
    Effect::Restart,
    "address_prefix",
    ["16", "64"],
    "64",
    "Bits of an address of IPv6 that count as one address",
);
pub const USER_CONNECTIONS: SettingKey<u64> = count(
    Effect::Live,
    "user_connections",
    ["0", "10000000"],
    "0",
    "Connections on which one user, by the `sub` of its token, may wait; 0: any number",
);
pub const USER_REQUESTS: SettingKey<u64> = count(
    Effect::Live,
    "user_requests",
    ["0", "1000000"],
    "0",
    "Requests to wait, and changes of channels, that one user may make a second; 0: any number",
);
pub const CONNECTION_MESSAGES: SettingKey<u64> = count(
    Effect::Live,
    "connection_messages",
    ["0", "1000000"],
    "30",
    "Messages that one connection of a client may publish a second, where a rule says publish; 0: any number",
);
pub const USER_MESSAGES: SettingKey<u64> = count(
    Effect::Live,
    "user_messages",
    ["0", "1000000"],
    "60",
    "Messages that one user may publish a second, on all connections together; 0: any number",
);
pub const ADDRESS_MESSAGES: SettingKey<u64> = count(
    Effect::Live,
    "address_messages",
    ["0", "1000000"],
    "0",
    "Messages that clients of one address may publish a second; 0: any number. Many people may share one address",
);
pub const CLIENT_MESSAGES: SettingKey<u64> = count(
    Effect::Live,
    "client_messages",
    ["0", "10000000"],
    "5000",
    "Messages that all clients may publish a second, of which each address has its share; 0: any number",
);
pub const PROXIES: SettingKey<Vec<IpNet>> = networks(
    Effect::NewConnections,
    "proxies",
    "",
    "Networks of the proxies in front of the WAIT line; they are believed when they say whose connection or request \
     they pass on",
);
pub const IN_PROXIES: SettingKey<Vec<IpNet>> =
    networks(Effect::NewConnections, "in_proxies", "", "The same, of proxies in front of the IN line");
pub const PROXIES_SAY: SettingKey<&'static str> = choice(
    Effect::NewConnections,
    "proxies_say",
    &WAYS,
    Way::ForwardedFor.name(),
    "How these proxies say it: by the header X-Forwarded-For or Forwarded on each request, or by the PROXY protocol \
     at the beginning of each connection",
);

const WAYS: [&str; 3] = [Way::ALL[0].name(), Way::ALL[1].name(), Way::ALL[2].name()];
