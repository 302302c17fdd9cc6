//! What a program was built upon at its start, and cannot leave while it runs: of some settings a part waits for a restart, by what
//! they say.
//!
//! It is known of values, and as well of what a server tells of its own, so both judge by one rule.

use exchange::hub::{Door, Pattern};
use serde_json::Value as Json;
use upstream::{EventType, EventTypes};

use crate::entries::{DURABLE, PRESENCE};
use crate::reader::{CHANNEL, WEBHOOK};
use crate::{ChannelEntry, Values, keys};

/// As much of all settings as it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foundation {
    /// In the order of the entries.
    rules: Vec<RuleFoundation>,
    has_store: bool,
    follows_users: bool,
    has_certificates: bool,
}

/// What an entry says of its channels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RuleFoundation {
    pattern: Pattern,
    /// Users are told of there.
    has_presence: bool,
    /// No store keeps its messages.
    is_volatile: bool,
}

impl Foundation {
    pub(crate) fn of(values: &Values) -> Self {
        let rule = |entry: &ChannelEntry| {
            let rule = entry.rule();
            RuleFoundation {
                pattern: rule.pattern,
                has_presence: rule.presence.is_some_and(|door| door != Door::Off),
                is_volatile: rule.durable == Some(false),
            }
        };
        Self {
            rules: values.channels.iter().map(rule).collect(),
            has_store: !values.get(&keys::STORE).is_empty(),
            follows_users: crate::webhooks(values).follow_users(),
            has_certificates: !values.get(&keys::TLS_CERTIFICATE).is_empty(),
        }
    }

    /// That of a server which tells its settings so, as `GET /settings` does. `None`: it does not.
    pub(crate) fn told(running: &Json) -> Option<Self> {
        let value = |name: &str| running.get(name).map(|told| &told["value"]);
        let entries = |name: &str| value(name)?.as_array();
        let rule = |entry: &Json| {
            let said = &entry["value"];
            Some(RuleFoundation {
                pattern: pattern(&said[MATCH])?,
                has_presence: said[PRESENCE.name()].as_str().is_some_and(|word| word != "off"),
                is_volatile: said[DURABLE.name()] == "false",
            })
        };
        Some(Self {
            rules: entries(CHANNEL)?.iter().map(rule).collect::<Option<_>>()?,
            has_store: value(keys::STORE.name())?.as_str().is_some_and(|folder| !folder.is_empty()),
            follows_users: entries(WEBHOOK)?.iter().any(|entry| follows_users(&entry["value"])),
            has_certificates: value(keys::TLS_CERTIFICATE.name())?
                .as_array()
                .is_some_and(|all| !all.is_empty()),
        })
    }

    /// Whether another value of this setting, of which some may be taken while the program runs, has to wait for a restart.
    pub(crate) fn holds_back(&self, name: &str, fresh: &Self) -> bool {
        match name {
            CHANNEL => {
                self.are_others(fresh, |rule| rule.has_presence)
                    || (self.has_store && self.are_others(fresh, |rule| rule.is_volatile))
            }
            // Who is there was not followed.
            WEBHOOK => fresh.follows_users && !self.follows_users,
            // Where TLS is spoken is decided when listeners are made.
            name if name == keys::TLS_CERTIFICATE.name() || name == keys::TLS_KEY.name() => {
                self.has_certificates != fresh.has_certificates
            }
            _ => false,
        }
    }

    /// Whether this may be true of other channels under other entries.
    fn are_others(&self, fresh: &Self, is_so: fn(&RuleFoundation) -> bool) -> bool {
        said_of(&self.rules, is_so) != said_of(&fresh.rules, is_so)
    }
}

/// The patterns by which it is found out of which channels this is true: those of which it is, and above each those that take
/// some of its channels away.
fn said_of(rules: &[RuleFoundation], is_so: fn(&RuleFoundation) -> bool) -> Vec<(&str, bool)> {
    let matters = |at: usize| {
        let (pattern, below) = (&rules[at].pattern, &rules[at + 1..]);
        let takes_away = |other: &Pattern| pattern.covers(other) || other.covers(pattern);
        is_so(&rules[at]) || below.iter().any(|rule| is_so(rule) && takes_away(&rule.pattern))
    };
    (0..rules.len())
        .filter(|at| matters(*at))
        .map(|at| (rules[at].pattern.as_str(), is_so(&rules[at])))
        .collect()
}

/// Whether a webhook that says this is told which users have any connection at all.
fn follows_users(said: &Json) -> bool {
    let named =
        |events: &Vec<Json>| events.iter().filter_map(Json::as_str).filter_map(EventType::named).collect();
    let events = said["events"].as_array().map_or(EventTypes::ALL, named);
    let is_for_all = matches!(said[MATCH].as_str(), None | Some("*"));
    is_for_all && events.iter().any(EventType::is_of_all_channels)
}

fn pattern(said: &Json) -> Option<Pattern> {
    Pattern::new(said.as_str()?).ok()
}

/// What entries call their pattern.
const MATCH: &str = "match";
