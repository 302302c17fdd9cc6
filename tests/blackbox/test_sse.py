"""Server-Sent Events as they go over the wire, line by line."""

import base64
import json
import re

import pytest
from harness.program import fresh_name, place, request
from harness.wire import Sse, poll


def test_the_first_words_are_retry_and_the_cursor(program, name):
    with Sse(program, f"/sub/{name}") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.headers
        fields = stream.block()
        assert [key for key, _ in fields] == ["retry", "event", "id", "data"]
        assert 1000 <= int(fields[0][1]) <= 3000
        assert re.fullmatch(r"a[0-9A-Za-z]{7,15}", fields[2][1])
        assert fields[1][1] == "cursor", "with an event, or Firefox forgets the id"
        data = json.loads(fields[3][1])
        assert data.pop("cursor") == fields[2][1], "JSON for those who look at no names"
        assert data.keys() == {"connection"}


def test_whoever_parses_all_data_as_json_finds_json(serve, name):
    """fetch-event-source and ten others look at no names: the data of all that is no message must be JSON, never empty."""
    program = serve("--heartbeat", "1s", "--history-messages", "1")
    since = program.publish(name, "{}")
    for _ in range(2):
        program.publish(name, "{}")
    with Sse(program, f"/sub/{name}?since={since}") as stream:
        blocks = [dict(stream.block()) for _ in range(5)]
        assert request(program.in_address, "DELETE", f"/channels/{name}")[0] == 200
        blocks.append(dict(stream.block()))
    assert [block.get("event") for block in blocks] == ["gap", "cursor", None, "cursor", "cursor", "deleted"]
    assert ["retry" in block for block in blocks] == [False, True, False, False, False, False]
    for block in blocks:
        json.loads(block["data"])


def test_the_advice_when_to_come_back_is_spread(program, name):
    advised = set()
    for _ in range(8):
        with Sse(program, f"/sub/{name}") as stream:
            advised.add(stream.block()[0])
    assert len(advised) > 1, "clients that lost their connections together would come back together"


def test_the_first_cursor_resumes_exactly(program, name):
    with Sse(program, f"/sub/{name}") as stream:
        while stream.last_id is None:
            stream.last_id = dict(stream.block()).get("id")
        cursor = stream.last_id
    program.publish(name, "missed")
    with Sse(program, f"/sub/{name}", Last_Event_ID=cursor) as stream:
        assert stream.event() == ("message", "missed")


@pytest.mark.parametrize("parameter", ["lastEventId", "last-event-id", "last_event_id"])
def test_the_last_id_may_be_in_the_query(program, name, parameter):
    """event-source-polyfill and reconnecting-eventsource resume only so."""
    first = program.publish(name, "1")
    second = program.publish(name, "2")
    program.publish(name, "3")
    with Sse(program, f"/sub/{name}?{parameter}={first}&since=0") as stream:
        assert stream.datas(2) == ["2", "3"], "it beats since"
    with Sse(program, f"/sub/{name}?{parameter}={first}", Last_Event_ID=second) as stream:
        assert stream.datas(1) == ["3"], "the header beats it"
    with Sse(program, f"/sub/{name}?{parameter}=strange") as stream:
        assert stream.event()[0] == "gap", "an EventSource would give up for good on a refusal"


def test_a_heartbeat_repeats_the_cursor(serve, name):
    program = serve("--heartbeat", "1s")
    other = fresh_name()
    with Sse(program, f"/sub/{name}") as stream:
        cursor = program.publish(name, "x")
        assert stream.event() == ("message", "x")
        assert stream.last_id == cursor
        fields = stream.block()
        assert [key for key, _ in fields] == ["event", "id", "data"]
        assert place(fields[1][1]) >= place(cursor)
        program.publish(other, "elsewhere")
        ids = [dict(stream.block())["id"] for _ in range(3)]
        assert ids == sorted(ids, key=place), "a cursor never goes back"
        assert all(place(cursor) <= place(id) for id in ids)


def test_one_channel_is_bare(program, name):
    program.publish(name, '{"a": 1}')
    with Sse(program, f"/sub/{name}?since=0") as stream:
        assert stream.event() == ("message", '{"a": 1}')


def test_envelope_puts_the_object_around(program, name):
    cursor = program.publish(name, "hello")
    with Sse(program, f"/sub/{name}?since=0&envelope=1") as stream:
        kind, data = stream.event()
        message = json.loads(data)
    assert kind == "message"
    assert message["cursor"] == cursor == stream.last_id
    assert (message["channel"], message["data"]) == (name, "hello")
    assert message["time"] > 1.7e9


def test_several_channels_come_in_the_envelope(program, name):
    other = fresh_name()
    program.publish(other, "hello")
    with Sse(program, f"/sub/{name},{other}?since=0") as stream:
        message = json.loads(stream.event()[1])
    assert (message["channel"], message["data"]) == (other, "hello")


def test_raw_is_bare_for_several_channels(program, name):
    other = fresh_name()
    program.publish(other, "hello")
    with Sse(program, f"/sub/{name},{other}?since=0&raw=1") as stream:
        assert stream.event() == ("message", "hello")


def test_text_of_several_lines_arrives_as_lines(program, name):
    for sent, seen in [
        ("a\nb", "a\nb"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\n", "\n"),
        ("a\n\n", "a\n\n"),
        (" leading", " leading"),
        ("id: forged\n\ndata: x", "id: forged\n\ndata: x"),
        ("", ""),
        ("ünï\u2028cödé", "ünï\u2028cödé"),
    ]:
        cursor = program.publish(name, sent)
        with Sse(program, f"/sub/{name}?tail=1") as stream:
            assert stream.event() == ("message", seen), repr(sent)
            assert stream.last_id == cursor


def test_an_event_has_the_name_its_publisher_gave(program, name):
    program.publish(name, "one", "?event=tick")
    program.publish(name, "two", Multiplexor_Event="tock")
    with Sse(program, f"/sub/{name}?since=0") as stream:
        assert stream.event() == ("tick", "one")
        assert stream.event() == ("tock", "two")


def test_binary_comes_in_the_envelope_as_base64(program, name):
    data = bytes(range(256))
    program.publish(name, data, Content_Type="application/octet-stream")
    for query in ["", "&raw=1", "&envelope=1"]:
        with Sse(program, f"/sub/{name}?since=0{query}") as stream:
            message = json.loads(stream.event()[1])
        assert message["base64"] is True
        assert base64.b64decode(message["data"]) == data


def test_bytes_that_are_no_text_are_binary(program, name):
    program.publish(name, b"\xff\xfe\x00")
    with Sse(program, f"/sub/{name}?since=0") as stream:
        message = json.loads(stream.event()[1])
    assert base64.b64decode(message["data"]) == b"\xff\xfe\x00"


def test_a_gap_is_told_without_an_id(serve, name):
    program = serve("--history-messages", "3")
    first = program.publish(name, "0")
    for n in range(1, 6):
        program.publish(name, str(n))
    with Sse(program, f"/sub/{name}?since={first}") as stream:
        events = []
        while not events or events[-1][1] != "5":
            fields = stream.block()
            data = [value for key, value in fields if key == "data"]
            event = dict(fields).get("event", "message")
            if any(data) and event != "cursor":
                events.append((event, data[0]))
                assert event != "gap" or "id" not in dict(fields)
    assert [kind for kind, _ in events] == ["gap", "message", "message", "message"]
    assert json.loads(events[0][1]) == {"channels": [name]}
    assert [data for _, data in events[1:]] == ["3", "4", "5"]


def test_nothing_is_told_when_nothing_was_lost(serve, name):
    program = serve("--history-messages", "3")
    cursors = [program.publish(name, str(n)) for n in range(6)]
    with Sse(program, f"/sub/{name}?since={cursors[2]}") as stream:
        assert [stream.event() for _ in range(3)] == [("message", "3"), ("message", "4"), ("message", "5")]


def test_all_history_is_no_gap_though_older_messages_are_gone(serve, name):
    program = serve("--history-messages", "3")
    for n in range(6):
        program.publish(name, str(n))
    document = poll(program, f"/sub/{name}?since=0")
    assert [message["data"] for message in document["messages"]] == [3, 4, 5]


def test_last_event_id_beats_since(program, name):
    first = program.publish(name, "one")
    second = program.publish(name, "two")
    program.publish(name, "three")
    with Sse(program, f"/sub/{name}?since={first}", Last_Event_ID=second) as stream:
        assert stream.event() == ("message", "three")


def test_a_cursor_of_another_epoch_gets_the_history_and_the_mark(serve, name):
    stranger = serve().publish(name, "elsewhere")
    program = serve()
    program.publish(name, "here")
    for headers, query in [({"Last_Event_ID": stranger}, ""), ({}, f"?since={stranger}")]:
        with Sse(program, f"/sub/{name}{query}", **headers) as stream:
            assert stream.event()[0] == "gap"
            assert stream.event() == ("message", "here")


def test_a_strange_last_event_id_is_of_another_epoch(program, name):
    program.publish(name, "here")
    with Sse(program, f"/sub/{name}", Last_Event_ID="what is this") as stream:
        assert stream.status == 200
        assert stream.event()[0] == "gap"
        assert stream.event() == ("message", "here")


def test_a_cursor_ahead_of_the_end_gets_the_mark(program, name):
    cursor = program.publish(name, "here")
    ahead = cursor[:7] + "zzzzzz"
    with Sse(program, f"/sub/{name}?since={ahead}") as stream:
        assert stream.event()[0] == "gap"
        assert stream.event() == ("message", "here")


def test_a_long_backlog_and_live_messages_make_one_order(serve, name):
    program = serve("--history-messages", "1000")
    for n in range(500):
        program.publish(name, str(n))
    with Sse(program, f"/sub/{name}?since=0") as stream:
        for n in range(500, 700):
            program.publish(name, str(n))
        assert stream.datas(700) == [str(n) for n in range(700)]


def test_any_list_of_channels_resumes_with_the_same_cursor(program, name):
    other = fresh_name()
    cursor = program.publish(name, "seen")
    program.publish(other, "of the other")
    program.publish(name, "of the first")
    with Sse(program, f"/sub/{other},{name}", Last_Event_ID=cursor) as stream:
        messages = [json.loads(data) for data in stream.datas(2)]
    assert [(message["channel"], message["data"]) for message in messages] == [
        (other, "of the other"),
        (name, "of the first"),
    ]


def test_a_large_message_arrives_whole(program, name):
    data = "x" * (900 << 10)
    with Sse(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        program.publish(name, data)
        assert stream.event() == ("message", data)
