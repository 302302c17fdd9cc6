//! Which listener shows which certificates, and what must go together for that.

use std::path::PathBuf;

use tls::Pair;
use tls::limits::PAIRS_MAX;

use super::{ListenerEntry, Values};
use crate::key::SettingKey;
use crate::keys;

/// Files of certificates, by listener; empty where plain HTTP is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Of the WAIT line.
    pub wait: Vec<Vec<Pair>>,
    /// Of the IN line.
    pub in_line: Vec<Vec<Pair>>,
    /// Files with those who vouch for clients of the IN line.
    pub authorities: Vec<PathBuf>,
}

impl Tls {
    /// All files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let pairs = self.wait.iter().chain(&self.in_line).flatten();
        let files = pairs.flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]);
        files.chain(self.authorities.clone()).collect()
    }

    /// Reads it from the settings, and says what does not go together.
    pub(crate) fn of(values: &Values) -> (Self, Vec<String>) {
        let mut wrong = Vec::new();
        let mut told = |name: &str, error: String| wrong.push(format!("{}{error}", values.place(name)));
        let is_known = |names: &[&str]| !values.is_wrong(names);
        let shared = pairs(&values.get(&keys::TLS_CERTIFICATE), &values.get(&keys::TLS_KEY));
        let is_said = is_known(&[keys::TLS_CERTIFICATE.name(), keys::TLS_KEY.name()]);
        let are_pairs = shared.is_ok() && is_said;
        let shared = shared.unwrap_or_else(|error| {
            if is_said {
                told(keys::TLS_CERTIFICATE.name(), error);
            }
            Vec::new()
        });
        let mut of_line = |line: &SettingKey<Vec<ListenerEntry>>, is_usual: bool| -> Vec<Vec<Pair>> {
            let listeners = values.get(line);
            let all = listeners.iter().map(|listener| of_listener(listener, is_usual, &shared));
            let pairs = all.map(|pairs| {
                pairs.unwrap_or_else(|error| {
                    if are_pairs {
                        told(line.name(), error);
                    }
                    Vec::new()
                })
            });
            pairs.collect()
        };
        let in_tls = values.get(&keys::IN_TLS);
        let tls = Self {
            wait: of_line(&keys::WAIT, !shared.is_empty()),
            in_line: of_line(&keys::IN, in_tls && !shared.is_empty()),
            authorities: values.get(&keys::CLIENT_CA).into_iter().map(PathBuf::from).collect(),
        };
        if in_tls && shared.is_empty() && are_pairs {
            told(keys::IN_TLS.name(), format!("in_tls is on, but {NO_PAIR}"));
        } else if !tls.authorities.is_empty()
            && tls.in_line.iter().all(Vec::is_empty)
            && are_pairs
            && is_known(&[keys::IN.name(), keys::IN_TLS.name()])
        {
            let why = "client_ca is set, but the IN line speaks no TLS, so nobody can show a certificate; set in_tls, too";
            told(keys::CLIENT_CA.name(), why.to_owned());
        }
        let all_keys = values.get(&keys::KEY);
        let certified = all_keys.iter().find(|key| key.certificate.is_some());
        let vouched = !tls.authorities.is_empty() || !is_known(&[keys::CLIENT_CA.name()]);
        if let Some(key) = certified.filter(|_| !vouched) {
            let name = &key.name;
            told(
                keys::KEY.name(),
                format!(
                    "a certificate stands for the key {name:?}, but nobody vouches for clients; set client_ca, too"
                ),
            );
        }
        (tls, wrong)
    }

    /// Whether no listener speaks TLS.
    pub fn is_empty(&self) -> bool {
        self.wait.iter().chain(&self.in_line).all(Vec::is_empty)
    }
}

fn of_listener(listener: &ListenerEntry, is_usual: bool, shared: &[Pair]) -> Result<Vec<Pair>, String> {
    let own = pairs(&listener.certificates, &listener.keys)?;
    match listener.tls {
        Some(false) => Ok(Vec::new()),
        // A proxy of this machine says nothing that others could hear.
        None if own.is_empty() && (!is_usual || listener.address.path().is_some()) => Ok(Vec::new()),
        Some(true) if own.is_empty() && shared.is_empty() => {
            Err(format!("tls is on for {}, but {NO_PAIR}", listener.address))
        }
        _ if own.is_empty() => Ok(shared.to_vec()),
        _ => Ok(own),
    }
}

fn pairs(certificates: &[String], keys: &[String]) -> Result<Vec<Pair>, String> {
    let (count, key_count) = (certificates.len(), keys.len());
    if count != key_count {
        return Err(format!(
            "there are {count} of tls_certificate and {key_count} of tls_key; give a key for each certificate, in \
             the same order"
        ));
    }
    if count > PAIRS_MAX {
        return Err(format!("there are {count} of tls_certificate; at most {PAIRS_MAX} are allowed"));
    }
    let pair =
        |(certificate, key): (&String, &String)| Pair { certificate: certificate.into(), key: key.into() };
    Ok(certificates.iter().zip(keys).map(pair).collect())
}

const NO_PAIR: &str = "there is no certificate; set tls_certificate and tls_key, too";
