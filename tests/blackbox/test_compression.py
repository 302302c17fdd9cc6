"""Compressed messages, as curl, httpx, websockets and Python's gzip understand them; and the same bytes for all."""

import gzip
import json
import zlib

import httpx
import pytest
from harness.program import PATIENCE_S, request
from harness.wire import Wire
from test_curl import curl
from test_curl import listen  # noqa: F401  (a fixture)
from websockets.sync.client import connect

LONG = json.dumps([{"symbol": f"S{n % 7}", "price": 17, "change": "unchanged"} for n in range(30)])
STREAMS = {"sse": "data: ", "stream": '"data":'}


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize("data", ["short", LONG])
def test_curl_shows_each_message_as_it_comes(program, name, listen, transport, data):  # noqa: F811
    heard = listen("--compressed", f"{program.wait_url}/sub/{name}?transport={transport}")
    program.until_waiting(name)
    for number in range(3):
        program.publish(name, data)
        heard.until("\n" + "data: " + data if transport == "sse" else f'"data":{data}' if data == LONG else f'"{data}"')
        cursor = program.publish(name, f"then {number}")
        heard.until(cursor)
        heard.until(f"then {number}")


def test_httpx_takes_gzip_by_itself(program, name):
    with httpx.stream("GET", f"{program.wait_url}/sub/{name}?transport=stream", timeout=PATIENCE_S) as response:
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["vary"] == "Accept-Encoding"
        lines = response.iter_lines()
        assert set(json.loads(next(lines))) == {"cursor", "connection"}
        for data in [LONG, "short", LONG]:
            cursor = program.publish(name, data)
            message = json.loads(next(lines))
            assert (message["cursor"], json.dumps(message["data"]) if data == LONG else message["data"]) == (cursor, data)


def raw_stream(program, name, *messages, accept="gzip"):
    """What comes over the wire until the server ends it, after the head."""
    wire = Wire(program.wait_address)
    wire.send(
        f"GET /sub/{name}?transport=sse HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n".encode()
    )
    program.until_waiting(name)
    for message in messages:
        program.publish(name, message)
    request(program.in_address, "DELETE", f"/channels/{name}")
    _, headers = wire.head()
    return headers, wire.rest()


def test_the_trailer_of_an_endless_stream_never_comes(program, name):
    headers, body = raw_stream(program, name, LONG)
    assert headers["content-encoding"] == "gzip"
    with pytest.raises(EOFError):
        gzip.decompress(body)
    text = zlib.decompressobj(wbits=31).decompress(body).decode()
    assert text.count("data: " + LONG) == 1 and "event: deleted" in text


def test_a_message_costs_a_fraction_on_the_wire(program, name):
    _, plain = raw_stream(program, name, *[LONG] * 20, accept="identity")
    _, coded = raw_stream(program, name, *[LONG] * 20)
    assert zlib.decompressobj(wbits=31).decompress(coded).count(b"data: ") == plain.count(b"data: ")
    assert len(coded) * 4 < len(plain), (len(coded), len(plain))


def test_a_long_poll_is_compressed_from_a_size_on(program, name):
    program.publish(name, "short")
    document = curl("-D", "-", "-H", "Accept-Encoding: gzip", f"{program.wait_url}/sub/{name}?since=0")
    assert "gzip" not in document
    program.publish(name, LONG)
    url = f"{program.wait_url}/sub/{name}?since=0"
    response = httpx.get(url)
    assert response.headers["content-encoding"] == "gzip"
    assert [json.dumps(message["data"]) for message in response.json()["messages"]] == ['"short"', LONG]
    document, *others = response.json(), json.loads(curl("--compressed", url)), json.loads(curl(url))
    ids = [one.pop("connection") for one in [document, *others]]
    assert others == [document] * 2 and len(set(ids)) == 3
    raw = httpx.get(f"{program.wait_url}/sub/{name}?tail=1&raw=1")
    assert (raw.headers["content-encoding"], raw.text) == ("gzip", LONG)


def test_websockets_are_compressed_both_ways(program, name):
    with connect(f"{program.ws_url}/sub/{name}", ping_interval=None) as socket:
        answer = socket.response.headers["Sec-WebSocket-Extensions"]
        assert answer == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert set(json.loads(socket.recv(timeout=PATIENCE_S))) == {"cursor", "connection"}
        names = [f"{name}.{n}" for n in range(200)]
        for data in [LONG, "short", LONG]:
            program.publish(name, data)
            message = json.loads(socket.recv(timeout=PATIENCE_S))
            assert message["data"] == (json.loads(data) if data == LONG else data)
            socket.send(json.dumps({"unsubscribe": names}))
            assert json.loads(socket.recv(timeout=PATIENCE_S)) == {"unsubscribed": names}


def test_it_can_be_switched_off(serve, name):
    program = serve("--compression", "off")
    program.publish(name, LONG)
    response = httpx.get(f"{program.wait_url}/sub/{name}?since=0")
    assert "content-encoding" not in response.headers
    with connect(f"{program.ws_url}/sub/{name}", ping_interval=None) as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
