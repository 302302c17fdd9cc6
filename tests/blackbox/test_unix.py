"""UNIX sockets for both lines: who reaches them, what stands at their path, and what a proxy says through them."""

import http.client
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess

import pytest
from harness import front
from harness.program import PATIENCE_S, Program, binary, fresh_name, request, until
from harness.upstream import Application
from harness.wire import Wire


class Connection(http.client.HTTPConnection):
    """HTTP through a UNIX socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(path, method, target, body=None, headers=None):
    connection = Connection(path)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


class Socketed(Program):
    """A program whose lines listen at UNIX sockets, too; and at addresses, by which the harness knows it."""

    def __init__(self, folder, *flags, **options):
        self.wait, self.publish_ = pathlib.Path(folder, "wait.sock"), pathlib.Path(folder, "in.sock")
        super().__init__("--wait", f"unix:{self.wait}", "--in", f"unix:{self.publish_}", *flags, **options)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    running = Socketed(tmp_path_factory.mktemp("sockets"), "--shards", "2")
    yield running
    running.stop()
    assert not running.wait.exists() and not running.publish_.exists()


def test_what_is_published_through_one_socket_arrives_through_the_other(program):
    name = fresh_name()
    wires = [Raw(program.wait).get(f"/sub/{name}?transport=stream&raw=1") for _ in range(20)]
    for wire in wires:
        wire.head()
    program.until_waiting(name, len(wires))
    status, _, answer = ask(program.publish_, "POST", f"/pub/{name}", b"hello")
    assert status == 200 and json.loads(answer)["channels"][name]["waiting"] == len(wires)
    for wire in wires:
        assert wire.exactly(6) == b"hello\n"
        wire.close()
    for path in (program.wait, program.publish_):
        assert ask(path, "GET", "/readyz")[2] == b"ready\n"
    # A classic message, as from this machine.
    ident = name.replace(".", "_")
    waiting = Raw(program.wait).send(f"GET /?identifier={ident} HTTP/1.1\r\n\r\n".encode())
    program.until_waiting(ident)
    Raw(program.publish_).send(f"identifier={ident}\n\nas of old".encode()).end()
    assert b"as of old" in waiting.rest()
    waiting.close()


class Raw(Wire):
    """Bytes through a UNIX socket."""

    def __init__(self, path):
        self.socket, self.buffer, self.chunks = socket.socket(socket.AF_UNIX), b"", None
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)


def test_commands_reach_both_lines_through_them(program):
    name = fresh_name()
    server, url = ["--server", f"unix:{program.publish_}"], ["--listen-url", f"unix:{program.wait}"]
    run = lambda *words: subprocess.run([binary(), *words], capture_output=True, text=True, timeout=60)  # noqa: E731
    listener = subprocess.Popen([binary(), "listen", name, *url], stdout=subprocess.PIPE, text=True)
    program.until_waiting(name)
    sent = run("send", name, "hello", *server)
    assert sent.returncode == 0 and "1 waiting" in sent.stdout, sent.stderr
    assert "hello" in listener.stdout.readline()
    listener.terminate()
    listener.wait()
    assert "hello" in run("history", name, *server).stdout
    assert name in run("online", *server).stdout
    assert run("stats", *server).returncode == 0
    assert run("delete", name, *server).returncode == 0
    lost = run("send", name, "hello", "--server", f"unix:{program.publish_}.not")
    assert lost.returncode == 1 and "no server answers at unix:" in lost.stderr, lost.stderr
    wrong = run("send", name, "hello", "--server", "unix:relative")
    assert wrong.returncode == 1 and "unix:/run/multiplexor.sock" in wrong.stderr


def test_the_banner_says_how_to_reach_them(tmp_path):
    wait, publish = tmp_path / "wait.sock", tmp_path / "in.sock"
    with open(tmp_path / "out", "wb") as out:
        running = subprocess.Popen([binary(), "--wait", f"unix:{wait}", "--in", f"unix:{publish}"], stdout=out, stderr=out)
    said = lambda: (tmp_path / "out").read_text()  # noqa: E731
    until(lambda: "subscribe:" in said(), "it says where it listens")
    assert f"WAIT line  unix:{wait}" in said() and f"IN line    unix:{publish}" in said()
    assert f"curl -d 'hello' --unix-socket '{publish}' http://localhost/pub/news" in said()
    shown = subprocess.run(["curl", "-sd", "hello", "--unix-socket", str(publish), "http://localhost/pub/news"], capture_output=True)
    assert b'"cursor"' in shown.stdout
    running.terminate()
    assert running.wait(PATIENCE_S) == 0
    assert not wait.exists() and not publish.exists()


def test_modes_and_owners_are_as_set(tmp_path):
    running = Socketed(tmp_path)
    assert stat.S_IMODE(running.wait.stat().st_mode) == stat.S_IMODE(running.publish_.stat().st_mode) == 0o660
    running.stop()
    if os.getuid() == 0:
        running = Socketed(tmp_path, "--unix-mode", "0600", "--unix-owner", "nobody:www-data")
        found = running.wait.stat()
        assert (stat.S_IMODE(found.st_mode), running.wait.owner(), running.wait.group()) == (0o600, "nobody", "www-data")
        running.stop()
    for flag, wrong in [("--unix-mode", "rw"), ("--unix-mode", "0999"), ("--unix-owner", "a:b:c"), ("--wait", "unix:relative")]:
        ended = subprocess.run([binary(), flag, wrong], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2 and "such as" in ended.stderr, ended.stderr


def test_a_socket_that_others_may_use_needs_a_key(tmp_path):
    """One from which its mode shuts others out counts as loopback."""
    flags = ["--in", f"unix:{tmp_path}/in.sock", "--unix-mode", "0666"]
    ended = subprocess.run([binary(), *flags], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "set an API key" in ended.stderr and "unix_mode" in ended.stderr
    assert not (tmp_path / "in.sock").exists()
    key = json.loads(subprocess.run([binary(), "key", "make", "--json"], capture_output=True).stdout)
    running = Socketed(tmp_path, "--unix-mode", "0666", "--key", key["hash"])
    assert ask(running.publish_, "POST", "/pub/a", b"x")[0] == 401
    assert ask(running.publish_, "POST", "/pub/a", b"x", {"Authorization": f"Bearer {key['key']}"})[0] == 200
    running.stop()


def test_what_a_dead_program_left_is_replaced_and_a_live_ones_is_refused(tmp_path):
    first = Socketed(tmp_path)
    refused = subprocess.run([binary(), "--wait", f"unix:{first.wait}", "--in", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and f"another program listens at {first.wait}" in refused.stderr, refused.stderr
    refused = subprocess.run([binary(), "--wait", "127.0.0.1:0", "--in", f"unix:{first.publish_}"], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and f"another program listens at {first.publish_}" in refused.stderr, refused.stderr
    assert ask(first.wait, "GET", "/healthz")[2] == b"ok\n", "the live one is as it was"
    first.process.kill()
    first.process.wait()
    assert first.wait.exists(), "nobody could remove it"
    second = Socketed(tmp_path)
    assert ask(second.wait, "GET", "/healthz")[2] == ask(second.publish_, "GET", "/healthz")[2] == b"ok\n"
    second.stop()
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_start_at_once_one_gets_the_socket(tmp_path):
    left = Socketed(tmp_path)
    left.process.kill()
    left.process.wait()
    flags = ["--wait", f"unix:{left.wait}", "--in", "127.0.0.1:0"]
    both = [subprocess.Popen([binary(), *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    until(lambda: any(one.poll() is not None for one in both), "one of them gives up")
    loser = next(one for one in both if one.poll() is not None)
    winner = next(one for one in both if one is not loser)
    assert loser.returncode == 1 and "another program listens" in loser.stderr.read()

    def served():
        try:
            return ask(left.wait, "GET", "/readyz")[0] == 200
        except OSError:
            return False

    until(served, "the other one serves")
    winner.terminate()
    winner.communicate(timeout=PATIENCE_S)
    assert winner.returncode == 0


def test_what_is_no_socket_is_left_alone(tmp_path):
    file = tmp_path / "wait.sock"
    file.write_text("precious")
    refused = subprocess.run([binary(), "--wait", f"unix:{file}", "--in", "127.0.0.1:0"], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "is no socket" in refused.stderr
    assert file.read_text() == "precious"


def test_a_socket_that_was_replaced_meanwhile_is_not_removed(tmp_path):
    running = Socketed(tmp_path)
    running.wait.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(running.wait))
        running.stop()
        assert running.wait.exists()


def test_who_comes_through_it_is_one_address(tmp_path):
    running = Socketed(tmp_path, "--address-connections", "3")
    wires = [Raw(running.wait) for _ in range(3)]
    for wire in wires:
        assert wire.get("/healthz").response()[0] == 200
    with Raw(running.wait) as one_more:
        status, _, problem = one_more.get("/healthz").response()
        assert status == 429 and "unix has 3 connections" in json.loads(problem)["detail"]
    with Wire(running.wait_address) as other:
        assert other.get("/healthz").response()[0] == 200
    refused = running.ask("/refused")["refused"]
    assert refused[0]["from"] == "unix"
    for wire in wires:
        wire.close()
    running.stop()


def test_a_proxy_behind_it_names_its_clients_where_it_is_trusted(tmp_path, fronts):
    """nginx says X-Forwarded-For, and is believed where `proxies` has `unix`."""
    running = Socketed(tmp_path, "--proxies", "unix", "--in-proxies", "unix", "--address-requests", "5", "--in-address-requests", "5")
    inside = front.UPGRADES + "proxy_buffering off; proxy_set_header X-Forwarded-For $http_x_client; proxy_set_header Host localhost;"
    for path in (running.wait, running.publish_):
        proxy = fronts(front.nginx, f"unix:{path}", inside)
        asked = lambda client: request(proxy.address, "GET", "/channels" if path == running.publish_ else "/multiplexor.js", headers={"X-Client": client})[0]  # noqa: E731
        assert 429 in [asked("192.0.2.1") for _ in range(40)], path
        assert asked("192.0.2.2") == 200, "another client has its own"
    running.stop()


def test_nginx_passes_clients_on_through_them(program, fronts):
    name = fresh_name()
    proxy = fronts(front.nginx, f"unix:{program.wait}", front.UPGRADES + "proxy_buffering off;")
    with Wire(proxy.address) as wire:
        wire.get(f"/sub/{name}?transport=stream&raw=1").until(b"\r\n\r\n")
        program.until_waiting(name)
        publisher = fronts(front.nginx, f"unix:{program.publish_}", "proxy_set_header Host localhost;")
        assert request(publisher.address, "POST", f"/pub/{name}", b"hello")[0] == 200
        wire.until(b"hello\n")


def test_both_serve_on_before_the_end_and_are_gone_at_the_drain(tmp_path):
    running = Socketed(tmp_path, "--lame-duck", "10m", "--drain", "0s")
    name = fresh_name()
    stream = Raw(running.wait).get(f"/sub/{name}?transport=stream&raw=1")
    stream.head()
    running.process.send_signal(signal.SIGTERM)
    until(lambda: ask(running.publish_, "GET", "/readyz")[0] == 503, "it says that it ends")
    assert ask(running.wait, "GET", "/readyz")[0] == 503
    assert ask(running.publish_, "POST", f"/pub/{name}", b"hello")[0] == 200
    assert stream.exactly(6) == b"hello\n"
    running.process.send_signal(signal.SIGTERM)
    stream.rest()
    running.ended()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limits", [(), ("--address-connections", "100")], ids=["none", "limits"])
def test_the_application_is_told_nothing_false_of_who_came_through_a_socket(tmp_path, fronts, limits):
    got = []
    application = Application(lambda path, headers: (got.append(headers), (200, {}, b""))[1])
    program = Socketed(tmp_path, "--takeover", application.url, *limits)
    said = {"X-Forwarded-For": "9.9.9.9", "Forwarded": "for=9.9.9.9"}
    assert [ask(program.wait, "GET", "/x", headers=headers)[0] for headers in ({}, said)] == [200, 200]
    lines = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    assert request(fronts(front.nginx, f"unix:{program.wait}", lines).address, "GET", "/x", headers=said)[0] == 200
    ways = [headers.get_all("X-Forwarded-For") for headers in got]
    # Behind what a proxy wrote stands that there was one more step, of which nobody knows more.
    assert ways == [["unknown"], ["9.9.9.9, unknown"], ["9.9.9.9, 127.0.0.1, unknown"]]
    assert [headers.get_all("Forwarded") for headers in got] == [None, ["for=9.9.9.9, for=unknown"], ["for=9.9.9.9, for=unknown"]]
    program.stop()
    application.stop()
