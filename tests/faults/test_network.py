"""The network between clients and the program is cut: for good, or for a while. Real packets, in a namespace."""

import contextlib
import os
import socket
import time

import pytest
from harness.load import Load
from harness.network import Network
from harness.program import Program, until
from harness.wire import Wire

LONG = int(os.environ.get("TESTS_MULTIPLEXOR_ROUNDS") or 1) > 1
TRANSPORTS = {
    "sse": "Accept: text/event-stream\r\n",
    "stream": "Accept: application/x-ndjson\r\n",
    "ws": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "poll": "",
}


@pytest.fixture
def network():
    with Network() as network:
        yield network


@pytest.fixture
def program(network):
    """A program that clients in the namespace reach; a client that takes nothing for ten seconds is gone."""
    running = Program(
        *("--wait", f"{network.here}:0", "--in", "127.0.0.1:0", "--heartbeat", "1s", "--poll-timeout", "2s"),
        *("--request-timeout", "2s", "--grace", "1s", "--history-messages", "100000", "--history-bytes", "64MiB"),
        ports=False,
    )
    yield running
    running.stop()


def test_clients_that_vanish_without_a_word_are_given_up(network, program):
    """Half-open: no FIN, no RST, nobody at the other end. The kernel alone would wait for a quarter of an hour."""
    names = {f"gone.{name}": head for name, head in TRANSPORTS.items()}
    with contextlib.ExitStack() as stack:
        for name, head in names.items():
            with network.entered():
                one = stack.enter_context(socket.create_connection(program.wait_address, timeout=30))
            one.sendall(f"GET /sub/{name} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
            program.until_waiting(name)
        # Somebody who stands in the middle of a request.
        with network.entered():
            half = stack.enter_context(socket.create_connection(program.wait_address, timeout=30))
        half.sendall(b"GET /sub/gone HT")
        network.cut()
        stack.pop_all().close()
    here = Wire(program.wait_address).get("/sub/here", Accept="text/event-stream")
    program.until_waiting("here")
    for name in names:
        until(lambda name=name: program.waiting(name) == 0, f"nobody waits on {name}", 60)
    until(lambda: program.ask("/stats")["subscriptions"] == 1, "only one who is there", 60)
    until(lambda: not any(program.ask(f"/channels?prefix=gone")["channels"]), "all of them are offline", 60)
    program.publish("here", "still")
    assert b"still" in here.until(b"still\n")
    here.close()


def test_readers_go_on_exactly_when_a_network_that_was_cut_is_joined_again(network, program, capsys):
    addresses = lambda: (program.in_address, program.wait_address)  # noqa: E731
    # Who hears nothing for three seconds comes anew, as clients do.
    load = Load(addresses, publishers=3, readers=10, pause_s=0.01, filler=500, silence_s=3, within=network.entered)
    load.until_more(200)
    # A moment, of which TCP alone makes good; and long enough for both ends to give each other up.
    for cut_s in (0.2, 2.0, 12.0) if LONG else (0.2, 2.0):
        before = sum(reader.count for reader in load.readers)
        network.cut()
        end = time.monotonic() + cut_s
        until(lambda end=end: time.monotonic() > end, "the cut has lasted", cut_s + 5)
        load.check()
        network.join()
        until(lambda before=before: sum(one.count for one in load.readers) > before + 500, "readers go on", 60)
    counts = load.finish()
    with capsys.disabled():
        print(f"\nnetwork cut and joined: {counts}")
    assert counts["refused"] == 0, "publishers never wait for a client that is not there"
