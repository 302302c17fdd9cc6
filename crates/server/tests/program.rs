//! The real program: from its first line to its last.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for something else")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server on free ports. Killed when a test ends early.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    banner: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut command = multiplexor(&["--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"]);
        let mut child = command.env("MULTIPLEXOR_DRAIN", "200ms").args(args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("subscribe: ") && !banner.contains("listening") {
            assert_ne!(out.read_line(&mut banner).unwrap(), 0, "ended after {banner:?}");
        }
        Self { child, out, banner }
    }

    /// The URL behind the first occurrence of `label`, up to a blank or the path.
    fn url(&self, label: &str) -> String {
        let rest = self.banner.split(label).nth(1).unwrap();
        let rest = &rest[rest.find("http://").unwrap()..];
        rest.split([' ', '\n']).next().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> String {
        let url = self.url("IN line");
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn send(&self, channel: &str, data: &str) -> String {
        let output =
            multiplexor(&["send", "--server", &self.url("IN line"), channel, data]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn listen(&self, args: &[&str]) -> (Child, BufReader<ChildStdout>) {
        let mut client =
            multiplexor(&["listen", "--listen-url", &self.url("WAIT line")]).args(args).spawn().unwrap();
        let out = BufReader::new(client.stdout.take().unwrap());
        (client, out)
    }

    fn signal(&self, name: &str) {
        signal(&self.child, name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn multiplexor(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multiplexor"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn line(out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn a_message_reaches_who_listens() {
    let server = Server::start(&[]);
    let (client, mut out) = server.listen(&["news", "--json"]);
    // The cursor at the start says that the stream is live.
    assert!(line(&mut out).starts_with("{\"cursor\":"));
    assert_eq!(server.send("news", "hello"), "sent to news: 1 waiting\n");
    let message = line(&mut out);
    assert!(message.contains("\"channel\":\"news\",\"data\":\"hello\""), "{message}");
    let (late, mut out) = server.listen(&["news", "--tail", "1"]);
    assert_eq!(line(&mut out), "news: hello\n");
    for mut client in [client, late] {
        signal(&client, "-INT");
        assert_eq!(client.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn the_program_is_ready_and_ends_well() {
    for name in ["-TERM", "-INT"] {
        let mut server = Server::start(&["--shards", "2"]);
        assert!(server.banner.contains("(2 shards"), "{}", server.banner);
        assert!(server.get("/readyz").ends_with("ready\n"));
        assert!(server.get("/stats").contains("\"shards\":[{"));
        server.signal(name);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{name}");
        let mut rest = String::new();
        server.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

/// Shards have file descriptors of their own: what the IN line is told from there must not end up in
/// the socket of a client.
#[test]
fn probes_leave_clients_alone() {
    let server = Server::start(&["--shards", "2"]);
    let mut clients: Vec<_> = (0..20).map(|_| server.listen(&["news", "--json"])).collect();
    for (_, out) in &mut clients {
        assert!(line(out).starts_with("{\"cursor\":"));
    }
    for _ in 0..20 {
        assert!(server.get("/readyz").ends_with("ready\n"));
        std::thread::sleep(Duration::from_millis(5));
    }
    server.send("news", "still here");
    for (client, out) in &mut clients {
        assert!(line(out).contains("still here"));
        signal(client, "-INT");
        assert_eq!(client.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&["--drain", "10m"]);
    let (mut client, mut out) = server.listen(&["news", "--json"]);
    line(&mut out);
    server.signal("-TERM");
    // The first signal must have been seen before the second is sent.
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(10));
    signal(&client, "-TERM");
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn machines_are_told_in_one_line() {
    let server = Server::start(&["--log", "json"]);
    assert_eq!(server.banner.lines().count(), 1);
    assert!(server.banner.starts_with("{\"event\":\"listening\""), "{}", server.banner);
}

#[test]
fn two_servers_do_not_share_an_address() {
    let server = Server::start(&[]);
    let taken = server.url("WAIT line");
    let taken = taken.strip_prefix("http://").unwrap();
    let output = multiplexor(&["--wait", taken, "--in", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("another program listens there"), "{told}");
}
