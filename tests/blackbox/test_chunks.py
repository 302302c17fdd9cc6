"""Streams to HTTP/1.1 clients go in chunks: read at once by who reads in lots, and a cut is no end."""

import json
import signal

import pytest
import requests
import urllib3
from harness.program import PATIENCE_S, request
from harness.wire import Lines, Sse, Wire

TRANSPORTS = ["sse", "stream"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_message_is_a_chunk(program, name, transport):
    with Wire(program.wait_address) as wire:
        head = wire.get(f"/sub/{name}?transport={transport}").until(b"\r\n\r\n").decode()
        assert "\r\nTransfer-Encoding: chunked\r\n" in head and "\r\nConnection: close\r\n" in head
        program.until_waiting(name)
        for n in range(3):
            program.publish(name, f"hello {n}")
        sizes, said = [], b""
        while b"hello 2" not in said:
            size = int(wire.until(b"\r\n"), 16)
            said = wire.exactly(size)
            assert said.endswith(b"\n") and wire.exactly(2) == b"\r\n"
            sizes.append(size)
        assert len(sizes) == 4, "the beginning, and one a message"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_who_speaks_http_1_0_gets_no_chunks(program, name, transport):
    with Wire(program.wait_address) as wire:
        wire.send(f"GET /sub/{name}?transport={transport} HTTP/1.0\r\nHost: a\r\n\r\n")
        status, headers = wire.head()
        assert status == 200 and "transfer-encoding" not in headers
        program.until_waiting(name)
        program.publish(name, "hello")
        assert wire.until(b"hello").startswith(b"retry: " if transport == "sse" else b'{"cursor":')


@pytest.mark.parametrize("stream", [Sse, Lines])
def test_a_drain_leaves_the_last_chunk_out(serve, name, stream):
    program = serve()
    with stream(program, f"/sub/{name}") as client:
        program.until_waiting(name)
        program.publish(name, "the last word")
        program.process.send_signal(signal.SIGTERM)
        assert b"the last word" in client.wire.rest()
        assert not client.wire.chunks.ended, "it is a cut: there is more to come back for"
    program.ended()


@pytest.mark.parametrize("stream", [Sse, Lines])
def test_when_all_channels_are_deleted_the_stream_is_whole(program, name, stream):
    with stream(program, f"/sub/{name}") as client:
        program.until_waiting(name)
        assert request(program.in_address, "DELETE", f"/channels/{name}")[0] == 200
        assert b"deleted" in client.wire.rest()
        assert client.wire.chunks.ended


def lines_of_requests(url):
    response = requests.get(url, stream=True, timeout=PATIENCE_S)
    assert response.headers["content-encoding"] == "gzip"
    return response.iter_lines()


def lines_of_urllib3(url):
    response = urllib3.request("GET", url, preload_content=False, timeout=PATIENCE_S)
    return (line for piece in response.stream(65536) for line in piece.splitlines())


@pytest.mark.parametrize("lines_of", [lines_of_requests, lines_of_urllib3])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_python_is_given_each_message_at_once(program, name, lines_of, transport):
    """Without chunks both wait for 512 bytes and more, or for the end."""
    lines = lines_of(f"{program.wait_url}/sub/{name}?transport={transport}")
    next(lines)
    program.until_waiting(name)
    for data in ["short", "x" * 400, "short again"]:
        program.publish(name, data)
        said = json.dumps(data) if transport == "stream" else "data: " + data
        assert any(said.encode() in line for line in lines)


def test_a_cut_is_an_error_for_who_reads_chunks(serve, name):
    program = serve()
    response = requests.get(f"{program.wait_url}/sub/{name}?transport=stream", stream=True, timeout=PATIENCE_S)
    lines = response.iter_lines()
    next(lines)
    program.until_waiting(name)
    program.process.send_signal(signal.SIGTERM)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(lines)
    program.ended()


def test_a_watcher_gets_chunks_too(program):
    with Wire(program.in_address) as wire:
        wire.get("/watch?transport=sse")
        status, headers = wire.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert wire.until(b"\n\n").startswith(b"retry: ")
