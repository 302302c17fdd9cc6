"""When memory gets short: what is large or new is refused before the system ends the program; and what handshakes may hold."""

import json
import ssl
import time

import pytest
from harness.authority import Authority
from harness.program import until
from harness.wire import Lines, Wire, datas, poll

WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
MIB = 1 << 20


def short(program):
    return program.metric("multiplexor_memory_short")


def published(program, name, size):
    with Wire(program.in_address) as wire:
        return wire.get(f"/pub/{name}", "POST", b"x" * size).response()


def test_what_is_set_is_looked_at_and_small_publishes_go_on(serve, name):
    program = serve("--memory-limit", "1MiB")
    until(lambda: short(program) == 2, "it has more than that already")
    with Wire(program.wait_address) as wire:
        status, headers, body = wire.get(f"/sub/{name}").response()
        assert (status, json.loads(body)["code"], headers["connection"]) == (503, "memory", "close")
        assert "retry-after" in headers
    assert program.metric("multiplexor_wait_memory_refused_total") == 1
    assert program.metric("multiplexor_memory_left_bytes") == 0
    assert published(program, name, 60_000)[0] == 200
    status, headers, body = published(program, name, 70_000)
    assert (status, json.loads(body)["code"]) == (503, "memory") and "retry-after" in headers
    with Wire(program.in_address) as wire:
        wire.send(f"POST /pub/{name} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + "x" * 70_000)
        assert wire.response()[0] == 503, "whether its length is announced or not"
    program.until_logged("memory is short")


def test_large_requests_are_refused_first_and_who_waits_is_served(serve, name):
    program = serve()
    taken = private_bytes(program.pid)
    program.stop()
    limit = taken // MIB + 24
    room = ["--history-messages", "100000", "--history-bytes", "1GiB", "--history-budget", "1GiB"]
    program = serve("--memory-limit", f"{limit}MiB", *room)
    waiting = Lines(program, f"/sub/{name}")
    waiting.object()
    until(lambda: program.metric("multiplexor_memory_left_bytes") > 0, "it was looked at")
    assert short(program) == 0
    assert published(program, "other", 70_000)[0] == 200
    while short(program) == 0:
        for _ in range(16):
            assert published(program, "other", 60_000)[0] == 200
        left = program.metric("multiplexor_memory_left_bytes")
        until(lambda: program.metric("multiplexor_memory_left_bytes") != left, "it is looked at again")
    assert short(program) == 1, "first one, then the other"
    assert published(program, name, 70_000)[0] == 503
    names = "\n".join(f"{name}.{n}" for n in range(500))
    with Wire(program.wait_address) as wire:
        assert wire.get("/sub/?wait=0", "POST", names.encode()).response()[0] == 503
    with Wire(program.wait_address) as wire:
        assert wire.get("/sub/?wait=0", "POST", name.encode()).response()[0] == 200
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}", **WEBSOCKET).head()
        wire.send(b"\x81\xfe\xff\xff\0\0\0\0" + b"x" * 5_000)
        assert b"\x03\xf5" in wire.rest(), "1013"
    program.publish(name, "still here")
    assert waiting.message()["data"] == "still here"
    waiting.wire.close()
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["still here"], "and so are new ones"


def private_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        _, resident, shared, *_ = map(int, statm.read().split())
    return (resident - shared) * 4_096


def hello():
    """What a client of TLS says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("line", ["wait", "in"])
def test_handshakes_that_never_end_make_room_for_others(serve, tmp_path, line):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", "localhost", "127.0.0.1")
    program = serve(
        *("--tls-certificate", str(certificate), "--tls-key", str(key), "--shards", "1", "--tls-handshakes", "16"),
        *(("--in-tls", "on", "--in", "127.0.0.1:0") if line == "in" else ()),
    )
    address = program.wait_address if line == "wait" else program.in_address
    said = hello()
    stalled = [Wire(address).send(said) for _ in range(200)]
    assert all(wire.more() or True for wire in stalled[-16:])
    context = ssl.create_default_context(cafile=str(authority.certificate))
    begun = time.monotonic()
    with Wire(address) as wire:
        with context.wrap_socket(wire.socket, server_hostname="localhost") as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
    assert time.monotonic() - begun < 15, "sooner than the others' time is over"
    ended = sum(not wire.more() or not wire.more() for wire in stalled[:150])
    assert ended == 150, "the oldest have given up their places"
    for wire in stalled:
        wire.close()
