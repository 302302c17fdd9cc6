"""Poison: a message that a client cannot take, so that it comes back to it again and again with the cursor that it had before."""

import json

import pytest
from harness.frames import TEXT, Frames
from harness.program import fresh_name, place, request, until
from harness.wire import Lines, Sse, Wire

LONG = 70_000
SETTINGS = """
[[wait]]
address = "127.0.0.1:0"
[[in]]
address = "127.0.0.1:0"
[[channel]]
match = "skip.*"
poison = "skip"
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    from harness.program import Program

    file = tmp_path_factory.mktemp("poison") / "settings.toml"
    file.write_text(SETTINGS)
    running = Program("--config", str(file), ports=False)
    yield running
    running.stop()


def left(program):
    """All connections of the WAIT line are over: the next one to come is nobody's neighbour."""
    until(lambda: program.metric("multiplexor_wait_connections") == 0, "all are gone")


# What a client is told in one visit, with the cursor it has: messages by their data (long ones by length), gaps, its cursor.


def sse(program, name, since, visit=None):
    with Sse(program, f"/sub/{name}?since={since}") as stream:
        told = [told_of(stream.event()) for _ in range(2)]
        cursor = stream.last_id
    left(program)
    return told, cursor


def told_of(event):
    kind, data = event
    return "gap" if kind == "gap" else short(data)


def short(data):
    return len(data) if isinstance(data, str) and len(data) > 100 else data


def stream(program, name, since):
    told, cursor = [], None
    with Lines(program, f"/sub/{name}?since={since}") as lines:
        while len(told) < 2:
            item = lines.object()
            told += ["gap"] if "gap" in item else [short(item["data"])] if "data" in item else []
            cursor = item.get("cursor", cursor)
    left(program)
    return told, cursor


def websocket(program, name, since):
    told, cursor = [], None
    with Frames(program, f"/sub/{name}?since={since}") as frames:
        while len(told) < 2:
            item = json.loads(frames.until(TEXT))
            told += ["gap"] if "gap" in item else [short(item["data"])] if "data" in item else []
            cursor = item.get("cursor", cursor)
    left(program)
    return told, cursor


def command(program, name, since):
    with Frames(program, "/sub/") as frames:
        frames.send(TEXT, json.dumps({"subscribe": [name], "since": since}))
        while "subscribed" not in (item := json.loads(frames.until(TEXT))):
            pass
    left(program)
    return ["gap"] * item.get("gap", False) + [short(message["data"]) for message in item["messages"]], item["cursor"]


def poll(program, name, since):
    with Wire(program.wait_address) as wire:
        _, _, body = wire.get(f"/sub/{name}?since={since}").response()
    left(program)
    item = json.loads(body)
    return ["gap"] * item.get("gap", False) + [short(message["data"]) for message in item["messages"]], item["cursor"]


def raw_poll(program, name, since):
    with Wire(program.wait_address) as wire:
        _, headers, body = wire.get(f"/sub/{name}?since={since}&raw=1").response()
    left(program)
    return ["gap"] * ("multiplexor-gap" in headers) + [short(body.decode())], headers["multiplexor-cursor"]


TRANSPORTS = [sse, stream, websocket, command, poll]


def with_poison(program, name, length=LONG):
    cursor = program.publish(name, "before")
    program.publish(name, "x" * length)
    program.publish(name, "after")
    return cursor


@pytest.mark.parametrize("visit", TRANSPORTS)
def test_who_comes_back_a_third_time_is_counted_and_shown(program, visit):
    name = fresh_name()
    cursor, before = with_poison(program, name), program.metric("multiplexor_wait_poison_total")
    for times in range(1, 5):
        assert visit(program, name, cursor)[0][0] == LONG
        assert program.metric("multiplexor_wait_poison_total") - before == (times >= 3), times
    shown = [entry for entry in program.ask("/refused")["refused"] if entry["what"] == name]
    assert [(entry["code"], entry["line"], entry["from"]) for entry in shown] == [("poison", "wait", "127.0.0.1")]
    assert f"{LONG} bytes" in shown[0]["detail"] and "3 times" in shown[0]["detail"]
    program.until_logged("comes back to the same message")


@pytest.mark.parametrize("visit", TRANSPORTS)
def test_without_a_rule_it_is_given_as_often_as_somebody_comes(program, visit):
    name = fresh_name()
    cursor = with_poison(program, name)
    assert [visit(program, name, cursor)[0][0] for _ in range(8)] == [LONG] * 8


@pytest.mark.parametrize("visit", TRANSPORTS)
def test_with_the_rule_the_sixth_is_taken_past_it_and_told(ruled, visit):
    name = fresh_name("skip.")
    cursor, before = with_poison(ruled, name), ruled.metric("multiplexor_wait_poison_skipped_total")
    for _ in range(5):
        assert visit(ruled, name, cursor)[0][0] == LONG
    assert ruled.metric("multiplexor_wait_poison_skipped_total") == before
    told, behind = visit(ruled, name, cursor)
    assert told == ["gap", "after"]
    assert ruled.metric("multiplexor_wait_poison_skipped_total") == before + 1
    ruled.publish(name, "later")
    ruled.publish(name, "last")
    assert visit(ruled, name, behind)[0] == ["later", "last"], "its cursor is behind it"
    assert visit(ruled, name, cursor)[0][0] == LONG, "another one gets it"


def test_a_raw_poll_is_told_by_its_header(ruled):
    name = fresh_name("skip.")
    cursor = with_poison(ruled, name)
    assert [raw_poll(ruled, name, cursor)[0] for _ in range(5)] == [[LONG]] * 5
    assert raw_poll(ruled, name, cursor)[0] == ["gap", "after"]


def test_the_last_message_of_all_is_skipped_too(ruled):
    name = fresh_name("skip.")
    cursor = ruled.publish(name, "before")
    poison = ruled.publish(name, "x" * LONG)
    for _ in range(5):
        assert poll(ruled, name, cursor)[0] == [LONG]
    told, behind = poll(ruled, name, cursor)
    assert told == ["gap"] and place(behind) >= place(poison)
    for _ in range(5):
        with Sse(ruled, f"/sub/{name}?since={cursor}") as stream:
            assert len(stream.event()[1]) == LONG
        left(ruled)
    with Sse(ruled, f"/sub/{name}?since={cursor}") as stream:
        assert stream.event()[0] == "gap"
        fields = dict(stream.block())
        assert fields["event"] == "cursor"
        assert place(fields["id"]) >= place(poison), "who is cut now does not come to it again"


def test_what_is_short_is_never_skipped(ruled):
    name = fresh_name("skip.")
    cursor = with_poison(ruled, name, length=30 << 10)
    assert [poll(ruled, name, cursor)[0][0] for _ in range(8)] == [30 << 10] * 8
    name = fresh_name("skip.")
    cursor = with_poison(ruled, name, length=(30 << 10) + 1)
    assert [poll(ruled, name, cursor)[0][0] for _ in range(7)] == [(30 << 10) + 1] * 5 + ["gap", (30 << 10) + 1]


def test_who_goes_on_is_not_counted(program):
    name = fresh_name()
    cursor, before = with_poison(program, name), program.metric("multiplexor_wait_poison_total")
    for _ in range(6):
        _, behind = poll(program, name, cursor)
        program.publish(name, "next")
        poll(program, name, behind)
    assert program.metric("multiplexor_wait_poison_total") == before


def test_those_who_are_there_together_are_not_one(ruled):
    name = fresh_name("skip.")
    cursor, before = with_poison(ruled, name), ruled.metric("multiplexor_wait_poison_total")
    crowd = [Sse(ruled, f"/sub/{name}?since={cursor}") for _ in range(20)]
    assert all(len(one.event()[1]) == LONG and one.event()[1] == "after" for one in crowd)
    assert ruled.metric("multiplexor_wait_poison_total") == before
    for one in crowd:
        one.wire.close()
    left(ruled)


def test_a_long_document_comes_in_parts_to_who_comes_back(program):
    name = fresh_name()
    cursor = program.publish(name, "before")
    for n in range(10):
        program.publish(name, "x" * (20_000 + n))
    told = []
    for _ in range(3):
        messages, behind = poll(program, name, cursor)
        told.append(len(messages))
    assert told == [10, 10, 1], "the third time it gets the first one alone"
    assert len(poll(program, name, behind)[0]) == 9


def test_the_largest_message_is_within_a_megabyte_in_every_envelope(program):
    """Libraries have limits of 1,000,000 or 1,048,576 bytes: a message of the default limit keeps the first one in all shapes."""
    name, event = "n" * 255, "e" * 255
    status, _, _ = request(program.in_address, "POST", f"/pub/{name}", b"x" * 999_001)
    assert status == 413
    headers = {"Multiplexor-Event": event, "Content-Type": "text/plain"}
    status, _, _ = request(program.in_address, "POST", f"/pub/{name}", b"x" * 999_000, headers)
    assert status == 200
    with Wire(program.wait_address) as wire:
        assert len(wire.get(f"/sub/{name}?since=0").response()[2]) <= 1_000_000
    for query in ("envelope=1", "raw=1"):
        with Wire(program.wait_address) as wire:
            wire.get(f"/sub/{name}?since=0&{query}", Accept="text/event-stream").head()
            blocks = [wire.until(b"\n\n"), wire.until(b"\n\n")]
            assert 999_000 < len(blocks[1]) <= 1_000_000
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}?since=0", Accept="application/x-ndjson").head()
        lines = [wire.until(b"\n"), wire.until(b"\n")]
        assert 999_000 < len(lines[1]) <= 1_000_000
    with Frames(program, f"/sub/{name}?since=0") as frames:
        texts = [frames.until(TEXT), frames.until(TEXT)]
        assert 999_000 < len(texts[1]) <= 1_000_000
