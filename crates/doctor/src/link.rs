//! A connection as a browser has it: plain, or TLS, whose certificate is judged but never refused.
//!
//! A certificate that browsers refuse is one finding; what is behind it is looked at all the same. Nothing secret is
//! said over such a connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};

use crate::finding::{Finding, Level};

/// A connection.
#[derive(Debug)]
pub(crate) enum ProbeLink {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// How to speak TLS, and what was found out about the certificate.
#[derive(Debug, Clone)]
pub(crate) struct ProbeTls {
    provider: Arc<CryptoProvider>,
    judge: Arc<Judge>,
    name: ServerName<'static>,
    /// What trusts: a file, or this system.
    trust: String,
}

impl ProbeTls {
    /// For a host of this name; `authorities` is a file of those to be trusted, else the system's are.
    pub(crate) fn new(host: &str, authorities: Option<&Path>) -> anyhow::Result<Self> {
        let name = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).with_context(|| format!("{host} is no name of a host"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let known = cli::authorities(authorities).map(tls::read_authorities).transpose()?.unwrap_or_default();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(known.iter().cloned());
        let by_chain =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let known = if authorities.is_some() { known } else { Vec::new() };
        let judge =
            Judge { by_chain: by_chain.ok(), known, provider: Arc::clone(&provider), found: OnceLock::new() };
        let trust = authorities.map_or_else(|| "this system".to_owned(), |file| file.display().to_string());
        Ok(Self { provider, judge: Arc::new(judge), name, trust })
    }

    /// Shakes hands over a connection; `protocols` are those of ALPN (RFC 7301), as they are preferred.
    pub(crate) fn begin(&self, stream: TcpStream, protocols: &[&[u8]]) -> anyhow::Result<ProbeLink> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.judge) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let connection = ClientConnection::new(Arc::new(config), self.name.clone())?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream
                .conn
                .complete_io(&mut stream.sock)
                .map_err(|error| anyhow::anyhow!(handshake_words(&error)))?;
        }
        Ok(ProbeLink::Tls(Box::new(stream)))
    }

    /// What browsers think of the certificate that was shown.
    pub(crate) fn certificate(&self) -> Finding {
        let (name, trust) = (self.name.to_str(), &self.trust);
        let (level, text) = match self.judge.found.get() {
            None | Some(CertificateVerdict::Unknown) => (
                Level::Note,
                "not judged, since this system has no list of authorities; name one with --ca".to_owned(),
            ),
            Some(CertificateVerdict::Good) => (Level::Ok, format!("for {name}, and trusted by {trust}")),
            Some(CertificateVerdict::Bad(why)) => (Level::Problem, bad_words(why, &name, trust)),
        };
        Finding::new("certificate", level, format!("certificate: {text}"))
    }
}

impl ProbeLink {
    fn stream(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// How long a read may take.
    pub(crate) fn set_read_timeout(&self, time: Duration) -> io::Result<()> {
        self.stream().set_read_timeout(Some(time))
    }

    /// Those of this side and of the other one.
    pub(crate) fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let (here, there) = (self.stream().local_addr().ok()?, self.stream().peer_addr().ok()?);
        Some((here.ip(), there.ip()))
    }

    /// The protocol that was agreed on in the handshake, if any was.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.conn.alpn_protocol(),
        }
    }
}

impl Read for ProbeLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for ProbeLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Lets every certificate pass, and remembers what is to be said about it.
#[derive(Debug)]
struct Judge {
    /// None where nobody is trusted.
    by_chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted as they are, as one that has signed itself.
    known: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    found: OnceLock<CertificateVerdict>,
}

/// What there is to be said.
#[derive(Debug)]
enum CertificateVerdict {
    Good,
    Unknown,
    Bad(Error),
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = if self.known.iter().any(|known| known == end_entity) {
            let parsed = ParsedCertificate::try_from(end_entity);
            parsed
                .and_then(|parsed| rustls::client::verify_server_name(&parsed, name))
                .map_or_else(CertificateVerdict::Bad, |()| CertificateVerdict::Good)
        } else {
            match &self.by_chain {
                Some(chain) => chain
                    .verify_server_cert(end_entity, intermediates, name, ocsp, now)
                    .map_or_else(CertificateVerdict::Bad, |_| CertificateVerdict::Good),
                None => CertificateVerdict::Unknown,
            }
        };
        self.found.get_or_init(|| verdict);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, and what would be right.
fn bad_words(why: &Error, name: &str, trust: &str) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    match why {
        Error::InvalidCertificate(UnknownIssuer) => format!(
            "signed by nobody whom {trust} trusts, so browsers refuse it; the server must send its whole chain, or, if \
             the authority is your own, name its certificate with --ca"
        ),
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            format!("not for {name}, so browsers refuse it; get one for this name")
        }
        Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "its time is over, so browsers refuse it; renew it".to_owned()
        }
        Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            "its time has not come yet; see whether the clock of this machine is right".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "it has signed itself, so browsers refuse it; get one from an authority, or name it with --ca"
                .to_owned()
        }
        other => format!("browsers refuse it: {other}"),
    }
}

/// Why no connection came about.
fn handshake_words(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => "who answers there speaks no TLS; try http://".to_owned(),
        Some(Error::AlertReceived(alert)) => format!("who answers there ends the TLS handshake: {alert:?}"),
        Some(other) => format!("the TLS handshake fails: {other}"),
        None => format!(
            "the TLS handshake is not answered ({}); where no TLS is spoken, try http://",
            error.kind()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_in_plain_words() {
        use CertificateError::{Expired, NotValidForName, NotValidYet, Revoked, UnknownIssuer};
        for (why, words) in [
            (UnknownIssuer, "signed by nobody whom this system trusts"),
            (NotValidForName, "not for push.example"),
            (Expired, "its time is over"),
            (NotValidYet, "clock of this machine"),
            (Revoked, "browsers refuse it: "),
        ] {
            let told = bad_words(&Error::InvalidCertificate(why), "push.example", "this system");
            assert!(told.contains(words), "{told}");
        }
    }
}
