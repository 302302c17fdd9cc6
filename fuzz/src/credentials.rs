//! What clients show of themselves: nobody gets in by bytes that nobody signed.

use access::hub::{Right, Session};
use access::limits::FOUND_KEYS_MAX;
use access::{
    Key, Keyring, Proxies, Secret, Signed, TokenSecret, Tokens, Way, make_token, read_jwks, session_of_answer,
};

/// A token as it was shown. Without the secret, no bytes are one.
pub(crate) fn token(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match tokens().session(text, NOW) {
        Ok(session) => panic!("{text:?} is a session: {session:?}"),
        Err(denied) => assert!(!denied.code.is_empty() && !denied.detail.is_empty()),
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

/// What a proxy says of a request, line by line: whoever is found is no proxy, and nobody is believed who is none.
pub(crate) fn forwarded(data: &[u8]) {
    let Some((way, lines)) = data.split_first() else { return };
    let way = Way::ALL[usize::from(*way) % Way::ALL.len()];
    let networks = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().expect("it is one"));
    let proxies = Proxies { networks: networks.into(), way };
    let client = |peer: [u8; 4]| proxies.client(peer.into(), lines.split(|byte| *byte == b'|'));
    assert!(client([10, 0, 0, 1]).is_none_or(|client| !proxies.know(client)));
    assert_eq!(client([192, 0, 2, 1]), Some([192, 0, 2, 1].into()));
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
    match session_of_answer(data, NOW, 60_000) {
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

const NOW: u64 = 1_800_000_000_000;
