"""What is no request is told so on the IN line, in a problem document, and in the words of the WAIT line."""

import json

import pytest
from harness.wire import Wire

HOST = "Host: localhost\r\n"
MALFORMED = {
    "a line without a colon": (f"GET /stats HTTP/1.1\r\n{HOST}no colon\r\n\r\n", 400, "header name"),
    "a blank before the colon": (f"GET /stats HTTP/1.1\r\n{HOST}X : y\r\n\r\n", 400, "header name"),
    "a folded line": (f"GET /stats HTTP/1.1\r\n{HOST}X: y\r\n z\r\n\r\n", 400, "header name"),
    "a length that is none": (f"POST /pub/a HTTP/1.1\r\n{HOST}Content-Length: abc\r\n\r\n", 400, "Content-Length"),
    "two lengths": (f"POST /pub/a HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "more than one"),
    "a length beside chunks": (
        f"POST /pub/a HTTP/1.1\r\n{HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 400, "only one of them"),
    "another coding": (f"POST /pub/a HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 501, "only 'chunked' alone"),
    "another coding before the chunks": (
        f"POST /pub/a HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 501, "only 'chunked' alone"),
    "the same in lines that end as scripts write them": (
        "POST /pub/a HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked\n\n3\r\nabc\r\n0\r\n\r\n", 501, "only 'chunked' alone"),
    "chunks in HTTP/1.0": (f"POST /pub/a HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0"),
    "no version": (f"GET /st ats HTTP/1.1\r\n{HOST}\r\n", 400, "end it with HTTP/1.1"),
    "a target that is none": (f"GET http://[::1/ HTTP/1.1\r\n{HOST}\r\n", 400, "target"),
    "too many headers": (f"GET /stats HTTP/1.1\r\n{HOST}" + "X: y\r\n" * 101 + "\r\n", 431, "too many headers"),
    "a long target": (f"GET /stats?{'a' * 200_000} HTTP/1.1\r\n{HOST}\r\n", 414, "too long"),
    "a long head": (f"GET /stats HTTP/1.1\r\n{HOST}X: {'y' * 300_000}\r\n\r\n", 431, "too long"),
}


# What the service takes, or has words of its own for: where its body ends is judged nevertheless.
ODD = {
    "a fragment": ("/pub/{}#x", HOST),
    "two hosts": ("/pub/{}", HOST + HOST),
    "no host": ("/pub/{}", ""),
    "a host that is none": ("/pub/{}", "Host: a/b\r\n"),
}
TWO_ENDS = {
    "a length beside chunks": ("Content-Length: 4\r\nTransfer-Encoding: chunked", 400),
    "another coding before the chunks": ("Transfer-Encoding: gzip, chunked", 501),
    "two lengths": ("Content-Length: 4\r\nContent-Length: 5", 400),
}


def said(address, data):
    with Wire(address) as wire:
        head, _, body = wire.send(data).rest().partition(b"\r\n\r\n")
    return head.decode(), body


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_request_is_told(program, what):
    data, status, words = MALFORMED[what]
    head, body = said(program.in_address, data)
    problem = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {status} ") and "application/problem+json" in head, head
    assert (problem["status"], problem["code"]) == (status, "http") and words in problem["detail"], problem
    assert "connection: close" in head.lower() and "no-store" in head


@pytest.mark.parametrize("framing", TWO_ENDS)
@pytest.mark.parametrize("odd", ODD)
def test_two_ends_of_a_body_are_told_whatever_else_is_odd(program, name, odd, framing):
    (target, hosts), (lines, status) = ODD[odd], TWO_ENDS[framing]
    hidden = f"POST /pub/{name} HTTP/1.1\r\n{HOST}Content-Length: 1\r\n\r\nx"
    head, rest = said(program.in_address, f"POST {target.format(name)} HTTP/1.1\r\n{hosts}{lines}\r\n\r\n0\r\n\r\n{hidden}")
    assert head.startswith(f"HTTP/1.1 {status} ") and json.loads(rest)["code"] == "http", (head, rest)
    assert program.ask(f"/channels/{name}")["history"]["messages"] == 0


def test_chunks_that_are_none_are_told(program, name):
    data = f"POST /pub/{name} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"
    head, body = said(program.in_address, data)
    assert head.startswith("HTTP/1.1 400 ") and json.loads(body)["code"] == "body"
    assert program.ask(f"/channels/{name}")["history"]["messages"] == 0


def test_what_stands_before_it_is_answered_first_and_what_behind_it_is_not_read(program, name):
    good = f"POST /pub/{name} HTTP/1.1\r\n{HOST}Accept: a/b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    for before in (1, 5):
        head, rest = said(program.in_address, good * before + f"GET / HTTP/1.1\r\n{HOST}no colon\r\n\r\n" + good)
        assert head.startswith("HTTP/1.1 200 ") and rest.count(b"HTTP/1.1 200") == before - 1
        assert rest.count(b"HTTP/1.1 400") == 1 and rest.endswith(b"}\n") and b'"code":"http"' in rest
    assert program.ask(f"/channels/{name}")["history"]["messages"] == 6


def test_lines_that_end_as_scripts_write_them_are_read(program):
    head, body = said(program.in_address, "GET /channels HTTP/1.1\nHost: localhost\nConnection: close\n\n")
    assert head.startswith("HTTP/1.1 200 ") and "channels" in json.loads(body)


def test_every_cut_of_a_head_is_judged_alike(program):
    data = f"GET /stats HTTP/1.1\r\n{HOST}no colon\r\n\r\n".encode()
    for at in range(1, len(data), 7):
        with Wire(program.in_address) as wire:
            wire.send(data[:at])
            assert wire.send(data[at:]).rest().startswith(b"HTTP/1.1 400 "), at


def test_it_is_counted_and_logged(serve):
    program = serve()
    said(program.in_address, f"GET / HTTP/1.1\r\n{HOST}no colon\r\n\r\n")
    assert program.ask("/stats")["in"]["refused"].get("http") == 1, program.ask("/stats")["in"]
    program.until_logged("a header name is not valid")
