//! The table of settings, in the order of the manual.

use crate::keys as k;
use crate::setting::Setting;

/// Every setting, in the order of the manual.
pub static TABLE: &[Setting] = &[
    k::WAIT.setting,
    k::IN.setting,
    k::UNIX_MODE.setting,
    k::UNIX_OWNER.setting,
    k::SHARDS.setting,
    k::IO_URING.setting,
    k::LOG.setting,
    k::LOG_LEVEL.setting,
    k::USER.setting,
    k::GROUP.setting,
    k::SANDBOX.setting,
    k::HISTORY_MESSAGES.setting,
    k::HISTORY_AGE.setting,
    k::HISTORY_RENEW.setting,
    k::HISTORY_BYTES.setting,
    k::HISTORY_BUDGET.setting,
    k::CHANNELS_BUDGET.setting,
    k::RESUME_WINDOW.setting,
    k::PRESENCE_GRACE.setting,
    k::PRESENCE_LIST.setting,
    k::PRESENCE_HISTORY.setting,
    k::STORE.setting,
    k::STORE_SYNC.setting,
    k::STORE_LIMIT.setting,
    k::PAYLOAD_LIMIT.setting,
    k::CLIENT_PAYLOAD_LIMIT.setting,
    k::CHANNELS_LIMIT.setting,
    k::STRICT_NAMES.setting,
    k::COMPRESSION.setting,
    k::REQUEST_TIMEOUT.setting,
    k::KEEP_ALIVE.setting,
    k::POLL_TIMEOUT.setting,
    k::HEARTBEAT.setting,
    k::STREAM_AGE.setting,
    k::SLOW_READER.setting,
    k::TLS_HANDSHAKES.setting,
    k::MEMORY_LIMIT.setting,
    k::GRACE.setting,
    k::LAME_DUCK.setting,
    k::DRAIN.setting,
    k::CONNECTIONS_LIMIT.setting,
    k::ADDRESS_CONNECTIONS.setting,
    k::ADDRESS_REQUESTS.setting,
    k::ADDRESS_PREFIX.setting,
    k::USER_CONNECTIONS.setting,
    k::USER_REQUESTS.setting,
    k::CONNECTION_MESSAGES.setting,
    k::USER_MESSAGES.setting,
    k::ADDRESS_MESSAGES.setting,
    k::CLIENT_MESSAGES.setting,
    k::PROXIES.setting,
    k::IN_PROXIES.setting,
    k::PROXIES_SAY.setting,
    k::LISTEN.setting,
    k::TOKEN_SECRET.setting,
    k::TOKEN_KEY.setting,
    k::TOKEN_KEYS_URL.setting,
    k::TOKEN_CHECKS.setting,
    k::TOKEN_AUDIENCE.setting,
    k::TOKEN_COOKIE.setting,
    k::HOOK.setting,
    k::HOOK_HEADERS.setting,
    k::HOOK_COOKIES.setting,
    k::HOOK_TIMEOUT.setting,
    k::HOOK_AGE.setting,
    k::HOOK_CALLS.setting,
    k::PUBLISH_HOOK_URL.setting,
    k::PUBLISH_HOOK_SECRET.setting,
    k::PUBLISH_HOOK_CALLS.setting,
    k::WEBHOOK_TIMEOUT.setting,
    k::WEBHOOK_RETRY.setting,
    k::WEBHOOK_BACKLOG.setting,
    k::TAKEOVER.setting,
    k::WAIT_PREFIX.setting,
    k::TAKEOVER_PREFIX.setting,
    k::TAKEOVER_TIMEOUT.setting,
    k::TAKEOVER_CALLS.setting,
    k::ORIGINS.setting,
    k::KEY.setting,
    k::TLS_CERTIFICATE.setting,
    k::TLS_KEY.setting,
    k::IN_TLS.setting,
    k::CLIENT_CA.setting,
    k::IN_HOSTS.setting,
    k::SIGN_IN_AGE.setting,
    k::CLASSIC_WAIT_TIMEOUT.setting,
    k::CLASSIC_GRACE.setting,
    k::CLASSIC_WAIT_LIMIT.setting,
    k::CLASSIC_IN_LIMIT.setting,
    k::CLASSIC_IN_TIMEOUT.setting,
    k::REALPLEXOR_USERS.setting,
    k::REALPLEXOR_IN_LIMIT.setting,
    k::REALPLEXOR_PARTIAL.setting,
    k::REALPLEXOR_MARKER.setting,
    k::REALPLEXOR_CHARSET.setting,
    k::REALPLEXOR_IFRAME_ID.setting,
    k::REALPLEXOR_SCRIPT_ID.setting,
    k::REALPLEXOR_IFRAME_FILE.setting,
    k::REALPLEXOR_SCRIPT_FILE.setting,
    k::REALPLEXOR_WAIT_URI.setting,
    k::REALPLEXOR_RECONNECT_DELAY.setting,
    k::REALPLEXOR_MAX_BOUNCES.setting,
    k::REALPLEXOR_DEBUG.setting,
    k::IDEMPOTENCY_AGE.setting,
    k::IDEMPOTENCY_KEYS.setting,
    k::PUBLISH_RATE.setting,
    k::ADDRESS_PUBLISH_RATE.setting,
    k::KEY_PUBLISH_RATE.setting,
    k::IN_ADDRESS_REQUESTS.setting,
    k::KEY_REQUESTS.setting,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_ranges() {
        for setting in TABLE {
            assert!(setting.read("the default", &[setting.default.to_owned()]).is_ok(), "{}", setting.name);
        }
    }

    #[test]
    fn a_setting_is_named_alike_everywhere() {
        let setting = TABLE.iter().find(|setting| setting.name == "poll_timeout").unwrap();
        assert_eq!(
            (setting.flag().as_str(), setting.variable().as_str()),
            ("poll-timeout", "MULTIPLEXOR_POLL_TIMEOUT")
        );
    }
}
