//! The dialects: what a request wants, in whose words, and what a WebSocket's command says.

use codec::http;
use dialect::hub::{
    Cursors, Epoch, Hub, Limits, Message, Payload, Position, Read, Stage, Target, check_name,
};
use dialect::native::{self, Context, Shown};
use dialect::realplexor::{self, Found, Marker, Reading};
use dialect::{Command, Intent, Request, Shows, Speech, Transport, dklab as classic};

use crate::cut;

/// A request in the words of the native protocol: an intent whose names are names, or a problem in words.
pub(crate) fn native(data: &[u8]) {
    let limits = http::HeadLimits::default();
    let Ok(Some((head, head_len))) = http::decode(data, &limits) else { return };
    let header = |name: &str| head.header(name);
    let request = Request {
        method: head.method,
        path: head.path,
        query: head.query,
        header: &header,
        upgrade: head.upgrade_websocket(),
        tls: false,
        body: &data[head_len..],
    };
    let (headers, cookies) = (vec!["cookie".into()], vec!["sid".into()]);
    let shows = Shows { tokens: true, headers, cookies, ..Shows::NOTHING };
    match native::intent(
        &request,
        Context {
            cursors: cursors(),
            now: NOW,
            shows: &shows,
            stage: Stage::Serving,
            publishes: true,
            prefix: "",
            address: None,
        },
    ) {
        Ok(Intent::Wait(wait)) => {
            // Credentials may join some, which the shard finds out; a signed URL is for the names in it.
            let is_signed = |shown: &Shown| matches!(shown, Shown::Signature { .. });
            let may_join = wait.credentials.as_deref().is_some_and(|shows| !is_signed(&shows.shown));
            let may_wait_for_nothing = wait.transport == Transport::WebSocket || may_join;
            assert!(may_wait_for_nothing || !wait.names.is_empty(), "nobody waits for nothing");
            for name in &wait.names {
                assert!(check_name(name.as_bytes()).is_ok(), "{name:?} is no name");
            }
            let mut sorted = wait.names.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), wait.names.len(), "each name stands once");
            if let Some(said) = &wait.speech {
                assert!(request.method == "POST" && wait.names.len() <= 10);
                speech(&wait.names[0], said);
            }
        }
        Ok(_) => {}
        Err(problem) => {
            assert!((400..600).contains(&problem.status) && !problem.detail.is_empty());
            let document = String::from_utf8(problem.document()).expect("a problem is text");
            assert!(document.starts_with('{') && document.trim_end().ends_with('}'), "{document}");
        }
    }
}

/// What a client says to others stands in one line, as it was said, and nobody but the server says who it was.
fn speech(name: &str, said: &Speech) {
    assert!(check_name(name.as_bytes()).is_ok(), "{name:?} is no name");
    assert!(said.event.as_deref().is_none_or(|event| !native::is_reserved(event)));
    let user = "an\r\nn\u{2028}\0\"e";
    let payload =
        Payload { event: said.event.clone(), ..Payload::of_client(&said.data, Some(user), said.kind) };
    let targets = [Target { name: name.into(), alias: None }].into_iter().collect();
    let message = Message::new(Position::from_bits(1), 0, said.ttl, targets, payload);
    let mut out = Vec::new();
    native::write_object(&message, &[0], Some(cursors()), &mut out);
    assert!(!out.iter().any(|byte| byte.is_ascii_control()), "one line, and nothing that is none of it");
    let object = String::from_utf8(out).expect("an object is text");
    let mut told = b",\"user\":".to_vec();
    native::write_string(user, &mut told);
    let told = String::from_utf8(told).expect("a string is text");
    assert!(native::is_json_text(&object) && object.contains(&told), "{object}");
}

/// What a client says by WebSocket.
pub(crate) fn command(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match native::read_command(text, cursors(), NOW) {
        Err((problem, _)) => assert!(!problem.detail.is_empty()),
        Ok(Command::Publish { name, speech: said, .. }) => speech(&name, &said),
        Ok(_) => {}
    }
    native::last_event_id(data, cursors());
    if let Some(Read::Here(position)) = cursors().read(text) {
        let again = cursors().text(position);
        assert!(matches!(cursors().read(&again), Some(Read::Here(same)) if same == position));
    }
}

/// The words of 2009: what was understood of the first bytes stays so when more have come.
pub(crate) fn multiplexor(data: &[u8]) {
    let Some((first, _)) = cut(data) else { return };
    let whole = &data[1..];
    let ours = native::Paths::default();
    if let (Some(early), late) =
        (classic::whose(first, ours.all(), None), classic::whose(whole, ours.all(), None))
    {
        assert_eq!(Some(early), late, "other words");
    }
    if let Some(early) = classic::ids(first, false) {
        assert_eq!(Some(&early), classic::ids(whole, true).as_ref(), "other ids");
        assert!(early.iter().all(|id| classic::is_id(id)), "{early:?}");
    }
    let payload = classic::payload(whole.to_vec());
    assert!(payload.data.start <= payload.data.end && payload.data.end as usize <= payload.bytes.len());
}

/// The words of Realplexor: the same holds, and what is read of a list can be read again.
pub(crate) fn realplexor(data: &[u8]) {
    let Some((first, _)) = cut(data) else { return };
    let (whole, marker) = (&data[1..], Marker::default());
    let words = |bytes| realplexor::whose(bytes, native::Paths::default().all(), None, &marker);
    if let (Some(early), late) = (words(first), words(whole)) {
        assert_eq!(Some(early), late, "other words");
    }
    for decodes in [false, true] {
        let reading = Reading { ended: false, decodes, query: decodes };
        if let Found::List(early) = marker.find(first, reading) {
            assert_eq!(marker.find(whole, reading), Found::List(early.clone()), "another list");
            assert!(early.items.iter().all(|item| realplexor::is_id(&item.id)), "{early:?}");
            assert!(early.wishes().len() <= whole.len());
        }
    }
    if realplexor::command(first, false).is_some() {
        assert!(realplexor::command(whole, true).is_some(), "a command is one, whatever follows");
    }
}

fn cursors() -> Cursors {
    Hub::new(Limits::default(), Epoch::new(7), 7).cursors()
}

const NOW: u64 = 1_800_000_000_000;
