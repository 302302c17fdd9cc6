//! Under which headings the settings stand in the help.

use super::setting::Setting;
use super::table::TABLE;
use crate::keys;

/// The heading of each group, by its first setting, in the order of the help.
const GROUPS: &[(&str, &str)] = &[
    (keys::WAIT.name(), "Settings: where it listens, and as whom"),
    (keys::HISTORY_MESSAGES.name(), "Settings: what is kept"),
    (keys::PAYLOAD_LIMIT.name(), "Settings: messages, requests and their time"),
    (keys::CONNECTIONS_LIMIT.name(), "Settings: limits for clients"),
    (keys::PROXIES.name(), "Settings: proxies in front"),
    (keys::LISTEN.name(), "Settings: who may listen"),
    (keys::HOOK.name(), "Settings: asking your application, and telling it"),
    (keys::TAKEOVER.name(), "Settings: paths that it shares with your application"),
    (keys::ORIGINS.name(), "Settings: browsers, keys and TLS"),
    (keys::IDEMPOTENCY_AGE.name(), "Settings: limits for publishers"),
    (keys::CLASSIC_WAIT_TIMEOUT.name(), "Settings: the protocol of 2009"),
    (keys::REALPLEXOR_USERS.name(), "Settings: Realplexor"),
];

/// Each setting with its heading, in the order of the help.
pub fn by_heading() -> Vec<(&'static Setting, &'static str)> {
    let mut group = 0;
    let of_group = TABLE.iter().map(|setting| {
        group = GROUPS.iter().position(|(first, _)| *first == setting.name).unwrap_or(group);
        (setting, group)
    });
    let mut settings: Vec<_> = of_group.collect();
    settings.sort_by_key(|(_, group)| *group);
    settings.into_iter().map(|(setting, group)| (setting, GROUPS[group].1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_a_setting() {
        for (first, heading) in GROUPS {
            assert!(
                by_heading().iter().any(|(setting, said)| setting.name == *first && said == heading),
                "{first}"
            );
        }
        assert_eq!(by_heading().len(), TABLE.len());
    }

    #[test]
    fn settings_of_a_dialect_stand_apart() {
        for (Setting { name, .. }, heading) in by_heading() {
            assert_eq!(name.starts_with("realplexor_"), heading.ends_with("Realplexor"), "{name}");
            assert_eq!(name.starts_with("classic_"), heading.ends_with("of 2009"), "{name}");
        }
    }
}
