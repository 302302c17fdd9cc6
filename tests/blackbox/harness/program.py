"""The real program: started with free ports, addressed by what it prints, ended by SIGTERM."""

import http.client
import itertools
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
PATIENCE_S = 30.0
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def binary():
    """The program under test: MULTIPLEXOR_BIN, or the release build of this tree."""
    named = os.environ.get("TESTS_MULTIPLEXOR_BIN") or os.environ.get("MULTIPLEXOR_BIN")
    if named:
        return named
    target = os.environ.get("CARGO_TARGET_DIR") or ROOT / "target"
    return str(pathlib.Path(target) / "release" / "multiplexor")


def until(condition, what, patience_s=PATIENCE_S):
    """Waits until `condition()` is true and returns its value; a slow machine only makes it wait longer."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"still not so after {patience_s} s: {what}"
        time.sleep(0.02)


class Program:
    """One running multiplexor."""

    def __init__(self, *flags, nofile=None, ports=True, env=None, command=None, preexec=None, patience_s=PATIENCE_S):
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        lines = ["--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"] if ports else []
        if "--drain" not in flags:
            lines += ["--drain", "200ms"]
        # `command` stands in for the program's name; `preexec` runs in the process before it becomes the program.
        self.command = [*(command or [binary()]), *lines, *flags]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
        command = self.command
        if nofile:
            command = ["prlimit", f"--nofile={nofile}:{nofile}", *command]
        else:
            command = ["prlimit", f"--nofile={NOFILE}:{NOFILE}", *command]
        # prlimit replaces itself by the program, so the pid is the program's.
        self.process = subprocess.Popen(
            command,
            stdout=self.out,
            stderr=self.err,
            stdin=subprocess.DEVNULL,
            env=clean | (env or {}),
            preexec_fn=preexec,
        )
        self.waits, self.ins = [], []
        try:
            until(self._listening, f"{' '.join(self.command)} says where it listens", patience_s)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _listening(self):
        text = self.stdout()
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {text}{self.stderr()}"
        self.waits = re.findall(r"^\s*WAIT line\s+https?://(\S+?)/?(?:\s|$)", text, re.MULTILINE)
        self.ins = re.findall(r"^\s*IN line\s+https?://(\S+?)/?(?:\s|$)", text, re.MULTILINE)
        return self.waits and self.ins and text.endswith("\n")

    @property
    def pid(self):
        return self.process.pid

    @property
    def wait_url(self):
        return f"http://{self.waits[0]}"

    @property
    def in_url(self):
        return f"http://{self.ins[0]}"

    @property
    def ws_url(self):
        return f"ws://{self.waits[0]}"

    @property
    def wait_address(self):
        host, port = self.waits[0].rsplit(":", 1)
        return host, int(port)

    @property
    def in_address(self):
        host, port = self.ins[0].rsplit(":", 1)
        return host, int(port)

    def stdout(self):
        return _contents(self.out)

    def stderr(self):
        return _contents(self.err)

    def until_logged(self, text):
        """The log says so; it is written by a thread of its own, a moment after what it is about."""
        until(lambda: text in self.stderr(), f"the log says {text!r}")

    def publish(self, channels, data, query="", **headers):
        """Publishes one message and returns its cursor."""
        return self.post(channels, data, query, **headers)["cursor"]

    def post(self, channels, data, query="", **headers):
        """Publishes one message and returns the whole answer."""
        body = data.encode() if isinstance(data, str) else data
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        path = "/pub/" + urllib.parse.quote(channels, safe=",") + query
        status, _, answer = request(self.in_address, "POST", path, body, headers)
        assert status == 200, (status, answer)
        return json.loads(answer)

    def ask(self, path):
        """A JSON answer of the IN line."""
        status, _, answer = request(self.in_address, "GET", path)
        assert status == 200, (path, status, answer)
        return json.loads(answer)

    def metric(self, name):
        """A metric, summed over its labels."""
        _, _, text = request(self.in_address, "GET", "/metrics")
        values = re.findall(rf"^{name}(?:{{.*}})? (\d+)$", text.decode(), re.MULTILINE)
        assert values, name
        return sum(map(int, values))

    def waiting(self, channel):
        """How many connections wait on a channel now."""
        status, _, answer = request(
            self.in_address, "GET", "/channels/" + urllib.parse.quote(channel, safe="")
        )
        if status == 404:
            return 0
        assert status == 200, (status, answer)
        return json.loads(answer)["waiting"]

    def until_waiting(self, channel, count=1):
        """Waits until so many connections wait on a channel."""
        until(lambda: self.waiting(channel) == count, f"{count} wait on {channel}")

    def running(self):
        return self.process.poll() is None

    def stop(self, patience_s=PATIENCE_S):
        """SIGTERM, by pid; then all that must hold of every end."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        self.ended(patience_s)

    def ended(self, patience_s=PATIENCE_S):
        """Waits for the end, which must be a clean one."""
        try:
            status = self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running {patience_s} s after SIGTERM: {self.stderr()}") from None
        errors = self.stderr()
        assert "panicked" not in errors, errors
        assert status == 0, f"ended with {status}: {errors}"


def request(address, method, path, body=None, headers=None, patience_s=PATIENCE_S):
    """One request on a connection of its own: status, headers (names in lower case), body."""
    connection = http.client.HTTPConnection(*address, timeout=patience_s)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


_numbers = itertools.count(1)


def place(cursor):
    """What cursors of one epoch are ordered by."""
    return len(cursor), cursor


def free_port():
    """A port of this machine that is given to nobody else, neither to listen nor for an outgoing connection, as long as
    these tests run: it is bound here, and whoever is to listen there may bind it, too (SO_REUSEADDR)."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return held.getsockname()[1]


_held = []


def fresh_name(hint="t"):
    """A channel name nobody used before in this run."""
    return f"{hint}.{os.getpid()}.{next(_numbers)}"


def _contents(file):
    data = os.pread(file.fileno(), 1 << 24, 0)
    return data.decode("utf-8", "replace")
