//! Kinds of settings: how a text is read, what is allowed, and how that is said.

use std::time::Duration;

use access::{Certified, IpNet, KeyHash, PublicKey, TokenSecret, WebhookSecret};
use dialect::Classic;
use exchange::hub::{Glob, Pattern, Right, Rights};
use upstream::{EventType, EventTypes, Uri};
use wait::Origins;

use super::Address;
use super::address::{is_mode, is_owner};
use super::api_key::KeyEntry;
pub(crate) use super::file_text::FileText;
pub(crate) use super::file_text::{public_key, why_no_key};
use super::listener::{ListenerEntry, classic_of};
use super::names::{read_name, read_url};
use super::networks::network;
pub(crate) use super::units::{duration, size, whole_number};

/// What a setting is. Ranges are texts of the same kind, as they are shown in the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// IP addresses with ports, or paths of UNIX sockets; in a file also with a dialect each.
    Listeners,
    /// One of them.
    Address,
    /// Names of channels.
    Pattern,
    /// Host names; may be empty.
    Names,
    /// API keys; in a file also with what they may do.
    Keys,
    /// What is kept of one API key.
    KeyHash,
    /// A certificate, by its fingerprint or a name in it.
    Certified,
    /// Secrets shared with an application; may be empty.
    Secrets,
    /// Secrets that webhooks are signed with: one or two.
    WebhookSecrets,
    /// What a webhook is told of; at least one.
    Events,
    /// Files with a public key each; may be empty.
    PublicKeys,
    /// Files; may be empty.
    Files,
    /// Texts without commas; may be empty.
    Texts,
    /// Origins of pages; may be empty.
    Origins,
    /// The name of a user or a group of the system; may be none.
    Account,
    /// Networks, or single addresses; may be empty.
    Networks,
    /// Letters, digits and `_`.
    Word,
    /// One text.
    Text,
    /// A file, as it is at the start; may be none.
    File,
    /// Names of headers or cookies; may be empty.
    Tokens,
    /// The address of something on the web; may be none.
    Url,
    /// What something is called, for people.
    Label,
    /// A folder; may be empty, which is none.
    Folder,
    /// True or false.
    Truth,
    /// Rights; at least one.
    Rights,
    /// Channels by name, with stars; at least one.
    Globs,
    /// What a listener speaks beside the native dialect: a word, or a list with one classic dialect at most.
    Dialects,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number.
    Count(&'static str, &'static str),
    /// A whole number, or `auto`.
    CountOrAuto(&'static str, &'static str),
    /// A whole number and a unit of time.
    Duration(&'static str, &'static str),
    /// The same, or `auto`.
    DurationOrAuto(&'static str, &'static str),
    /// The mode of a file.
    Mode,
    /// To whom a file is given; may be nobody.
    Owner,
    /// What stands before paths; may be empty.
    Prefix,
    /// A whole number of bytes, or of a unit of them.
    Size(&'static str, &'static str),
}

/// Where an advice is to be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notation {
    /// In a flag or a variable.
    Plain,
    /// In a file, where texts have quotes.
    Toml,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Where a line listens.
    Listeners(Vec<ListenerEntry>),
    /// One place to listen.
    Address(Address),
    /// Names of channels.
    Pattern(Pattern),
    /// Texts of a list.
    Names(Vec<String>),
    /// API keys.
    Keys(Vec<KeyEntry>),
    /// What is kept of one API key.
    KeyHash(KeyHash),
    /// A certificate.
    Certified(Certified),
    /// Secrets shared with an application.
    Secrets(Vec<TokenSecret>),
    /// Secrets that webhooks are signed with.
    WebhookSecrets(Vec<WebhookSecret>),
    /// What a webhook is told of.
    Events(EventTypes),
    /// Files, and the public key in each.
    PublicKeys(Vec<(String, PublicKey)>),
    /// Networks.
    Networks(Vec<IpNet>),
    /// One text.
    Text(String),
    /// The path, and what is in it.
    File(String, FileText),
    /// What something is called, or a folder.
    Label(String),
    /// Rights.
    Rights(Rights),
    /// An address on the web, if there is one.
    Url(Option<Uri>),
    /// Channels by name.
    Globs(Vec<Glob>),
    /// The classic dialect of a listener.
    Dialect(Classic),
    /// A word.
    Choice(&'static str),
    /// A number of things or bytes.
    Number(u64),
    /// What the program finds best.
    Auto,
    /// A time.
    Duration(Duration),
}

impl ValueKind {
    /// Whether it may be given several times.
    pub(crate) fn is_list(self) -> bool {
        matches!(
            self,
            Self::Secrets
                | Self::WebhookSecrets
                | Self::Events
                | Self::PublicKeys
                | Self::Files
                | Self::Texts
                | Self::Origins
                | Self::Tokens
                | Self::Networks
                | Self::Listeners
                | Self::Names
                | Self::Keys
                | Self::Rights
                | Self::Globs
                | Self::Dialects
        )
    }

    /// What a text is that should have been a secret, and that is not repeated to anybody.
    pub(crate) fn nothing(self) -> Option<&'static str> {
        match self {
            Self::Keys | Self::KeyHash => Some("no API key"),
            Self::Secrets | Self::WebhookSecrets => Some("no secret"),
            // It may hold a password.
            Self::Url => Some("no URL that can be called"),
            _ => None,
        }
    }

    /// What stands for the value in the help.
    pub(crate) fn value_name(self) -> &'static str {
        match self {
            Self::Listeners | Self::Address => "ADDRESS",
            Self::Names | Self::Label => "NAME",
            Self::Keys | Self::KeyHash => "KEY",
            Self::Certified => "CERTIFICATE",
            Self::Rights => "RIGHT",
            Self::Secrets | Self::WebhookSecrets => "SECRET",
            Self::Events => "EVENT",
            Self::Origins => "ORIGIN",
            Self::Networks => "NETWORK",
            Self::Account => "NAME",
            Self::PublicKeys | Self::File | Self::Files => "FILE",
            Self::Texts | Self::Text => "TEXT",
            Self::Word => "WORD",
            Self::Folder => "DIR",
            Self::Tokens => "NAME",
            Self::Url => "URL",
            Self::Pattern | Self::Globs => "PATTERN",
            Self::Choice(_) | Self::Truth | Self::Dialects => "WORD",
            Self::Count(..) | Self::CountOrAuto(..) => "NUMBER",
            Self::Duration(..) | Self::DurationOrAuto(..) => "TIME",
            Self::Prefix => "PATH",
            Self::Mode => "MODE",
            Self::Owner => "OWNER",
            Self::Size(..) => "SIZE",
        }
    }

    /// Reads a value that is no list, or one item of a list; the error is the text.
    pub(crate) fn read(self, texts: &[String]) -> Result<Value, String> {
        let items =
            || texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty());
        if self.is_list() {
            return match self {
                Self::Listeners => {
                    let read =
                        items().map(|item| item.parse().map(ListenerEntry::new).map_err(|_| item.to_owned()));
                    some(read.collect::<Result<Vec<_>, _>>()?, texts).map(Value::Listeners)
                }
                Self::Keys => {
                    let read = |item: &str| KeyHash::read(item).map(KeyEntry::new);
                    items()
                        .map(|item| read(item).map_err(|_| item.to_owned()))
                        .collect::<Result<_, _>>()
                        .map(Value::Keys)
                }
                Self::Secrets => {
                    let read = |item: &str| TokenSecret::new(item).map_err(|_| item.to_owned());
                    items().map(read).collect::<Result<_, _>>().map(Value::Secrets)
                }
                Self::WebhookSecrets => webhook_secrets(items()).map(Value::WebhookSecrets),
                Self::Events => events(items(), texts),
                Self::PublicKeys => {
                    let read =
                        |item: &str| Ok((item.to_owned(), public_key(item).map_err(|_| item.to_owned())?));
                    items().map(read).collect::<Result<_, _>>().map(Value::PublicKeys)
                }
                Self::Origins => {
                    let read = |item: &str| Origins::read(item).map_err(|_| item.to_owned());
                    items().map(read).collect::<Result<_, _>>().map(Value::Names)
                }
                Self::Networks => {
                    let read = |item: &str| network(item).ok_or_else(|| item.to_owned());
                    items().map(read).collect::<Result<_, _>>().map(Value::Networks)
                }
                Self::Dialects if texts.iter().any(|text| text.trim().is_empty()) => Err(String::new()),
                Self::Dialects => classic_of(items()).map(Value::Dialect),
                Self::Texts | Self::Files => Ok(Value::Names(items().map(str::to_owned).collect())),
                Self::Rights => {
                    let rights = items().map(|item| Right::named(item).ok_or_else(|| item.to_owned()));
                    some(rights.collect::<Result<Vec<_>, _>>()?, texts)
                        .map(|rights| Value::Rights(rights.into_iter().collect()))
                }
                Self::Globs => {
                    let globs = items().map(|item| Glob::new(item).map_err(|_| item.to_owned()));
                    some(globs.collect::<Result<Vec<_>, _>>()?, texts).map(Value::Globs)
                }
                _ => items().map(read_name).collect::<Result<_, _>>().map(Value::Names),
            };
        }
        let text = texts.last().map_or("", String::as_str);
        self.read_one(text).ok_or_else(|| text.to_owned())
    }

    fn read_one(self, text: &str) -> Option<Value> {
        match self {
            Self::Listeners | Self::Names | Self::Keys | Self::Rights | Self::Globs => None,
            Self::Secrets | Self::WebhookSecrets | Self::Events => None,
            Self::PublicKeys | Self::Texts | Self::Origins => None,
            Self::Files | Self::Tokens | Self::Networks | Self::Dialects => None,
            Self::Url if text.is_empty() => Some(Value::Url(None)),
            Self::Url => read_url(text).map(|url| Value::Url(Some(url))),
            Self::KeyHash => KeyHash::read(text).ok().map(Value::KeyHash),
            Self::Account => {
                (text.is_empty() || read_name(text).is_ok()).then(|| Value::Text(text.to_owned()))
            }
            Self::Word => dialect::realplexor::Marker::new(text).map(|_| Value::Text(text.to_owned())),
            Self::Text => {
                let fits = text.len() <= TEXT_LEN_MAX && !text.chars().any(char::is_control);
                (fits && !text.is_empty()).then(|| Value::Text(text.to_owned()))
            }
            Self::File => FileText::read(text).map(|read| Value::File(text.to_owned(), read)),
            Self::Certified => Certified::read(text).map(Value::Certified),
            Self::Label => is_label(text).then(|| Value::Label(text.to_owned())),
            Self::Folder => {
                let fits = !text.chars().any(char::is_control);
                fits.then(|| Value::Label(text.to_owned()))
            }
            Self::Truth => Self::Choice(TRUTHS).read_one(text),
            Self::Address => text.parse().ok().map(Value::Address),
            Self::Pattern => Pattern::new(text).ok().map(Value::Pattern),
            Self::Choice(words) => words.iter().find(|word| **word == text).map(|word| Value::Choice(word)),
            Self::Count(min, max) => within(text, min, max, whole_number).map(Value::Number),
            Self::CountOrAuto(..) if text == "auto" => Some(Value::Auto),
            Self::CountOrAuto(min, max) => within(text, min, max, whole_number).map(Value::Number),
            Self::DurationOrAuto(..) if text == "auto" => Some(Value::Auto),
            Self::Duration(min, max) | Self::DurationOrAuto(min, max) => {
                within(text, min, max, duration).map(Value::Duration)
            }
            Self::Mode => is_mode(text).then(|| Value::Text(text.to_owned())),
            Self::Owner => is_owner(text).then(|| Value::Text(text.to_owned())),
            Self::Prefix => is_prefix(text).then(|| Value::Text(text.to_owned())),
            Self::Size(min, max) => within(text, min, max, size).map(Value::Number),
        }
    }
}

/// Bytes of what stands before paths.
const PREFIX_LEN_MAX: usize = 64;
/// Secrets of one webhook: one, and another while it is changed.
const WEBHOOK_SECRETS_MAX: usize = 2;
/// Bytes of a setting that is one text.
pub(crate) const TEXT_LEN_MAX: usize = 255;

pub(crate) const TRUTHS: &[&str] = &["true", "false"];

/// What is wrong with a pattern.
pub(crate) fn why_no_pattern(text: &str) -> String {
    Pattern::new(text).err().map_or_else(String::new, |error| error.to_string())
}

/// What a webhook is told of.
fn events<'a>(items: impl Iterator<Item = &'a str>, texts: &[String]) -> Result<Value, String> {
    let kinds = items.map(|item| EventType::named(item).ok_or_else(|| item.to_owned()));
    some(kinds.collect::<Result<Vec<_>, _>>()?, texts).map(|kinds| Value::Events(kinds.into_iter().collect()))
}

/// A list that must not be empty.
fn some<T>(list: Vec<T>, texts: &[String]) -> Result<Vec<T>, String> {
    if list.is_empty() { Err(texts.concat()) } else { Ok(list) }
}

/// Secrets of webhooks, up to two.
fn webhook_secrets<'a>(items: impl Iterator<Item = &'a str>) -> Result<Vec<WebhookSecret>, String> {
    let secrets = items.map(|item| WebhookSecret::new(item).map_err(|_| item.to_owned()));
    let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
    if secrets.len() > WEBHOOK_SECRETS_MAX { Err(String::new()) } else { Ok(secrets) }
}

/// Nothing, or strokes each with a word behind it that means the same in every server.
fn is_prefix(text: &str) -> bool {
    let is_word = |word: &str| {
        !matches!(word, "" | "." | "..")
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let mut words = text.split('/');
    text.is_empty() || (text.len() <= PREFIX_LEN_MAX && words.next() == Some("") && words.all(is_word))
}

fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Reads `text`, if it is within a range that is written alike.
fn within<T: PartialOrd>(text: &str, min: &str, max: &str, read: fn(&str) -> Option<T>) -> Option<T> {
    let (min, max) = (read(min)?, read(max)?);
    read(text).filter(|value| min <= *value && *value <= max)
}
