"""HTTP/1.1 to the byte: keep-alive, pipelining, half requests, refused framings, things that are no HTTP."""

import json
import time

import pytest
from harness.program import fresh_name, until
from harness.wire import Wire, datas, poll


@pytest.fixture
def wire(program):
    with Wire(program.wait_address) as wire:
        yield wire


def test_a_connection_serves_one_request_after_another(program, wire, name):
    program.publish(name, "kept")
    for _ in range(3):
        status, headers, body = wire.get(f"/sub/{name}?since=0").response()
        assert status == 200
        assert headers["content-type"] == "application/json"
        assert headers.get("connection", "keep-alive") == "keep-alive"
        assert datas(json.loads(body)["messages"]) == ["kept"]


def test_pipelined_requests_are_answered_in_order(program, wire, name):
    names = [fresh_name() for _ in range(5)]
    for channel in names:
        program.publish(channel, "to " + channel)
    request = "".join(f"GET /sub/{channel}?since=0 HTTP/1.1\r\nHost: h\r\n\r\n" for channel in names)
    wire.send(request)
    for channel in names:
        _, _, body = wire.response()
        assert datas(json.loads(body)["messages"]) == ["to " + channel]


def test_a_pipelined_request_waits_for_the_poll_before_it(program, wire, name):
    wire.send(f"GET /sub/{name} HTTP/1.1\r\nHost: h\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    program.until_waiting(name)
    program.publish(name, "first")
    _, _, body = wire.response()
    assert datas(json.loads(body)["messages"]) == ["first"]
    assert wire.response()[2] == b"ok\n"


def test_connection_close_is_honoured(wire):
    wire.get("/healthz", Connection="close")
    status, headers, body = wire.response()
    assert (status, headers["connection"], body) == (200, "close", b"ok\n")
    assert wire.rest() == b""


def test_http_1_0_closes_after_the_answer(wire):
    wire.send("GET /healthz HTTP/1.0\r\n\r\n")
    assert wire.response()[0] == 200
    assert wire.rest() == b""


def test_a_request_may_come_byte_by_byte(program, wire, name):
    program.publish(name, "patience")
    for byte in f"GET /sub/{name}?since=0 HTTP/1.1\r\nHost: h\r\n\r\n".encode():
        wire.send(bytes([byte]))
    assert datas(json.loads(wire.response()[2])["messages"]) == ["patience"]


def test_a_chunked_body_is_read(program, wire, name):
    program.publish(name, "chunked")
    half = len(name) // 2
    chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in [name[:half], name[half:]])
    wire.send(
        "POST /sub/?since=0 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n"
    )
    assert datas(json.loads(wire.response()[2])["messages"]) == ["chunked"]


def test_expect_continue_is_answered(program, wire, name):
    program.publish(name, "go on")
    head = f"POST /sub/?since=0 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {len(name)}\r\n\r\n"
    wire.send(head)
    assert wire.until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
    wire.send(name)
    assert datas(json.loads(wire.response()[2])["messages"]) == ["go on"]


def test_half_a_request_times_out(serve):
    program = serve("--request-timeout", "1s")
    with Wire(program.wait_address) as wire:
        wire.send("GET /healthz HTTP/1.1\r\nHost:")
        status, headers, body = wire.response()
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body)["code"] == "request-timeout"
        assert wire.rest() == b""


def test_half_a_body_times_out(serve):
    program = serve("--request-timeout", "1s")
    with Wire(program.wait_address) as wire:
        wire.send("POST /sub/ HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
        assert wire.response()[0] == 408


def test_a_trickle_does_not_stretch_the_request_timeout(serve):
    program = serve("--request-timeout", "1s")
    with Wire(program.wait_address) as wire:
        wire.send("GET /healthz HTTP/1.1\r\n")
        wire.socket.settimeout(0.1)
        deadline = time.monotonic() + 60
        answer = b""
        while not answer:
            assert time.monotonic() < deadline, "a trickling request is never ended"
            try:
                wire.send("X")
                answer = wire.socket.recv(100)
                break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


def test_silence_is_closed_without_a_word(serve):
    program = serve("--request-timeout", "1s", "--keep-alive", "1s")
    with Wire(program.wait_address) as wire:
        assert wire.rest() == b""
    with Wire(program.wait_address) as wire:
        assert wire.get("/healthz").response()[0] == 200
        assert wire.rest() == b"", "silence after a request is closed alike"


def test_a_waiting_client_is_not_timed_out_as_a_slow_request(serve, name):
    program = serve("--request-timeout", "1s", "--poll-timeout", "4s")
    assert poll(program, f"/sub/{name}")["messages"] == []


def test_a_disconnect_is_noticed(program, name):
    for accept in ["text/event-stream", "application/x-ndjson", "*/*"]:
        with Wire(program.wait_address) as wire:
            wire.get(f"/sub/{name}", Accept=accept)
            program.until_waiting(name)
        program.until_waiting(name, 0)


def test_a_half_close_is_a_disconnect(program, name):
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}", Accept="text/event-stream")
        wire.head()
        program.until_waiting(name)
        wire.socket.shutdown(1)
        program.until_waiting(name, 0)


REFUSED = {
    "two lengths": ("POST /sub/ HTTP/1.1", "Host: h\r\nContent-Length: 1\r\nContent-Length: 1", 400),
    "a list of lengths": ("POST /sub/ HTTP/1.1", "Host: h\r\nContent-Length: 1, 1", 400),
    "a signed length": ("POST /sub/ HTTP/1.1", "Host: h\r\nContent-Length: +1", 400),
    "a negative length": ("POST /sub/ HTTP/1.1", "Host: h\r\nContent-Length: -1", 400),
    "a hexadecimal length": ("POST /sub/ HTTP/1.1", "Host: h\r\nContent-Length: 0x1", 400),
    "length and chunks": (
        "POST /sub/ HTTP/1.1",
        "Host: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        400,
    ),
    "chunks on 1.0": ("POST /sub/ HTTP/1.0", "Host: h\r\nTransfer-Encoding: chunked", 400),
    "an unknown coding": ("POST /sub/ HTTP/1.1", "Host: h\r\nTransfer-Encoding: gzip, chunked", 501),
    "a disguised coding": ("POST /sub/ HTTP/1.1", "Host: h\r\nTransfer-Encoding: xchunked", 501),
    "a space before the colon": ("GET /healthz HTTP/1.1", "Host : h", 400),
    "a folded line": ("GET /healthz HTTP/1.1", "Host: h\r\nX: a\r\n b", 400),
    "no host": ("GET /healthz HTTP/1.1", "X: y", 400),
    "two hosts": ("GET /healthz HTTP/1.1", "Host: h\r\nHost: h", 400),
    "a nul in a value": ("GET /healthz HTTP/1.1", "Host: h\r\nX: a\0b", 400),
    "a bare line feed": ("GET /healthz HTTP/1.1", "Host: h\nX: y", 400),
    "a bare carriage return": ("GET /healthz HTTP/1.1", "Host: h\rX: y", 400),
    "version 2": ("GET /healthz HTTP/2.0", "Host: h", 505),
    "an endless target": ("GET /" + "x" * 40000 + " HTTP/1.1", "Host: h", 414),
    "an endless head": ("GET /healthz HTTP/1.1", "Host: h\r\nX: " + "y" * 40000, 431),
    "too many headers": (
        "GET /healthz HTTP/1.1",
        "Host: h\r\n" + "\r\n".join(f"X{n}: y" for n in range(300)),
        431,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_smuggle_is_refused_and_the_connection_closed(wire, case):
    line, headers, status = REFUSED[case]
    try:
        wire.send(f"{line}\r\n{headers}\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    got, headers, body = wire.response()
    assert got == status, body
    assert headers["connection"] == "close"
    assert json.loads(body)["status"] == status
    assert wire.rest() == b"", "nothing after it is understood"


@pytest.mark.parametrize(
    "chunk", ["g\r\n", "-1\r\n", "100000000000000000\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "\r\n"]
)
def test_a_broken_chunk_is_refused(wire, chunk):
    wire.send("POST /sub/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk)
    status, headers, _ = wire.response()
    assert (status, headers["connection"]) == (400, "close")


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"\x00" * 64, b"hello\r\n\r\n", b"\xff" * 5000]
)
def test_noise_is_closed(serve, noise):
    # It may still become a request of 2009, so it is given the time of a request.
    program = serve("--request-timeout", "500ms")
    with Wire(program.wait_address) as wire:
        try:
            wire.send(noise + b"\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = wire.rest()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer


def test_a_method_that_is_not_for_this_address_is_405(wire, name):
    status, headers, body = wire.get(f"/sub/{name}", method="DELETE").response()
    assert status == 405
    assert json.loads(body)["code"] == "method"


def test_an_overlong_list_of_channels_is_413(program):
    with Wire(program.wait_address) as wire:
        try:
            wire.send("POST /sub/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n" + "a," * 500000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert wire.response()[0] == 413


def test_a_refused_request_leaves_a_good_connection_usable(wire):
    assert wire.get("/nothing").response()[0] == 404
    assert wire.get("/healthz").response()[2] == b"ok\n"


def test_many_connections_come_and_go(program):
    for _ in range(300):
        with Wire(program.wait_address) as wire:
            assert wire.get("/healthz").response()[0] == 200


def test_the_in_line_speaks_keep_alive_too(program, name):
    with Wire(program.in_address) as wire:
        for data in [b"one", b"two"]:
            assert wire.get(f"/pub/{name}", method="POST", body=data).response()[0] == 200
    assert until(lambda: program.ask(f"/channels/{name}")["history"]["messages"] == 2, "both are kept")
