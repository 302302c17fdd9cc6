"""The endless HTTP stream: a JSON object a line, or a payload a line."""

from harness.program import fresh_name, place
from harness.wire import Lines


def test_the_first_line_is_the_cursor(program, name):
    with Lines(program, f"/sub/{name}") as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "application/x-ndjson"
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        first = stream.object()
    assert set(first) == {"cursor", "connection"}
    program.publish(name, "missed")
    with Lines(program, f"/sub/{name}?since={first['cursor']}") as stream:
        assert stream.message()["data"] == "missed"


def test_a_message_is_a_line(program, name):
    other = fresh_name()
    with Lines(program, f"/sub/{name},{other}") as stream:
        program.until_waiting(other)
        cursor = program.publish(other, "two\nlines", "?event=tick")
        message = stream.message()
    assert message.pop("time") > 1.7e9
    assert message == {"cursor": cursor, "channel": other, "event": "tick", "data": "two\nlines"}


def test_a_heartbeat_is_the_cursor_again(serve, name):
    program = serve("--heartbeat", "1s")
    cursor = program.publish(name, "x")
    with Lines(program, f"/sub/{name}?since={cursor}") as stream:
        beats = [stream.object() for _ in range(3)]
    assert [set(beat) for beat in beats] == [{"cursor", "connection"}, {"cursor"}, {"cursor"}]
    places = [place(beat["cursor"]) for beat in beats]
    assert place(cursor) <= places[0] and places == sorted(places), "a cursor never goes back"


def test_a_gap_is_a_line(serve, name):
    program = serve("--history-messages", "1")
    first = program.publish(name, "0")
    program.publish(name, "1")
    program.publish(name, "2")
    with Lines(program, f"/sub/{name}?since={first}") as stream:
        assert stream.object() == {"gap": True, "channel": name}, "before the cursor, which may be past it"
        assert set(stream.object()) == {"cursor", "connection"}
        assert stream.object()["data"] == 2


def test_transport_is_chosen_by_query_over_accept(program, name):
    with Lines(program, f"/sub/{name}?transport=stream", Accept="text/event-stream") as stream:
        assert stream.headers["content-type"] == "application/x-ndjson"


def test_a_raw_stream_is_payloads_and_line_feeds(program, name):
    for data in ["one", '{"a": 1}', ""]:
        program.publish(name, data)
    with Lines(program, f"/sub/{name}?since=0&raw=1") as stream:
        assert stream.wire.until(b"}\n") == b'one\n{"a": 1}\n'
        assert stream.wire.until(b"\n") == b"\n"


def test_every_line_is_one_line_whatever_the_data(program, name):
    for data in ['{"a":\r\n 1}\n', "a\r\nb", " 42 ", "\u2028"]:
        program.publish(name, data)
    with Lines(program, f"/sub/{name}?since=0") as stream:
        assert [stream.message()["data"] for _ in range(4)] == [{"a": 1}, "a\r\nb", 42, "\u2028"]


def test_a_thousand_channels_on_one_connection(program, name):
    names = [f"{name}.{n}" for n in range(1000)]
    with Lines(program, "/sub/", body="\n".join(names).encode()) as stream:
        program.until_waiting(names[999])
        for n in (0, 500, 999):
            program.publish(names[n], str(n))
        assert [stream.message()["channel"] for _ in range(3)] == [names[0], names[500], names[999]]
