"""The log holds up nobody: whoever reads standard error or output too slowly loses lines, is told how many, and no more."""

import fcntl
import os
import re
import select
import signal
import subprocess
import time

from harness.program import Program, binary, fresh_name, request, until
from harness.wire import Lines, Sse, Wire

PATIENCE_S = 60


class Pipe:
    """A pipe that holds one page, and is full before the program starts if wanted."""

    def __init__(self, full=False):
        self.read, self.write = os.pipe()
        fcntl.fcntl(self.write, fcntl.F_SETPIPE_SZ, 4096)
        self.filled = 0
        if full:
            os.set_blocking(self.write, False)
            while select.select([], [self.write], [], 0)[1]:
                self.filled += os.write(self.write, b"x" * 4096)
            os.set_blocking(self.write, True)

    def close(self):
        os.close(self.read)
        os.close(self.write)

    def is_full(self):
        return not select.select([], [self.write], [], 0)[1]

    def some(self):
        """What is there, without waiting."""
        text = b""
        while select.select([self.read], [], [], 0)[0]:
            text += os.read(self.read, 65536)
        return text.decode("utf-8", "replace")


class Stalled(Program):
    """A program whose standard error is a pipe."""

    def __init__(self, pipe, *flags):
        self.pipe = pipe
        super().__init__(*flags, preexec=lambda: os.dup2(pipe.write, 2))

    def stderr(self):
        return ""


def test_a_full_pipe_on_standard_error_stops_nobody_and_what_is_missing_is_counted_and_said():
    pipe = Pipe()
    program = Stalled(pipe, "--log-level", "debug")
    name = fresh_name()
    with Lines(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        for n in range(20):
            program.publish(name, str(n))
        # Each is a line: of a shard that does not understand, and of the IN line.
        for _ in range(6_000):
            if program.metric("multiplexor_log_lost_lines_total") > 0:
                break
            with Wire(program.in_address) as wire:
                wire.send(b"\x16\x03\x01\x00\x05 no plain words\r\n\r\n" * 20).rest()
        assert pipe.is_full() and program.metric("multiplexor_log_lost_lines_total") > 0
        program.publish(name, "the last")
        heard = []
        while "the last" not in heard:
            heard.append(stream.message()["data"])
        text = ""

        def said():
            nonlocal text
            text += pipe.some()
            return re.search(r'lines of the log were left out: [^\n]* lines=(\d+)', text)

        lost = until(said, "the program says how many lines are missing", PATIENCE_S)
        assert 0 < int(lost[1]) <= program.metric("multiplexor_log_lost_lines_total")
        whole = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z +[A-Z]+ ")
        assert all(whole.match(line) for line in text.splitlines()), "what is written is whole lines"
    program.process.send_signal(signal.SIGTERM)
    until(lambda: pipe.some() is not None and not program.running(), "it ends while somebody reads")
    program.ended()
    pipe.close()


def test_a_program_whose_log_nobody_reads_starts_serves_and_ends():
    pipe = Pipe(full=True)
    program = Stalled(pipe, "--log-level", "trace")
    for n in range(200):
        program.publish(fresh_name(), str(n))
    assert pipe.is_full()
    program.stop(PATIENCE_S)
    pipe.close()


def test_a_second_signal_ends_it_though_nobody_reads_its_log(serve):
    pipe = Pipe(full=True)
    program = Stalled(pipe, "--drain", "10m")
    with Lines(program, "/sub/" + fresh_name()):
        program.process.send_signal(signal.SIGTERM)

        def refuses():
            try:
                return request(program.in_address, "GET", "/readyz")[0] != 200
            except OSError:
                return True

        until(refuses, "it has begun to end")
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE_S) == 130
    pipe.close()


def test_full_pipes_do_not_hold_up_an_error_nor_the_banner():
    """A program that cannot start says why, and ends, though nobody reads that; one that can serves, banner or not."""
    pipe = Pipe(full=True)
    held = Program()
    refused = subprocess.Popen([binary(), "--wait", held.waits[0], "--in", "127.0.0.1:0"], stderr=pipe.write)
    assert refused.wait(PATIENCE_S) == 1
    refused = subprocess.Popen([binary(), "--drain", "a while"], stderr=pipe.write)
    assert refused.wait(PATIENCE_S) == 2
    held.stop()
    out = Pipe(full=True)
    port = int(held.ins[0].rsplit(":", 1)[1])
    silent = subprocess.Popen(
        [binary(), "--wait", "127.0.0.1:0", "--in", f"127.0.0.1:{port}", "--drain", "0s"], stdout=out.write, stderr=pipe.write
    )

    def ready():
        try:
            return request(("127.0.0.1", port), "GET", "/readyz")[0] == 200
        except OSError:
            return False

    until(ready, "it serves without its banner")
    silent.terminate()
    assert silent.wait(PATIENCE_S) == 0
    pipe.close()
    out.close()


def test_the_journal_of_realplexor_holds_up_nobody(tmp_path):
    """It is on standard output; what it leaves out counts, too."""
    out = Pipe(full=True)
    ports = Program()
    wait, publish = (address.rsplit(":", 1)[1] for address in (ports.waits[0], ports.ins[0]))
    ports.stop()
    old = tmp_path / "old.conf"
    old.write_text(f'$CONFIG{{WAIT_ADDR}} = ["127.0.0.1:{wait}"];\n$CONFIG{{IN_ADDR}} = ["127.0.0.1:{publish}"];\n$CONFIG{{VERBOSITY}} = 3;\n1;\n')
    with open(tmp_path / "errors", "wb") as errors:
        program = subprocess.Popen([binary(), "realplexor", str(old)], stdout=out.write, stderr=errors)
    address = ("127.0.0.1", int(publish))

    def lost():
        try:
            text = request(address, "GET", "/metrics")[2].decode()
        except OSError:
            return 0
        return int(re.search(r"^multiplexor_log_lost_lines_total (\d+)", text, re.MULTILINE)[1])

    def is_lost():
        # A connection is a few lines.
        try:
            for _ in range(50):
                Wire(address).send(b"\r\n\r\n").close()
        except OSError:
            pass
        return lost()

    until(is_lost, "lines are left out", 2 * PATIENCE_S)
    program.terminate()
    assert program.wait(PATIENCE_S) == 0, (tmp_path / "errors").read_text()
    out.close()


def test_who_comes_waits_and_goes_is_told_at_debug(serve, name):
    program = serve("--log-level", "debug")
    with Sse(program, f"/sse/{name}"):
        program.until_waiting(name)
    program.publish(name, "never in the log")
    until(lambda: "a client has gone" in program.stderr(), "it has gone")
    lines = [line for line in program.stderr().splitlines() if "a client" in line]
    numbers = {re.search(r"connection=(\d+)", line).group(1) for line in lines if f'channels="{name}"' in line}
    assert len(numbers) == 1
    told = [line for line in lines if f"connection={numbers.copy().pop()}" in line]
    assert [re.search("has come|waits|has gone", line).group() for line in told] == ["has come", "waits", "has gone"]
    assert "from=127.0.0.1:" in told[0] and "transport=Sse" in told[1]
    program.until_logged("a publisher has come")
    assert "never in the log" not in program.stderr()


def test_each_publish_is_told_at_debug(serve, name):
    program = serve("--log-level", "debug")
    program.publish(name, "hello")
    program.until_logged("answered")
    told = next(line for line in program.stderr().splitlines() if "answered" in line and f"path=\"/pub/{name}\"" in line)
    assert "method=POST" in told and "status=200" in told and re.search(r"took_us=\d+", told)


def test_each_refusal_is_told_and_a_flood_of_them_in_a_few_lines(serve, name):
    program = serve("--listen", "token", "--token-secret", "s" * 32)
    assert request(program.wait_address, "GET", f"/sub/{name}?token=secret.to.all")[0] == 401
    assert request(program.in_address, "POST", f"/pub/{name}?ttl=soon", b"x")[0] == 400

    def refused():
        return [line for line in program.stderr().splitlines() if " refused " in line]

    until(lambda: len(refused()) == 2, "both are told")
    wait, publish = sorted(refused(), key=lambda line: 'line="in"' in line)
    assert 'line="wait"' in wait and "status=401" in wait and f'what="{name}"' in wait and "from=127.0.0.1" in wait
    assert "status=400" in publish and 'code="ttl"' in publish and "give seconds" in publish
    assert "secret.to.all" not in program.stderr()
    began = time.monotonic()
    with Wire(program.in_address) as wire:
        for _ in range(300):
            wire.get(f"/pub/{name}?ttl=soon", method="POST", body=b"x").response()
        seconds = time.monotonic() - began
        time.sleep(1.1)
        wire.get(f"/pub/{name}?ttl=soon", method="POST", body=b"x").response()
    until(lambda: "untold=" in program.stderr(), "how many were left out is told")
    assert len(refused()) <= 3 + 5 * (seconds + 2), "five a second"

    def accounted():
        return len(refused()) + sum(map(int, re.findall(r"untold=(\d+)", program.stderr())))

    until(lambda: accounted() == 303, "all are told or counted")


def test_the_end_says_what_may_be_done(serve):
    program = serve()
    program.process.send_signal(signal.SIGTERM)
    program.until_logged("ending: clients are sent away and may come back; SIGTERM or Ctrl+C once more ends it at once")
