//! The table of metrics: what is told, under what name, and from where it is read.

use std::sync::atomic::Ordering;

use super::metric::{Metric, MetricSource, line};
use super::{count, days_left, shards};

/// Every metric, in the order of the manual.
pub(super) fn all() -> impl Iterator<Item = &'static Metric> {
    PROGRAM.iter().chain(shards::SHARDS)
}

/// What the whole program tells.
static PROGRAM: &[Metric] = &[
    line("multiplexor_build_info", "The program, by its version; always 1", MetricSource::Version),
    line(
        "multiplexor_uptime_seconds",
        "Time since the start",
        MetricSource::Seconds(|scrape| scrape.line.connections.started.elapsed().as_secs_f64()),
    ),
    line(
        "multiplexor_log_lost_lines_total",
        "Lines of the log that were left out, since nobody read them in time",
        MetricSource::One(|scrape| (scrape.line.sources.wait.lines_lost)()),
    ),
    line(
        "multiplexor_channels",
        "Channels that are remembered",
        MetricSource::One(|scrape| scrape.totals.channels),
    ),
    line(
        "multiplexor_channels_online",
        "Channels that are online: somebody waits, or did within the grace",
        MetricSource::One(|scrape| scrape.totals.online),
    ),
    line(
        "multiplexor_channels_bytes",
        "Bytes that the records of channels take of `channels_budget`",
        MetricSource::One(|scrape| scrape.totals.channels_bytes),
    ),
    line(
        "multiplexor_channels_passing_bytes",
        "Of these, bytes of names that nobody waits on now and nobody ever published to: they go first",
        MetricSource::One(|scrape| scrape.totals.channels_passing_bytes),
    ),
    line(
        "multiplexor_channels_hurried_total",
        "Channels forgotten before their time, to make room for others",
        MetricSource::One(|scrape| scrape.totals.hurried),
    ),
    line(
        "multiplexor_channels_crowded_total",
        "Requests and publishes refused since there was no room for the names of their channels",
        MetricSource::One(|scrape| scrape.totals.crowded),
    ),
    line(
        "multiplexor_subscriptions",
        "Subscriptions: one a connection and channel",
        MetricSource::One(|scrape| scrape.totals.subscriptions),
    ),
    line(
        "multiplexor_messages_total",
        "Messages that got their place in the order",
        MetricSource::One(|scrape| scrape.totals.published),
    ),
    line(
        "multiplexor_history_messages",
        "Messages kept in all histories; one of several channels counts in each",
        MetricSource::One(|scrape| scrape.totals.history_messages),
    ),
    line(
        "multiplexor_history_bytes",
        "Bytes of payload kept in all histories",
        MetricSource::One(|scrape| scrape.totals.history_bytes),
    ),
    line(
        "multiplexor_history_evicted_messages_total",
        "Messages that limits of count, age or bytes removed from a history",
        MetricSource::One(|scrape| scrape.totals.evicted),
    ),
    line(
        "multiplexor_names_looked_up_total",
        "Names looked up for those who wait, or wait no longer",
        MetricSource::One(|scrape| scrape.totals.looked_up),
    ),
    line(
        "multiplexor_history_read_messages_total",
        "Messages looked at in histories for those who come back",
        MetricSource::One(|scrape| scrape.totals.read),
    ),
    line(
        "multiplexor_mailbox_messages",
        "Messages that a shard has still to give to its connections",
        MetricSource::Mailbox(|load| load.messages),
    ),
    line(
        "multiplexor_mailbox_bytes",
        "Bytes of payload that a shard has still to give to its connections",
        MetricSource::Mailbox(|load| load.bytes),
    ),
    line(
        "multiplexor_release_seconds",
        "How long messages waited for the store, from when they had their place until clients might have them; 0 without a store",
        MetricSource::Times(|measured| &measured.release),
    ),
    line(
        "multiplexor_delivery_seconds",
        "From when clients might have a message until a shard had written it to the last of its own; slow readers, to whom the rest is written later, count as written to",
        MetricSource::Times(|measured| &measured.delivery),
    ),
    line(
        "multiplexor_lock_wait_seconds",
        "How long threads waited for the lock that orders messages",
        MetricSource::Times(|measured| &measured.lock_wait),
    ),
    line(
        "multiplexor_wait_turn_seconds",
        "How long a shard was busy between two looks at its sockets",
        MetricSource::Times(|measured| &measured.turn),
    ),
    line(
        "multiplexor_wait_owed_bytes",
        "Bytes that a connection was owed, each time its client took less than there was",
        MetricSource::Sizes(|measured| &measured.owed),
    ),
    line(
        "multiplexor_in_connections",
        "Connections of the IN line that are open",
        MetricSource::One(|scrape| scrape.line.connections.open() as u64),
    ),
    line(
        "multiplexor_in_requests_total",
        "Requests that the IN line answered, whatever the answer",
        MetricSource::One(|scrape| scrape.line.counters.requests.read()),
    ),
    line(
        "multiplexor_in_proxy_faults_total",
        "Connections of known proxies to the IN line that did not begin with a header of the PROXY protocol",
        MetricSource::One(|scrape| scrape.line.counters.proxy_faults.read()),
    ),
    line(
        "multiplexor_in_proxy_unreadable_total",
        "Requests of known proxies to the IN line whose header does not say so that it can be read whose they are; they count for the proxy",
        MetricSource::One(|scrape| scrape.line.counters.proxy_unreadable.read()),
    ),
    line(
        "multiplexor_in_users_ended_total",
        "Times all connections of a user were ended at once",
        MetricSource::One(|scrape| scrape.line.counters.users_ended.read()),
    ),
    line(
        "multiplexor_ended_users",
        "Users of whom what was issued before the application ended them is refused now",
        MetricSource::One(|scrape| scrape.line.exchange.ended_users().count() as u64),
    ),
    line(
        "multiplexor_in_refused_total",
        "Requests and items of batches that were refused, by the code of the problem",
        MetricSource::Refused,
    ),
    line(
        "multiplexor_denied_total",
        "Requests and commands refused for want of credentials, grants, or room for one more, on both lines, by the code of the problem",
        MetricSource::Denied,
    ),
    line(
        "multiplexor_in_published_total",
        "Messages that were published through HTTP",
        MetricSource::One(|scrape| scrape.line.counters.published.read()),
    ),
    line(
        "multiplexor_in_classic_dropped_total",
        "Messages of 2009 for channels of which none was online",
        MetricSource::One(|scrape| scrape.line.counters.classic_dropped.read()),
    ),
    line(
        "multiplexor_in_classic_unnamed_total",
        "Messages in a classic dialect that named no channel",
        MetricSource::One(|scrape| scrape.line.counters.classic_unnamed.read()),
    ),
    line(
        "multiplexor_in_classic_lost_total",
        "Messages in a classic dialect for which there was no room, or that were empty or broke off",
        MetricSource::One(|scrape| scrape.line.counters.classic_lost.read()),
    ),
    line(
        "multiplexor_in_classic_overflows_total",
        "Messages in a classic dialect that were too long",
        MetricSource::One(|scrape| scrape.line.counters.classic_overflows.read()),
    ),
    line(
        "multiplexor_in_classic_timeouts_total",
        "Messages in a classic dialect that did not end in time",
        MetricSource::One(|scrape| scrape.line.counters.classic_timeouts.read()),
    ),
    line(
        "multiplexor_in_sign_ins_total",
        "Times somebody signed in with an API key",
        MetricSource::One(|scrape| scrape.line.counters.sign_ins.read()),
    ),
    line(
        "multiplexor_in_tls_handshakes_total",
        "Handshakes of TLS on the IN line",
        MetricSource::One(|scrape| scrape.line.counters.tls_handshakes.read()),
    ),
    line(
        "multiplexor_in_tls_failures_total",
        "Connections to a TLS port of the IN line with which there was no TLS",
        MetricSource::One(|scrape| scrape.line.counters.tls_failures.read()),
    ),
    line(
        "multiplexor_in_tls_misplaced_total",
        "Connections to a plain port of the IN line that spoke TLS",
        MetricSource::One(|scrape| scrape.line.counters.tls_misplaced.read()),
    ),
    line(
        "multiplexor_memory_left_bytes",
        "Bytes left of the memory that the program may have; see memory_limit",
        MetricSource::One(|scrape| scrape.line.exchange.memory().left_bytes()),
    ),
    line(
        "multiplexor_memory_short",
        "0: memory is enough; 1: large requests are refused; 2: new clients, too",
        MetricSource::One(|scrape| scrape.line.exchange.memory().shortage() as u64),
    ),
    line(
        "multiplexor_in_tls_handshakes_under_way",
        "Handshakes of TLS under way on the IN line now",
        MetricSource::One(|scrape| scrape.line.connections.handshakes.count() as u64),
    ),
    line(
        "multiplexor_in_tls_crowded_out_total",
        "Handshakes of the IN line given up for a newcomer's, because so many were under way",
        MetricSource::One(|scrape| scrape.line.counters.tls_crowded_out.read()),
    ),
    line(
        "multiplexor_in_http_version_refused_total",
        "Connections of the IN line that began with HTTP/2, which is not spoken there",
        MetricSource::One(|scrape| scrape.line.counters.http2.read()),
    ),
    line(
        "multiplexor_tls_certificate_days_left",
        "Days until the first of the certificates ends; absent where there are none",
        MetricSource::Certificates(|news| days_left(news.not_after.load(Ordering::Relaxed))),
    ),
    line(
        "multiplexor_tls_reloads_total",
        "Times changed certificates were read and are shown",
        MetricSource::Certificates(|news| count(&news.reloads)),
    ),
    line(
        "multiplexor_tls_reload_failures_total",
        "Times changed certificates could not be used, so that the old ones stayed",
        MetricSource::Certificates(|news| count(&news.failures)),
    ),
    line(
        "multiplexor_reloads_total",
        "Times settings were read anew and taken",
        MetricSource::One(|scrape| scrape.line.sources.wait.reloads.reloads.load(Ordering::Relaxed)),
    ),
    line(
        "multiplexor_reload_failures_total",
        "Times settings were read anew and something was wrong, so that nothing changed",
        MetricSource::One(|scrape| scrape.line.sources.wait.reloads.failures.load(Ordering::Relaxed)),
    ),
    line(
        "multiplexor_settings_waiting",
        "Settings of which another value was read that waits for a restart",
        MetricSource::One(|scrape| scrape.line.sources.wait.reloads.waiting.load(Ordering::Relaxed)),
    ),
    line(
        "multiplexor_upgrades_total",
        "Programs that went on one in the place of the other without a restart, up to this one",
        MetricSource::One(|scrape| scrape.line.sources.wait.upgrades.upgrades.load(Ordering::Relaxed)),
    ),
    line(
        "multiplexor_upgrade_failures_total",
        "Times another program was to go on in the place of this one and did not, so that this one served on",
        MetricSource::One(|scrape| scrape.line.sources.wait.upgrades.failures.load(Ordering::Relaxed)),
    ),
    line(
        "multiplexor_in_waited_total",
        "Publishes that found a shard full, whether there was room in time or not",
        MetricSource::One(|scrape| scrape.line.counters.waited.read()),
    ),
    line(
        "multiplexor_in_repeated_total",
        "Publishes that repeated an idempotency key and got the first answer",
        MetricSource::One(|scrape| scrape.line.counters.repeated.read()),
    ),
    line(
        "multiplexor_in_messages_deleted_total",
        "Messages that were taken back",
        MetricSource::One(|scrape| scrape.line.counters.messages_deleted.read()),
    ),
    line(
        "multiplexor_idempotency_keys",
        "Idempotency keys that are remembered",
        MetricSource::One(|scrape| scrape.keys.keys as u64),
    ),
    line(
        "multiplexor_idempotency_keys_forgotten_total",
        "Idempotency keys forgotten before their time, because there were too many",
        MetricSource::One(|scrape| scrape.keys.forgotten_early),
    ),
    line(
        "multiplexor_client_idempotency_keys",
        "The same of messages that clients published, which have a table of their own",
        MetricSource::One(|scrape| scrape.client_keys.keys as u64),
    ),
    line(
        "multiplexor_client_idempotency_keys_forgotten_total",
        "Of these, those forgotten before their time, because a client had too many, or all together",
        MetricSource::One(|scrape| scrape.client_keys.forgotten_early),
    ),
];
