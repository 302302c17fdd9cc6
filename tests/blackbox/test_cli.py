"""The command line: send and listen against a running server; helpful refusals."""

import json
import signal
import subprocess
import tempfile

import pytest
from harness.program import Program, binary, until
from harness.wire import datas, poll


class Listen:
    """`multiplexor listen`, with what it prints."""

    def __init__(self, *arguments):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen([binary(), "listen", *arguments], stdout=self.out, stderr=self.err)

    def printed(self):
        self.out.seek(0)
        return self.out.read().decode()

    def told(self):
        self.err.seek(0)
        return self.err.read().decode()

    def until(self, text):
        until(lambda: text in self.printed(), f"listen prints {text!r}: {self.printed()!r} {self.told()!r}")

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def listen():
    started = []

    def start(*arguments):
        started.append(Listen(*arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()


def run(*arguments, data=None):
    return subprocess.run([binary(), *arguments], input=data, capture_output=True, timeout=60)


def test_send_says_who_waits(program, name):
    done = run("send", name, "hello", "--server", program.in_url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"sent to {name}: 0 waiting\n"
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["hello"]


def test_send_takes_standard_input(program, name):
    for arguments in [[], ["-"]]:
        assert run("send", name, *arguments, "--server", program.in_url, data=b"piped").returncode == 0
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["piped", "piped"]


def test_send_passes_everything_on(program, name):
    done = run(
        "send", f"{name},{name}.чат", '{"n": 1}', "--event", "tick tock", "--type", "application/json",
        "--ttl", "60", "--json", "--server", program.in_url,
    )  # fmt: skip
    assert set(json.loads(done.stdout)["channels"]) == {name, f"{name}.чат"}
    (message,) = poll(program, f"/sub/{name}?since=0")["messages"]
    assert (message["event"], message["data"]) == ("tick tock", {"n": 1})


def test_listen_prints_what_comes(program, name, listen):
    heard = listen(name, "--listen-url", program.wait_url)
    program.until_waiting(name)
    program.publish(name, "one")
    program.publish(name, '{"n": 2}')
    heard.until(f'{name}: one\n{name}: {{"n": 2}}\n')
    assert heard.end() == 0


def test_listen_reads_history_and_prints_objects(program, name, listen):
    cursor = program.publish(name, "one")
    heard = listen(name, "--since", "0", "--json", "--listen-url", program.wait_url)
    heard.until('"data":"one"')
    lines = [json.loads(line) for line in heard.printed().splitlines()]
    assert [line["cursor"] for line in lines if "data" in line] == [cursor]


def test_listen_takes_the_tail_of_several_channels(program, name, listen):
    for n in range(3):
        program.publish(name, f"a{n}")
        program.publish(f"{name}.2", f"b{n}")
    heard = listen(name, f"{name}.2", "--tail", "1", "--listen-url", program.wait_url)
    heard.until(f"{name}: a2\n{name}.2: b2\n")
    assert "a1" not in heard.printed()


def test_listen_survives_a_restart_of_the_server_and_tells_the_gap(serve, name, listen):
    first = serve()
    heard = listen(name, "--listen-url", first.wait_url)
    first.until_waiting(name)
    first.publish(name, "before")
    heard.until("before")
    first.stop()
    second = Program("--wait", first.waits[0], "--in", "127.0.0.1:0", ports=False)
    try:
        second.publish(name, "after")
        heard.until("after")
        until(lambda: "gap" in heard.told(), "the lost order is told")
    finally:
        second.stop()


def test_environment_names_the_server(program, name):
    done = subprocess.run(
        [binary(), "send", name, "hello"],
        env={"MULTIPLEXOR_SERVER": program.in_url},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_without_a_server_it_says_how_to_start_one():
    for command in [
        ["send", "a", "x", "--server", "http://127.0.0.1:1"],
        ["listen", "a", "--listen-url", "http://127.0.0.1:1"],
    ]:
        done = run(*command)
        assert done.returncode != 0
        assert "no server answers at http://127.0.0.1:1" in done.stderr.decode()


def test_a_refusal_is_told_in_the_words_of_the_server(program):
    done = run("send", "$a", "x", "--server", program.in_url)
    assert done.returncode != 0
    assert "begins with $" in done.stderr.decode()


@pytest.mark.parametrize(
    "flags",
    [
        ["--poll-timeout", "25"],
        ["--shards", "0"],
        ["--wait", "8088"],
        ["--history-bytes", "1MB"],
        ["--no-such-flag"],
        ["--in", "0.0.0.0:0"],
    ],
)
def test_a_bad_setting_ends_the_start_with_advice(flags):
    done = run("--wait", "127.0.0.1:0", *flags)
    assert done.returncode != 0
    assert flags[0].lstrip("-").split("-")[0] in done.stderr.decode()
    assert done.stdout == b""


def test_an_address_in_use_is_told(program):
    done = run("--wait", program.waits[0], "--in", "127.0.0.1:0")
    assert done.returncode != 0
    assert "another program listens there" in done.stderr.decode()


def test_serve_is_the_same_as_no_command(name):
    program = Program("--shards", "1", ports=True)
    program.stop()
    process = subprocess.Popen(
        [binary(), "serve", "--wait", "127.0.0.1:0", "--in", "127.0.0.1:0", "--log", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    said = json.loads(process.stdout.readline())
    assert said["event"] == "listening"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


def test_several_addresses_all_listen(serve, name):
    program = serve("--wait", "127.0.0.1:0", "--in", "127.0.0.1:0")
    assert len(program.waits) == 2
    assert len(program.ins) == 2
    program.publish(name, "x")
    for address in program.waits:
        program.waits = [address]
        assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["x"]


def test_version_and_help():
    assert run("--version").stdout.startswith(b"multiplexor ")
    text = run("--help").stdout.decode()
    for flag in ["--wait", "--in", "--shards", "--log", "--log-level", "--history-messages", "--heartbeat"]:
        assert flag in text
