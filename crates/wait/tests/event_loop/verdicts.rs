//! Facts about those whom somebody else must judge: they are parked, and the shard goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use multiplexor_wait::access::{About, AuthAnswer, AuthFinding, Denied, Subject, Verdict};
use multiplexor_wait::exchange::Order;
use multiplexor_wait::exchange::hub::{Code, Door, Glob, Grant, Limits, Right, Session, ShardId};
use multiplexor_wait::{Shows, WaitSettings};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::body;

/// One shard, all of whose channels are closed, and whose clients are told apart by their cookies.
fn scene() -> Scene {
    let shows = Shows { headers: vec!["cookie".into()], ..Shows::NOTHING };
    let limits = Limits { listen: Door::Token, ..Limits::default() };
    Scene::new(0, 1, limits, WaitSettings { shows, ..WaitSettings::default() })
}

fn poll(name: &str, cookie: &str) -> String {
    format!("GET /sub/{name} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")
}

/// What the shard asks: the headers that were shown.
fn asked(scene: &Scene) -> Vec<(Subject, String)> {
    let questions = scene.desk.questions.as_ref().unwrap().take().into_iter();
    let told = questions.map(|question| match question.about {
        About::Headers(lines) => (question.subject, lines.trim_end().to_owned()),
        About::Keys | About::Page(_) | About::Message(_) => {
            panic!("nobody has a token, and nothing is passed on")
        }
    });
    told.collect()
}

fn tell(scene: &mut Scene, subject: Subject, lasts_ms: u64, said: AuthAnswer) {
    let until = scene.exchange.wall().after(lasts_ms);
    assert!(
        scene.desk.findings.put(ShardId(0), AuthFinding::Verdict(Arc::new(Verdict { subject, until, said })))
    );
    scene.settle();
}

fn somebody(names: &str) -> AuthAnswer {
    let rights = [Right::Listen].into_iter().collect();
    let grants = vec![Grant { rights, names: Glob::new(names).unwrap() }];
    AuthAnswer::Session(Session::new(Some("ann"), None, &grants))
}

/// A visitor whose session ends in so many milliseconds.
fn visitor(scene: &Scene, lasts_ms: u64) -> AuthAnswer {
    let rights = [Right::Listen].into_iter().collect();
    let grants = [Grant { rights, names: Glob::new("*").unwrap() }];
    AuthAnswer::Session(Session::new(Some("ann"), Some(scene.exchange.wall().after(lasts_ms)), &grants))
}

fn nobody() -> AuthAnswer {
    AuthAnswer::Refused(Denied { code: Code::HookRefused, detail: "no".to_owned() })
}

fn status(peer: &SimPeer) -> String {
    peer.text().get(9..12).unwrap_or_default().to_owned()
}

#[test]
fn all_who_show_the_same_wait_for_one_verdict() {
    let mut scene = scene();
    let alike: Vec<SimPeer> = (0..200).map(|_| scene.says(poll("a", "s=1"))).collect();
    let other = scene.says(poll("a", "s=2"));
    let questions = asked(&scene);
    let shown: Vec<&str> = questions.iter().map(|(_, lines)| &**lines).collect();
    assert_eq!(shown, ["cookie: s=1", "cookie: s=2"]);
    assert!(alike.iter().all(|peer| peer.unread() == 0));
    tell(&mut scene, questions[0].0, 60_000, somebody("a"));
    scene.publish("a", "hello");
    scene.settle();
    assert!(alike.iter().all(|peer| status(peer) == "200"));
    tell(&mut scene, questions[1].0, 60_000, nobody());
    assert_eq!(status(&other), "403");
    // Both hold for whoever comes later.
    let (again, not_again) = (scene.says(poll("a", "s=1")), scene.says(poll("a", "s=2")));
    assert!(asked(&scene).is_empty() && again.unread() == 0 && status(&not_again) == "403");
}

#[test]
fn a_session_ends_by_the_wall_clock_however_that_is_set() {
    // Set forward, or slept for as long: it ends at the next look. Set back: it has that much more time.
    for (set_by, waits, ends) in
        [(0, 50_000, false), (0, 61_000, true), (60_000, 6_000, true), (-60_000, 115_000, false)]
    {
        let mut scene = scene();
        let stream = scene.says("GET /sse/a HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\n\r\n");
        let said = visitor(&scene, 60_000);
        tell(&mut scene, Subject::of("cookie: s=1\r\n"), 60_000, said);
        scene.world.set_by().store(set_by, Ordering::Relaxed);
        scene.pass(waits);
        let told = stream.text();
        assert_eq!(told.contains("event: expired"), ends, "{set_by} {waits}: {told}");
    }
}

#[test]
fn histories_do_not_mind_the_wall_clock() {
    let mut scene = scene();
    let stream = scene.says("GET /sse/a HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\n\r\n");
    tell(&mut scene, Subject::of("cookie: s=1\r\n"), 60_000, somebody("*"));
    scene.publish("a", "hello");
    scene.world.set_by().store(400 * 86_400_000, Ordering::Relaxed);
    scene.pass(1_000);
    let later = scene.says("GET /poll/a?since=0 HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\n\r\n");
    // By the wall, what was said of it ended long ago.
    tell(&mut scene, Subject::of("cookie: s=1\r\n"), 60_000, somebody("*"));
    assert!(stream.text().contains("data: hello") && later.text().contains("hello"));
}

#[test]
fn what_was_said_holds_for_its_time() {
    let mut scene = scene();
    let peer = scene.says(poll("a", "s=1"));
    tell(&mut scene, Subject::of("cookie: s=1\r\n"), 1_000, nobody());
    assert_eq!(status(&peer), "403");
    assert_eq!(asked(&scene).len(), 1);
    scene.pass(1_000);
    scene.says(poll("a", "s=1"));
    assert_eq!(asked(&scene).len(), 1);
}

#[test]
fn who_is_let_in_may_only_what_the_verdict_says() {
    let mut scene = scene();
    let peer = scene.says(poll("b", "s=1"));
    let subject = asked(&scene)[0].0;
    tell(&mut scene, subject, 60_000, somebody("a*"));
    assert_eq!(status(&peer), "403");
    assert_eq!(scene.exchange.denials().last(1)[0].code.name(), "grant");
}

#[test]
fn what_comes_ahead_of_the_verdict_waits_for_its_turn() {
    let mut scene = scene();
    let peer = scene.says(poll("a", "s=1") + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(peer.unread(), 0);
    let subject = asked(&scene)[0].0;
    tell(&mut scene, subject, 60_000, nobody());
    let told = peer.text();
    assert!(told.starts_with("HTTP/1.1 403 ") && told.ends_with("ok\n"), "{told}");
}

#[test]
fn nobody_waits_for_ever() {
    let mut scene = scene();
    let peer = scene.says(poll("a", "s=1"));
    scene.pass(11_100);
    let told = peer.take();
    assert!(String::from_utf8_lossy(&told).contains("\r\nRetry-After: 1\r\n"));
    assert!(String::from_utf8_lossy(body(&told, 503)).contains("hook"));
    // A verdict that comes too late finds nobody, and does nothing to whoever came after.
    let later = scene.says(poll("a", "s=9"));
    tell(&mut scene, Subject::of("cookie: s=1\r\n"), 60_000, somebody("a"));
    assert_eq!((peer.unread(), later.unread()), (0, 0));
}

#[test]
fn whoever_leaves_is_not_let_in() {
    let mut scene = scene();
    let gone = scene.says(poll("a", "s=1"));
    gone.hang_up();
    scene.settle();
    let newcomer = scene.says(poll("a", "s=2"));
    tell(&mut scene, Subject::of("cookie: s=1\r\n"), 60_000, somebody("a"));
    scene.publish("a", "hello");
    scene.settle();
    assert_eq!((scene.shards[0].connections(), newcomer.unread()), (1, 0));
}

#[test]
fn the_end_of_the_server_does_not_wait_for_a_verdict() {
    let mut scene = scene();
    let peer = scene.says(poll("a", "s=1"));
    scene.exchange.admin().order_all(&Order::Drain(Duration::from_secs(1)));
    scene.pass(1_100);
    assert_eq!(status(&peer), "503");
    scene.pass(2_500);
    assert!(scene.ended[0]);
}
