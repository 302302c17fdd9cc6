//! The metrics that each shard tells, those that the store tells, and whom the program asks: the second half of the table.

use super::metric::{Metric, MetricSource, line};

/// What shards tell, and what stands behind them in the manual.
pub(super) static SHARDS: &[Metric] = &[
    line(
        "multiplexor_wait_connections",
        "Connections of clients that are open",
        MetricSource::Wait("connections"),
    ),
    line(
        "multiplexor_wait_channels",
        "Channels that clients of this shard listen to",
        MetricSource::Wait("channels"),
    ),
    line(
        "multiplexor_wait_accepted_total",
        "Connections of clients accepted",
        MetricSource::Wait("accepted"),
    ),
    line(
        "multiplexor_wait_closed_total",
        "Connections of clients that ended, for whatever reason",
        MetricSource::Wait("closed"),
    ),
    line("multiplexor_wait_waits_total", "Requests that began to wait", MetricSource::Wait("waits")),
    line(
        "multiplexor_wait_problems_total",
        "Requests and commands of clients that were refused",
        MetricSource::Wait("problems"),
    ),
    line(
        "multiplexor_wait_delivered_messages_total",
        "Messages given to clients as they came",
        MetricSource::Wait("delivered"),
    ),
    line(
        "multiplexor_wait_published_messages_total",
        "Messages that clients published",
        MetricSource::Wait("published"),
    ),
    line(
        "multiplexor_wait_repeated_messages_total",
        "Messages of clients that came again under their idempotency keys, and were answered as the first time",
        MetricSource::Wait("repeated"),
    ),
    line(
        "multiplexor_wait_messages_refused_total",
        "Messages of clients refused because their connection, user or address, or all together, publish as many as they may",
        MetricSource::Wait("messages_refused"),
    ),
    line(
        "multiplexor_wait_messages_asked_total",
        "Messages of clients that the application was asked about",
        MetricSource::Wait("messages_asked"),
    ),
    line(
        "multiplexor_wait_replayed_messages_total",
        "Messages of histories given to clients that came back",
        MetricSource::Wait("replayed"),
    ),
    line(
        "multiplexor_wait_history_pages_total",
        "Pages of what was said before that clients read",
        MetricSource::Wait("history_pages"),
    ),
    line(
        "multiplexor_wait_gaps_total",
        "Channels of which a client was told that something is gone",
        MetricSource::Wait("gaps"),
    ),
    line(
        "multiplexor_wait_poison_total",
        "How often a client came back to the same message for the third time: it may be longer than the client takes",
        MetricSource::Wait("poison"),
    ),
    line(
        "multiplexor_wait_poison_skipped_total",
        "Messages past which such a client was taken, with a gap told",
        MetricSource::Wait("poison_skipped"),
    ),
    line("multiplexor_wait_writes_total", "Sends to clients", MetricSource::Wait("writes")),
    line(
        "multiplexor_wait_batches_total",
        "Calls of the system that carried several of them, by io_uring",
        MetricSource::Wait("batches"),
    ),
    line(
        "multiplexor_wait_written_bytes_total",
        "Bytes written to clients",
        MetricSource::Wait("bytes_written"),
    ),
    line(
        "multiplexor_wait_full_turns_total",
        "Turns in which clients asked for more than there was time for: each address had its part",
        MetricSource::Wait("full_turns"),
    ),
    line(
        "multiplexor_wait_visits_total",
        "Looks at a connection for what it is owed",
        MetricSource::Wait("visits"),
    ),
    line(
        "multiplexor_wait_connections_refused_total",
        "Connections refused because their address, or all together, have as many as they may",
        MetricSource::Wait("connections_refused"),
    ),
    line(
        "multiplexor_wait_requests_refused_total",
        "Requests and commands refused because their address or user asks too often, or waits on as many as it may",
        MetricSource::Wait("requests_refused"),
    ),
    line(
        "multiplexor_wait_proxy_faults_total",
        "Connections of known proxies that did not begin with a header of the PROXY protocol",
        MetricSource::Wait("proxy_faults"),
    ),
    line(
        "multiplexor_wait_proxy_unreadable_total",
        "Requests of known proxies whose header does not say so that it can be read whose they are; they count for the proxy",
        MetricSource::Wait("proxy_unreadable"),
    ),
    line(
        "multiplexor_wait_denied_total",
        "Requests and commands of clients refused for want of credentials or grants",
        MetricSource::Wait("denied"),
    ),
    line(
        "multiplexor_wait_token_checks_total",
        "Checks of tokens' signatures by public keys; tokens that were found good lately need none",
        MetricSource::Wait("token_checks"),
    ),
    line(
        "multiplexor_wait_tokens_busy_total",
        "Tokens that were not checked since too many were wrong, and whose clients are to come again; see token_checks",
        MetricSource::Wait("tokens_busy"),
    ),
    line(
        "multiplexor_wait_expired_total",
        "Connections ended, or polls answered, because the time of their credentials was over",
        MetricSource::Wait("expired"),
    ),
    line(
        "multiplexor_wait_ended_total",
        "Connections ended, or polls answered, because the application ended them",
        MetricSource::Wait("ended"),
    ),
    line("multiplexor_wait_guests", "Connections that wait with credentials", MetricSource::Wait("guests")),
    line(
        "multiplexor_wait_users",
        "Users of those; one whose connections are on several shards is counted on each",
        MetricSource::Wait("users"),
    ),
    line(
        "multiplexor_wait_asked_total",
        "Questions of this shard about who a client is, or about keys",
        MetricSource::Wait("asked"),
    ),
    line(
        "multiplexor_wait_asking",
        "Of these, those without an answer yet; clients with the same credentials are one",
        MetricSource::Wait("asking"),
    ),
    line(
        "multiplexor_hook_calls_total",
        "Calls of the application's hook",
        MetricSource::Asked("hook_calls"),
    ),
    line(
        "multiplexor_hook_failed_total",
        "Calls of the hook that failed",
        MetricSource::Asked("hook_failed"),
    ),
    line(
        "multiplexor_hook_refused_total",
        "Calls of the hook that ended in a refusal",
        MetricSource::Asked("hook_refused"),
    ),
    line(
        "multiplexor_hook_shared_total",
        "Questions answered by what the hook said before, or by a call under way",
        MetricSource::Asked("hook_shared"),
    ),
    line(
        "multiplexor_hook_busy_total",
        "Questions that were not asked, since too many calls were under way",
        MetricSource::Asked("hook_busy"),
    ),
    line(
        "multiplexor_hook_verdicts",
        "Verdicts of the hook that are remembered",
        MetricSource::Asked("hook_verdicts"),
    ),
    line(
        "multiplexor_publish_hook_calls_total",
        "Calls of the application about messages of clients",
        MetricSource::Asked("publish_hook_calls"),
    ),
    line(
        "multiplexor_publish_hook_failed_total",
        "Of these, those that failed, so that the message was refused",
        MetricSource::Asked("publish_hook_failed"),
    ),
    line(
        "multiplexor_publish_hook_refused_total",
        "Of these, those by which the application refused the message",
        MetricSource::Asked("publish_hook_refused"),
    ),
    line(
        "multiplexor_publish_hook_busy_total",
        "Messages that it was not asked about, since too many waited, of one sender or in all",
        MetricSource::Asked("publish_hook_busy"),
    ),
    line(
        "multiplexor_takeover_passed_total",
        "Requests of the WAIT line passed on to the application",
        MetricSource::Asked("pages_passed"),
    ),
    line(
        "multiplexor_takeover_held_total",
        "Of these, those whose clients are held",
        MetricSource::Asked("pages_held"),
    ),
    line(
        "multiplexor_takeover_failed_total",
        "Requests that it left without an answer",
        MetricSource::Asked("pages_failed"),
    ),
    line("multiplexor_keys_fetched_total", "Fetches of keys for tokens", MetricSource::Asked("keys_fetched")),
    line("multiplexor_keys_failed_total", "Fetches of keys that failed", MetricSource::Asked("keys_failed")),
    line("multiplexor_keys_known", "Keys of the URL that count now", MetricSource::Asked("keys_known")),
    line("multiplexor_webhook_calls_total", "Calls of webhooks", MetricSource::Asked("webhook_calls")),
    line(
        "multiplexor_webhook_failed_total",
        "Calls of webhooks that were not taken",
        MetricSource::Asked("webhook_failed"),
    ),
    line(
        "multiplexor_webhook_faults_total",
        "Reloads at which the certificates that webhooks are checked by could not be read; those from before count on",
        MetricSource::Asked("webhook_faults"),
    ),
    line(
        "multiplexor_webhook_events_total",
        "Events that webhooks took; one that several took counts for each",
        MetricSource::Asked("webhook_events"),
    ),
    line(
        "multiplexor_webhook_lost_events_total",
        "Events that webhooks did not get: they found no room, or were tried for too long; each time a gap was told",
        MetricSource::Asked("webhook_lost"),
    ),
    line(
        "multiplexor_webhook_backlog_events",
        "Events that wait for webhooks",
        MetricSource::Asked("webhook_backlog_events"),
    ),
    line("multiplexor_webhook_backlog_bytes", "Bytes of these", MetricSource::Asked("webhook_backlog_bytes")),
    line(
        "multiplexor_webhooks_failing",
        "Webhooks that do not take what is sent, and are tried again",
        MetricSource::Asked("webhooks_failing"),
    ),
    line(
        "multiplexor_webhooks_stopped",
        "Webhooks that answered 410 and get no more calls until a reload",
        MetricSource::Asked("webhooks_stopped"),
    ),
    line(
        "multiplexor_wait_poll_timeouts_total",
        "Long polls answered because their time was over",
        MetricSource::Wait("poll_timeouts"),
    ),
    line(
        "multiplexor_wait_heartbeats_total",
        "Signs of life sent to clients",
        MetricSource::Wait("heartbeats"),
    ),
    line(
        "multiplexor_wait_aged_total",
        "Streams and WebSockets ended because they had had their time (stream_age)",
        MetricSource::Wait("aged"),
    ),
    line(
        "multiplexor_wait_slow_readers_total",
        "Connections closed because they read too slowly",
        MetricSource::Wait("slow_readers"),
    ),
    line(
        "multiplexor_wait_classic_timeouts_total",
        "Clients of a classic dialect that were sent away because nothing came for them in time",
        MetricSource::Wait("classic_timeouts"),
    ),
    line(
        "multiplexor_wait_classic_overflows_total",
        "Clients of a classic dialect that were closed because they said too much before they named a channel",
        MetricSource::Wait("classic_overflows"),
    ),
    line(
        "multiplexor_wait_request_timeouts_total",
        "Connections closed because a request, or a message of a client, did not come whole in time",
        MetricSource::Wait("request_timeouts"),
    ),
    line(
        "multiplexor_wait_resets_total",
        "Connections ended by errors or resets",
        MetricSource::Wait("resets"),
    ),
    line(
        "multiplexor_wait_tls_handshakes_total",
        "Handshakes of TLS from the beginning",
        MetricSource::Wait("tls_handshakes"),
    ),
    line(
        "multiplexor_wait_tls_resumptions_total",
        "Handshakes of TLS by a ticket of an earlier one",
        MetricSource::Wait("tls_resumptions"),
    ),
    line(
        "multiplexor_wait_tls_plain_http_total",
        "Connections to a TLS port that spoke plain HTTP",
        MetricSource::Wait("tls_plain_http"),
    ),
    line(
        "multiplexor_wait_tls_incompatible_total",
        "Clients that offered no version, cipher or protocol that we have",
        MetricSource::Wait("tls_incompatible"),
    ),
    line(
        "multiplexor_wait_tls_refused_total",
        "Clients that refused us, mostly because they do not trust the certificate",
        MetricSource::Wait("tls_refused"),
    ),
    line(
        "multiplexor_wait_tls_malformed_total",
        "Clients whose TLS was wrong",
        MetricSource::Wait("tls_malformed"),
    ),
    line(
        "multiplexor_wait_tls_left_total",
        "Clients that left in the middle of their handshake",
        MetricSource::Wait("tls_left"),
    ),
    line(
        "multiplexor_wait_tls_crowded_out_total",
        "Handshakes that were given up for a newcomer's, because so many were under way; see tls_handshakes",
        MetricSource::Wait("tls_crowded_out"),
    ),
    line(
        "multiplexor_wait_tls_under_way",
        "Handshakes of TLS under way now",
        MetricSource::Wait("tls_under_way"),
    ),
    line(
        "multiplexor_wait_memory_refused_total",
        "Connections refused because memory is short",
        MetricSource::Wait("memory_refused"),
    ),
    line(
        "multiplexor_wait_tls_timeouts_total",
        "Handshakes that took too long",
        MetricSource::Wait("tls_timeouts"),
    ),
    line(
        "multiplexor_wait_tls_misplaced_total",
        "Connections to a plain port that spoke TLS",
        MetricSource::Wait("tls_misplaced"),
    ),
    line(
        "multiplexor_wait_http_version_refused_total",
        "Connections that began with HTTP/2, which is not spoken there",
        MetricSource::Wait("http2"),
    ),
    line(
        "multiplexor_wait_accept_pauses_total",
        "Times that accepting paused because the system had no more to give",
        MetricSource::Wait("accept_pauses"),
    ),
    line("multiplexor_store_bytes", "Bytes of the store's log on disk", MetricSource::Store("bytes")),
    line("multiplexor_store_segments", "Files of the store's log", MetricSource::Store("segments")),
    line(
        "multiplexor_store_commits_total",
        "Times the store wrote, and with `always` synced, what had come together",
        MetricSource::Store("commits"),
    ),
    line(
        "multiplexor_store_failures_total",
        "How often the store's disk did not take something",
        MetricSource::Store("failures"),
    ),
    line(
        "multiplexor_store_failing",
        "1 while the store's disk fails, and what is durable is refused",
        MetricSource::Store("failing"),
    ),
];
