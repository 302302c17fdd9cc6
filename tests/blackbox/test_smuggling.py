"""A request hidden in another one: behind nginx and HAProxy, and alone, it is read by nobody."""

import os
import socket
import subprocess

import pytest
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


@pytest.fixture
def front(tmp_path):
    """Starts a proxy that keeps its connections to the server open; returns its address."""
    started = []

    def start(command, config):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = free.getsockname()
        path = tmp_path / "proxy.conf"
        path.write_text(config.replace("PORT", str(address[1])).replace("FOLDER", str(tmp_path)))
        log = (tmp_path / "log").open("wb")
        started.append(subprocess.Popen([*command, str(path)], stdout=log, stderr=log))

        def listens():
            assert started[-1].poll() is None, (tmp_path / "log").read_text()
            with socket.socket() as one:
                return one.connect_ex(address) == 0

        until(listens, "the proxy listens")
        return address

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def nginx(front, server):
    user = "user root;" if os.getuid() == 0 else ""
    kinds = ["proxy", "client_body", "fastcgi", "uwsgi", "scgi"]
    paths = " ".join(f"{kind}_temp_path FOLDER/{kind};" for kind in kinds)
    return front(
        ["/usr/sbin/nginx", "-c"],
        f"""daemon off; master_process off; pid FOLDER/pid; error_log stderr; {user} events {{}}
        http {{ access_log off; {paths} upstream one {{ server {server}; keepalive 4; }}
          server {{ listen 127.0.0.1:PORT; location / {{ proxy_pass http://one; proxy_http_version 1.1;
            proxy_set_header Connection ""; }} }} }}""",
    )


def haproxy(front, server):
    return front(
        ["/usr/sbin/haproxy", "-db", "-f"],
        f"""defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
listen all
  bind 127.0.0.1:PORT
  server one {server}
""",
    )


def attack(address, kind, hidden):
    """Sends an ambiguous request and whatever follows it; reads what comes until the other side rests."""
    name = fresh_name("carrier")
    secret = f"GET /sub/{hidden}?since=0 HTTP/1.1\r\nHost: h\r\n\r\n"
    text = f"POST /sub/{name}?since=0 HTTP/1.1\r\nHost: h\r\n{DISGUISES[kind]}"
    after = text.index("\r\n\r\n") + 4
    text = text.replace("HIDDEN", secret).replace("SIZE", f"{len(secret):x}")
    with Wire(address, patience_s=1.0) as wire:
        wire.send(text.replace("LENGTH", str(len(text) - after)))
        wire.socket.shutdown(socket.SHUT_WR)
        try:
            return wire.rest()
        except TimeoutError:
            return wire.buffer


# HAProxy 2.6 ends a chunk at a bare line feed, sees two requests itself, and passes both on as proper ones.
TWO_HONEST_REQUESTS = {haproxy: {"a chunk's size and a bare line feed"}}


@pytest.mark.parametrize("proxy", [nginx, haproxy])
def test_nobody_reads_a_hidden_request_behind_a_proxy(program, front, proxy):
    address = proxy(front, program.waits[0])
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


def test_nobody_reads_a_hidden_request_alone(program):
    for kind in DISGUISES:
        hidden = fresh_name("hidden")
        told = attack(program.wait_address, kind, hidden)
        assert told.startswith(b"HTTP/1.1 400 ") and told.count(b"HTTP/1.") == 1, (kind, told)
        assert not is_known(program, hidden), kind


def test_the_check_sees_a_request_that_is_read(program, front):
    """Two honest requests on one connection: what the tests above look for would be seen."""
    name, other = fresh_name("first"), fresh_name("second")
    with Wire(nginx(front, program.waits[0])) as wire:
        wire.get(f"/sub/{name}?since=0&tail=1").get(f"/sub/{other}?since=0")
        until(lambda: is_known(program, name), "the first is known")
        program.publish(name, "x")
        assert wire.response()[0] == 200
        until(lambda: is_known(program, other), "the second is known")


def is_known(program, channel):
    """Whether anybody ever waited on it: it stays online for the grace."""
    return bool(program.ask(f"/channels?prefix={channel}")["channels"])
