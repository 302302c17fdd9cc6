//! Certificates and keys, read from files in PEM.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::limits::{CHAIN_LEN_MAX, FILE_LEN_MAX};

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The certificate first, then those up to an authority: `fullchain.pem` of certbot.
    pub certificate: PathBuf,
    /// Its private key: `privkey.pem` of certbot.
    pub key: PathBuf,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    /// The names it is for, patterns such as `*.example.com` among them.
    pub names: Vec<String>,
    /// The last second in which it holds, in Unix time.
    pub not_after: i64,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is longer than such a file is.
    #[error("{0} has more than {FILE_LEN_MAX} bytes; a certificate or key has a few thousand")]
    Long(PathBuf),
    /// There is nothing of that kind in it.
    #[error("{0} has no {1} in PEM, which begins with -----BEGIN {2}-----")]
    Missing(PathBuf, &'static str, &'static str),
    /// It is broken.
    #[error("{0} is no proper PEM file: {1}")]
    Pem(PathBuf, String),
    /// The certificate cannot be used.
    #[error("the certificate in {0} cannot be used: {1}")]
    Certificate(PathBuf, String),
    /// The key cannot be used.
    #[error("the key in {0} cannot be used: {1}; give one by RSA, ECDSA or Ed25519")]
    Key(PathBuf, String),
    /// The two do not belong together.
    #[error(
        "the key in {key} is not that of the certificate in {certificate}; give the key it was made with, and the certificate itself first in its file"
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

impl Pair {
    /// Reads both files.
    pub fn read(&self) -> Result<Certificate, FileError> {
        let chain = read_chain(&self.certificate)?;
        let unusable = |why: String| FileError::Certificate(self.certificate.clone(), why);
        let (_, parsed) = parse_x509_certificate(&chain[0]).map_err(|error| unusable(error.to_string()))?;
        let names = match parsed.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(dns_name).collect(),
            Ok(None) => Vec::new(),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let not_after = parsed.validity().not_after.timestamp();
        let bytes = read(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => {
                FileError::Missing(self.key.clone(), "private key", "PRIVATE KEY")
            }
            error => FileError::Pem(self.key.clone(), error.to_string()),
        })?;
        let key = default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| FileError::Key(self.key.clone(), error.to_string()))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(FileError::Mismatch {
                    certificate: self.certificate.clone(),
                    key: self.key.clone(),
                });
            }
            Err(error) => return Err(unusable(error.to_string())),
        }
        Ok(Certificate { key: Arc::new(key), names, not_after })
    }
}

/// The names in a client's certificate: of hosts, mail addresses and URIs; its common name, where it has none of
/// these. None if it cannot be read.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = parse_x509_certificate(certificate) else { return Vec::new() };
    if let Ok(Some(said)) = parsed.subject_alternative_name() {
        let name = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some((*name).to_owned())
            }
            _ => None,
        };
        return said.value.general_names.iter().filter_map(name).collect();
    }
    let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    common.map(str::to_owned).collect()
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

pub(crate) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let bytes = read(file)?;
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        chain.push(certificate.map_err(|error| FileError::Pem(file.to_owned(), error.to_string()))?);
        if chain.len() > CHAIN_LEN_MAX {
            return Err(FileError::Certificate(
                file.to_owned(),
                format!("there are more than {CHAIN_LEN_MAX}"),
            ));
        }
    }
    if chain.is_empty() {
        return Err(FileError::Missing(file.to_owned(), "certificate", "CERTIFICATE"));
    }
    Ok(chain)
}

fn read(file: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |error| FileError::Read(file.to_owned(), error);
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(FileError::Long(file.to_owned()));
    }
    Ok(bytes)
}
