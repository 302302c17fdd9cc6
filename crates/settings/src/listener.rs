//! One address to listen on, the classic dialect that is spoken there, and whether TLS is.

use dialect::Classic;

use super::Address;
use super::quote::quoted;

/// An entry of `wait` or `in`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerEntry {
    /// Where it listens.
    pub address: Address,
    /// Whether only those whom its mode lets in reach a UNIX socket.
    pub(crate) is_shut: bool,
    /// What is spoken there beside the native dialect.
    pub(crate) dialect: Classic,
    /// Whether TLS is spoken there, where that is said.
    pub(crate) tls: Option<bool>,
    /// Files of certificates of its own.
    pub(crate) certificates: Vec<String>,
    /// Files of their keys.
    pub(crate) keys: Vec<String>,
}

impl ListenerEntry {
    /// A listener of which only the address is said.
    pub fn new(address: Address) -> Self {
        let dialect = Classic::Dklab;
        Self { address, is_shut: true, dialect, tls: None, certificates: Vec::new(), keys: Vec::new() }
    }

    /// The same, with this dialect beside the native one.
    pub fn speaking(self, dialect: Classic) -> Self {
        Self { dialect, ..self }
    }

    /// As the WAIT line takes it, which listens there.
    pub fn of_wait(&self, address: wait::ListenAddress) -> wait::Listener {
        wait::Listener { address, dialects: self.dialect.into() }
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.inet().map_or(self.is_shut, |address| address.ip().to_canonical().is_loopback())
    }

    /// What the IN line understands there. The classic dialects have no place for a key, so they are heard from
    /// this machine only; that of Realplexor also where these users must show passwords.
    pub fn of_in(&self, dialects: &in_line::InDialects) -> Classic {
        let has_passwords = self.dialect == Classic::Realplexor && dialects.realplexor.users.closed();
        if self.is_loopback() || has_passwords { self.dialect } else { Classic::None }
    }

    /// Publishers of a dialect were to be heard there, and are not: what there is to say of that, where passwords would do.
    pub fn unheard(&self, dialects: &in_line::InDialects) -> Option<&'static str> {
        let is_unheard = self.dialect == Classic::Realplexor && self.of_in(dialects) == Classic::None;
        is_unheard.then_some(UNHEARD)
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

/// What these names say together. Two classic dialects answer the same bytes differently, so there is one at most; and
/// beside `none` there is none. The error is what is wrong in the names.
pub(crate) fn classic_of<'a>(names: impl Iterator<Item = &'a str>) -> Result<Classic, String> {
    let names: Vec<&str> = names.collect();
    let mut found = Classic::None;
    let mut agree = names.iter().all(|name| *name == "none") || !names.contains(&"none");
    for name in &names {
        match (found, Classic::named(name).ok_or_else(|| (*name).to_owned())?) {
            (_, Classic::None) => {}
            (Classic::None, named) => found = named,
            (found, named) => agree &= found == named,
        }
    }
    if agree { Ok(found) } else { Err(names.join(", ")) }
}

const UNHEARD: &str =
    "publishers of Realplexor are not heard there; give --realplexor-users a file that lets no guests in";
