"""Messages to many: in few calls of the kernel where it has io_uring for us, in as many as there are clients elsewhere."""

import ctypes
import json
import struct
import subprocess

import pytest
from harness.program import binary
from test_bench import CLIENTS, of_program

LIBC = ctypes.CDLL(None, use_errno=True)
# The number of io_uring_setup, on every kind of processor.
IO_URING_SETUP = 425
EPERM = 1


def without_io_uring():
    """What the filter of a container does: to this process and all it becomes the call is forbidden."""
    load, equal, answer = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 0), (equal, 0, 1, IO_URING_SETUP), (answer, 0, 0, 0x50000 | EPERM), (answer, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    no_new_privileges, seccomp, by_filter = 38, 22, 2
    assert LIBC.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert LIBC.prctl(seccomp, by_filter, program) == 0


def finding(preexec=None):
    """What the doctor says of it."""
    done = subprocess.run([binary(), "doctor", "--json"], capture_output=True, timeout=60, preexec_fn=preexec)
    return next(one for one in json.loads(done.stdout)["findings"] if one["name"] == "io-uring")


WAYS = {"on": ([], None), "off": (["--io-uring", "off"], None), "forbidden": ([], without_io_uring)}


@pytest.mark.parametrize("transport", ["sse", "ws", "stream", "poll"])
@pytest.mark.parametrize("way", WAYS)
def test_everybody_has_everything_either_way(serve, way, transport):
    flags, preexec = WAYS[way]
    program = serve(*flags, preexec=preexec)
    since = "?since={cursor}" if transport == "poll" else ""
    steps = [f"join={CLIENTS}", "send=20", "send=4@20"]
    report = of_program(program, "--transport", transport, *steps, since=since)
    assert report["ok"], report
    assert [step["delivered"] for step in report["steps"][1:]] == [20 * CLIENTS, 4 * CLIENTS]
    sends, batches = (program.metric(f"multiplexor_wait_{what}_total") for what in ("writes", "batches"))
    assert sends > CLIENTS
    expected = way == "on" and finding()["level"] == "ok"
    assert (0 < batches < sends / 10) if expected else batches == 0


def test_the_doctor_says_when_it_is_forbidden():
    forbidden = finding(without_io_uring)
    assert forbidden["level"] == "note"
    assert "a call of its own" in forbidden["text"]
    assert len(forbidden["remedies"]) == 2
