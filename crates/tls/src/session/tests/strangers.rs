//! Clients who want something else, or who mean no good.

use std::sync::Arc;

use rustls::{AlertDescription, Error};

use super::*;

#[test]
fn who_does_nothing_but_renew_keys_is_stopped() {
    let (server, trusted) = server("busy.example");
    let mut scene = Scene::new(&server, &client_config(&trusted, None), "busy.example");
    check_talk(&mut scene, &mut |all| all);
    let mut renew = |times| {
        (0..times).for_each(|_| scene.client.refresh_traffic_keys().unwrap());
        scene.carry(&mut |all| all)
    };
    assert_eq!(renew(RENEWALS_PER_READ_MAX), Ok(()));
    assert_eq!(renew(RENEWALS_PER_READ_MAX), Ok(()));
    assert_eq!(renew(RENEWALS_PER_READ_MAX + 1), Err(Failure::Malformed(UNEXPECTED_MESSAGE)));
}

#[test]
fn records_with_nothing_in_them_have_a_budget_for_life() {
    let (server, trusted) = server("hollow.example");
    let mut config = (*client_config(&trusted, None)).clone();
    config.enable_secret_extraction = true;
    for (kind, payload) in [(RecordKind::DATA, &[][..]), (RecordKind::ALERT, &[WARNING, USER_CANCELED])] {
        let mut scene = Scene::new(&server, &Arc::new(config.clone()), "hollow.example");
        check_talk(&mut scene, &mut |all| all);
        let Scene { client, mut session, .. } = scene;
        let (seq, secrets) = client.dangerous_extract_secrets().unwrap().tx;
        let mut keys = DirectionKeys::new(seq, CipherSecret::of_rustls(&secrets).unwrap(), Version::Tls13);
        let mut hear = |kind, payload| {
            let mut record = Vec::new();
            keys.seal(kind, [payload], &mut record).unwrap();
            session.receive(&mut record, &mut Vec::new())
        };
        for _ in 0..HOLLOW_RECORDS_MAX {
            assert_eq!(hear(kind, payload), Ok(ReadBytes::default()));
            assert_eq!(
                hear(RecordKind::DATA, b"x"),
                Ok(ReadBytes { len: 1, opened: None }),
                "which gives nothing back"
            );
        }
        assert_eq!(hear(kind, payload), Err(Failure::Malformed(UNEXPECTED_MESSAGE)));
    }
}

#[test]
fn renewals_of_keys_have_a_budget_for_life() {
    let (server, trusted) = server("renewals.example");
    let mut scene = Scene::new(&server, &client_config(&trusted, None), "renewals.example");
    check_talk(&mut scene, &mut |all| all);
    for _ in 0..HOLLOW_RECORDS_MAX {
        scene.client.refresh_traffic_keys().unwrap();
        scene.carry(&mut |all| all).unwrap();
        // The client has a budget of its own, for renewals between which nothing is said.
        assert_eq!(scene.answer(b"x"), b"x");
    }
    scene.client.refresh_traffic_keys().unwrap();
    assert_eq!(scene.carry(&mut |all| all), Err(Failure::Malformed(UNEXPECTED_MESSAGE)));
}

#[test]
fn what_is_no_tls_is_told_apart() {
    let (server, _) = server("plain.example");
    let failure = |bytes: &[u8]| {
        let mut session = TlsSession::new(server.clone());
        let (mut bytes, mut out) = (bytes.to_vec(), Vec::new());
        session.receive(&mut bytes, &mut out).unwrap_err()
    };
    assert_eq!(failure(b"GET / HTTP/1.1\r\n"), Failure::PlainHttp);
    assert_eq!(failure(b"P"), Failure::PlainHttp);
    for bytes in [&b"\x80\x2e\x01"[..], b"\0\0\0\0\0\0", b"identifier=a", b"\x16\x02\0\0\x01"] {
        assert!(matches!(failure(bytes), Failure::Malformed(_)), "{bytes:?}");
    }
    assert_eq!(failure(b"\x16\x03\x01\xff\xff"), Failure::Malformed(RECORD_OVERFLOW));
}

#[test]
fn one_wrong_bit_anywhere_ends_the_connection() {
    let (server, trusted) = server("bits.example");
    let config = client_config(&trusted, None);
    for at in 0..40 {
        let mut scene = Scene::new(&server, &config, "bits.example");
        check_talk(&mut scene, &mut |all| all);
        scene.say(b"GET / HTTP/1.1\r\n\r\n");
        let mut bytes = Vec::new();
        scene.client.write_tls(&mut bytes).unwrap();
        // A shorter length is a record cut off, a longer one is awaited.
        bytes[at % 40] ^= 1;
        scene.said.clear();
        let mut out = Vec::new();
        match scene.hear(&bytes, &mut out) {
            Err(Failure::Malformed(_)) => assert!(at < 5 || !out.is_empty(), "an alert says so: {at}"),
            Ok(()) => assert!(at == 2 || at == 4 || at == 3, "{at}"),
            other => panic!("{at}: {other:?}"),
        }
        assert!(scene.said.is_empty() || at == 2, "{at}");
    }
}

#[test]
fn who_distrusts_the_certificate_is_counted_so() {
    let ((server, _), (_, other)) = (server("one.example"), server("two.example"));
    let mut scene = Scene::new(&server, &client_config(&other, None), "one.example");
    let mut bytes = Vec::new();
    scene.client.write_tls(&mut bytes).unwrap();
    let mut out = Vec::new();
    scene.hear(&bytes, &mut out).unwrap();
    scene.client.read_tls(&mut Cursor::new(out)).unwrap();
    scene.client.process_new_packets().unwrap_err();
    let mut alert = Vec::new();
    while scene.client.wants_write() {
        scene.client.write_tls(&mut alert).unwrap();
    }
    assert_eq!(scene.hear(&alert, &mut Vec::new()), Err(Failure::Refused));
}

#[test]
fn who_speaks_another_protocol_is_told() {
    let (server, trusted) = server("alpn.example");
    let mut config = (*client_config(&trusted, None)).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut scene = Scene::new(&server, &Arc::new(config), "alpn.example");
    let mut bytes = Vec::new();
    scene.client.write_tls(&mut bytes).unwrap();
    let mut out = Vec::new();
    assert_eq!(scene.hear(&bytes, &mut out), Err(Failure::Incompatible));
    scene.client.read_tls(&mut Cursor::new(out)).unwrap();
    let told = scene.client.process_new_packets().unwrap_err();
    assert_eq!(told, Error::AlertReceived(AlertDescription::NoApplicationProtocol));
}

/// Whatever a stranger sends, cut anywhere, is answered or refused; and `MULTIPLEXOR_SEEDS` tries more of it.
#[test]
fn no_handshake_is_too_strange() {
    let (server, trusted) = server("strange.example");
    let old = ALL_CIPHER_SUITES.iter().find(|suite| suite.tls13().is_none()).copied();
    let configs = [client_config(&trusted, None), client_config(&trusted, old)];
    testkit::seeds::seeds("cargo test -p multiplexor-tls", |seed| {
        let mut chance = testkit::seeds::Chance::new(seed);
        let mut scene = Scene::new(&server, &configs[chance.index(2)], "strange.example");
        // The first flight, the second, or what comes after it is spoiled.
        let spoiled = chance.index(3);
        for flight in 0..3 {
            if flight == 2 {
                scene.say(b"GET / HTTP/1.1");
            }
            let mut bytes = Vec::new();
            while scene.client.wants_write() {
                scene.client.write_tls(&mut bytes).unwrap();
            }
            for _ in 0..if flight == spoiled && !bytes.is_empty() { 1 + chance.index(3) } else { 0 } {
                let at = chance.index(bytes.len());
                match chance.index(5) {
                    0 => bytes[at] = chance.of(&[0, 1, 2, 3, 20, 21, 22, 23, 24, 127, 128, 255]),
                    1 => bytes[at] ^= 1 << chance.index(8),
                    2 => bytes.truncate(at + 1),
                    3 => drop(bytes.splice(at..at, bytes.clone()).count()),
                    _ => drop(bytes.drain(at..(at + 1 + chance.index(9)).min(bytes.len())).count()),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            let (mut out, mut rest) = (Vec::new(), bytes.as_slice());
            while !rest.is_empty() {
                let most = chance.of(&[3, 100, 4_000]);
                let len = (1 + chance.index(most)).min(rest.len());
                if scene.hear(&rest[..len], &mut out).is_err() {
                    return;
                }
                rest = &rest[len..];
            }
            if scene.client.read_tls(&mut Cursor::new(out)).is_err()
                || scene.client.process_new_packets().is_err()
            {
                return;
            }
        }
    });
}
