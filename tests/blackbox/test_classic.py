"""The lines of 2009: wget, curl and PHP as they spoke to dklab_multiplexor, and the bytes underneath."""

import json
import socket
import subprocess

import pytest
from harness.frames import Frames
from harness.place import Place
from harness.program import fresh_name, request, until
from harness.wire import GUARDS, Lines, Sse, Wire

DISCONNECT = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

SEND = r"""
$f = fsockopen($argv[1], $argv[2], $errno, $errstr, 10) or exit(1);
fwrite($f,
    "HTTP/1.1 200 OK\n" .
    "X-Multiplexor: identifier=" . $argv[3] . "\n" .
    "\n" .
    $argv[4]
);
fclose($f);
"""

ONLINE = r"""
$f = fsockopen($argv[1], $argv[2], $errno, $errstr, 10) or exit(1);
fwrite($f, "ONLINE\n");
$answer = "";
while (!feof($f)) $answer .= fgets($f);
fclose($f);
if (substr($answer, -1) != ".") exit(2);
$ids = trim(substr($answer, 0, -1));
echo json_encode(strlen($ids) ? explode(",", $ids) : []);
"""

POST = r"""
$f = fsockopen($argv[1], $argv[2], $errno, $errstr, 10) or exit(1);
$data = $argv[4];
fwrite($f, "POST / HTTP/1.1\r\nHost: $argv[1]\r\nContent-Length: " . strlen($data) . "\r\n" .
    "X-Multiplexor: identifier=$argv[3]\r\n\r\n$data");
stream_socket_shutdown($f, STREAM_SHUT_WR);
echo stream_get_contents($f);
"""


@pytest.fixture
def place():
    there = Place()
    yield there
    there.close()


@pytest.fixture
def ident():
    """An id that only this test uses."""
    return fresh_name().replace(".", "_")


def php(code, *arguments):
    command = ["php", "-n", "-r", code, "--", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()


def message(ids, data):
    """What publishers send, and clients get."""
    return f"HTTP/1.1 200 OK\nX-Multiplexor: identifier={ids}\n\n{data}".encode()


def say(program, data):
    """Publishes these bytes as publishers of 2009 do; there is no answer but the end."""
    with Wire(program.in_address) as wire:
        wire.send(data).socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b""


def wait(program, ident, request=None):
    """A client that waits, and is known to."""
    wire = Wire(program.wait_address).send(request or f"GET /?identifier={ident} HTTP/1.1\r\nHost: h\r\n\r\n")
    before = program.waiting(ident)
    until(lambda: program.waiting(ident) >= max(1, before), f"somebody waits on {ident}")
    return wire


def online(program):
    with Wire(program.in_address) as wire:
        answer = wire.send("ONLINE").rest().decode()
    assert answer.endswith("\n.")
    return set(filter(None, answer[:-2].split(",")))


def counted(program, line, name, value):
    until(lambda: program.ask("/stats")[line][name] >= value, f"{line}.{name} is {value}")


def test_the_commands_of_the_old_readme_work_on_the_default_ports(place, ident):
    """As it starts without flags, in a network of its own: whoever runs the tests may run a server."""
    place.serve("multiplexor")
    for command in ["wget -q -O -", "curl -sS"]:
        said = place.start(f"{command} 'http://127.0.0.1:8088/?identifier={ident}'")
        until(lambda: '"waiting":1' in place.run(f"curl -s http://127.0.0.1:10010/channels/{ident}"), "it waits")
        for name, code in [("online", ONLINE), ("send", SEND)]:
            (place.work / f"{name}.php").write_text(f"<?php\n{code}")
        assert ident in json.loads(place.run("php -n online.php 127.0.0.1 10010"))
        place.run(f"php -n send.php 127.0.0.1 10010 other,{ident} 'hello from 2009'")
        until(lambda said=said: said() == "hello from 2009", "it has the message")


def test_any_path_and_no_http_at_all_will_do(program, ident):
    for said in [
        f"identifier={ident}\n",
        f"GET /comet?x=1&identifier={ident}&y HTTP/1.0\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nidentifier={ident} ",
        f"GET /x HTTP/1.1\nCookie: a=b; identifier={ident};\n",
    ]:
        with wait(program, ident, said) as wire:
            say(program, message(ident, said))
            assert wire.rest() == message(ident, said)


def test_it_does_not_matter_how_the_network_cuts_it(program, ident):
    with Wire(program.wait_address) as waiter, Wire(program.in_address) as publisher:
        for wire in (waiter, publisher):
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in f"GET /x?identifier={ident} HTTP/1.1\r\nHost: h\r\n\r\n":
            waiter.send(byte)
        program.until_waiting(ident)
        whole = message(ident, "in pieces")
        for at in range(len(whole)):
            publisher.send(whole[at : at + 1])
        publisher.socket.shutdown(socket.SHUT_WR)
        assert publisher.rest() == b""
        assert waiter.rest() == whole


def test_all_who_wait_get_the_same_and_the_next_one_the_next(program, ident):
    tabs = [wait(program, ident) for _ in range(3)]
    program.until_waiting(ident, 3)
    for n in range(3):
        say(program, message(ident, n))
    for tab in tabs:
        assert tab.rest() == message(ident, 0)
    for n in (1, 2):
        with Wire(program.wait_address) as tab:
            assert tab.send(f"identifier={ident}\n").rest() == message(ident, n)
    with wait(program, ident) as tab:
        say(program, message(ident, "last"))
        assert tab.rest() == message(ident, "last")


def test_who_is_offline_is_dropped(program, ident):
    dropped = program.ask("/stats")["in"]["classic_dropped"]
    say(program, message(f"{ident}_a,{ident}_b", "to nobody"))
    counted(program, "in", "classic_dropped", dropped + 1)
    with wait(program, f"{ident}_a") as tab:
        say(program, message(f"{ident}_a,{ident}_b", "to one"))
        assert tab.rest() == message(f"{ident}_a,{ident}_b", "to one")
    kept = [program.ask(f"/channels/{ident}_{n}")["history"]["messages"] for n in "ab"]
    assert kept == [1, 0]


def test_online_lists_the_ids_and_no_other_names(program, ident):
    with wait(program, ident), Sse(program, f"/sub/{ident}_new,{ident}.dotted,{ident}-dashed"):
        program.until_waiting(f"{ident}_new")
        listed = online(program)
        assert {ident, f"{ident}_new"} <= listed
        assert all(name.replace("_", "a").isalnum() for name in listed)
    program.until_waiting(ident, 0)
    assert ident in online(program), "for the grace"
    with Wire(program.in_address) as wire:
        assert wire.send("online \r\n").rest().endswith(b"\n.")
    with Wire(program.in_address) as wire:
        wire.send("ONLINE x\n").socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b""


def test_a_half_close_is_leaving(program, ident):
    with wait(program, ident) as wire:
        wire.socket.shutdown(socket.SHUT_WR)
        program.until_waiting(ident, 0)
        assert wire.rest() == b""


def test_the_other_tab_stays_online(program, ident):
    first, second = wait(program, ident), wait(program, ident)
    program.until_waiting(ident, 2)
    first.close()
    program.until_waiting(ident, 1)
    say(program, message(ident, "still here"))
    assert second.rest() == message(ident, "still here")


def test_a_published_message_may_be_a_post_of_http(program, ident):
    with wait(program, ident) as wire:
        assert php(POST, "127.0.0.1", program.in_address[1], ident, "posted") == ""
        assert wire.rest().endswith(b"\r\n\r\nposted")


def test_old_messages_reach_new_clients_in_every_transport(program, ident):
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: text/x-old\r\nX-Multiplexor: identifier=%b\r\n\r\nold" % ident.encode()
    with Sse(program, f"/sub/{ident}") as sse, Lines(program, f"/sub/{ident}") as lines:
        with Frames(program, f"/sub/{ident}") as frames, Wire(program.wait_address) as polling:
            polling.get(f"/sub/{ident}")
            program.until_waiting(ident, 4)
            say(program, whole)
            assert sse.event() == ("message", "old")
            assert lines.message()["data"] == "old"
            while "data" not in (item := json.loads(frames.until(1))):
                pass
            assert item["data"] == "old"
            assert json.loads(polling.response()[2])["messages"][0]["data"] == "old"
    with Wire(program.wait_address) as wire:
        status, headers, body = wire.get(f"/sub/{ident}?raw=1&since=0").response()
    assert (status, headers["content-type"], body) == (200, "text/x-old", b"old")


def test_new_messages_reach_old_clients_behind_a_head(program, ident):
    for kind, data in [("text/plain", "new"), ("application/json", '{"a": 1}'), ("image/png", b"\x89\x00")]:
        with wait(program, ident) as wire:
            program.publish(f"{ident}.other,{ident}", data, Content_Type=kind)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
            head += f"Connection: close\r\n{GUARDS}X-Multiplexor: identifier={ident}\r\n\r\n"
            assert wire.rest() == head.encode() + (data if isinstance(data, bytes) else data.encode())


def test_one_connection_may_carry_new_requests_and_then_an_old_one(program, ident):
    with Wire(program.wait_address) as wire:
        assert wire.get("/healthz").response()[2] == b"ok\n"
        assert wire.get("/favicon.ico").response()[0] == 404
        assert wire.get(f"/sub/{ident}?identifier=x&tail=oops").response()[0] == 400
        wire.get(f"/?identifier={ident}")
        program.until_waiting(ident)
        say(program, message(ident, "x"))
        assert wire.rest() == message(ident, "x")


def test_too_much_without_an_id_is_closed_without_a_word(program):
    before = program.ask("/stats")["wait"]["classic_overflows"]
    with Wire(program.wait_address) as wire:
        assert wire.send("x" * 5121).rest() == b""
    counted(program, "wait", "classic_overflows", before + 1)


def test_what_is_too_long_is_not_published_in_part(program, ident):
    before = program.ask("/stats")["in"]["classic_overflows"]
    with wait(program, ident) as waiter, Wire(program.in_address) as wire:
        wire.send(message(ident, "x" * 102_400))
        assert wire.rest() == b""
        counted(program, "in", "classic_overflows", before + 1)
        longest = message(ident, "")
        longest += b"y" * (102_400 - len(longest))
        say(program, longest)
        assert waiter.rest() == longest


def test_a_message_without_the_end_of_its_list_is_lost(program, ident):
    before = program.ask("/stats")["in"]["classic_unnamed"]
    with wait(program, ident) as waiter:
        say(program, f"identifier={ident}".encode())
        counted(program, "in", "classic_unnamed", before + 1)
        say(program, f"identifier=x,{ident}\n".encode())
        assert waiter.rest() == f"identifier=x,{ident}\n".encode()


def test_a_page_in_a_browser_must_not_publish(program, ident):
    for headers in [
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ]:
        status, _, body = request(program.in_address, "POST", f"/x?identifier={ident}", b"x", headers)
        assert (status, json.loads(body)["status"]) == (403, 403), headers
    status, _, body = request(program.in_address, "POST", "/x", b"y", {"Origin": "http://evil.example"})
    assert status == 403


def test_http_for_nobody_is_told_where_to_go(program):
    for address in (program.in_address, program.wait_address):
        status, _, body = request(address, "POST", "/old/script.php", b"a=b")
        assert (status, json.loads(body)["code"]) == (404, "not-found")


def test_the_end_of_the_server_is_said(serve, ident):
    program = serve()
    wire = wait(program, ident)
    program.stop()
    assert wire.rest() == DISCONNECT
