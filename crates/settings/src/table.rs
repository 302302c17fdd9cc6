//! The table of settings.

use super::budgets::{MEMORY_LIMIT, TAKEOVER_CALLS, TLS_HANDSHAKES, TOKEN_CHECKS};
use super::entries::{
    HISTORY_AGE, HISTORY_BYTES, HISTORY_MESSAGES, LISTEN, PAYLOAD_LIMIT, TLS_CERTIFICATE, TLS_KEY,
};
use super::kind::Kind::{
    Account, Choice, Count, CountOrAuto, Duration, DurationOrAuto, File, Files, Folder, Keys, Label,
    Listeners, Mode, Names, Origins, Owner, Prefix, PublicKeys, Secrets, Size, Text, Texts, Tokens, Url,
    Word,
};
use super::setting::{Setting, line};
use super::{shares, times};

/// Every setting, in the order of the manual.
pub static TABLE: &[Setting] = &[
    line(
        "wait",
        Listeners,
        "0.0.0.0:8088",
        "Where clients wait (subscribe): the WAIT line, open to the world",
    ),
    line(
        "in",
        Listeners,
        "127.0.0.1:10010",
        "Where application servers publish: the IN line; where others can reach it, with an API key only",
    ),
    line(
        "unix_mode",
        Mode,
        "0660",
        "The mode of UNIX sockets; one of the IN line that others may use (0666) needs an API key, as an open address does",
    ),
    line(
        "unix_owner",
        Owner,
        "",
        "To whom UNIX sockets are given: a user, `:` and a group, or both; none: to whom the program is",
    ),
    line("shards", CountOrAuto("1", "1024"), "auto", "Threads of the WAIT line; auto: one a processor"),
    line(
        "io_uring",
        Choice(&["on", "off"]),
        "on",
        "Whether a message to many goes to the kernel by io_uring, where there is one: many sends in one call",
    ),
    line(
        "log",
        Choice(&["text", "json"]),
        "text",
        "How to log, on standard error: text for people, json for machines",
    ),
    line(
        "log_level",
        Choice(&["error", "warn", "info", "debug", "trace"]),
        "info",
        "How much to log; never payloads",
    ),
    line(
        "user",
        Account,
        "",
        "Whom the program becomes when it is started as root, as soon as it listens; it must be able to write the store, \
         and to read certificates that are to be reloaded",
    ),
    line("group", Account, "", "In which group it is then; without it, in that of the user"),
    HISTORY_MESSAGES,
    HISTORY_AGE,
    line(
        "history_renew",
        Choice(&["on", "off"]),
        "off",
        "Whether a message renews the time of all that is kept of its channel, as Realplexor did it",
    ),
    HISTORY_BYTES,
    line(
        "history_budget",
        Size("0", "1024GiB"),
        "256MiB",
        "Bytes of payload kept in all; the oldest of all go first",
    ),
    line(
        "channels_budget",
        Size("1MiB", "1024GiB"),
        "512MiB",
        "Bytes that records of channels may take, about 240 and the name each; names that nobody waits on and nobody ever \
         published to go first, and an eighth is for channels that are published to",
    ),
    line(
        "resume_window",
        Duration("0s", "30d"),
        "1h",
        "How long a silent channel is remembered, so that a gap can be told; at least the history's age counts",
    ),
    line(
        "store",
        Folder,
        "",
        "Where messages are kept on disk, so that they outlive the program; without it they do not",
    ),
    line(
        "store_sync",
        Choice(&["always", "interval", "os"]),
        "always",
        "When what is kept is made safe against power loss: before a publisher is answered; once a second; when the \
         system likes",
    ),
    line(
        "store_limit",
        Size("16MiB", "1024GiB"),
        "1GiB",
        "Bytes on disk in all; what is still needed of the oldest is written anew, and the rest of it removed",
    ),
    PAYLOAD_LIMIT,
    line("channels_limit", Count("1", "1000"), "1000", "Channels a connection may listen to"),
    line(
        "strict_names",
        Choice(&["on", "off"]),
        "off",
        "Whether a client is refused that names a channel with a `*`, which stands for itself; else its answer has a warning",
    ),
    line(
        "compression",
        Choice(&["on", "off"]),
        "on",
        "Whether clients that take compressed messages get them: compressed once for all who are told the same",
    ),
    times::REQUEST_TIMEOUT,
    times::KEEP_ALIVE,
    times::POLL_TIMEOUT,
    times::HEARTBEAT,
    times::STREAM_AGE,
    line(
        "slow_reader",
        Size("1KiB", "1GiB"),
        "1MiB",
        "Bytes a client may leave unread before it is closed, to resume by its cursor",
    ),
    TLS_HANDSHAKES,
    MEMORY_LIMIT,
    line("grace", Duration("0s", "1h"), "30s", "How long a channel stays online after its last client left"),
    line(
        "lame_duck",
        DurationOrAuto("0s", "10m"),
        "auto",
        "How long both lines serve on after SIGTERM while /readyz says that the end is near; auto: 5s where NOTIFY_SOCKET or \
         KUBERNETES_SERVICE_HOST is set or the program is process 1, else 0s",
    ),
    line("drain", Duration("0s", "10m"), "2s", "Over what time connections are closed when the program ends"),
    shares::CONNECTIONS_LIMIT,
    shares::ADDRESS_CONNECTIONS,
    shares::ADDRESS_REQUESTS,
    shares::ADDRESS_PREFIX,
    shares::USER_CONNECTIONS,
    shares::USER_REQUESTS,
    shares::PROXIES,
    shares::IN_PROXIES,
    shares::PROXIES_SAY,
    LISTEN,
    line(
        "token_secret",
        Secrets,
        "",
        "What your application signs tokens (HS256) and URLs with; several while you change it. Better by a variable \
         or a file, since flags are seen by every user of the machine",
    ),
    line("token_key", PublicKeys, "", "Public keys of your application, for tokens by RS, PS, ES or EdDSA"),
    line(
        "token_keys_url",
        Url,
        "",
        "Where the public keys of whoever makes your tokens are found, as a JWK set; fetched every 10 minutes, and \
         when a token names one that is new. By https, or on loopback",
    ),
    TOKEN_CHECKS,
    line(
        "token_audience",
        Texts,
        "",
        "What `aud` of a token must name one of; without it, tokens must be for nobody in particular",
    ),
    line(
        "token_cookie",
        Label,
        "multiplexor_token",
        "The cookie in which a browser may show a token: letters, digits, `-`, `_` and `.`",
    ),
    line(
        "hook",
        Url,
        "",
        "Where your application says who a client is, by the cookies and headers that the client sent",
    ),
    line(
        "hook_headers",
        Tokens,
        "cookie, authorization",
        "Headers of a client that the hook gets; none that are about the client's own request or connection, such as host",
    ),
    line(
        "hook_cookies",
        Tokens,
        "",
        "Cookies that the hook gets; without it, all. Name your session's, so that others do not make it be asked anew",
    ),
    line("hook_timeout", Duration("100ms", "1m"), "5s", "How long the hook may take"),
    line(
        "hook_age",
        Duration("1s", "30d"),
        "10m",
        "How long what the hook said holds, where it does not say so itself",
    ),
    line("hook_calls", Count("1", "1000"), "32", "Calls of the hook under way at once; others wait"),
    line(
        "takeover",
        Url,
        "",
        "Where your application answers requests of the WAIT line that are not for us; where it names channels, the \
         client is held",
    ),
    line(
        "wait_prefix",
        Prefix,
        "",
        "What stands before all paths of the WAIT line, such as /push; others are 404, and the classic dialects are left alone",
    ),
    line("takeover_prefix", Label, "/", "How the paths begin of requests that are passed on"),
    line(
        "takeover_timeout",
        Duration("100ms", "10m"),
        "30s",
        "How long the application may take for such a request",
    ),
    TAKEOVER_CALLS,
    line(
        "origins",
        Origins,
        "",
        "Origins of the pages that may show credentials on the WAIT line, beside pages of its own host. Without it, \
         pages that know a token may show it, and cookies count for its own host only",
    ),
    line(
        "key",
        Keys,
        "",
        "API keys that may do everything on the IN line; where any key is set, nobody may use it without one. \
         Give it by a variable or a file, since flags are seen by every user of the machine",
    ),
    TLS_CERTIFICATE,
    TLS_KEY,
    line(
        "in_tls",
        Choice(&["on", "off"]),
        "off",
        "Whether the IN line speaks TLS, too, with the same certificates",
    ),
    line(
        "client_ca",
        Files,
        "",
        "Whose certificates clients of the IN line may show instead of an API key; only where it speaks TLS",
    ),
    line(
        "in_hosts",
        Names,
        "",
        "Names by which the IN line may be called, beside IP addresses and localhost",
    ),
    line(
        "sign_in_age",
        Duration("1s", "30d"),
        "12h",
        "How long somebody who signed in with an API key in a browser need not do so again",
    ),
    line(
        "classic_wait_timeout",
        Duration("100ms", "1h"),
        "300s",
        "How long a client of the classic dialect waits before it is answered empty",
    ),
    line(
        "classic_grace",
        Duration("0s", "1h"),
        "20s",
        "How long a channel stays online after its last classic client left",
    ),
    line(
        "classic_wait_limit",
        Size("64", "1MiB"),
        "5KiB",
        "Bytes a classic client may send to say what it waits for",
    ),
    line(
        "classic_in_limit",
        Size("64", "256MiB"),
        "100KiB",
        "Bytes of one input on the IN line in the classic dialect",
    ),
    line(
        "classic_in_timeout",
        Duration("100ms", "1h"),
        "20s",
        "How long one input on the IN line in the classic dialect may take",
    ),
    line(
        "realplexor_users",
        File,
        "",
        "Who may publish in the words of Realplexor: lines of login:hash, as htpasswd writes them; a line that \
         begins with a colon lets everybody. Without a file everybody may",
    ),
    line(
        "realplexor_in_limit",
        Size("64", "256MiB"),
        "200KiB",
        "Bytes of one input on the IN line in the words of Realplexor",
    ),
    line(
        "realplexor_partial",
        Choice(&["on", "off"]),
        "off",
        "Whether an HTTP publish whose connection ends before its body is whole is published all the same",
    ),
    line("realplexor_marker", Word, "identifier", "The word before the ids in the words of Realplexor"),
    line("realplexor_charset", Text, "utf-8", "What is said of the characters of replies and pages"),
    line("realplexor_iframe_id", Word, "IFRAME", "The id under which the page for frames stands"),
    line("realplexor_script_id", Word, "SCRIPT", "The id under which the library for pages stands"),
    line("realplexor_iframe_file", File, "", "A page for frames of your own"),
    line("realplexor_script_file", File, "", "A library for pages of your own"),
    line("realplexor_wait_uri", Text, "/", "Where the page for frames asks for messages"),
    line(
        "realplexor_reconnect_delay",
        Duration("0s", "1h"),
        "10ms",
        "How long the page for frames pauses between two requests",
    ),
    line(
        "realplexor_max_bounces",
        Count("0", "1000000"),
        "10",
        "After how many requests that ended too soon the page for frames pauses longer",
    ),
    line(
        "realplexor_debug",
        Choice(&["on", "off"]),
        "on",
        "Whether the page for frames tells its page of errors",
    ),
    line(
        "idempotency_age",
        Duration("0s", "1d"),
        "10m",
        "How long a repeated publish with the same idempotency key gets the first answer; 0s: not at all",
    ),
    line(
        "idempotency_keys",
        Count("0", "100000000"),
        "1000000",
        "Idempotency keys remembered at once; the oldest are forgotten early",
    ),
    line("publish_rate", Count("0", "10000000"), "0", "Messages a second in all; 0: any number"),
    shares::ADDRESS_PUBLISH_RATE,
    shares::KEY_PUBLISH_RATE,
    shares::IN_ADDRESS_REQUESTS,
    shares::KEY_REQUESTS,
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
