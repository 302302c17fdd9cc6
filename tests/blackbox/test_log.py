"""The log holds up nobody: whoever reads standard error or output too slowly loses lines, is told how many, and no more."""

import fcntl
import os
import re
import select
import signal
import subprocess

from harness.program import Program, binary, fresh_name, request, until
from harness.wire import Lines, Wire

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
