//! What holds for any bytes on a listener that understands 2009, too.

mod common;

use common::{Line, handed_over};
use multiplexor_transport::Conn;
use multiplexor_transport::dialect::Classic;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is done does not depend on how the bytes came, nor on who goes on with them.
    #[test]
    fn cuts_change_nothing(bytes in any_bytes(), cuts in vec(any::<prop::sample::Index>(), 0..8)) {
        let run = |mut places: Vec<usize>, hands_over| {
            places.sort_unstable();
            let (mut line, mut at) = (Line::of(Conn::of(Classic::Dklab)), 0);
            line.answers_polls = true;
            for place in places.into_iter().chain([bytes.len()]) {
                line.feed(&bytes[at..place]);
                at = place;
                if hands_over {
                    line.conn = handed_over(&line.conn);
                }
            }
            let facts = std::mem::take(&mut line.facts);
            (facts, std::mem::take(&mut line.exact), line.end())
        };
        let whole = run(Vec::new(), false);
        let places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        prop_assert_eq!(&run(places.clone(), false), &whole);
        prop_assert_eq!(&run(places, true), &whole);
        prop_assert_eq!(&run((0..bytes.len()).collect(), false), &whole);
    }

    /// On our own paths a marker means nothing: it is as if the dialect were not there.
    #[test]
    fn our_own_paths_are_never_searched(rest in any_bytes(), path in prop::sample::select(&["/sub/a", "/healthz", "/sub"][..])) {
        let bytes = [format!("GET {path}?x=identifier=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n").as_bytes(), &rest[..]].concat();
        let run = |classic| {
            let mut line = Line::of(Conn::of(classic));
            line.answers_polls = true;
            line.feed(&bytes);
            line.exact
        };
        prop_assert_eq!(run(Classic::Dklab), run(Classic::None));
    }
}

/// Bytes of which some are requests, some name channels, and some are nonsense.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..9),
    ];
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

const PIECES: [&str; 24] = [
    "identifier=",
    "identifier=a",
    "identifier=a,b ",
    "x",
    ",",
    " ",
    "&",
    "?",
    "\r\n",
    "\n",
    "\r\n\r\n",
    "GET ",
    "POST / HTTP/1.1\r\nHost: a\r\n",
    "GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /?x HTTP/1.0\r\n",
    "HTTP/1.1 200 OK\r\n",
    "/sub",
    "/sub/a",
    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
    "3\r\nabc\r\n",
    "0\r\n\r\n",
    "Host: b\r\n",
];
