//! Under which headings the settings stand in the help.

use super::setting::Setting;
use super::table::TABLE;

/// The heading of each group, by its first setting, in the order of the help.
const GROUPS: &[(&str, &str)] = &[
    ("wait", "Settings: where it listens, and as whom"),
    ("history_messages", "Settings: what is kept"),
    ("payload_limit", "Settings: messages, requests and their time"),
    ("connections_limit", "Settings: limits for clients"),
    ("proxies", "Settings: proxies in front"),
    ("listen", "Settings: who may listen"),
    ("hook", "Settings: asking your application"),
    ("takeover", "Settings: paths that it shares with your application"),
    ("origins", "Settings: browsers, keys and TLS"),
    ("idempotency_age", "Settings: limits for publishers"),
    ("classic_wait_timeout", "Settings: the protocol of 2009"),
    ("realplexor_users", "Settings: Realplexor"),
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
