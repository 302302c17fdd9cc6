"""A request hidden in another one: behind nginx and HAProxy, and alone, it is read by nobody."""

import contextlib
import socket

import pytest
from harness import front
from harness.program import fresh_name, until
from harness.wire import Wire

# What two readers might end at different places. HIDDEN stands where one of them might see a request of its own.
DISGUISES = {
    "a length and chunks": "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "chunks and a length": "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nSIZE\r\nHIDDEN\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 0\r\nContent-Length: LENGTH\r\n\r\nHIDDEN",
    "a list of lengths": "Content-Length: 0, LENGTH\r\n\r\nHIDDEN",
    "a length with a plus": "Content-Length: +0\r\n\r\nHIDDEN",
    "a space before the colon": "Content-Length: LENGTH\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "a tab before chunked": "Content-Length: LENGTH\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\nHIDDEN",
    "a strange coding": "Content-Length: LENGTH\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nHIDDEN",
    "chunked and then identity": "Content-Length: LENGTH\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nHIDDEN",
    "a folded coding": "Content-Length: LENGTH\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "a bare line feed": "X: y\nContent-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "a bare carriage return": "X: y\rTransfer-Encoding: chunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\nHIDDEN",
    "a NUL": "X: \0\r\nContent-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "a hexadecimal prefix": "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\nHIDDEN",
    "a size too long": "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\nHIDDEN",
    "a chunk that is longer than it says": "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\nHIDDEN",
    "a chunk's size and a bare line feed": "Transfer-Encoding: chunked\r\n\r\n0\n\nHIDDEN",
    "a line feed in an extension": "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\nSIZE\r\nHIDDEN\r\n0\r\n\r\n",
}


def nginx(server):
    return front.nginx(server, 'proxy_set_header Connection "";', beside="keepalive 4;")


def haproxy(server):
    return front.haproxy(server)


def disguised(kind, hidden, query="since=0"):
    """An ambiguous request, and whatever follows it."""
    name = fresh_name("carrier")
    secret = f"GET /sub/{hidden}?since=0 HTTP/1.1\r\nHost: h\r\n\r\n"
    text = f"POST /sub/{name}?{query} HTTP/1.1\r\nHost: h\r\n{DISGUISES[kind]}"
    after = text.index("\r\n\r\n") + 4
    text = text.replace("HIDDEN", secret).replace("SIZE", f"{len(secret):x}")
    return text.replace("LENGTH", str(len(text) - after))


def attack(address, kind, hidden):
    """Sends it; reads what comes until the other side rests."""
    with Wire(address, patience_s=1.0) as wire:
        wire.send(disguised(kind, hidden))
        with contextlib.suppress(OSError):  # The other side may have gone already, and for good.
            wire.socket.shutdown(socket.SHUT_WR)
        try:
            return wire.rest()
        except TimeoutError:
            return wire.buffer


# HAProxy 2.6 and nginx 1.22 end a chunk at a bare line feed, see two requests themselves, and pass both on as proper ones: nginx the
# second one when the first is answered, unless it has seen by then that the client is gone.
TWO_HONEST_REQUESTS = dict.fromkeys((nginx, haproxy), {"a chunk's size and a bare line feed"})


@pytest.mark.parametrize("proxy", [nginx, haproxy])
def test_nobody_reads_a_hidden_request_behind_a_proxy(program, fronts, proxy):
    address = fronts(proxy, program.waits[0]).address
    for kind in DISGUISES.keys() - TWO_HONEST_REQUESTS.get(proxy, set()):
        hidden = fresh_name("hidden")
        told = attack(address, kind, hidden)
        assert told.count(b"HTTP/1.") <= 1, (kind, told)
        assert not is_known(program, hidden), f"{kind}: the hidden request was read"
        # Whoever comes next by the proxy's open connections gets an answer of his own.
        for _ in range(4):
            with Wire(address) as wire:
                status, _, body = wire.get("/healthz").response()
                assert (status, body) == (200, b"ok\n"), kind


@pytest.mark.parametrize("proxy", TWO_HONEST_REQUESTS)
def test_what_a_proxy_reads_as_two_requests_it_passes_on_as_two(program, fronts, proxy):
    address = fronts(proxy, program.waits[0]).address
    for kind in TWO_HONEST_REQUESTS[proxy]:
        hidden = fresh_name("hidden")
        with Wire(address) as wire:
            wire.send(disguised(kind, hidden, "since=0&wait=0"))
            until(lambda hidden=hidden: is_known(program, hidden), "the second request was read")


def test_nobody_reads_a_hidden_request_alone(program):
    for kind in DISGUISES:
        hidden = fresh_name("hidden")
        told = attack(program.wait_address, kind, hidden)
        assert told.startswith(b"HTTP/1.1 400 ") and told.count(b"HTTP/1.") == 1, (kind, told)
        assert not is_known(program, hidden), kind


def test_the_check_sees_a_request_that_is_read(program, fronts):
    """Two honest requests on one connection: what the tests above look for would be seen."""
    name, other = fresh_name("first"), fresh_name("second")
    with Wire(fronts(nginx, program.waits[0]).address) as wire:
        wire.get(f"/sub/{name}?since=0&tail=1").get(f"/sub/{other}?since=0")
        until(lambda: is_known(program, name), "the first is known")
        program.publish(name, "x")
        assert wire.response()[0] == 200
        until(lambda: is_known(program, other), "the second is known")


def is_known(program, channel):
    """Whether anybody ever waited on it: it stays online for the grace."""
    return bool(program.ask(f"/channels?prefix={channel}")["channels"])
