"""Cursors that are forged, ancient, or from the future: on every transport they are told, and nothing breaks."""

import json
import random

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, request
from harness.wire import Wire

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TRANSPORTS = ["poll", "sse", "last-event-id", "stream", "ws", "history"]


@pytest.fixture(scope="module")
def kept():
    """A program that has trimmed the first five of ten messages; and their cursors."""
    running = Program("--history-messages", "5", "--poll-timeout", "200ms")
    cursors = [running.publish("a", str(n)) for n in range(10)]
    yield running, cursors
    running.stop()


def told(program, transport, cursor):
    """The status; and, of those who are let in, the numbers they are given and whether a gap is told."""
    wire = Wire(program.wait_address)
    if transport == "history":
        status, _, body = request(program.in_address, "GET", f"/channels/a/history?since={cursor}")
        answer = json.loads(body)
        return status, [str(m["data"]) for m in answer.get("messages", [])], bool(answer.get("gap"))
    if transport == "poll":
        status, _, body = wire.get(f"/sub/a?since={cursor}").response()
        answer = json.loads(body)
        wire.close()
        return status, [str(m["data"]) for m in answer.get("messages", [])], bool(answer.get("gap"))
    if transport == "ws":
        with Frames(program, f"/sub/a?since={cursor}") as frames:
            if frames.status != 101:
                return frames.status, [], False
            program.publish("a", "end?ttl=0", "?ttl=0")
            items = []
            while not items or items[-1].get("data") != "end?ttl=0":
                items.append(json.loads(frames.until(TEXT)))
            numbers = [str(item["data"]) for item in items if "data" in item][:-1]
            return 200, numbers, any("gap" in item for item in items)
    headers = {"Accept": "application/x-ndjson" if transport == "stream" else "text/event-stream"}
    query = "" if transport == "last-event-id" else f"?since={cursor}"
    if transport == "last-event-id":
        headers["Last_Event_ID"] = cursor
    wire.get(f"/sub/a{query}", **headers)
    status, _ = wire.head()
    if status != 200:
        wire.close()
        return status, [], False
    program.until_waiting("a")
    program.publish("a", "end?ttl=0", "?ttl=0")
    text = wire.until(b"end?ttl=0").decode()
    wire.close()
    program.until_waiting("a", 0)
    if transport == "stream":
        items = [json.loads(line) for line in text.split("\n")[:-1] if line]
        return status, [str(item["data"]) for item in items if "data" in item], any("gap" in item for item in items)
    blocks = [dict(line.split(": ", 1) for line in block.split("\n") if ": " in line) for block in text.split("\n\n")]
    numbers = [b["data"] for b in blocks if b.get("event", "message") == "message" and b.get("data", "").isdigit()]
    return status, numbers, any(block.get("event") == "gap" for block in blocks)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_good_cursor_is_exact_an_ancient_one_and_one_of_the_future_are_told(kept, transport):
    program, cursors = kept
    held = ["5", "6", "7", "8", "9"]
    assert told(program, transport, cursors[6]) == (200, ["7", "8", "9"], False)
    assert told(program, transport, cursors[4]) == (200, held, False), "nothing behind it was trimmed"
    assert told(program, transport, cursors[2]) == (200, held, True), "ancient"
    first = cursors[0][:7]
    assert told(program, transport, first + "0") == (200, held, True), "before the first"
    assert told(program, transport, first + "zzzz") == (200, held, True), "ahead of the end"
    other = first[:6] + ("1" if first[6] != "1" else "2")
    assert told(program, transport, other + cursors[6][7:]) == (200, held, True), "of another order"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_forged_cursor_is_refused_in_words_or_told_and_never_breaks_anything(kept, transport):
    program, cursors = kept
    chance, good = random.Random(4711), cursors[6]
    forged = [good[0], good[:6], good[:7], good + "0" * 20, "b" + good[1:], good[:7] + "-1", good[:7] + "%00"]
    forged += [good[:7] + "zzzzzzzzz", good[:7] + "zzzzzzzzzz", "a" * 1000, "a%F0%9F%92%A5", "0x10", "-5", "1e99", "NaN"]
    for _ in range(40):
        at, digit = chance.randrange(len(good)), chance.choice(DIGITS + "-_.~")
        forged.append(good[:at] + digit + good[at + 1 :])
    refused = 0
    for cursor in forged:
        status, numbers, _ = told(program, transport, cursor)
        # A line of an event stream that browsers send back must never lock its client out.
        assert status in (200, 400), (cursor, status)
        refused += status == 400
        assert numbers in ([str(n) for n in range(first, 10)] for first in range(5, 11)), (cursor, numbers)
    assert refused or transport == "last-event-id", "none was refused"
    assert told(program, transport, good) == (200, ["7", "8", "9"], False)
