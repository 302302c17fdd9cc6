"""How long connections stay: for a further request, for the rest of one that has begun, and after a half-close."""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import front
from harness.authority import Authority
from harness.program import request, until
from harness.wire import Wire, datas

WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
HEAD = "Host: localhost\r\n"


def addresses(program):
    return [program.wait_address, program.in_address]


# Half-close: a poll is answered at once, a stream has gone.


def test_a_poll_whose_client_half_closes_is_answered_at_once(program, name):
    begun = time.monotonic()
    cursor = program.publish(name, "before")
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}?since={cursor}")
        program.until_waiting(name)
        wire.socket.shutdown(socket.SHUT_WR)
        status, headers, body = wire.response()
        assert (status, headers["connection"], "keep-alive" in headers) == (200, "close", False)
        document = json.loads(body)
        assert (document["messages"], program.waiting(name)) == ([], 0), "it waits no longer when it is answered"
        assert wire.rest() == b""
    assert time.monotonic() - begun < 20, "sooner than its time"
    program.publish(name, "after")
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}?since={document['cursor']}")
        assert datas(json.loads(wire.response()[2])["messages"]) == ["after"], "its cursor is a cursor"


def test_a_poll_whose_client_half_closes_waits_no_longer_when_it_is_answered(program, name):
    waiting = []
    for _ in range(200):
        with Wire(program.wait_address) as wire:
            wire.get(f"/sub/{name}")
            program.until_waiting(name)
            wire.socket.shutdown(socket.SHUT_WR)
            wire.response()
            waiting.append(program.waiting(name))
    assert waiting == [0] * 200


def test_a_half_close_right_behind_the_request_is_no_disconnect(program, name):
    program.publish(name, "x" * 900_000)
    with Wire(program.wait_address, receive_buffer=4_096) as wire:
        wire.get(f"/sub/{name}?since=0").socket.shutdown(socket.SHUT_WR)
        time.sleep(3)
        assert len(json.loads(wire.response()[2])["messages"][0]["data"]) == 900_000, "and nothing is cut off"


def test_all_requests_before_a_half_close_are_answered(program, name):
    with Wire(program.wait_address) as wire:
        for _ in range(100):
            wire.get(f"/sub/{name}")
        wire.socket.shutdown(socket.SHUT_WR)
        assert [wire.response()[0] for _ in range(100)] == [200] * 100
        assert wire.rest() == b""


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson", "websocket"])
def test_a_stream_that_is_half_closed_has_gone(program, name, accept):
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}", **(WEBSOCKET if accept == "websocket" else {"Accept": accept}))
        program.until_waiting(name)
        wire.socket.shutdown(socket.SHUT_WR)
        program.until_waiting(name, 0)


# HTTP/2 that nobody agreed on.


def test_http_2_by_prior_knowledge_is_refused_in_its_words_at_once(program):
    for address, metric in zip(addresses(program), ["wait", "in"]):
        before = program.metric(f"multiplexor_{metric}_http_version_refused_total")
        with Wire(address) as wire:
            begun = time.monotonic()
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            answer = wire.rest()
            assert time.monotonic() - begun < 10, "sooner than the time of a request"
        assert answer[:9] == bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), "SETTINGS"
        length, kind = int.from_bytes(answer[9:12], "big"), answer[12]
        assert (kind, len(answer)) == (7, 18 + length), "GOAWAY, and nothing behind it"
        assert answer[18:26] == bytes([0, 0, 0, 0, 0, 0, 0, 0xD]), "no stream was looked at: HTTP_1_1_REQUIRED"
        assert answer[26:] == b"HTTP/2 is not spoken here: use HTTP/1.1"
        assert program.metric(f"multiplexor_{metric}_http_version_refused_total") == before + 1


def test_half_a_preface_is_awaited(program):
    for address in addresses(program):
        with Wire(address) as wire:
            wire.send(b"PRI * HTTP/2.0\r\n\r\n")
            wire.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                wire.socket.recv(1)
            wire.socket.settimeout(30)
            assert wire.send(b"SM\r\n\r\n").rest()[12] == 7


# Keeping a connection for a further request.


def test_who_is_kept_is_told_for_how_long(program, name):
    program.publish(name, "x")
    for address, path in [
        (program.wait_address, "/healthz"),
        (program.wait_address, f"/sub/{name}?since=0"),
        (program.wait_address, "/nowhere"),
        (program.in_address, "/healthz"),
        (program.in_address, "/nowhere"),
    ]:
        with Wire(address) as wire:
            assert wire.get(path).response()[1]["keep-alive"] == "timeout=75", path
            headers = wire.get(path, Connection="close").response()[1]
            assert ("keep-alive" in headers, headers["connection"]) == (False, "close"), path
    with Wire(program.in_address) as wire:
        assert wire.get(f"/pub/{name}", "POST", b"x").response()[1]["keep-alive"] == "timeout=75"
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}")
        program.until_waiting(name)
        program.publish(name, "live")
        assert wire.response()[1]["keep-alive"] == "timeout=75"
        wire.get(f"/sub/{name}", Connection="close")
        program.until_waiting(name)
        program.publish(name, "live")
        headers = wire.response()[1]
        assert ("keep-alive" in headers, headers["connection"]) == (False, "close")


def test_a_kept_connection_is_silent_longer_than_a_request_may_take(serve, name):
    program = serve("--request-timeout", "500ms", "--keep-alive", "4s")
    wires = [Wire(address).get("/healthz") for address in addresses(program)]
    wires.append(Wire(program.in_address).get(f"/pub/{name}", "POST", b"x"))
    begun = time.monotonic()
    for wire in wires:
        assert wire.response()[1]["keep-alive"] == "timeout=4"
    time.sleep(2)
    for wire, path in zip(wires, ["/healthz", "/healthz", "/stats"]):
        assert wire.get(path).response()[0] == 200
    for wire in wires:
        assert wire.rest() == b"", "closed without a word"
        assert time.monotonic() - begun >= 6, "not before its time"
        wire.close()


@pytest.mark.parametrize("line", ["wait", "in"])
def test_a_proxy_that_keeps_connections_for_a_while_never_meets_one_that_closes(serve, fronts, line):
    """The proxy keeps its connections for as long a part of the program's time as nginx's 60 s are of 75."""
    program = serve("--request-timeout", "1s", "--keep-alive", "5s")
    server = (program.waits if line == "wait" else program.ins)[0]
    inside = 'proxy_set_header Host localhost; proxy_set_header Connection ""; proxy_next_upstream off;'
    proxy = fronts(front.nginx, server, inside, beside="keepalive 8; keepalive_timeout 4s;")
    for pause in [0, 1.5, 3.8, 3.95, 3.99, 4.02, 4.2]:
        time.sleep(pause)
        assert request(proxy.address, "GET", "/healthz")[0] == 200, pause


# Requests and messages that do not come whole.


def late(address, data):
    """What is said to whoever sends this and nothing more, and after how long."""
    begun = time.monotonic()
    with Wire(address) as wire:
        return wire.send(data).rest(), time.monotonic() - begun


def test_whatever_does_not_come_whole_in_time_is_given_up(serve, name):
    program = serve("--request-timeout", "1s", "--classic-in-timeout", "1s")
    half = [
        f"POST /pub/{name} HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\nabc",
        f"POST /pub/{name} HTTP/1.1\r\n{HEAD}Content-Length: 100\r\nConnection: close\r\n\r\nabc",
        f"POST /pub/{name} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        f"POST /pub HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\n[",
        f"POST /pub/{name} HTTP/1.1\r\n{HEAD}Content-Le",
        "GET /stats HTTP/1.1\r\nHo",
    ]
    silent = [f"identifier={name}\n\nx"]
    waiting = [f"POST /sub/ HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\nabc", "GET /sub/a HTTP/1.1\r\nHo"]
    with ThreadPoolExecutor(16) as pool:
        told = [pool.submit(late, program.in_address, data) for data in half + silent]
        told += [pool.submit(late, program.wait_address, data) for data in waiting]
        told = dict(zip(half + silent + waiting, (one.result() for one in told)))
    for data in half:
        answer, seconds = told[data]
        assert answer.startswith(b"HTTP/1.1 408 ") and b'"request-timeout"' in answer, (data, answer)
        assert 0.9 < seconds < 15, data
    for data in silent:
        assert told[data][0] == b"", data
    for data in waiting:
        assert told[data][0].startswith(b"HTTP/1.1 408 ") and b'"request-timeout"' in told[data][0], data


@pytest.mark.parametrize("request_said", [f"GET /stats HTTP/1.1\r\n{HEAD}\r\n", "POST /pub/a HTTP/1.1\r\n" + HEAD + "Content-Length: 1\r\n\r\nx", ""])
def test_an_empty_line_behind_a_request_is_no_request(serve, request_said):
    program = serve("--request-timeout", "1s", "--keep-alive", "60s")
    with Wire(program.in_address) as wire:
        wire.send(request_said + "\r\n")
        if request_said:
            assert wire.response()[0] == 200
        assert wire.rest() == b""
    assert "request-timeout" not in program.ask("/stats")["in"]["refused"]


# Requests that are not read ahead of the service: what comes behind them is looked at when they are answered.
SERVED = {
    "no body": f"GET /stats HTTP/1.1\r\n{HEAD}\r\n",
    "a body": f"POST /pub HTTP/1.1\r\n{HEAD}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
    "a body that nobody reads": f"POST /nowhere HTTP/1.1\r\n{HEAD}Content-Length: 5\r\n\r\n\r\n\r\nx",
    "chunks": f"POST /pub HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1;x=y\r\n]\r\n0\r\nX: y\r\n\r\n",
}


@pytest.mark.parametrize("kind", SERVED)
def test_half_a_head_behind_a_request_has_the_time_of_a_request(serve, kind):
    program = serve("--request-timeout", "1s", "--keep-alive", "60s")
    whole, wires = SERVED[kind], []
    begun = time.monotonic()
    for behind in ["GET /stats HTTP/1.1\r\nHo", "x", whole + whole + "POST /pub HTTP/1.1\r\n" + HEAD]:
        # In one piece, or in two of which the first ends before or after the request.
        for cut in (0, len(whole) - 1, len(whole) + 1):
            wire = Wire(program.in_address)
            wire.send((whole + behind)[:cut]).send((whole + behind)[cut:])
            wires.append((wire, behind, cut))
    for wire, behind, cut in wires:
        for _ in range(1 + behind.count(whole)):
            assert wire.response()[0] in (200, 400, 404), (behind, cut)
        assert wire.rest().startswith(b"HTTP/1.1 408 "), (behind, cut)
        wire.close()
    assert time.monotonic() - begun < 30, "long before a kept connection ends"


@pytest.mark.parametrize("kind", SERVED)
def test_nothing_behind_a_request_has_the_time_of_a_kept_connection(serve, kind):
    program = serve("--request-timeout", "500ms", "--keep-alive", "60s")
    with Wire(program.in_address) as wire:
        for pause in (0, 1.2, 0, 1.2):
            time.sleep(pause)
            assert wire.send(SERVED[kind]).response()[0] in (200, 400, 404), "it is still there"


def test_requests_that_come_together_are_answered_in_order_by_the_service(program):
    with Wire(program.in_address) as wire:
        wire.send("".join(SERVED.values()) * 30)
        told = [wire.response()[0] for _ in range(30 * len(SERVED))]
        assert told == told[: len(SERVED)] * 30 and set(told) <= {200, 400, 404}


def test_half_a_websocket_message_is_not_kept(serve, name):
    program = serve("--request-timeout", "1s")
    big = b"\x81\xfe\xff\xff\0\0\0\0" + b"x" * 60_000
    fragment = b"\x01\xfe\xff\xff\0\0\0\0" + b"x" * 65_535
    for half in [big, fragment, b"\x81"]:
        wires = [Wire(program.wait_address).get(f"/sub/{name}", **WEBSOCKET) for _ in range(20)]
        for wire in wires:
            wire.head()
        program.until_waiting(name, 20)
        for wire in wires:
            wire.send(half)
        program.until_waiting(name, 0)
        for wire in wires:
            assert b"\x03\xf0" in wire.rest(), "1008"
            wire.close()
    assert program.metric("multiplexor_wait_request_timeouts_total") == 60


def test_what_is_announced_too_long_is_413_at_once(program, name):
    long = "Content-Length: 99999999999\r\n\r\nabc"
    for address, head in [
        (program.wait_address, "POST /sub/ HTTP/1.1"),
        (program.in_address, f"POST /pub/{name} HTTP/1.1"),
        (program.in_address, "POST /pub HTTP/1.1"),
    ]:
        begun = time.monotonic()
        with Wire(address) as wire:
            assert wire.send(f"{head}\r\n{HEAD}{long}").response()[0] == 413
        assert time.monotonic() - begun < 10, "sooner than the time of a request"


def test_chunks_are_413_as_soon_as_they_are_too_many(serve, name):
    program = serve("--payload-limit", "1KiB")
    chunk = f"400\r\n{'x' * 1024}\r\n"
    head = f"POST /pub/{name} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n"
    begun = time.monotonic()
    with Wire(program.in_address) as wire:
        assert wire.send(head + chunk + chunk).response()[0] == 413
        assert time.monotonic() - begun < 10
        wire.send("0\r\n\r\n")
        assert wire.get("/healthz").response()[0] == 200, "whoever sends it all the same may go on"


# The same through TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shown(authority):
    certificate, key = authority.issue("server", "localhost", "127.0.0.1")
    return ["--tls-certificate", str(certificate), "--tls-key", str(key), "--in-tls", "on"]


def secure(authority, address):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    return context.wrap_socket(socket.create_connection(address, 30), server_hostname="localhost")


def test_a_client_that_says_its_end_in_the_words_of_tls_is_answered_in_them(serve, authority, shown, name):
    program = serve(*shown)
    for address, asked, end in [
        (program.wait_address, f"GET /sub/{name} HTTP/1.1\r\n{HEAD}Accept: application/x-ndjson\r\n\r\n", b"}"),
        (program.in_address, f"POST /pub/{name} HTTP/1.1\r\n{HEAD}Content-Length: 1\r\n\r\nx", b"}"),
        (program.in_address, f"GET /healthz HTTP/1.1\r\n{HEAD}\r\n", b"ok"),
    ]:
        client = secure(authority, address)
        client.sendall(asked.encode())
        answer = b""
        while not answer.rstrip().endswith(end):
            answer += client.recv(4_096)
        # Sends close_notify, and waits for the other one: without it, this is an error.
        client.settimeout(30)
        client.unwrap().close()


def test_half_a_record_is_not_kept(serve, authority, shown, name):
    program = serve(*shown, "--request-timeout", "1s")
    client = secure(authority, program.wait_address)
    client.sendall(f"GET /sub/{name} HTTP/1.1\r\n{HEAD}Accept: text/event-stream\r\n\r\n".encode())
    plain = socket.socket(fileno=client.detach())
    plain.sendall(b"\x17\x03\x03\x40\x00" + b"x" * 9_000)
    until(lambda: ended(plain), "it is closed")
    plain.close()


def ended(plain):
    """Whether the server has ended the connection; what it says is read."""
    plain.settimeout(0.2)
    try:
        return plain.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
