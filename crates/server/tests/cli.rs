//! The command line, without a server or with one that is played by the test.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for something else")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use expect_test::expect_file;

fn multiplexor(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_multiplexor"));
    let variables = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("MULTIPLEXOR_"));
    for name in variables {
        command.env_remove(name);
    }
    command
        .args(args)
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    multiplexor(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn help_says_all() {
    for (args, file) in [
        (&["--help"][..], "help.txt"),
        (&["-h"], "help-short.txt"),
        (&["send", "--help"], "help-send.txt"),
        (&["listen", "--help"], "help-listen.txt"),
        (&["config", "--help"], "help-config.txt"),
        (&["doctor", "--help"], "help-doctor.txt"),
        (&["realplexor", "--help"], "help-realplexor.txt"),
        (&["bench", "--help"], "help-bench.txt"),
    ] {
        let output = run(args);
        assert!(output.status.success());
        expect_file![format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"))]
            .assert_eq(text(&output.stdout));
    }
}

#[test]
fn short_help_fits_on_a_screen_with_commands_first() {
    let output = run(&["-h"]);
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert!(lines.len() <= 40, "{} lines", lines.len());
    assert!(lines.iter().position(|line| *line == "Commands:").unwrap() < 8);
}

#[test]
fn help_is_a_word_too_and_so_are_publish_and_subscribe() {
    assert_eq!(run(&["help", "send"]).stdout, run(&["send", "--help"]).stdout);
    for (word, command) in [("publish", "send"), ("subscribe", "listen")] {
        let [said, meant] = [word, command].map(|name| text(&run(&[name, "--help"]).stdout).to_owned());
        assert_eq!(said, meant);
    }
}

#[test]
fn shells_and_man_know_every_setting() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completion", shell]);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("poll-timeout"), "{shell}");
    }
    let page = run(&["man"]);
    assert!(page.status.success() && page.stderr.is_empty());
    assert!(text(&page.stdout).contains("poll\\-timeout"));
}

#[test]
fn the_version_is_told() {
    assert_eq!(text(&run(&["--version"]).stdout), format!("multiplexor {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_ends_with_2() {
    for (args, expected) in [
        (&["--poll-timeout", "soon"][..], "--poll-timeout is \"soon\"; give a duration from 100ms to 1h"),
        (
            &["serve", "--in", "0.0.0.0:1"],
            "the IN line would listen on 0.0.0.0:1, where strangers could publish",
        ),
        (&["--nonsense"], "unexpected argument '--nonsense'"),
        (&["nonsense"], "nonsense"),
        (&["send"], "<CHANNEL>"),
        (&["listen"], "<CHANNEL>"),
        (&["listen", "a", "--tail", "x"], "--tail"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn settings_come_from_the_environment_too() {
    let output = multiplexor(&[]).env("MULTIPLEXOR_HEARTBEAT", "often").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let expected = "MULTIPLEXOR_HEARTBEAT is \"often\"; give a duration from 100ms to 1h, such as 25s";
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
}

/// A settings file, removed when the test is over.
struct SettingsFile(std::path::PathBuf);

impl SettingsFile {
    fn new(name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = std::env::temp_dir().join(format!("multiplexor-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for SettingsFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_defaults_are_a_right_settings_file() {
    let defaults = run(&["config", "--default"]);
    let file = SettingsFile::new("default", &defaults.stdout);
    let checked = run(&["config", "check", file.name()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("nothing is wrong"), "{}", text(&checked.stdout));
    let plain = |output: Output| -> Vec<String> {
        let lines =
            text(&output.stdout).lines().map(|line| line.split(" # ").next().unwrap().trim().to_owned());
        lines.collect()
    };
    assert_eq!(plain(run(&["config", "--config", file.name()])), plain(run(&["config"])));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let file = SettingsFile::new("order", "grace = \"1s\"\ndrain = \"1s\"\nheartbeat = \"1s\"\n");
    let command = || {
        let mut command = multiplexor(&["config", "--grace", "3s"]);
        command.env("MULTIPLEXOR_GRACE", "2s").env("MULTIPLEXOR_DRAIN", "2s");
        command
    };
    let by_flag = command().args(["--config", file.name()]).output().unwrap();
    let by_variable = command().env("MULTIPLEXOR_CONFIG", file.name()).output().unwrap();
    assert_eq!(text(&by_flag.stdout), text(&by_variable.stdout));
    for (line, origin) in [
        ("grace = \"3s\" ", "--grace".to_owned()),
        ("drain = \"2s\" ", "MULTIPLEXOR_DRAIN".to_owned()),
        ("heartbeat = \"1s\" ", format!("{}:3", file.name())),
        ("poll_timeout = \"25s\" ", "default".to_owned()),
    ] {
        let found = text(&by_flag.stdout).lines().find(|told| told.starts_with(line)).unwrap();
        assert!(found.ends_with(&format!(" # {origin}")), "{found}");
    }
}

#[test]
fn what_holds_is_printed_with_who_said_so() {
    let file = SettingsFile::new("print", PRINTED);
    for (args, golden) in [
        (&["config", "--default"][..], "config-default.toml"),
        (&["config", "--config", file.name(), "--grace", "3s"], "config.toml"),
        (&["config", "--json", "--config", file.name(), "--grace", "3s"], "config.json"),
    ] {
        let output =
            multiplexor(args).env("MULTIPLEXOR_DRAIN", "").env("MULTIPLEXOR_HEARTBEAT", "10s").output();
        let printed = text(&output.unwrap().stdout).replace(file.name(), "multiplexor.toml");
        expect_file![format!("{}/tests/golden/{golden}", env!("CARGO_MANIFEST_DIR"))].assert_eq(&printed);
    }
    // What is printed is a settings file that says the same.
    let printed = run(&["config", "--config", file.name()]).stdout;
    let again = SettingsFile::new("again", &printed);
    let without_origins = |bytes: &[u8]| -> Vec<String> {
        text(bytes)
            .lines()
            .map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned())
            .collect()
    };
    let printed_again = run(&["config", "--config", again.name()]).stdout;
    assert_eq!(without_origins(&printed_again), without_origins(&printed));
}

const PRINTED: &str = "\
history_bytes = 1000
poll_timeout = \"60s\"

[[wait]]
address = \"127.0.0.1:1\"

[[wait]]
address = \"127.0.0.1:2\"
dialect = \"none\"

[[channel]]
ttl = \"90s\"
match = \"chat.*\"

[[channel]]
match = '\"*'
history_messages = 0
payload_limit = \"16KiB\"
";

#[test]
fn a_wrong_file_is_told_and_nothing_starts() {
    let file = SettingsFile::new("wrong", "pol_timeout = \"1s\"\ngrace = 1\n");
    let told = format!(
        "{0}:1: there is no setting pol_timeout; did you mean poll_timeout? There, give a duration from 100ms to 1h, \
         such as \"25s\"\n{0}:2: grace is the number 1; give a duration from 0s to 1h, such as \"30s\"\n",
        file.name()
    );
    let checked = run(&["config", "check", file.name()]);
    assert_eq!((checked.status.code(), text(&checked.stderr)), (Some(1), &*told));
    let started = run(&["--config", file.name()]);
    assert_eq!(started.status.code(), Some(2));
    assert!(text(&started.stderr).contains(&told), "{}", text(&started.stderr));
}

#[test]
fn what_is_no_settings_file_is_told() {
    for (name, expected) in [
        ("/nowhere/at.toml", "there is no such file"),
        ("/", "the settings file cannot be read"),
        ("/dev/zero", "has more than 1048576 bytes"),
        (SettingsFile::new("bytes", b"log = \"\xff\"").name(), "not UTF-8 from byte 7 on"),
        (SettingsFile::new("open", "in = \"0.0.0.0:1\"").name(), "strangers could publish"),
    ] {
        let checked = run(&["config", "check", name]);
        assert_eq!(checked.status.code(), Some(1), "{name}");
        let told = text(&checked.stderr);
        assert!(told.starts_with(name) && told.contains(expected), "{name}: {told}");
    }
}

#[test]
fn an_address_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, line, flag) in [
        (["--wait", &address, "--in", "127.0.0.1:0"], "WAIT", "--wait"),
        (["--wait", "127.0.0.1:0", "--in", &address], "IN", "--in"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1));
        let expected = format!(
            "multiplexor: the {line} line cannot listen on {address}: another program listens there; stop it, or \
             choose another address with {flag}\n"
        );
        assert_eq!(text(&output.stderr), expected);
    }
}

#[test]
fn a_missing_server_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for args in [["send", "a", "b", "--server", &url], ["listen", "a", "--listen-url", &url, "--json"]] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1));
        let expected = format!("multiplexor: no server answers at {url}; start one with: multiplexor\n");
        assert_eq!(text(&output.stderr), expected);
    }
}

/// Takes one connection and its request, as far as `Content-Length` says.
fn request(server: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = server.accept().unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let head = text(&request).to_lowercase();
    let len =
        head.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    request.extend_from_slice(&body);
    (stream, String::from_utf8(request).unwrap())
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
}

/// Starts a client, plays the server to it, and returns the request and what the client said.
fn check_send(args: &[&str], input: &str, status: &str, body: &str) -> (String, Output) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let mut client = multiplexor(args).env("MULTIPLEXOR_SERVER", url).stdin(Stdio::piped()).spawn().unwrap();
    client.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let (mut stream, request) = request(&server);
    answer(&mut stream, status, body);
    (request, client.wait_with_output().unwrap())
}

const SEEN: &str = "{\"cursor\":\"a1\",\"channels\":{\"news\":{\"waiting\":3,\"online\":true}}}\n";

#[test]
fn a_message_is_sent() {
    let (request, output) = check_send(&["send", "news", "hello"], "", "200 OK", SEEN);
    assert!(request.starts_with("POST /pub/news HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nhello"), "{request}");
    assert!(!request.to_lowercase().contains("content-type"), "{request}");
    assert_eq!((text(&output.stdout), output.status.code()), ("sent to news: 3 waiting\n", Some(0)));
}

#[test]
fn a_message_is_sent_with_all_that_can_be_said() {
    let args =
        ["send", "a/b,c", "--event", "tick & tock", "--ttl", "0.5", "--type", "text/plain", "--json", "-"];
    let (request, output) = check_send(&args, "from\nfile\n", "200 OK", SEEN);
    assert!(
        request.starts_with("POST /pub/a%2Fb,c?event=tick%20%26%20tock&ttl=0.5 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.to_lowercase().contains("content-type: text/plain\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nfrom\nfile\n"), "{request}");
    assert_eq!(text(&output.stdout), SEEN);
}

#[test]
fn a_refusal_is_told_in_the_words_of_the_server() {
    let problem = r#"{"status":400,"code":"ttl","detail":"ttl is \"x\"; give seconds"}"#;
    let (_, output) = check_send(&["send", "a", "b", "--ttl", "x"], "", "400 Bad Request", problem);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "multiplexor: not sent: ttl is \"x\"; give seconds\n");
}

/// A client that listens, and the server to it.
fn listen(args: &[&str]) -> (TcpListener, Child) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let client =
        multiplexor(&[&["listen"], args].concat()).env("MULTIPLEXOR_LISTEN_URL", url).spawn().unwrap();
    (server, client)
}

fn stream(server: &TcpListener, target: &str, lines: &str) -> TcpStream {
    let (mut stream, request) = request(server);
    assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{lines}").unwrap();
    stream
}

#[test]
fn a_listener_resumes_where_it_was() {
    let (server, mut client) = listen(&["news", "a/b", "--tail", "5"]);
    let first = "{\"cursor\":\"a1\"}\n{\"cursor\":\"a2\",\"channel\":\"news\",\"data\":\"one\"}\n{\"cursor\":\"a3\",\"cha";
    drop(stream(&server, "/sub/news,a%2Fb?transport=stream&tail=5", first));
    let (mut busy, again) = request(&server);
    assert!(again.contains("&since=a2 "), "{again}");
    answer(&mut busy, "503 Service Unavailable", "{\"detail\":\"too many\"}");
    drop(busy);
    let second =
        "{\"gap\":true,\"channel\":\"news\"}\n{\"cursor\":\"a3\",\"channel\":\"news\",\"data\":[2]}\n";
    let mut last = stream(&server, "/sub/news,a%2Fb?transport=stream&since=a2", second);
    let mut out = BufReader::new(client.stdout.take().unwrap());
    let mut printed = String::new();
    out.read_line(&mut printed).unwrap();
    out.read_line(&mut printed).unwrap();
    assert_eq!(printed, "news: one\nnews: [2]\n");
    // Nobody reads any more: the client ends, quietly and well.
    drop(out);
    while client.try_wait().unwrap().is_none() {
        // A process that another test is just starting may hold the reader's end for a moment, so once may not do.
        let _ = last.write_all(b"{\"cursor\":\"a4\",\"channel\":\"news\",\"data\":3}\n");
        sleep(Duration::from_millis(10));
    }
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stderr);
    assert!(told.contains("the connection was closed; trying again"), "{told}");
    assert!(told.contains("too many"), "{told}");
    assert!(told.contains("gap: the server no longer has all messages of news"), "{told}");
}

#[test]
fn a_listener_prints_objects_as_they_come() {
    let (server, mut client) = listen(&["news,b", "--since", "10m", "--json"]);
    let lines = "{\"cursor\":\"a1\"}\n{\"cursor\":\"a2\", \"channel\":\"b\",\"data\":1}\n";
    let _stream = stream(&server, "/sub/news,b?transport=stream&since=10m", lines);
    let mut out = BufReader::new(client.stdout.take().unwrap());
    let mut printed = String::new();
    out.read_line(&mut printed).unwrap();
    out.read_line(&mut printed).unwrap();
    assert_eq!(printed, lines);
    Command::new("kill").args(["-INT", &client.id().to_string()]).status().unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(0));
}

#[test]
fn a_listener_gives_up_when_refused() {
    let (server, client) = listen(&["$a"]);
    let (mut refused, request) = request(&server);
    assert!(request.starts_with("GET /sub/%24a?transport=stream HTTP/1.1\r\n"), "{request}");
    answer(&mut refused, "400 Bad Request", "{\"detail\":\"use another name\"}");
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("refused: use another name\n"), "{}", text(&output.stderr));
}
