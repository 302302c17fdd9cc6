//! An API key in the settings: an entry `[[key]]`, or a mere key that may do everything.

use access::{Certified, Key, KeyHash};
use exchange::hub::{Glob, Grant, Rights, Session};

use crate::quote::quoted;

/// An entry of `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    pub(crate) name: String,
    /// What is kept of the key; the key itself is forgotten as soon as it is read.
    pub(crate) hash: Option<KeyHash>,
    /// The certificate that stands for it.
    pub(crate) certificate: Option<Certified>,
    pub(crate) may: Rights,
    pub(crate) names: Vec<Glob>,
}

impl KeyEntry {
    /// A key of which only the hash is said: it may do everything.
    pub(crate) fn new(hash: KeyHash) -> Self {
        Self { hash: Some(hash), ..Self::everything() }
    }

    /// What an entry is that leaves everything out.
    pub(crate) fn everything() -> Self {
        let names = vec![Glob::new("*").expect("a star is a pattern")];
        Self { name: UNNAMED.to_owned(), hash: None, certificate: None, may: Rights::ALL, names }
    }

    /// As the IN line takes it.
    pub(crate) fn key(&self) -> Key {
        let grants = self.names.iter().map(|names| Grant { rights: self.may, names: names.clone() });
        Key {
            name: self.name.as_str().into(),
            hash: self.hash,
            certificate: self.certificate.clone(),
            session: Session::new(None, None, &grants.collect::<Vec<_>>()),
        }
    }

    /// As an item of a list in a settings file.
    pub(crate) fn toml(&self) -> String {
        if let Some(hash) = self.hash
            && *self == Self::new(hash)
        {
            return quoted(&hash.to_string());
        }
        let hash = self.hash.map(|hash| format!("hash = {}, ", quoted(&hash.to_string())));
        let certificate = self.certificate.as_ref();
        let certificate = certificate.map(|said| format!("certificate = {}, ", quoted(&said.to_string())));
        let (hash, certificate) = (hash.unwrap_or_default(), certificate.unwrap_or_default());
        let list = |texts: Vec<String>| texts.join(", ");
        let may = list(self.may.iter().map(|right| quoted(right.name())).collect());
        let names = list(self.names.iter().map(|glob| quoted(glob.as_str())).collect());
        let name = quoted(&self.name);
        format!("{{ name = {name}, {hash}{certificate}may = [{may}], match = [{names}] }}")
    }
}

/// What a key is called that nobody gave a name.
const UNNAMED: &str = "unnamed";
