//! Against a client of rustls, in memory.

mod strangers;

use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedCipherSuite};

use super::*;
use crate::{Pair, ServerOptions, Tickets};

/// A server, and the certificate by which it is trusted.
fn server(name: &str) -> (Server, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned(), format!("*.{name}")]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let folder = std::env::temp_dir().join(format!("multiplexor-tls-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let pair = Pair { certificate: folder.join("fullchain.pem"), key: folder.join("privkey.pem") };
    std::fs::write(&pair.certificate, certificate.pem()).unwrap();
    std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    let read = pair.read().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(read.names, [name.to_owned(), format!("*.{name}")]);
    let options = ServerOptions { hands_out_keys: true, ..ServerOptions::default() };
    (Server::new(&[read], &options, &Tickets::default()).unwrap(), certificate.der().clone())
}

fn client_config(
    trusted: &CertificateDer<'static>,
    suite: Option<SupportedCipherSuite>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut provider: CryptoProvider = default_provider();
    if let Some(suite) = suite {
        provider.cipher_suites = vec![suite];
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| panic!("{error}"))
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// A client and a session, and a wire that cuts what the client says.
struct Scene {
    client: ClientConnection,
    session: TlsSession,
    said: Vec<u8>,
    opened: Option<HandshakeStep>,
    /// What the client has read.
    read: Vec<u8>,
}

impl Scene {
    fn new(server: &Server, config: &Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self {
            client,
            session: TlsSession::new(server.clone()),
            said: Vec::new(),
            opened: None,
            read: Vec::new(),
        }
    }

    /// Carries bytes to and fro until nobody has any; `cut` says how many of the client's come at once.
    fn carry(&mut self, cut: &mut dyn FnMut(usize) -> usize) -> Result<(), Failure> {
        loop {
            let mut bytes = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut bytes).unwrap();
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let mut out = Vec::new();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let len = cut(rest.len()).clamp(1, rest.len());
                self.hear(&rest[..len], &mut out)?;
                rest = &rest[len..];
            }
            self.tell(&out);
        }
    }

    fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut scratch = vec![0; 2 * WIRE_LEN_MAX];
        let kept = self.session.restore(&mut scratch);
        scratch[kept..kept + bytes.len()].copy_from_slice(bytes);
        let heard = self.session.receive(&mut scratch[..kept + bytes.len()], out)?;
        self.said.extend_from_slice(&scratch[..heard.len]);
        self.opened = self.opened.or(heard.opened);
        Ok(())
    }

    fn tell(&mut self, bytes: &[u8]) {
        let mut bytes = Cursor::new(bytes);
        while bytes.position() < bytes.get_ref().len() as u64 {
            self.client.read_tls(&mut bytes).unwrap();
            self.client.process_new_packets().unwrap();
            let mut some = [0; 4096];
            while let Ok(len @ 1..) = self.client.reader().read(&mut some) {
                self.read.extend_from_slice(&some[..len]);
            }
        }
    }

    fn say(&mut self, text: &[u8]) {
        self.client.writer().write_all(text).unwrap();
    }

    /// The server says this; what the client reads.
    fn answer(&mut self, text: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let half = at + (text.len() - at) / 2;
            let slices = [IoSlice::new(&text[at..half]), IoSlice::new(&text[half..])];
            at += self.session.seal(&slices, &mut out).unwrap();
        }
        self.tell(&out);
        std::mem::take(&mut self.read)
    }
}

fn check_talk(scene: &mut Scene, cut: &mut dyn FnMut(usize) -> usize) {
    scene.said.clear();
    hand_over(scene);
    scene.say(b"GET / HTTP/1.1\r\n\r\n");
    scene.carry(cut).unwrap();
    assert!(!scene.session.is_handshaking());
    assert_eq!(scene.said, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(scene.session.kept.capacity(), 0, "an idle connection keeps nothing");
    let long = vec![b'x'; 3 * RECORD_LEN_MAX + 5];
    assert_eq!(scene.answer(b"hello"), b"hello");
    assert!(scene.answer(&long) == long);
}

#[test]
fn every_suite_of_both_versions_works() {
    let (server, trusted) = server("suites.example");
    let mut count = 0;
    for suite in ALL_CIPHER_SUITES.iter().filter(|suite| !format!("{:?}", suite.suite()).contains("RSA")) {
        let mut scene = Scene::new(&server, &client_config(&trusted, Some(*suite)), "suites.example");
        check_talk(&mut scene, &mut |all| all);
        assert_eq!(scene.opened, Some(HandshakeStep::Full), "{suite:?}");
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn cuts_change_nothing() {
    let (server, trusted) = server("cuts.example");
    for suite in [None, ALL_CIPHER_SUITES.iter().find(|suite| suite.tls13().is_none()).copied()] {
        let config = client_config(&trusted, suite);
        // The resumption of every second client is cut, too.
        for at in 1..700 {
            let mut scene = Scene::new(&server, &config, "cuts.example");
            check_talk(&mut scene, &mut |all| at.min(all));
        }
    }
}

#[test]
fn a_client_comes_back_by_its_ticket() {
    let (server, trusted) = server("tickets.example");
    for suite in [None, ALL_CIPHER_SUITES.iter().find(|suite| suite.tls13().is_none()).copied()] {
        let config = client_config(&trusted, suite);
        for expected in [HandshakeStep::Full, HandshakeStep::Resumed, HandshakeStep::Resumed] {
            let mut scene = Scene::new(&server, &config, "tickets.example");
            check_talk(&mut scene, &mut |all| all);
            assert_eq!(scene.opened, Some(expected), "{suite:?}");
        }
    }
}

#[test]
fn keys_are_renewed() {
    let (server, trusted) = server("renewal.example");
    let mut scene = Scene::new(&server, &client_config(&trusted, None), "renewal.example");
    check_talk(&mut scene, &mut |all| all);
    for _ in 0..3 {
        // The client renews its key, and wants us to do so.
        scene.client.refresh_traffic_keys().unwrap();
        check_talk(&mut scene, &mut |all| all);
        // Ours is worn after some records.
        for _ in 0..=WORN {
            assert_eq!(scene.answer(b"tick"), b"tick");
        }
        check_talk(&mut scene, &mut |all| all);
    }
}

#[test]
fn a_key_that_does_not_fit_its_cipher_is_none() {
    let key = rustls::crypto::cipher::AeadKey::from([7; 32]);
    let iv = rustls::crypto::cipher::Iv::copy(&[0; 12]);
    let secrets = rustls::ConnectionTrafficSecrets::Aes128Gcm { key, iv };
    assert!(CipherSecret::of_rustls(&secrets).is_none());
}

/// The session goes on in another process.
fn hand_over(scene: &mut Scene) {
    let Some(bytes) = scene.session.freeze() else {
        assert!(scene.session.is_handshaking());
        return;
    };
    scene.session = TlsSession::thaw(&bytes).expect("it was frozen");
    assert_eq!(scene.session.freeze(), Some(bytes));
}

#[test]
fn a_session_goes_on_in_the_middle_of_a_record() {
    let (server, trusted) = server("frozen.example");
    for suite in ALL_CIPHER_SUITES.iter().filter(|suite| !format!("{:?}", suite.suite()).contains("RSA")) {
        let mut scene = Scene::new(&server, &client_config(&trusted, Some(*suite)), "frozen.example");
        check_talk(&mut scene, &mut |all| all);
        for at in [1, 4, 5, 6, 30] {
            let mut bytes = Vec::new();
            scene.said.clear();
            scene.say(b"half and half");
            scene.client.write_tls(&mut bytes).unwrap();
            let mut out = Vec::new();
            scene.hear(&bytes[..at], &mut out).unwrap();
            assert!(scene.session.has_part());
            hand_over(&mut scene);
            assert!(scene.session.has_part());
            scene.hear(&bytes[at..], &mut out).unwrap();
            assert_eq!(scene.said, b"half and half");
            assert_eq!(scene.answer(b"whole"), b"whole");
        }
    }
}

#[test]
fn what_is_no_session_is_refused() {
    let (server, trusted) = server("strange.example");
    let mut scene = Scene::new(&server, &client_config(&trusted, None), "strange.example");
    assert_eq!(scene.session.freeze(), None);
    check_talk(&mut scene, &mut |all| all);
    let bytes = scene.session.freeze().unwrap();
    assert!(
        (0..bytes.len()).all(|cut| TlsSession::thaw(&bytes[..cut]).is_none()),
        "nothing of it may be missing"
    );
    for (at, byte) in [(0, 2), (1, 2), (2, 0), (2, 4), (3, 8), (13, 0x40)] {
        let mut other = bytes.clone();
        other[at] = byte;
        assert!(TlsSession::thaw(&other).is_none(), "{at}");
    }
    let long = [&bytes[..], &vec![0; WIRE_LEN_MAX]].concat();
    assert!(TlsSession::thaw(&long).is_none(), "no record is so long");
}

#[test]
fn a_worn_key_ends_a_connection_of_the_old_version() {
    let (server, trusted) = server("worn.example");
    let suite = ALL_CIPHER_SUITES.iter().find(|suite| suite.tls13().is_none()).copied();
    let mut scene = Scene::new(&server, &client_config(&trusted, suite), "worn.example");
    check_talk(&mut scene, &mut |all| all);
    let mut out = Vec::new();
    let worn = (0..=WORN).find(|_| scene.session.seal(&[IoSlice::new(b"x")], &mut out).is_err());
    assert!(worn.is_some_and(|sealed| sealed > 1), "{worn:?}");
}

#[test]
fn the_end_is_told_and_heard() {
    let (server, trusted) = server("end.example");
    let mut scene = Scene::new(&server, &client_config(&trusted, None), "end.example");
    check_talk(&mut scene, &mut |all| all);
    let mut out = Vec::new();
    scene.session.close(&mut out);
    let once = out.len();
    scene.session.close(&mut out);
    assert_eq!(out.len(), once);
    scene.tell(&out);
    assert!(matches!(scene.client.reader().read(&mut [0; 9]), Ok(0)), "a clean end");
    scene.say(b"bye");
    scene.client.send_close_notify();
    scene.said.clear();
    scene.carry(&mut |all| all).unwrap();
    assert!(scene.session.has_ended());
    assert_eq!(scene.said, b"bye");
}
