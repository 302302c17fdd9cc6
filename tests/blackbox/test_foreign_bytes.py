"""What publishers wrote is nobody's page: a browser neither guesses its type, nor runs it, nor shows it elsewhere."""

import socket

import pytest
from harness.program import request
from harness.wire import Wire

GUARDS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
    "cross-origin-resource-policy": "same-origin",
}
PAGE = "<script>alert(document.cookie)</script>"


def guards_of(headers):
    return {name: headers.get(name) for name in GUARDS}


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("?since=0&raw=1", "*/*"),
        ("?since=0", "*/*"),
        ("?since=0", "text/event-stream"),
        ("?since=0", "application/x-ndjson"),
        ("?since=0&raw=1&transport=stream", "*/*"),
    ],
)
def test_an_answer_with_the_bytes_of_others_is_guarded(program, name, query, accept):
    program.publish(name, PAGE, Content_Type="text/html")
    with Wire(program.wait_address).get(f"/sub/{name}{query}", Accept=accept) as wire:
        status, headers = wire.head()
    assert status == 200 and guards_of(headers) == GUARDS
    if query == "?since=0&raw=1":
        assert headers["content-type"] == "text/html"


def test_a_poll_that_waited_is_guarded_as_well(program, name):
    with Wire(program.wait_address) as wire:
        for query in ("?raw=1", ""):
            wire.get(f"/sub/{name}{query}")
            program.until_waiting(name)
            program.publish(name, PAGE, Content_Type="text/html")
            assert guards_of(wire.response()[1]) == GUARDS


def test_a_taker_gets_them_too(program, name):
    name = name.replace(".", "_")
    with socket.create_connection(program.wait_address, timeout=60) as old:
        old.sendall(f"GET /?identifier={name}; HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        program.until_waiting(name)
        program.publish(name, PAGE, Content_Type="text/html")
        told = b"".join(iter(lambda: old.recv(65536), b"")).decode()
    assert PAGE in told
    for header, value in GUARDS.items():
        assert f"\r\n{header}: {value}\r\n" in told.lower()


def test_answers_of_the_in_line_are_guarded(program, name):
    program.publish(name, PAGE, Content_Type="text/html")
    for path in (f"/channels/{name}/history", f"/channels/{name}", "/channels", "/stats", "/refused", f"/nowhere/{name}"):
        _, headers, _ = request(program.in_address, "GET", path)
        assert guards_of(headers) == GUARDS, path


def test_our_own_pages_stay_pages(program):
    _, headers, _ = request(program.wait_address, "GET", "/multiplexor.js")
    assert headers["x-content-type-options"] == "nosniff"
    assert "cross-origin-resource-policy" not in headers, "pages of all origins load the client"
    _, headers, _ = request(program.wait_address, "GET", "/", headers={"Accept": "text/html"})
    assert "sandbox" not in headers["content-security-policy"]
    _, headers, _ = request(program.in_address, "GET", "/demo")
    assert "sandbox" not in headers["content-security-policy"]
