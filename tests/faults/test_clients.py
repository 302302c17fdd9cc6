"""Clients as they are in the wild: readers who stop for ever, senders of one byte at a time. Others never notice."""

import contextlib
import json
import socket
import time

from harness.program import until
from harness.wire import Sse, Wire

READERS, STOPPED = 100, 10
MESSAGES, LEN = 1500, 2000
SLOW_READER = 64 << 10


def private_bytes(program):
    with open(f"/proc/{program.pid}/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) << 10


def test_a_tenth_of_all_readers_stops_for_ever_and_the_others_get_everything(serve, name, capsys):
    program = serve("--slow-reader", str(SLOW_READER), "--heartbeat", "1h")
    with contextlib.ExitStack() as stack:
        stopped = [stack.enter_context(Sse(program, f"/sub/{name}", receive_buffer=4096)) for _ in range(STOPPED)]
        reading = [stack.enter_context(Sse(program, f"/sub/{name}")) for _ in range(READERS - STOPPED)]
        program.until_waiting(name, READERS)
        before, most, heard = private_bytes(program), 0, 0
        with Wire(program.in_address) as wire:
            for n in range(MESSAGES):
                text = f"{n}:" + "x" * LEN
                assert wire.get(f"/pub/{name}", method="POST", body=text.encode()).response()[0] == 200
                if n % 50 == 49:
                    # They read while more is published, as they would; each must have all, in order.
                    for one in reading:
                        assert [data.split(":")[0] for data in one.datas(50)] == [str(m) for m in range(n - 49, n + 1)]
                        heard += 50
                    most = max(most, private_bytes(program))
        program.until_waiting(name, READERS - STOPPED)
        # History holds 100 messages; a reader who stopped holds its limit, and frames are shared.
        bound = STOPPED * SLOW_READER + 8 * (1 << 20)
        with capsys.disabled():
            print(f"\n{STOPPED} of {READERS} stopped: {heard} of {MESSAGES * (READERS - STOPPED)} heard by the others, ", end="")
            print(f"memory {before >> 10} KiB, at the most {most >> 10}")
        assert heard == MESSAGES * (READERS - STOPPED) and most - before <= bound
        # The counters tell of them, and the sockets of those who stopped are closed.
        assert program.metric("multiplexor_wait_slow_readers_total") == STOPPED
        assert all(one.status == 200 for one in stopped)


def trickle(wire, text, between=lambda: None):
    """A byte at a time, each in a packet of its own."""
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in text:
        wire.send(bytes([byte]))
        between()


def test_senders_of_one_byte_at_a_time_are_understood_on_both_lines(serve, name):
    program = serve()
    with Wire(program.wait_address) as listener, Wire(program.in_address) as publisher, Wire(program.in_address) as quick:
        trickle(listener, f"GET /sub/{name} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n".encode())
        assert listener.head()[0] == 200
        program.until_waiting(name)
        count = 0

        def others():
            # Between two bytes of the slow one, others publish as ever.
            nonlocal count
            count += 1
            assert quick.get(f"/pub/{name}", method="POST", body=f"quick {count}".encode()).response()[0] == 200

        body = "slow " * 20
        head = f"POST /pub/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        trickle(publisher, (head + body).encode(), others)
        assert publisher.response()[0] == 200
        heard = []
        while len(heard) < count + 1:
            item = json.loads(listener.until(b"\n"))
            heard += [item["data"]] if "data" in item else []
        # The slow one is whole before the last of the others is said, or behind it.
        assert [data for data in heard if data != body] == [f"quick {n}" for n in range(1, count + 1)]
        assert heard.count(body) == 1 and count == len(head + body)


def test_senders_who_never_come_to_the_end_are_closed_and_cost_nobody_anything(serve, name):
    program = serve("--request-timeout", "500ms", "--classic-in-timeout", "500ms")
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(Wire(address)).send(b"GET /sub/")
            for address in [program.wait_address, program.in_address] * 50
        ]
        reader = stack.enter_context(Sse(program, f"/sub/{name}"))
        program.until_waiting(name)
        open_, count = list(slow), 0
        # Each goes on with a byte now and then, so none is silent; none comes to an end in time.
        while open_:
            assert time.monotonic() - started < 60, f"{len(open_)} are still open"
            for one in list(open_):
                with contextlib.suppress(BlockingIOError):
                    try:
                        one.socket.setblocking(False)
                        one.socket.send(b"x")
                        if one.socket.recv(4096, socket.MSG_PEEK) == b"":
                            open_.remove(one)
                        else:
                            one.socket.recv(4096)
                    except (ConnectionResetError, BrokenPipeError):
                        open_.remove(one)
            count += 1
            assert program.publish(name, str(count)) and reader.event() == ("message", str(count))
        assert count > 1
        until(lambda: program.waiting(name) == 1, "the reader stays")
