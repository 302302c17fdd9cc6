//! The client's side of TLS, in memory; and a server that such a client trusts.

use std::io::{Cursor, Read, Write};
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use wait::Certificates;
use wait::tls::{Certificate, Pair, Server, ServerOptions, Tickets};

/// TLS on the client's end.
#[derive(Debug)]
pub struct SimTls {
    client: ClientConnection,
    /// It gave up, perhaps in the middle of its handshake, and is told so.
    said_no_more: bool,
    /// What the server said, and nobody has read yet.
    pub heard: Vec<u8>,
}

impl SimTls {
    /// A client that has said nothing yet.
    #[allow(clippy::new_without_default, reason = "it makes keys")]
    pub fn new() -> Self {
        let name = ServerName::try_from(NAME).expect("it is a name");
        let mut client = ClientConnection::new(Arc::clone(&world().client), name).expect("it is a client");
        client.set_buffer_limit(None);
        Self { client, said_no_more: false, heard: Vec::new() }
    }

    /// Says something, when its handshake is over.
    pub fn say(&mut self, bytes: &[u8]) {
        self.client.writer().write_all(bytes).expect("there is no limit");
    }

    /// Says that it says no more.
    pub fn say_no_more(&mut self) {
        self.said_no_more = true;
        self.client.send_close_notify();
    }

    /// Takes in what came of the server.
    pub fn hear(&mut self, bytes: &[u8]) {
        let mut bytes = Cursor::new(bytes);
        while bytes.position() < bytes.get_ref().len() as u64 {
            self.client.read_tls(&mut bytes).expect("memory can be read");
            if let Err(error) = self.client.process_new_packets() {
                assert!(self.said_no_more, "the server speaks TLS: {error}");
                return;
            }
            let mut some = [0; 4096];
            while let Ok(len @ 1..) = self.client.reader().read(&mut some) {
                self.heard.extend_from_slice(&some[..len]);
            }
        }
    }

    /// What is to be sent.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).expect("memory can be written");
        }
        bytes
    }

    pub(super) fn was_told_the_end(&mut self) -> bool {
        matches!(self.client.reader().read(&mut [0; 1]), Ok(0))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.client.is_handshaking()
    }
}

/// Certificates for the first listener that [`super::SimPeer::connect_tls`] trusts.
pub fn certificates() -> Certificates {
    Certificates::new(vec![Some(server())])
}

/// A server that such a client trusts.
pub fn server() -> Server {
    let world = world();
    let options = ServerOptions { hands_out_keys: true, ..ServerOptions::default() };
    let server = Server::new(std::slice::from_ref(&world.certificate), &options, &world.tickets);
    server.expect("it is a server")
}

struct World {
    client: Arc<ClientConfig>,
    certificate: Certificate,
    tickets: Tickets,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let key = KeyPair::generate().expect("it is a key");
        let params = CertificateParams::new(vec![NAME.to_owned()]).expect("it is a name");
        let certificate = params.self_signed(&key).expect("it is a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("it is a certificate");
        let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("these versions exist")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::in_memory_sessions(32);
        let folder = std::env::temp_dir().join(format!("multiplexor-testkit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("there is room for a file");
        let pair = Pair { certificate: folder.join("fullchain.pem"), key: folder.join("privkey.pem") };
        std::fs::write(&pair.certificate, certificate.pem()).expect("there is room for a file");
        std::fs::write(&pair.key, key.serialize_pem()).expect("there is room for a file");
        let certificate = pair.read().expect("it is a pair");
        std::fs::remove_dir_all(&folder).expect("it is ours");
        World { client: Arc::new(client), certificate, tickets: Tickets::default() }
    })
}

const NAME: &str = "push.example";
