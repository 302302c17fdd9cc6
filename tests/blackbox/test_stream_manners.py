"""How a client wants its stream: how often it hears of the server, in what coding, and for how long."""

import json
import threading
import time

import httpx
import pytest
from harness.frames import CLOSE, PING, TEXT, Frames, frame
from harness.program import request, until
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, poll

GZIP = {"Accept_Encoding": "gzip"}


@pytest.mark.parametrize("address", ["sub", "sse"])
def test_a_client_may_ask_for_more_heartbeats(serve, name, address):
    """LaunchDarkly's clients, httpx-sse and okhttp-sse give up after 5 or 10 s of silence; the default is 25 s."""
    program = serve()
    with Sse(program, f"/{address}/{name}?heartbeat=1") as events, Sse(program, f"/{address}/{name}") as others:
        first = dict(events.block())
        assert first["event"] == "cursor" and dict(others.block())["event"] == "cursor"
        for _ in range(3):
            beat = dict(events.block())
            assert beat["event"] == "cursor" and "retry" not in beat
            assert json.loads(beat["data"]) == {"cursor": beat["id"]}
        others.wire.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            others.wire.more()
        program.publish(name, "x")
        assert events.event() == ("message", "x")


# What the first object says, and heartbeats.
FIRST_AND_BEATS = [["cursor", "connection"], ["cursor"], ["cursor"]]


def test_streams_and_websockets_have_them_too(serve, name):
    program = serve()
    with (
        Lines(program, f"/stream/{name}?heartbeat=1") as lines,
        Frames(program, f"/ws/{name}?heartbeat=1") as frames,
        Frames(program, f"/ws/{name}?heartbeat=1&raw=1") as raw,
    ):
        assert [list(lines.object()) for _ in range(3)] == FIRST_AND_BEATS
        assert [list(json.loads(frames.until(TEXT))) for _ in range(3)] == FIRST_AND_BEATS
        assert raw.until(PING) == raw.until(PING) == b""


def test_more_than_is_set_is_as_is_set(serve, name):
    program = serve("--heartbeat", "1s")
    with Lines(program, f"/sub/{name}?heartbeat=3600") as lines:
        assert [list(lines.object()) for _ in range(3)] == FIRST_AND_BEATS


def test_a_library_with_little_patience_stays(serve, name):
    """httpx, and so httpx-sse, takes 5 s of silence for a cut; here it is 2 s."""
    program = serve()

    def beats(query):
        url = f"{program.wait_url}/sse/{name}{query}"
        with httpx.stream("GET", url, timeout=httpx.Timeout(2.0)) as answer:
            for line in answer.iter_lines():
                if line == "event: cursor":
                    yield line

    with pytest.raises(httpx.ReadTimeout):
        list(beats(""))
    assert len([beat for beat, _ in zip(beats("?heartbeat=1"), range(5))]) == 5


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "5s", "soon"])
@pytest.mark.parametrize("address", ["sub", "poll", "stream"])
def test_what_is_no_heartbeat_is_refused(program, name, address, value):
    status, _, body = request(program.wait_address, "GET", f"/{address}/{name}?heartbeat={value}")
    problem = json.loads(body)
    assert (status, problem["code"]) == (400, "heartbeat") and "whole seconds, 1 at least" in problem["detail"]


def test_watchers_may_ask_for_them_too(serve):
    program = serve()
    with Wire(program.in_address) as wire:
        wire.get("/watch?transport=stream&heartbeat=1").head()
        assert [list(json.loads(wire.until(b"\n"))) for _ in range(3)] == [["cursor"]] * 3
    assert request(program.in_address, "GET", "/watch?transport=stream&heartbeat=0")[0] == 400


def test_each_counts_as_a_request_of_its_address(serve, name):
    """Twenty a second are asked for, four are allowed: the rest comes when it would by itself, and nobody is cut off."""
    program = serve("--address-requests", "4")
    streams = []
    try:
        while len(streams) < 20:
            wire = Wire(program.wait_address).get(f"/stream/{name}?heartbeat=1")
            if wire.head()[0] == 200:
                streams.append(wire)
            else:
                wire.close()
                time.sleep(0.3)
        before, since = program.metric("multiplexor_wait_heartbeats_total"), time.monotonic()
        refused = program.metric("multiplexor_wait_requests_refused_total")
        until(lambda: program.metric("multiplexor_wait_requests_refused_total") > refused, "some are over the budget")
        time.sleep(5)
        per_second = (program.metric("multiplexor_wait_heartbeats_total") - before) / (time.monotonic() - since)
        assert per_second < 12, per_second
        program.publish(name, "still there")
        for wire in streams:
            while b"still there" not in wire.until(b"\n"):
                pass
    finally:
        for wire in streams:
            wire.close()


def test_the_applications_own_parameters_spoil_nothing(serve, name):
    """Behind a takeover the query is the application's: what would be wrong for us is passed over, and all else holds."""
    application = Application(lambda path, headers: (200, {"Multiplexor-Channels": name}, b""))
    try:
        program = serve("--takeover", application.url)
        first = program.publish(name, "1")
        program.publish(name, "2")
        foreign = "heartbeat=fast&compression=gzip&tail=all&raw=maybe&envelope=brown&errors=none&wait=here"
        with Sse(program, f"/feed?{foreign}&since={first}&{foreign}") as events:
            assert events.event() == ("message", "2")
        with Sse(program, "/feed?heartbeat=1&compression=off", **GZIP) as events:
            assert "content-encoding" not in events.headers
            assert [dict(events.block())["event"] for _ in range(3)] == ["cursor"] * 3
    finally:
        application.stop()


def test_nothing_is_compressed_for_whoever_says_so(program, name):
    """sseclient 0.0.27 says that it takes gzip, and reads raw bytes."""
    program.publish(name, "x" * 2000)
    for path in [f"/sse/{name}?since=0", f"/stream/{name}?since=0", f"/poll/{name}?since=0"]:
        for query, coding in [("", "gzip"), ("&compression=on", "gzip"), ("&compression=", "gzip"), ("&compression=off", None)]:
            with Wire(program.wait_address) as wire:
                status, headers = wire.get(path + query, **GZIP).head()
                assert (status, headers.get("content-encoding")) == (200, coding), path + query
                if coding is None:
                    wire.until(b"x" * 2000)
    with Frames(program, f"/ws/{name}?since=0&compression=off", Sec_WebSocket_Extensions="permessage-deflate") as frames:
        assert "sec-websocket-extensions" not in frames.headers
    status, _, body = request(program.wait_address, "GET", f"/sse/{name}?compression=none")
    assert (status, json.loads(body)["code"]) == (400, "compression") and "give off or on" in json.loads(body)["detail"]


def aged(program):
    return program.metric("multiplexor_wait_aged_total")


def resumed(program, ask, count):
    """The numbers of all messages that a client gets which comes back by the last cursor it was told; and how often it did."""
    got, since, comes = [], "", 0
    while len(got) < count:
        comes += 1
        for cursor, number in ask(since):
            since = cursor or since
            if number is not None:
                got.append(number)
    return got, comes


def objects(texts):
    for text in texts:
        item = json.loads(text)
        yield item.get("cursor"), item.get("data")


def lines_of(program, name, since):
    with Lines(program, f"/stream/{name}?{'since=' + since if since else 'tail=0'}") as lines:
        return list(objects(lines.wire.rest().splitlines()))


def events_of(program, name, since):
    with Sse(program, f"/sse/{name}", **({"Last_Event_ID": since} if since else {})) as events:
        blocks = events.wire.rest().decode().split("\n\n")
        told = []
        for block in blocks[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            told.append((fields.get("id"), None if fields.get("event") else int(fields["data"])))
        assert blocks[-1] == "", "the last block is whole"
        return told


def frames_of(program, name, since):
    told = []
    with Frames(program, f"/ws/{name}?{'since=' + since if since else 'tail=0'}") as frames:
        while True:
            opcode, payload = frames.receive()
            if opcode == CLOSE:
                assert payload[:2] == (1001).to_bytes(2, "big") and b"has had its time" in payload
                return list(objects(told))
            told.append(payload)


@pytest.mark.parametrize("ask", [lines_of, events_of, frames_of])
def test_a_stream_that_has_had_its_time_goes_on_exactly(serve, name, ask):
    program = serve("--stream-age", "1s")
    before = aged(program)
    stop = threading.Event()

    def publish():
        number = 0
        while not stop.wait(0.01):
            program.publish(name, str(number))
            number += 1

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        got, comes = resumed(program, lambda since: ask(program, name, since), 250)
    finally:
        stop.set()
        publisher.join()
    assert comes >= 3 and aged(program) - before >= comes
    assert got == list(range(got[0], got[0] + len(got))), "each once, in order"


def test_by_default_a_stream_has_no_end_and_polls_never_age(serve, name):
    assert "stream_age" in request(serve().in_address, "GET", "/metrics")[2].decode()
    program = serve("--stream-age", "1s", "--poll-timeout", "3s")
    document = poll(program, f"/poll/{name}")
    assert document["messages"] == [] and aged(program) == 0


def test_a_stream_without_an_end_is_a_cut(serve, name):
    """As at a drain: libraries that come back only after an error do."""
    program = serve("--stream-age", "1s")
    with Lines(program, f"/stream/{name}") as lines:
        lines.wire.rest()
        assert not lines.wire.chunks.ended
    with Sse(program, f"/sse/{name}", **GZIP) as events:
        events.wire.rest()
        assert not events.wire.chunks.ended


def test_a_handshake_that_was_one_of_http_2_is_answered(program, name):
    """Envoy makes it of a WebSocket over HTTP/2, which has no key (RFC 8441), and looks for no answer to one."""
    program.publish(name, "hello")
    headers = {"Upgrade": "websocket", "Connection": "upgrade", "Sec_WebSocket_Version": "13"}
    with Wire(program.wait_address) as wire:
        status, got = wire.get(f"/sub/{name}?since=0", **headers).head()
        assert status == 101 and "sec-websocket-accept" not in got and got["upgrade"] == "websocket"
        wire.send(frame(TEXT, b'{"ping": 7}', True, True, 0))
        wire.until(b'{"pong":7}')
    del headers["Sec_WebSocket_Version"]
    with Wire(program.wait_address) as wire:
        assert wire.get(f"/sub/{name}", **headers).response()[0] == 426, "no page's script can set the version"
    headers |= {"Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "short"}
    with Wire(program.wait_address) as wire:
        status, _, body = wire.get(f"/sub/{name}", **headers).response()
        assert (status, json.loads(body)["code"]) == (400, "websocket-key")
