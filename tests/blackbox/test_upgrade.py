"""The upgrade of the binary: another program goes on in the place of the running one, and clients notice nothing."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from harness.authority import Authority
from harness.program import PATIENCE_S, Program, binary, fresh_name, request, until
from harness.wire import Lines, Sse, Wire
from websockets.sync.client import connect

# More of them, with more clients, by `make soak`.
SWAPS = int(os.environ.get("UPGRADES", "8"))
EACH = int(os.environ.get("UPGRADE_CLIENTS", "4"))
SETTINGS = """
[[wait]]
address = "127.0.0.1:0"
tls = "off"
[[wait]]
address = "127.0.0.1:0"
[[wait]]
address = "127.0.0.1:0"
tls = "off"
dialect = "realplexor"
[[in]]
address = "127.0.0.1:0"
[[in]]
address = "127.0.0.1:0"
dialect = "realplexor"
"""


class Upgraded(Program):
    """A program that others go on for: `process` is the first one, `pid` the one that serves."""

    serving, killed = None, False

    @property
    def pid(self):
        return self.serving or self.process.pid

    def upgrade(self, *file):
        """What `multiplexor upgrade` says, and what it ends with."""
        said = subprocess.run(
            [binary(), "upgrade", *file], env=os.environ | self.folder, capture_output=True, text=True, timeout=120
        )
        became = re.fullmatch(r"process (\d+) goes on\n", said.stdout)
        if became:
            self.go_on_as(int(became[1]))
        return said.returncode, said.stderr

    def go_on_as(self, pid):
        ended, self.serving = self.pid, pid
        # Who was started by one that has ended is ours.
        assert os.waitstatus_to_exitcode(os.waitpid(ended, 0)[1]) == 0

    def end(self, killed=False):
        os.kill(self.pid, signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert code == 0 or (killed and code == -signal.SIGKILL)
        self.process.returncode = 0

    def metric_of(self, name):
        return self.metric(f"multiplexor_{name}")


@pytest.fixture
def start(tmp_path):
    """Starts a program that hears `multiplexor upgrade`; it must end cleanly, whoever it is by then."""
    started = []

    def one(*flags, **options):
        folder = tmp_path / f"run{len(started)}"
        folder.mkdir(mode=0o700)
        of = {"XDG_RUNTIME_DIR": str(folder)}
        program = Upgraded(*flags, env=of, **options)
        program.folder = of
        started.append(program)
        return program

    yield one
    for program in started:
        program.end(killed=program.killed)
        if not program.killed:
            assert list(pathlib.Path(program.folder["XDG_RUNTIME_DIR"]).iterdir()) == [], "no socket is left behind"


class Client(threading.Thread):
    """Reads numbers until the last one comes; each of its kind says how."""

    def __init__(self, kind, program, name, last):
        super().__init__(daemon=True)
        self.kind, self.program, self.name_, self.last = kind, program, name, last
        self.seen, self.fault, self.waits = [], None, threading.Event()

    def run(self):
        try:
            self.kind(self)
        except Exception as fault:  # noqa: BLE001 it is told where it is asked for
            self.fault = repr(fault)

    def take(self, data):
        """False: that was the last one."""
        self.seen.append(int(data))
        return self.seen[-1] != self.last


def event_stream(client):
    with Sse(client.program, f"/sub/{client.name_}") as stream:
        client.waits.set()
        while client.take(stream.event()[1]):
            pass


def object_stream(client):
    with Lines(client.program, f"/sub/{client.name_}") as stream:
        client.waits.set()
        while client.take(stream.message()["data"]):
            pass


def through_tls(client):
    context = ssl.create_default_context(cafile=client.program.authority)
    host, port = client.program.waits[1].rsplit(":", 1)
    plain = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    with context.wrap_socket(plain, server_hostname="localhost") as stream:
        stream.sendall(f"GET /sub/{client.name_} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
        text = stream.makefile("r", encoding="utf-8", newline="\n")
        client.waits.set()
        data = ""
        for line in text:
            # Chunks are of single blocks here, so a line of data stands alone.
            if line.startswith("data: ") and not line.startswith("data: {"):
                data = line.removeprefix("data: ").strip()
                if not client.take(data):
                    return
    raise AssertionError("the stream ended")


def web_socket(client):
    with connect(f"{client.program.ws_url}/sub/{client.name_}") as stream:
        client.waits.set()
        while True:
            item = json.loads(stream.recv(timeout=PATIENCE_S))
            if "data" in item and not client.take(item["data"]):
                return


def polls(client):
    since = ""
    host, port = client.program.wait_address
    while True:
        asked = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        asked.request("GET", f"/sub/{client.name_}{since}")
        client.waits.set()
        document = json.loads(asked.getresponse().read())
        asked.close()
        since = f"?since={document['cursor']}"
        if not all([client.take(message["data"]) for message in document["messages"]]):
            return


def realplexor(client):
    cursor = None
    host, port = client.program.waits[2].rsplit(":", 1)
    while True:
        with Wire((host, int(port))) as wire:
            wire.send(f"identifier={cursor or '0'}:{client.name_}\n")
            client.waits.set()
            reply = wire.rest().decode()
        parts = json.loads(reply[reply.index("[") :])
        cursor = parts[-1]["ids"][client.name_]
        if not all([client.take(part["data"]) for part in parts]):
            return


class Publisher(threading.Thread):
    """Publishes numbers, each under a key of its own until it is answered, so none comes twice and none is lost."""

    def __init__(self, program, name, count):
        super().__init__(daemon=True)
        self.program, self.name_, self.count, self.sent, self.repeated = program, name, count, 0, 0

    def run(self):
        line = None
        for number in range(1, self.count + 1):
            while True:
                try:
                    line = line or http.client.HTTPConnection(*self.program.in_address, timeout=PATIENCE_S)
                    line.request("POST", f"/pub/{self.name_}", str(number), {"Idempotency-Key": str(number)})
                    answer = line.getresponse()
                    answer.read()
                    assert answer.status == 200, answer.status
                    if answer.will_close:
                        line = None
                    break
                except (OSError, http.client.HTTPException):
                    # The connection was idle, and has ended; what was sent on it may have come through.
                    line, self.repeated = None, self.repeated + 1
            self.sent = number
            time.sleep(0.002)


@pytest.fixture
def with_all_lines(start, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", "localhost")
    file = tmp_path / "multiplexor.toml"
    file.write_text(f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n' + SETTINGS)
    program = start("--config", str(file), "--shards", "2", "--history-messages", "100000", ports=False)
    program.authority = authority.certificate
    return program


def test_clients_of_all_transports_have_everything_once_and_in_order(with_all_lines):
    program, name = with_all_lines, fresh_name().replace(".", "_")
    count = 150 * SWAPS
    kinds = [event_stream, object_stream, through_tls, web_socket, polls, realplexor]
    clients = [Client(kind, program, name, count) for kind in kinds for _ in range(EACH)]
    for client in clients:
        client.start()
    for client in clients:
        assert client.waits.wait(PATIENCE_S), client.fault
    until(lambda: program.waiting(name) >= len(clients), "all wait")
    publisher = Publisher(program, name, count)
    publisher.start()
    for swap in range(SWAPS):
        due = (swap + 1) * count // (SWAPS + 1)
        until(lambda due=due: publisher.sent >= due, "so many were published")
        assert program.upgrade() == (0, "")
    publisher.join(PATIENCE_S * 4)
    for client in clients:
        client.join(PATIENCE_S)
        assert client.fault is None, (client.kind.__name__, client.fault)
        assert client.seen == list(range(1, count + 1)), client.kind.__name__
    assert program.metric_of("upgrades_total") == SWAPS
    assert program.metric_of("upgrade_failures_total") == 0


def test_a_slow_reader_a_half_request_and_an_id_go_over(start):
    program, name = start("--shards", "1"), fresh_name()
    stream = Sse(program, f"/sub/{name}")
    first = dict(stream.block())
    ident = json.loads(first["data"])["connection"]
    # So much that a part of it is on its way while it goes over.
    slow = Wire(program.wait_address, receive_buffer=4096).get(f"/sub/{name}", Accept="text/event-stream")
    assert slow.head()[0] == 200
    until(lambda: program.waiting(name) == 2, "both wait")
    for number in range(40):
        program.publish(name, f"{number:04} " + "x" * 16_000)
    half = Wire(program.wait_address).send(f"GET /sub/{name}?since=0 HTTP/1.1\r\nHost: a\r\nConn")
    assert program.upgrade() == (0, "")
    half.send("ection: close\r\n\r\n")
    status, _, answer = half.response()
    assert status == 200 and len(json.loads(answer)["messages"]) > 0
    assert [stream.event()[1][:4] for _ in range(40)] == [f"{number:04}" for number in range(40)]
    seen = [slow.until(b"\n\n") for _ in range(41)]
    numbers = [found for block in seen for found in re.findall(rb"data: (\d{4}) x{16000}\n", block)]
    assert numbers == [f"{number:04}".encode() for number in range(40)]
    assert program.waiting(name) == 2
    # The id is still that of this connection, which is not given what it says itself.
    program.post(name, "said", Multiplexor_Except=ident)
    program.publish(name, "last")
    assert stream.datas(1) == ["last"]
    stream.wire.close()
    slow.close()


def test_presence_grace_and_what_was_remembered_go_over(start, tmp_path):
    file = tmp_path / "multiplexor.toml"
    file.write_text('grace = "1s"\nidempotency_age = "1h"\n')
    program, name = start("--config", str(file)), fresh_name()
    with Sse(program, f"/sub/{name}"):
        first = program.post(name, "one", Idempotency_Key="k")
    # Gone, and online within the grace.
    assert program.upgrade() == (0, "")
    assert program.post(name, "one", Idempotency_Key="k") == first, "it is answered as before, and not published again"
    assert program.metric("multiplexor_in_repeated_total") == 1
    until(lambda: not program.ask(f"/channels/{name}")["online"], "the grace ends there, too")


def candidate(folder, main):
    """A program that does this; `argv` is what it is started with, and BINARY the program that would go on."""
    source, file = folder / "candidate.c", folder / "candidate"
    lines = ["signal.h", "stdlib.h", "unistd.h"]
    text = "".join(f"#include <{line}>\n" for line in lines) + f"int main(int argc, char **argv) {{ {main} }}\n"
    source.write_text(text.replace("BINARY", json.dumps(binary())))
    subprocess.run(["cc", "-o", str(file), str(source)], check=True)
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("main", "why"),
    [
        ("return 3;", "it has ended; its log says why"),
        ("kill(getpid(), SIGKILL);", "it has ended; its log says why"),
        ('write(0, "\\5\\0\\0\\0\\0\\0\\0\\0garbage", 15); sleep(60);', "not the language of this program"),
        ("pause();", "it takes too long"),
        ('execl(BINARY, "multiplexor", "--shards", "7", NULL);', "has 2; set shards to that"),
        ('execl(BINARY, "multiplexor", "--shards", "2", "--wait", "127.0.0.1:1", NULL);', "that takes a restart"),
        ('execl(BINARY, "multiplexor", "--shards", "none", NULL);', "it has ended; its log says why"),
    ],
)
def test_where_the_new_program_does_not_go_on_the_old_one_serves_on(start, tmp_path, main, why):
    program, name = start("--shards", "2", "--sandbox", "off"), fresh_name()
    with Sse(program, f"/sub/{name}") as stream:
        program.publish(name, "one")
        before = program.pid
        code, said = program.upgrade(candidate(tmp_path, main))
        assert code == 1 and re.search(why, said), said
        program.publish(name, "two")
        assert stream.datas(2) == ["one", "two"]
        assert program.pid == before and program.metric_of("upgrade_failures_total") == 1
        assert "no upgrade: this program serves on" in program.stderr()
        # Nothing of it is in the way of the next one.
        assert program.upgrade() == (0, "")
        program.publish(name, "three")
        assert stream.datas(1) == ["three"]


def test_a_new_program_that_is_killed_is_as_if_it_had_not_been(start, tmp_path):
    program, name = start("--shards", "2", "--sandbox", "off"), fresh_name()
    kill = "if (fork() == 0) {{ usleep({}000); kill(getppid(), SIGKILL); _exit(0); }} execv(BINARY, argv);"
    with Sse(program, f"/sub/{name}") as stream:
        for after_ms in [1, 3, 5, 8, 12, 16, 20, 30]:
            code, said = program.upgrade(candidate(tmp_path, kill.format(after_ms)))
            if code == 0:
                # It was killed when it served already, or the killer was late.
                break
            assert "ended" in said, said
            program.publish(name, str(after_ms))
            assert stream.datas(1) == [str(after_ms)]
        program.killed = code == 0


def test_a_file_that_others_can_change_is_not_run(start, tmp_path):
    program = start()
    copy = tmp_path / "multiplexor"
    copy.write_text("#!/bin/sh\n")
    copy.chmod(0o777)
    code, said = program.upgrade(str(copy))
    assert code == 1 and "chmod go-w it" in said or "sandbox" in said
    assert program.upgrade("/no/such/file")[0] == 1


def test_the_signal_starts_the_file_that_it_was_started_from(start):
    program = start()
    for swap in range(1, 3):
        os.kill(program.pid, signal.SIGUSR2)
        until(lambda swap=swap: program.stderr().count("upgraded: another program goes on") == swap, "it is done")
        program.go_on_as(int(re.findall(r"pid=(\d+)", program.stderr())[-1]))
    assert program.metric_of("upgrades_total") == 2


def test_the_sandbox_is_inherited_and_runs_no_other_program(start):
    program, name = start("--sandbox", "on"), fresh_name()
    with Sse(program, f"/sub/{name}") as stream:
        for text in ["one", "two"]:
            assert program.upgrade() == (0, "")
            program.publish(name, text)
            assert stream.datas(1) == [text]
        status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^Seccomp:\s+2$", status, re.M)
        code, said = program.upgrade(shutil.which("true"))
        assert code == 1
        if "Landlock" not in program.stderr():
            assert "the sandbox lets programs be started from the folder of the running one alone" in said


def test_what_cannot_go_over_yet_is_said_and_keeps_the_program_as_it_is(start, tmp_path):
    program = start("--store", str(tmp_path / "store"))
    code, said = program.upgrade()
    assert code == 1 and "this program has a store" in said
    program.publish("a", "one")


def test_webhooks_keep_the_program_as_it_is_also_where_a_reload_brings_them(start, tmp_path):
    settings = tmp_path / "multiplexor.toml"
    hook = '[[webhook]]\nurl = "http://127.0.0.1:1/"\nsecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\nevents = ["channel.online"]\n'
    settings.write_text("")
    program = start("--config", str(settings))
    for text, expected in (("", 0), (hook, 1), ("", 0)):
        settings.write_text(text)
        assert request(program.in_address, "POST", "/reload")[0] == 200
        code, said = program.upgrade()
        assert code == expected and ("this program has webhooks" in said) == (expected == 1), said
    program.publish("a", "one")


def test_nobody_to_ask_is_said(tmp_path):
    said = subprocess.run(
        [binary(), "upgrade"], env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 1 and "no server is found that hears it" in said.stderr
