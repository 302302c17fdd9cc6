//! The settings: one table from which flags, variables, the file, help and the manual are made.
//!
//! A value comes as text from somewhere and is read by its kind; a bad one is told with where it
//! stood, what is allowed and an example. The crate knows the types of those whose settings they are, and what
//! must go together. It changes nothing. Of the machine it reads the files that settings name, how many processors there are, what
//! starts the program, and random numbers.

mod address;
mod advice;
mod api_key;
mod authentication;
mod channel;
mod checks;
mod compare;
mod document;
mod effect;
mod entries;
mod errors;
mod file;
mod file_text;
mod foundation;
mod groups;
mod key;
mod kind;
mod limits;
mod listener;
mod names;
mod nearest;
mod networks;
mod origin;
mod overview;
mod quote;
mod reader;
mod realplexor;
mod report;
#[cfg(test)]
mod round_trip;
mod setting;
mod shares;
mod table;
mod tls;
mod units;
mod unix_rights;
mod value_text;
mod values;
mod variables;
mod webhook;

pub mod keys;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::Keyring;
use dialect::Dialects;
use exchange::hub::{Door, Limits};
use in_line::InDialects;

use wait::{Origins, Paths};

use crate::limits::LAME_DUCK;

pub use self::tls::Tls;
pub use address::{Address, UNIX};
pub use advice::read_duration;
use api_key::KeyEntry;
use channel::ChannelEntry;
pub use compare::Merged;
pub use dialect::Classic;
pub use document::{document, template};
pub use effect::Effect;
pub use errors::Errors;
pub use file::File;
pub use file_text::{read_up_to, why_unreadable};
pub use groups::by_heading;
pub use kind::Value;
pub use listener::ListenerEntry;
pub use nearest::nearest;
pub use origin::Source;
pub use overview::Against;
pub use setting::Setting;
pub use shares::{ClientShares, shares};
pub use table::TABLE;
pub use unix_rights::UnixRights;
pub use values::{GivenTexts, Values};
pub use variables::misspelt;

/// All settings, read and checked, in the types of those who use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the WAIT line listens.
    pub wait: Vec<ListenerEntry>,
    /// Where the IN line listens; loopback only.
    pub in_listeners: Vec<ListenerEntry>,
    /// Threads of the WAIT line.
    pub shards: usize,
    /// How to log.
    pub log: LogForm,
    /// How much to log.
    pub log_level: &'static str,
    /// What is remembered.
    pub hub: Limits,
    /// What is kept on disk, if anything is.
    pub store: Option<StoreSettings>,
    /// As the WAIT line takes them.
    pub wait_line: wait::WaitSettings,
    /// As the IN line takes them.
    pub in_line: in_line::InSettings,
    /// Who may have how much of the WAIT line.
    pub shares: ClientShares,
    /// Bytes of memory that the program may have; 0: what the system has.
    pub memory_limit: u64,
    /// Whom the program becomes; empty: nobody else.
    pub user: String,
    /// In which group; empty: in that of the user.
    pub group: String,
    /// Whether the program shuts itself off from what it does not need.
    pub sandbox: bool,
    /// The files that settings name, each to be read at the start or again later. The settings' own file is not among them.
    pub files: Vec<PathBuf>,
    /// Certificates.
    pub tls: Tls,
    /// Who may use the UNIX sockets that are made.
    pub unix: UnixRights,
    /// How long both lines serve on when the program is told to end.
    pub lame_duck: Duration,
    /// Whom to ask.
    pub upstream: upstream::UpstreamSettings,
    /// Whom to tell.
    pub webhooks: upstream::Webhooks,
}

/// Where and how messages are kept on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where.
    pub folder: PathBuf,
    /// When it is made safe.
    pub sync: store::Sync,
    /// Bytes at the most.
    pub limit: u64,
}

impl StoreSettings {
    /// `None`: there is to be no store.
    fn of(values: &Values) -> Option<Self> {
        let folder = Some(values.get(&keys::STORE)).filter(|folder| !folder.is_empty())?;
        let sync = match values.get(&keys::STORE_SYNC) {
            "interval" => store::Sync::Interval,
            "os" => store::Sync::Os,
            _ => store::Sync::Always,
        };
        Some(Self { folder: folder.into(), sync, limit: values.get(&keys::STORE_LIMIT) })
    }
}

/// How the program says what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

impl Settings {
    /// Reads all settings: by flag or variable, else by the file, else by default.
    pub fn read(given: impl Fn(&Setting) -> Option<GivenTexts>, file: &File) -> Result<Self, Errors> {
        Self::of(&Values::gather(given, file))
    }

    /// The settings that these values make, or all that is wrong with them.
    pub fn of(values: &Values) -> Result<Self, Errors> {
        let (settings, errors) = Self::judged(values);
        if errors.is_empty() { Ok(settings) } else { Err(errors) }
    }

    /// The settings that these values make, and what is wrong with them. What is wrong has its default.
    pub fn judged(values: &Values) -> (Self, Errors) {
        let (mut settings, mut errors) = (Self::from_values(values), values.errors.clone());
        let (tls, wrong) = Tls::of(values);
        settings.files.extend(tls.files());
        settings.tls = tls;
        settings.note_who_reaches_sockets();
        wrong.into_iter().chain(settings.check(values)).for_each(|error| errors.push(error));
        (settings, errors)
    }

    fn from_values(values: &Values) -> Self {
        let auto = || std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            wait: values.get(&keys::WAIT),
            in_listeners: values.get(&keys::IN),
            shards: values.get(&keys::SHARDS).map_or_else(auto, count),
            log: if values.get(&keys::LOG) == "json" { LogForm::Json } else { LogForm::Text },
            log_level: values.get(&keys::LOG_LEVEL),
            hub: hub_limits(values),
            store: StoreSettings::of(values),
            wait_line: wait::WaitSettings {
                request_timeout: values.get(&keys::REQUEST_TIMEOUT),
                keep_alive: values.get(&keys::KEEP_ALIVE),
                tls_handshakes: count(values.get(&keys::TLS_HANDSHAKES)),
                poll_timeout: values.get(&keys::POLL_TIMEOUT),
                heartbeat: values.get(&keys::HEARTBEAT),
                stream_age: values.get(&keys::STREAM_AGE),
                slow_reader: count(values.get(&keys::SLOW_READER)),
                channels_limit: count(values.get(&keys::CHANNELS_LIMIT)),
                strict_names: values.get(&keys::STRICT_NAMES),
                compression: values.get(&keys::COMPRESSION),
                io_uring: values.get(&keys::IO_URING),
                tokens: authentication::tokens(values),
                origins: Origins::new(values.get(&keys::ORIGINS)),
                shows: authentication::shows(values),
                paths: Paths::under(&values.get(&keys::WAIT_PREFIX)).publishing(publishes(values)),
                client_payload_limit: count(values.get(&keys::CLIENT_PAYLOAD_LIMIT)),
                takeover: values.get(&keys::TAKEOVER).map(|_| values.get(&keys::TAKEOVER_PREFIX).into()),
                verdict_timeout: authentication::verdict_timeout(values),
                proxies: shares::proxies(values, &keys::PROXIES),
                drain: values.get(&keys::DRAIN),
                classic_timeout: values.get(&keys::CLASSIC_WAIT_TIMEOUT),
                classic_limit: count(values.get(&keys::CLASSIC_WAIT_LIMIT)),
                classic_grace: values.get(&keys::CLASSIC_GRACE),
                dialects: Dialects { realplexor: realplexor::of_wait(values), guest: None },
            },
            upstream: authentication::upstream(values),
            webhooks: webhooks(values),
            in_line: of_in(values),
            shares: shares::of_wait(values),
            memory_limit: values.get(&keys::MEMORY_LIMIT),
            user: values.get(&keys::USER),
            group: values.get(&keys::GROUP),
            sandbox: values.get(&keys::SANDBOX),
            files: values.files(),
            tls: Tls::default(),
            unix: UnixRights::of(values),
            lame_duck: values.get(&keys::LAME_DUCK).unwrap_or_else(lame_duck),
        }
    }

    /// A UNIX socket from which its mode shuts others out counts as loopback.
    fn note_who_reaches_sockets(&mut self) {
        let is_shut = self.unix.shut_others_out();
        self.in_listeners.iter_mut().for_each(|listener| listener.is_shut = is_shut);
    }

    /// Whether nobody may listen to a channel of this name without showing who he is.
    pub fn closes(&self, name: &str) -> bool {
        let rule = self.hub.rules.iter().find(|rule| rule.pattern.matches(name));
        rule.and_then(|rule| rule.listen).unwrap_or(self.hub.listen) == Door::Token
    }

    /// Whether the program has something that nobody else may see.
    pub fn holds_secrets(&self) -> bool {
        let tokens = &self.wait_line.tokens;
        !tokens.secrets.is_empty()
            || !self.in_line.keys.is_empty()
            || !self.tls.is_empty()
            || !self.webhooks.all.is_empty()
    }
}

fn of_in(values: &Values) -> in_line::InSettings {
    in_line::InSettings {
        payload_limit: count(values.get(&keys::PAYLOAD_LIMIT)),
        keys: Keyring::new(values.get(&keys::KEY).iter().map(KeyEntry::key).collect()),
        sign_in_age: values.get(&keys::SIGN_IN_AGE),
        hosts: values.get(&keys::IN_HOSTS),
        classic_limit: count(values.get(&keys::CLASSIC_IN_LIMIT)),
        classic_timeout: values.get(&keys::CLASSIC_IN_TIMEOUT),
        dialects: InDialects { realplexor: Arc::new(realplexor::of_in(values)) },
        request_timeout: values.get(&keys::REQUEST_TIMEOUT),
        keep_alive: values.get(&keys::KEEP_ALIVE),
        tls_handshakes: count(values.get(&keys::TLS_HANDSHAKES)),
        poll_timeout: values.get(&keys::POLL_TIMEOUT),
        heartbeat: values.get(&keys::HEARTBEAT),
        idempotency_age: values.get(&keys::IDEMPOTENCY_AGE),
        idempotency_keys: count(values.get(&keys::IDEMPOTENCY_KEYS)),
        publish_rate: values.get_32(&keys::PUBLISH_RATE),
        address_rates: shares::of_address(values),
        key_rates: shares::of_key(values),
        address_prefix: shares::prefix(values),
        proxies: shares::proxies(values, &keys::IN_PROXIES),
        ..in_line::InSettings::default()
    }
}

/// Whom to tell.
fn webhooks(values: &Values) -> upstream::Webhooks {
    upstream::Webhooks {
        all: values.webhooks.iter().map(|entry| entry.webhook.clone()).collect(),
        timeout: values.get(&keys::WEBHOOK_TIMEOUT),
        retry: values.get(&keys::WEBHOOK_RETRY),
        backlog: count(values.get(&keys::WEBHOOK_BACKLOG)),
    }
}

/// How long a load balancer or an orchestrator takes to stop sending clients here, where there is one.
fn lame_duck() -> Duration {
    let is_set = |name| std::env::var_os(name).is_some_and(|text| !text.is_empty());
    let is_looked_after =
        std::process::id() == 1 || is_set("NOTIFY_SOCKET") || is_set("KUBERNETES_SERVICE_HOST");
    if is_looked_after { LAME_DUCK } else { Duration::ZERO }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether clients may publish anywhere.
fn publishes(values: &Values) -> bool {
    values.channels.iter().any(|entry| entry.rule().publish.is_some_and(|door| door != Door::Off))
}

/// What the hub may keep.
fn hub_limits(values: &Values) -> Limits {
    Limits {
        history_messages: values.get_32(&keys::HISTORY_MESSAGES),
        history_age: millis(values.get(&keys::HISTORY_AGE)),
        history_renew: values.get(&keys::HISTORY_RENEW),
        history_bytes: values.get(&keys::HISTORY_BYTES),
        history_budget: values.get(&keys::HISTORY_BUDGET),
        channels_budget: values.get(&keys::CHANNELS_BUDGET),
        resume_window: millis(values.get(&keys::RESUME_WINDOW)),
        grace: millis(values.get(&keys::GRACE)),
        presence_grace: millis(values.get(&keys::PRESENCE_GRACE)),
        presence_list: count(values.get(&keys::PRESENCE_LIST)),
        presence_history: values.get_32(&keys::PRESENCE_HISTORY),
        listen: channel::door(values.get(&keys::LISTEN)),
        follow_users: webhooks(values).follow_users(),
        rules: values.channels.iter().map(ChannelEntry::rule).collect(),
        ..Limits::default()
    }
}

/// A number of things in memory; the table's ranges fit.
fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use dialect::realplexor::Realplexor;

    use super::*;

    /// Reads with one setting given as by its flag.
    fn read(name: &str, texts: &[&str]) -> Result<Settings, String> {
        let given = |setting: &Setting| {
            (setting.name == name).then(|| GivenTexts {
                origin: Source::Flag(setting.flag()),
                texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            })
        };
        Settings::read(given, &File::default()).map_err(|errors| errors.to_string())
    }

    fn listener(address: &str) -> ListenerEntry {
        ListenerEntry::new(address.parse().unwrap())
    }

    fn check_error(name: &str, text: &str, expected: &str) {
        assert_eq!(read(name, &[text]).unwrap_err(), expected);
    }

    #[test]
    fn defaults_are_those_of_the_crates() {
        let settings = read("", &[]).unwrap();
        assert_eq!(settings.hub, Limits::default());
        let realplexor = settings.wait_line.dialects.realplexor.clone();
        assert_eq!(realplexor.page_ids.len(), realplexor.pages.len());
        assert_eq!(realplexor.pages.len(), 2);
        let Realplexor { page_ids, pages, .. } = realplexor;
        let realplexor = Realplexor { page_ids, pages, ..Realplexor::default() };
        let dialects = Dialects { realplexor, guest: None };
        assert_eq!(settings.wait_line, wait::WaitSettings { dialects, ..wait::WaitSettings::default() });
        assert_eq!(settings.in_line, in_line::InSettings::default());
        assert_eq!(settings.wait, [listener("0.0.0.0:8088")]);
        assert_eq!(settings.in_listeners, [listener("127.0.0.1:10010")]);
        assert_eq!(settings.wait_line.poll_timeout, Duration::from_secs(25));
        assert!(settings.shards >= 1);
    }

    #[test]
    fn lists_are_repeated_or_separated_by_commas() {
        let addresses = [listener("127.0.0.1:1"), listener("[::1]:2")];
        assert_eq!(read("wait", &["127.0.0.1:1", "[::1]:2"]).unwrap().wait, addresses);
        assert_eq!(read("wait", &["127.0.0.1:1, [::1]:2"]).unwrap().wait, addresses);
        assert_eq!(
            read("in_hosts", &["a.example,b.example"]).unwrap().in_line.hosts,
            ["a.example", "b.example"]
        );
    }

    #[test]
    fn a_bad_value_is_told_with_what_would_be_right() {
        check_error(
            "poll_timeout",
            "25",
            "--poll-timeout is \"25\"; give a duration from 100ms to 1h, such as 25s",
        );
        check_error(
            "poll_timeout",
            "2d",
            "--poll-timeout is \"2d\"; give a duration from 100ms to 1h, such as 25s",
        );
        check_error(
            "payload_limit",
            "1MB",
            "--payload-limit is \"1MB\"; give a size from 1 to 256MiB, such as 999000",
        );
        check_error(
            "history_messages",
            "-1",
            "--history-messages is \"-1\"; give a whole number from 0 to 100000, such as 100",
        );
        check_error("shards", "0", "--shards is \"0\"; give a whole number from 1 to 1024, or auto");
        check_error("log", "xml", "--log is \"xml\"; give text or json");
        check_error(
            "wait",
            "8088",
            "--wait is \"8088\"; give an IP address and a port, such as 0.0.0.0:8088 or [::1]:8088, or a UNIX socket \
             by its absolute path of 107 bytes at the most, such as unix:/run/multiplexor.sock",
        );
        check_error(
            "in_hosts",
            "a:1",
            "--in-hosts is \"a:1\"; give a host name without a port, such as push.example",
        );
    }

    #[test]
    fn strangers_cannot_reach_the_in_line() {
        for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(read("in", &[address]).unwrap_err().contains("set an API key"), "{address}");
        }
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(read("in", &[address]).is_ok(), "{address}");
        }
    }

    #[test]
    fn an_address_is_given_once() {
        assert!(read("wait", &["127.0.0.1:10010"]).unwrap_err().contains("given twice"));
        assert!(read("wait", &["127.0.0.1:0", "127.0.0.1:0"]).is_ok());
    }
}
