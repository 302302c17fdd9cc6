//! What is allowed for a kind of settings, as the manual says it, and what would be right, as errors say it.

use std::time::Duration;

use exchange::hub::Right;
use upstream::EventType;

use super::address::PATH_LEN_MAX;
use super::kind::{Notation, TEXT_LEN_MAX, TRUTHS, Value, ValueKind};

impl ValueKind {
    /// What is allowed, for the manual.
    pub(crate) fn allowed(self) -> String {
        match self {
            Self::Listeners => "IP address and port, or `unix:` and a path; repeatable".to_owned(),
            Self::Address => "IP address and port, or `unix:` and a path".to_owned(),
            Self::Pattern => "a name, or the beginning of names and `*`".to_owned(),
            Self::Names => "host names, repeatable".to_owned(),
            Self::Keys => "API keys or their hashes, repeatable".to_owned(),
            Self::WebhookSecrets => "whsec_ and 24 to 64 bytes in base64, up to two".to_owned(),
            Self::Secrets => "32 to 512 printable characters, repeatable".to_owned(),
            Self::Events => EventType::ALL.map(EventType::name).join(", "),
            Self::PublicKeys => "files with a public key in PEM, repeatable".to_owned(),
            Self::Files => "files in PEM, repeatable".to_owned(),
            Self::Texts => "texts without commas, repeatable".to_owned(),
            Self::Tokens => "names of letters, digits, `-`, `_` and `.`, repeatable".to_owned(),
            Self::Url => "a URL that begins with `http://` or `https://`".to_owned(),
            Self::Origins => {
                "schemes and hosts, with a port where it is not the usual one, `*.` for all hosts below one; repeatable"
                    .to_owned()
            }
            Self::Account => "a name that the system knows, or nothing".to_owned(),
            Self::Networks => "networks such as `10.0.0.0/8`, addresses, or `unix`, repeatable".to_owned(),
            Self::Word => format!("1 to {} letters, digits and `_`", dialect::realplexor::MARKER_LEN_MAX),
            Self::Text => format!("1 to {TEXT_LEN_MAX} printable characters"),
            Self::File => "a file, or nothing".to_owned(),
            Self::KeyHash => "the hash of an API key, or the key".to_owned(),
            Self::Certified => "a name in it, or `sha256:` and its fingerprint".to_owned(),
            Self::Label => "1 to 64 printable characters".to_owned(),
            Self::Folder => "a folder".to_owned(),
            Self::Truth => TRUTHS.join(", "),
            Self::Rights => Right::ALL.map(Right::name).join(", "),
            Self::Globs => "names in which `*` stands for any characters".to_owned(),
            Self::Dialects => format!("dklab (also called multiplexor), realplexor, none{OR_A_LIST}"),
            Self::Choice(words) => words.join(", "),
            Self::CountOrAuto(min, max) | Self::DurationOrAuto(min, max) => {
                format!("{min} to {max}, or auto")
            }
            Self::Mode => "three octal digits".to_owned(),
            Self::Owner => "a user, `:` and a group, both, or nothing".to_owned(),
            Self::Prefix => "a path without a stroke at its end, or nothing".to_owned(),
            Self::Count(min, max) | Self::Duration(min, max) | Self::Size(min, max) => {
                format!("{min} to {max}")
            }
        }
    }

    /// The same, of a secret.
    fn secret_advice(self) -> String {
        match self {
            Self::WebhookSecrets => access::WebhookSecretError.to_string(),
            _ => access::SecretError.to_string(),
        }
    }

    /// What would be right, for an error.
    pub(crate) fn advice(self, example: &str, form: Notation) -> String {
        let quoted = |text: &str| form.quoted(text);
        let such_as = |text: &str| format!("such as {}", quoted(text));
        let or_auto = || format!("or {}", quoted("auto"));
        match self {
            Self::Listeners | Self::Address => format!(
                "give an IP address and a port, such as {} or {}, or a UNIX socket by its absolute path of {PATH_LEN_MAX} bytes at the most, \
                 such as {}",
                quoted(example),
                quoted("[::1]:8088"),
                quoted("unix:/run/multiplexor.sock")
            ),
            Self::Pattern => {
                format!("give a channel's name, or the beginning of names and *, {}", such_as(example))
            }
            Self::Names => format!("give a host name without a port, {}", such_as("push.example")),
            Self::Keys | Self::KeyHash => {
                "give a key as `multiplexor key make` prints it, or its hash".to_owned()
            }
            Self::Certified => format!(
                "give a name in the client's certificate, or its fingerprint, such as {} or {}",
                quoted(example),
                quoted("sha256:fd9c…")
            ),
            Self::Secrets | Self::WebhookSecrets => self.secret_advice(),
            Self::Events => form.some_of(&EventType::ALL.map(EventType::name)),
            Self::PublicKeys => {
                "give a file with a public key in PEM: RSA of 2048 bits or more, ECDSA or Ed25519".to_owned()
            }
            Self::Tokens => format!("give a name of letters, digits, -, _ and ., {}", such_as("cookie")),
            Self::Url => format!("give a URL without a password: {}", quoted("http://127.0.0.1/who.php")),
            Self::Origins => {
                let (one, below) = (quoted("https://shop.example"), quoted("https://*.shop.example"));
                format!("give a scheme and a host, such as {one}, or {below} for all hosts below it")
            }
            Self::Account => format!("give a name that the system knows, {}", such_as("www-data")),
            Self::Networks => format!("give networks or addresses, {}", such_as("10.0.0.0/8")),
            Self::Files => format!("give the path of a file in PEM, {}", such_as("/etc/ssl/fullchain.pem")),
            Self::Texts => format!("give a text without commas, {}", such_as(example)),
            Self::Word => format!("give letters, digits and _, {}", such_as(example)),
            Self::Text => format!("give printable characters, {}", such_as(example)),
            Self::File => "give the path of a text file that can be read".to_owned(),
            Self::Label => format!("give 1 to 64 printable characters, {}", such_as(example)),
            Self::Folder => "give a folder, such as /var/lib/multiplexor".to_owned(),
            Self::Truth => format!("give {}", TRUTHS.join(" or ")),
            Self::Rights => form.some_of(&Right::ALL.map(Right::name)),
            Self::Globs => format!("give names in which * stands for any characters, {}", such_as(example)),
            Self::Dialects => form.one_of(&["dklab", "realplexor", "none"]) + OR_A_LIST,
            Self::Choice(words) => form.one_of(words),
            Self::Count(min, max) => range("whole number", min, max, &format!("such as {example}")),
            Self::CountOrAuto(min, max) => range("whole number", min, max, &or_auto()),
            Self::Duration(min, max) => range("duration", min, max, &such_as(example)),
            Self::DurationOrAuto(min, max) => range("duration", min, max, &or_auto()),
            Self::Size(min, max) => range("size", min, max, &such_as(example)),
            Self::Mode => format!("give three octal digits, {}", such_as("0660")),
            Self::Owner => format!("give a user, or a user and a group, {}", such_as("www-data:www-data")),
            Self::Prefix => format!("give a path without a stroke at its end, {}", such_as("/push")),
        }
    }
}

/// Reads a time between these two; the error says what would be right.
pub fn read_duration(text: &str, [min, max]: [&'static str; 2], example: &str) -> Result<Duration, String> {
    let kind = ValueKind::Duration(min, max);
    match kind.read(&[text.to_owned()]) {
        Ok(Value::Duration(time)) => Ok(time),
        _ => Err(kind.advice(example, Notation::Plain)),
    }
}

/// Two classic dialects answer the same bytes differently.
const OR_A_LIST: &str = "; or a list of native and one of the first two";

impl Notation {
    /// A text as one would write it.
    fn quoted(self, text: &str) -> String {
        if self == Self::Toml { format!("\"{text}\"") } else { text.to_owned() }
    }

    /// The advice to give some of these words.
    fn some_of(self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| self.quoted(word)).collect();
        format!("give some of {}", words.join(", "))
    }

    /// The advice to give one of these words.
    fn one_of(self, words: &[&str]) -> String {
        let [words @ .., last] = words else { return String::new() };
        let words: Vec<String> = words.iter().map(|word| self.quoted(word)).collect();
        format!("give {} or {}", words.join(", "), self.quoted(last))
    }
}

/// The advice to give something of a range, and how it goes on.
fn range(what: &str, min: &str, max: &str, more: &str) -> String {
    format!("give a {what} from {min} to {max}, {more}")
}
