//! What a settings file says of webhooks: an entry `[[webhook]]`.

use upstream::{EventTypes, Webhook};

use crate::entries::{WEBHOOK_ENTRY, WEBHOOK_NAME};
use crate::names::is_loopback;
use crate::{Setting, Source, Value};

/// An entry `[[webhook]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookEntry {
    pub(crate) webhook: Webhook,
    /// What it says, in the order of the table.
    pub(crate) values: Vec<(&'static Setting, Value)>,
    pub(crate) origin: Source,
}

impl WebhookEntry {
    /// An entry of these values. `None`: something in it is wrong, which was told; an error: this is wrong, too.
    pub(crate) fn new(
        values: Vec<(&'static Setting, Option<Value>)>,
        origin: Source,
    ) -> Option<Result<Self, String>> {
        let values = values.into_iter().map(|(setting, value)| Some((setting, value?)));
        let mut values = values.collect::<Option<Vec<_>>>()?;
        values.sort_by_key(|(setting, _)| WEBHOOK_ENTRY.iter().position(|key| key == *setting));
        let (mut url, mut name, mut pattern, mut events, mut secrets) = (None, None, None, None, None);
        for (_, value) in &values {
            match value.clone() {
                Value::Url(said) => url = said,
                Value::Text(said) => name = Some(said),
                Value::Pattern(said) => pattern = Some(said),
                Value::Events(said) => events = Some(said),
                Value::WebhookSecrets(said) => secrets = Some(said),
                _ => return None,
            }
        }
        let url = url?;
        let Some(secrets) = secrets.filter(|secrets: &Vec<_>| !secrets.is_empty()) else {
            let error = access::WebhookSecretError;
            return Some(Err(format!(
                "[[webhook]] has no secret, so nobody could tell its calls from others; {error}"
            )));
        };
        let webhook = Webhook {
            name: name.map_or_else(|| WEBHOOK_NAME.into(), String::into_boxed_str),
            url,
            pattern,
            events: events.unwrap_or(EventTypes::ALL),
            secrets,
        };
        Some(match wrong_with(&webhook, events.is_some()) {
            None => Ok(Self { webhook, values, origin }),
            Some(error) => Err(error),
        })
    }
}

/// What is wrong with a webhook, if anything is.
fn wrong_with(webhook: &Webhook, names_events: bool) -> Option<String> {
    let is_here = webhook.url.host().is_some_and(is_loopback);
    if !is_here && webhook.url.scheme_str() != Some("https") {
        return Some(
            "url is an address on the network without TLS, where whoever is on the way could read who is online; begin it \
             with https://, or give one on loopback, such as http://127.0.0.1/events"
                .to_owned(),
        );
    }
    let of_users = webhook.events.iter().find(|kind| kind.is_of_all_channels());
    let kind = of_users.filter(|_| names_events && !webhook.is_for_all())?;
    Some(format!(
        "events has {}, which is about no single channel; leave match out, or take it out of events",
        kind.name()
    ))
}
