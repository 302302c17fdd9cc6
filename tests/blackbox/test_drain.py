"""SIGTERM: polls are answered, WebSockets told, closes spread, the end clean."""

import ctypes
import json
import pathlib
import platform
import re
import select
import signal
import time

from harness.frames import Frames
from harness.program import place
from harness.wire import Lines, Sse, Wire

TGKILL = {"x86_64": 234, "aarch64": 131}[platform.machine()]


def test_a_program_nobody_uses_ends_at_once(serve):
    serve().stop()


def test_sigint_ends_it_too(serve):
    program = serve()
    program.process.send_signal(signal.SIGINT)
    program.ended()


def test_no_thread_of_the_wait_line_takes_a_signal(serve, name):
    """It would be lost there, and told to whatever has the runtime's number in that thread's table: a client."""
    program = serve("--shards", "2")
    waiting = [Wire(program.wait_address) for _ in range(60)]
    for wire in waiting:
        wire.get(f"/sub/{name}?raw=1&transport=stream").head()
    program.until_waiting(name, len(waiting))
    shards = [task for task in pathlib.Path(f"/proc/{program.pid}/task").iterdir() if (task / "comm").read_text().startswith("wait-")]
    assert len(shards) == 2
    for task in shards:
        for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
            mask = int(re.search(r"SigBlk:\s*(\w+)", (task / "status").read_text())[1], 16)
            assert mask >> (number - 1) & 1, f"{task.name} takes {number.name}"
            # tgkill, as the kernel chooses a thread when another one has a signal already.
            assert ctypes.CDLL(None).syscall(TGKILL, program.pid, int(task.name), int(number)) == 0
    program.publish(name, "still here")
    for wire in waiting:
        assert wire.exactly(len(b"still here\n")) == b"still here\n"
        wire.close()


def test_a_poll_is_answered_with_a_document(serve, name):
    program = serve()
    cursor = program.publish(name, "x")
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}?since={cursor}")
        program.until_waiting(name)
        program.process.send_signal(signal.SIGTERM)
        status, _, body = wire.response()
        document = json.loads(body)
        assert (status, document["messages"], set(document)) == (200, [], {"cursor", "messages", "connection"})
        assert place(document["cursor"]) >= place(cursor)
        assert wire.rest() == b""
    program.ended()


def test_a_websocket_is_closed_with_1001(serve, name):
    program = serve()
    with Frames(program, f"/sub/{name}") as frames:
        program.until_waiting(name)
        program.process.send_signal(signal.SIGTERM)
        assert frames.close_code() == 1001
    program.ended()


def test_streams_end(serve, name):
    program = serve()
    with Sse(program, f"/sub/{name}") as events, Lines(program, f"/sub/{name}") as lines:
        program.until_waiting(name, 2)
        program.process.send_signal(signal.SIGTERM)
        events.wire.rest()
        lines.wire.rest()
    program.ended()


def test_closes_are_spread_over_the_drain(serve, name):
    program = serve("--drain", "3s")
    streams = [Sse(program, f"/sub/{name}") for _ in range(40)]
    program.until_waiting(name, 40)
    program.process.send_signal(signal.SIGTERM)
    ends, left = [], {stream.wire.socket: stream for stream in streams}
    deadline = time.monotonic() + 60
    while left:
        assert time.monotonic() < deadline, f"{len(left)} are still open"
        for socket in select.select(list(left), [], [], 1)[0]:
            if not left[socket].wire.more():
                ends.append(time.monotonic())
                left.pop(socket).wire.close()
    program.ended()
    assert ends[-1] - ends[0] > 1.0, "they all ended at once"


def test_new_connections_are_refused_while_it_drains(serve, name):
    program = serve("--drain", "3s")
    streams = [Sse(program, f"/sub/{name}") for _ in range(20)]
    program.until_waiting(name, 20)
    program.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline, "it still accepts"
        try:
            with Wire(program.wait_address) as wire:
                if wire.get("/healthz").rest() == b"":
                    break
        except (ConnectionRefusedError, BrokenPipeError, ConnectionResetError):
            break
    for stream in streams:
        stream.wire.close()
    program.ended()


def test_what_was_published_before_the_end_is_still_delivered(serve, name):
    program = serve()
    with Lines(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        for n in range(50):
            program.publish(name, str(n))
        program.process.send_signal(signal.SIGTERM)
        heard = [json.loads(line) for line in stream.wire.rest().splitlines()]
    assert [item["data"] for item in heard if "data" in item] == list(range(50))
    program.ended()
