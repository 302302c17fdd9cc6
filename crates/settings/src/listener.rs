//! One address to listen on, the classic dialect that is spoken there, and whether TLS is.

use super::Address;
use super::quote::quoted;

/// An entry of `wait` or `in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// Whether only those whom its mode lets in reach a UNIX socket.
    pub(crate) is_shut: bool,
    /// What is spoken there beside the native dialect.
    pub(crate) dialect: Dialect,
    /// Whether TLS is spoken there, where that is said.
    pub(crate) tls: Option<bool>,
    /// Files of certificates of its own.
    pub(crate) certificates: Vec<String>,
    /// Files of their keys.
    pub(crate) keys: Vec<String>,
}

/// The classic dialect of a listener, beside the native one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// That of 2009.
    Dklab,
    /// That of Dklab_Realplexor.
    Realplexor,
    /// The native one only.
    None,
}

impl Listener {
    /// A listener of which only the address is said.
    pub fn new(address: Address) -> Self {
        let dialect = Dialect::Dklab;
        Self { address, is_shut: true, dialect, tls: None, certificates: Vec::new(), keys: Vec::new() }
    }

    /// The same, with this dialect beside the native one.
    pub fn speaking(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// As the WAIT line takes it, which listens there.
    pub fn of_wait(&self, address: wait::Address) -> wait::Listener {
        let classic = match self.dialect {
            Dialect::Dklab => wait::Classic::Dklab,
            Dialect::Realplexor => wait::Classic::Realplexor,
            Dialect::None => wait::Classic::None,
        };
        wait::Listener { address, classic }
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.inet().map_or(self.is_shut, |address| address.ip().to_canonical().is_loopback())
    }

    /// What the IN line understands there. The classic dialects have no place for a key, so they are heard from
    /// this machine only; those of Realplexor also where these users must show passwords.
    pub fn of_in(&self, users: &in_line::Users) -> in_line::Classic {
        match self.dialect {
            Dialect::Dklab if self.is_loopback() => in_line::Classic::Dklab,
            Dialect::Realplexor if self.is_loopback() || users.closed() => in_line::Classic::Realplexor,
            _ => in_line::Classic::None,
        }
    }

    /// Whether publishers of Realplexor were to be heard there, and are not.
    pub fn is_closed_to_realplexor(&self, users: &in_line::Users) -> bool {
        self.dialect == Dialect::Realplexor && self.of_in(users) == in_line::Classic::None
    }

    /// As an item of a list in a settings file.
    pub(crate) fn toml(&self) -> String {
        let address = quoted(&self.address.to_string());
        if *self == (Self { is_shut: self.is_shut, ..Self::new(self.address.clone()) }) {
            return address;
        }
        let mut entry = format!("{{ address = {address}, dialect = {}", quoted(self.dialect.name()));
        if let Some(tls) = self.tls {
            entry += &format!(", tls = {}", quoted(if tls { "on" } else { "off" }));
        }
        for (name, files) in [("tls_certificate", &self.certificates), ("tls_key", &self.keys)] {
            let files: Vec<String> = files.iter().map(|file| quoted(file)).collect();
            if !files.is_empty() {
                entry += &format!(", {name} = [{}]", files.join(", "));
            }
        }
        entry + " }"
    }
}

impl Dialect {
    /// What these names say together. Two classic dialects answer the same bytes differently, so there is one at most; and
    /// beside `none` there is none. The error is what is wrong in the names.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let names: Vec<&str> = names.collect();
        let mut found = Self::None;
        let mut agree = names.iter().all(|name| *name == "none") || !names.contains(&"none");
        for name in &names {
            match (found, Self::named(name).ok_or_else(|| (*name).to_owned())?) {
                (_, Self::None) => {}
                (Self::None, named) => found = named,
                (found, named) => agree &= found == named,
            }
        }
        if agree { Ok(found) } else { Err(names.join(", ")) }
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            // The native dialect is spoken everywhere.
            "native" | "none" => Some(Self::None),
            "dklab" | "multiplexor" => Some(Self::Dklab),
            "realplexor" => Some(Self::Realplexor),
            _ => None,
        }
    }

    /// Its name in a settings file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dklab => "multiplexor",
            Self::Realplexor => "realplexor",
            Self::None => "none",
        }
    }
}
