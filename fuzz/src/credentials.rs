//! What clients show of themselves: nobody gets in by bytes that nobody signed.

use std::net::IpAddr;

use access::hub::{Right, Session, WallTime};
use access::limits::FOUND_KEYS_MAX;
use access::{
    Key, Keyring, Proxies, Secret, Signed, TokenSecret, Tokens, Way, Whose, forward, make_token, read_jwks,
    session_of_answer,
};

/// A token as it was shown. Without the secret, no bytes are one.
pub(crate) fn token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match tokens().session(text, NOW) {
        Ok(session) => panic!("{text:?} is a session: {session:?}"),
        Err(denied) => assert!(!denied.detail.is_empty()),
    }
    if let Ok(secret) = Secret::read(text) {
        let other = Secret::new([7; 32]);
        let key = Key {
            name: "one".into(),
            hash: Some(other.hash()),
            certificate: None,
            session: Session::new(None, None, &[]),
        };
        let found = Keyring::new(vec![key]).find(text).is_some();
        assert_eq!(found, secret.reveal() == other.reveal(), "{text:?}");
    }
}

/// What proxies say of a request, line by line: nobody is believed who is no proxy; a client that is found stands in a line;
/// and what a client wrote before its proxy did changes nothing, but that it may not be known any more.
pub(crate) fn forwarded(data: &[u8]) {
    let Some((way, lines)) = data.split_first() else { return };
    let way = [Way::ForwardedFor, Way::Forwarded][usize::from(*way) % 2];
    let networks = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("it is one"));
    let proxies = Proxies { networks: networks.into(), way };
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'|').collect();
    let (proxy, client) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
    let whose = |peer: IpAddr, lines: &[&[u8]]| proxies.whose(peer, lines.iter().copied());
    assert_eq!(whose(client, &lines), Whose::Client(client));
    match whose(proxy, &lines) {
        Whose::Hidden(address) => assert!(proxies.know(address), "a stranger hides somebody"),
        Whose::Client(_) => {}
        Whose::Unsaid => panic!("there are lines"),
    }
    // A line of its own, as HAProxy writes it, and behind what was there, as nginx does.
    let told = if way == Way::Forwarded { "for=192.0.2.1" } else { "192.0.2.1" };
    let own = [&lines[..], &[told.as_bytes()]].concat();
    assert_eq!(whose(proxy, &own), Whose::Client(client));
    let joined = [&lines.join(&b", "[..]), b", ".as_slice(), told.as_bytes()].concat();
    let appended = whose(proxy, &[&joined]);
    let hidden = way == Way::Forwarded && joined.contains(&b'"');
    assert!(appended == Whose::Client(client) || hidden && appended == Whose::Hidden(proxy), "{appended:?}");
    // Whoever reads behind us finds the one who came to us.
    let next = forward(way, lines.iter().copied(), Some(client));
    assert_eq!(whose(proxy, &[&next]), Whose::Client(client));
    // Where nobody is known to have come, nobody whom others named is taken for him.
    let next = forward(way, lines.iter().copied(), None);
    assert_eq!(whose(proxy, &[&next]), Whose::Hidden(proxy));
}

/// Claims that somebody signed: strange ones are refused in words, and none of them outlives its end.
pub(crate) fn claims(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let token = make_token(&secret(), text);
    match tokens().session(&token, NOW) {
        Ok(session) => {
            let end = session.expires().expect("a token has an end");
            assert!(end > NOW && !session.may(Right::Listen, "a", end), "it outlives its end");
        }
        Err(denied) => assert!(!denied.detail.is_empty()),
    }
}

/// A signed URL: what nobody signed is refused, and what somebody did is for no more than it says.
pub(crate) fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(5, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let signed = Signed { path: part(), expires: part(), user: part(), iat: part(), signature: part() };
    let session = |signed| tokens().session_of_url(signed, &["a".into()], NOW);
    assert!(session(signed).is_err(), "nobody signed {signed:?}");
    let signature = signed.sign(&secret());
    if let Ok(session) = session(Signed { signature: &signature, ..signed }) {
        assert!(!signed.path.is_empty(), "it is for nothing");
        assert_eq!(session.user().unwrap_or_default(), signed.user);
    }
}

/// Keys as somebody publishes them: what is wrong is told, and none of them vouches for what a secret signed.
pub(crate) fn jwks(data: &[u8]) {
    match read_jwks(data) {
        Ok(keys) => {
            assert!((1..=FOUND_KEYS_MAX).contains(&keys.len()), "{} keys", keys.len());
            let tokens = Tokens { keys, ..Tokens::default() };
            let token = make_token(&secret(), r#"{"exp":1900000000,"listen":"a"}"#);
            assert!(tokens.session(&token, NOW).is_err(), "a public key vouches for a secret");
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

/// What a hook says of a client: a session that has an end, or what is wrong with it.
pub(crate) fn answer(data: &[u8]) {
    match session_of_answer(data, NOW, NOW, 60_000) {
        Ok((session, until)) => {
            assert!(until > NOW && session.expires() == Some(until), "it ends, and not before it begins");
            assert!(!session.may(Right::Listen, "a", until), "it outlives its end");
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

fn tokens() -> Tokens {
    Tokens { secrets: vec![secret()], ..Tokens::default() }
}

fn secret() -> TokenSecret {
    TokenSecret::new("a-secret-that-no-input-of-a-fuzzer-holds").expect("it is long enough")
}

const NOW: WallTime = WallTime::from_millis(1_800_000_000_000);
