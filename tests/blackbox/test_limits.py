"""What happens at the limits: slow readers, no more descriptors, floods; the others never notice."""

import json
import re
import select

from harness.frames import CLOSE, TEXT, Frames
from harness.program import fresh_name, until
from harness.wire import Lines, Sse, Wire, datas, poll

MESSAGES = 600
ROOMY = ["--history-messages", "100000", "--history-bytes", "64MiB", "--slow-reader", "64KiB"]


def filler(n):
    return f"{n}:" + "x" * 10000


def publish_until_dropped(program, name):
    """Publishes until the one reader of the channel was closed, and a while beyond."""
    with Wire(program.in_address) as wire:
        for n in range(MESSAGES):
            assert wire.get(f"/pub/{name}", method="POST", body=filler(n).encode()).response()[0] == 200
    program.until_waiting(name, 0)


def test_a_slow_event_stream_is_closed_and_resumes_with_nothing_lost(serve, name):
    program = serve(*ROOMY)
    with Sse(program, f"/sub/{name}", receive_buffer=4096) as stream:
        program.until_waiting(name)
        publish_until_dropped(program, name)
        blocks = stream.wire.rest().decode().split("\n\n")[:-1]
    heard, cursor = [], None
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        cursor = fields.get("id", cursor)
        heard += [fields["data"]] if fields.get("event") != "cursor" else []
    assert len(heard) < MESSAGES, "it was not slow enough to show anything"
    with Sse(program, f"/sub/{name}", Last_Event_ID=cursor) as stream:
        heard += stream.datas(MESSAGES - len(heard))
    assert heard == [filler(n) for n in range(MESSAGES)]


def test_a_slow_stream_is_closed_and_resumes_with_nothing_lost(serve, name):
    program = serve(*ROOMY)
    with Lines(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        publish_until_dropped(program, name)
        whole, _, _half = stream.wire.rest().rpartition(b"\n")
    items = [json.loads(line) for line in whole.splitlines()]
    heard = [item["data"] for item in items if "data" in item]
    assert len(heard) < MESSAGES, "it was not slow enough to show anything"
    with Lines(program, f"/sub/{name}?since={items[-1]['cursor']}") as stream:
        while len(heard) < MESSAGES:
            heard.append(stream.message()["data"])
    assert heard == [filler(n) for n in range(MESSAGES)]


def test_a_slow_websocket_is_closed_and_resumes_with_nothing_lost(serve, name):
    program = serve(*ROOMY)
    items = []
    with Frames(program, f"/sub/{name}") as frames:
        program.until_waiting(name)
        publish_until_dropped(program, name)
        while True:
            try:
                opcode, payload = frames.receive()
            except AssertionError:
                break  # the end, in the middle of a frame or not
            if opcode == CLOSE:
                assert payload[:2] == (1013).to_bytes(2, "big")
                break
            assert opcode == TEXT
            items.append(json.loads(payload))
    heard = [item["data"] for item in items if "data" in item]
    assert len(heard) < MESSAGES, "it was not slow enough to show anything"
    with Frames(program, f"/sub/{name}?since={items[-1]['cursor']}") as frames:
        while len(heard) < MESSAGES:
            item = json.loads(frames.until(TEXT))
            heard += [item["data"]] if "data" in item else []
    assert heard == [filler(n) for n in range(MESSAGES)]


def test_a_slow_reader_does_not_slow_the_others(serve, name):
    program = serve(*ROOMY)
    with Sse(program, f"/sub/{name}", receive_buffer=4096), Sse(program, f"/sub/{name}") as quick:
        program.until_waiting(name, 2)
        with Wire(program.in_address) as wire:
            for n in range(MESSAGES):
                assert wire.get(f"/pub/{name}", method="POST", body=filler(n).encode()).response()[0] == 200
                assert quick.event() == ("message", filler(n))
        program.until_waiting(name, 1)


def test_a_backlog_larger_than_the_slow_reader_limit_arrives_whole(serve, name):
    program = serve(*ROOMY)
    with Wire(program.in_address) as wire:
        for n in range(100):
            assert wire.get(f"/pub/{name}", method="POST", body=filler(n).encode()).response()[0] == 200
    with Sse(program, f"/sub/{name}?since=0", receive_buffer=4096) as stream:
        assert stream.datas(100) == [filler(n) for n in range(100)]


def test_one_message_larger_than_the_slow_reader_limit_arrives_whole(serve, name):
    program = serve(*ROOMY)
    data = "x" * (512 << 10)
    with Sse(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        program.publish(name, data)
        assert stream.event() == ("message", data)


def test_without_descriptors_it_goes_on_serving_those_it_has(serve, name):
    program = serve("--shards", "2", nofile=64)
    wires = [Wire(program.wait_address) for _ in range(250)]
    for wire in wires:
        wire.get(f"/sub/{name}", Accept="text/event-stream")
    until(lambda: program.stderr().count("accepting pauses"), "it says that it pauses")
    until(lambda: program.waiting(name) >= 20, "it holds those it could take")
    # Whatever may still be on its way in: the number must come to rest.
    count = -1
    while count != (count := program.waiting(name)):
        select.select([], [], [], 0.5)
    answer = program.post(name, "still here")
    assert answer["channels"][name]["waiting"] >= 20
    heard = [wire for wire in wires if _has(wire, b"data: still here\n\n", 0.0) or _has(wire, b"\n\n", 0.01)]
    assert len(heard) >= 20
    for wire in heard:
        assert _has(wire, b"data: still here\n\n", 30)
    said = [line for line in program.stderr().splitlines() if "accepting pauses" in line]
    assert len(said) <= 2, "said once a shard, not again and again"
    # Those who leave make room for those who wait.
    for wire in heard:
        wire.close()
    rest = [wire for wire in wires if wire not in heard]
    until(lambda: any(_has(wire, b"id: ", 0.01) for wire in rest), "the next ones are taken")
    for wire in rest:
        wire.close()


def _has(wire, mark, patience_s):
    """Whether `mark` has come, or comes in this time."""
    while mark not in wire.buffer:
        if not select.select([wire.socket], [], [], patience_s)[0] or not wire.more():
            return False
    return True


def test_more_input_than_a_client_has_leave_for_closes_it(program, name):
    """A client that pipelines megabytes behind a poll that waits is stopped; nobody buffers them."""
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}")
        program.until_waiting(name)
        wire.socket.settimeout(2)
        try:
            for _ in range(200):
                wire.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        else:
            raise AssertionError("7 MB were taken in")


def test_a_client_that_floods_a_stream_is_harmless(program, name):
    with Sse(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        for _ in range(100):
            stream.wire.send(b"noise " * 10000)
        program.publish(name, "still here")
        assert stream.event() == ("message", "still here")


def test_thousands_of_channels_on_one_server(serve, name):
    program = serve()
    with Wire(program.in_address) as wire:
        for n in range(3000):
            assert wire.get(f"/pub/{name}.{n}", method="POST", body=b"%d" % n).response()[0] == 200
    for n in (0, 1500, 2999):
        assert datas(poll(program, f"/sub/{name}.{n}?since=0")["messages"]) == [n]


def test_a_message_to_a_thousand_channels(program, name):
    names = [f"{name}.{n}" for n in range(1000)]
    with Lines(program, f"/sub/{names[0]},{names[-1]}") as stream:
        program.until_waiting(names[-1])
        answer = program.post(",".join(names), "to all")
        assert len(answer["channels"]) == 1000
        assert stream.message()["channels"] == [names[0], names[-1]]


def test_two_thousand_listeners_on_one_channel_all_hear(serve, name):
    program = serve()
    streams = [Sse(program, f"/sub/{name}") for _ in range(2000)]
    program.until_waiting(name, 2000)
    cursors = [program.publish(name, str(n)) for n in range(20)]
    for stream in streams:
        assert stream.datas(20) == [str(n) for n in range(20)]
        assert stream.last_id == cursors[-1]
        stream.wire.close()
    program.until_waiting(name, 0)


def test_the_log_never_holds_a_payload(serve, name):
    program = serve("--log-level", "trace")
    secret = fresh_name("secret")
    with Sse(program, f"/sub/{name}") as stream:
        program.publish(name, secret)
        assert stream.event() == ("message", secret)
    program.stop()
    assert not re.search(re.escape(secret), program.stderr() + program.stdout())
