"""The command line: send and listen against a running server; helpful refusals."""

import base64
import json
import os
import pty
import re
import shutil
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


SECRET = "of-at-least-thirty-two-characters-indeed"
RUNNERS = {"php": ["php", "-n"], "node": ["node", "--input-type=module"], "python": ["python3", "-"], "ruby": ["ruby"]}


@pytest.mark.parametrize("language", RUNNERS)
def test_a_token_is_made_in_other_languages_as_it_is_shown(language):
    if not shutil.which(RUNNERS[language][0]):
        pytest.skip(f"{language} is not installed")
    names = ["user.42", "room.*", "it's \\ a name"]
    arguments = ["token", "make", *names, "--sub", "ann", "--lasts", "600"]
    shown = printed(*arguments, "--show", language)
    assert SECRET not in shown
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
    made = subprocess.run(
        RUNNERS[language], input=shown, capture_output=True, text=True, timeout=60, env=clean | {"MULTIPLEXOR_TOKEN_SECRET": SECRET}
    )
    assert made.returncode == 0, made.stderr
    token, ours = made.stdout.strip(), printed(*arguments, "--token-secret", SECRET).strip()
    assert printed("token", "check", token, "--token-secret", SECRET).startswith("good for ann, until ")
    claims = [json.loads(base64.urlsafe_b64decode(one.split(".")[1] + "==")) for one in (token, ours)]
    for one in claims:
        assert (one["sub"], one["listen"]) == ("ann", names)
    assert abs(claims[0]["exp"] - claims[1]["exp"]) < 60


def test_what_is_shown_needs_neither_names_nor_a_secret():
    assert "make_token(" in printed("token", "make", "--show", "php")


def printed(*arguments):
    """What a command prints where nobody looks at it."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
    done = subprocess.run([binary(), *arguments], capture_output=True, text=True, env=clean, timeout=60)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def on_a_terminal(*arguments):
    """What a command prints where somebody looks at it."""
    ours, its = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
    command = subprocess.Popen([binary(), *arguments], stdin=its, stdout=its, stderr=its, env=clean | {"TERM": "xterm"})
    os.close(its)
    said = b""
    try:
        while data := os.read(ours, 65536):
            said += data
    except OSError:
        # So it is told that the other end was closed.
        pass
    os.close(ours)
    command.wait(60)
    return said.decode().replace("\r\n", "\n")


def test_colours_and_columns_are_for_terminals_only(program, name):
    program.publish(name, "hello")
    server = ["--server", program.in_url]
    for arguments in (
        ["stats", *server], ["online", *server], ["history", name, *server], ["send", name, "x", *server], ["delete", name, *server],
        ["config"], ["config", "--default"], ["--help"], ["send", "--help"], ["key", "make"], ["man"], ["completion", "bash"], ["--nonsense"],
        ["doctor", program.wait_url], ["bench", "--help"], ["token", "make", "a", "--token-secret", SECRET],
    ):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
        done = subprocess.run([binary(), *arguments], capture_output=True, env=clean, timeout=120)
        assert b"\x1b" not in done.stdout + done.stderr, arguments
    piped, shown = printed("stats", *server), on_a_terminal("stats", *server)
    assert "\nhistory.messages\t" in piped and "\t" not in shown
    assert re.search(r"\nhistory\.messages {5,}\d+\n", shown), shown
