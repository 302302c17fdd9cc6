//! What a listener shows its clients: certificates by name, versions, tickets. Immutable, and shared by all.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::CertificateDer;
use rustls::server::{
    ClientHello, ProducesTickets, ResolvesServerCert, UnbufferedServerConnection, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{Error, RootCertStore, ServerConfig};

use crate::certificate::{Certificate, FileError, read_chain};
use crate::limits::TICKETS;
use crate::secret::SecretLog;

/// The server's side of TLS on a listener.
#[derive(Debug, Clone)]
pub struct Server(Arc<ServerConfig>);

/// What else belongs to a server.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Whose certificates clients may show; empty: nobody is asked for one.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Keys are handed out by rustls when the handshake is over, for [`crate::TlsSession`].
    pub hands_out_keys: bool,
}

/// Makes and reads tickets, with keys that change by themselves: a client may come back to any listener that
/// shares them. The keys are made when the first listener needs them.
#[derive(Debug, Clone, Default)]
pub struct Tickets(Arc<OnceLock<Arc<dyn ProducesTickets>>>);

impl Tickets {
    fn producer(&self) -> Result<Arc<dyn ProducesTickets>, Error> {
        if let Some(producer) = self.0.get() {
            return Ok(Arc::clone(producer));
        }
        let made = Ticketer::new()?;
        Ok(Arc::clone(self.0.get_or_init(|| made)))
    }
}

impl Server {
    /// A server with these certificates, the first of which is shown to whoever names none.
    pub fn new(
        certificates: &[Certificate],
        options: &ServerOptions,
        tickets: &Tickets,
    ) -> Result<Self, Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let builder = if options.authorities.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for authority in &options.authorities {
                roots.add(authority.clone())?;
            }
            let provider = Arc::new(default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(certificates)));
        // All suites are strong; ours come first, so that nobody is talked into the weakest.
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = tickets.producer()?;
        config.send_tls13_tickets = TICKETS;
        config.enable_secret_extraction = options.hands_out_keys;
        if options.hands_out_keys {
            config.key_log = Arc::new(SecretLog);
        }
        Ok(Self(Arc::new(config)))
    }

    /// As rustls takes it.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }

    pub(crate) fn connection(&self) -> Result<UnbufferedServerConnection, Error> {
        UnbufferedServerConnection::new(self.config())
    }
}

/// The SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` tells it.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
    bytes
}

/// Reads the certificates of those who may vouch for clients.
pub fn read_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    read_chain(file)
}

/// Finds the certificate that a client asks for.
#[derive(Debug)]
struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// By name, and by the rest behind the star of a pattern such as `*.example.com`: numbers in `all`.
    names: HashMap<Box<str>, Vec<usize>>,
}

impl ByName {
    fn new(certificates: &[Certificate]) -> Self {
        let mut names: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (number, certificate) in certificates.iter().enumerate() {
            for name in &certificate.names {
                names.entry(name.to_ascii_lowercase().into()).or_default().push(number);
            }
        }
        Self { all: certificates.iter().map(|certificate| Arc::clone(&certificate.key)).collect(), names }
    }

    /// The numbers of those for a name: its own first, then those of patterns.
    fn candidates(&self, name: &str) -> impl Iterator<Item = usize> {
        let name = name.to_ascii_lowercase();
        let pattern = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let of =
            |name: Option<&str>| name.and_then(|name| self.names.get(name)).into_iter().flatten().copied();
        of(Some(&name)).chain(of(pattern.as_deref())).collect::<Vec<_>>().into_iter()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |number: &usize| self.all[*number].key.choose_scheme(hello.signature_schemes()).is_some();
        let named = hello.server_name().into_iter().flat_map(|name| self.candidates(name));
        // Whoever names what nobody has gets the first: it says itself what is wrong.
        let found = named.chain(0..self.all.len()).find(fits)?;
        Some(Arc::clone(&self.all[found]))
    }
}
