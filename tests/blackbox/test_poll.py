"""Long polls: they wait, answer once with all that is due, and their cursors chain without a hole."""

import json
import threading
import time

from harness.program import fresh_name, place
from harness.wire import Wire, datas, poll


def test_a_poll_that_hears_nothing_ends_with_its_cursor(serve, name):
    program = serve("--poll-timeout", "1s")
    document = poll(program, f"/sub/{name}")
    assert document["messages"] == []
    assert "gap" not in document
    program.publish(name, "later")
    assert datas(poll(program, f"/sub/{name}?since={document['cursor']}")["messages"]) == ["later"]


def test_a_poll_waits_as_long_as_it_says(program, name):
    begun = time.monotonic()
    first = poll(program, f"/sub/{name}?wait=0")
    assert first["messages"] == []
    program.publish(name, "due")
    due = poll(program, f"/sub/{name}?wait=0&since={first['cursor']}")
    assert datas(due["messages"]) == ["due"]
    assert time.monotonic() - begun < 20, "shorter than the program would wait by itself"
    assert poll(program, f"/sub/{name}?wait=1&since={due['cursor']}")["messages"] == []
    with Wire(program.wait_address) as wire:
        status, _, body = wire.get(f"/sub/{name}?wait=soon").response()
    assert (status, json.loads(body)["code"]) == (400, "number")


def test_a_poll_is_told_that_there_is_more_than_one_answer_holds(program, name):
    for number in range(70):
        program.publish(name, str(number))
    first = poll(program, f"/sub/{name}?since=0")
    rest = poll(program, f"/sub/{name}?since={first['cursor']}")
    assert (len(first["messages"]), first["more"]) == (64, True)
    assert (len(rest["messages"]), "more" in rest) == (6, False)


def test_a_poll_is_told_of_a_deleted_channel(program, name):
    other = fresh_name()
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name},{other}")
        program.until_waiting(name)
        with Wire(program.in_address) as asking:
            assert asking.get(f"/channels/{name}", method="DELETE").response()[0] == 200
        document = json.loads(wire.response()[2])
        assert (document["messages"], document["deleted"]) == ([], name)
        wire.get(f"/sub/{name},{other}?since={document['cursor']}")
        program.until_waiting(name)
        program.publish(name, "to the new channel of that name")
        document = json.loads(wire.response()[2])
        assert (datas(document["messages"]), "deleted" in document) == (["to the new channel of that name"], False)


def test_the_first_poll_is_from_now_on(program, name):
    program.publish(name, "before")
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}")
        program.until_waiting(name)
        program.publish(name, "after")
        assert b'"after"' in wire.response()[2]


def test_several_messages_come_in_one_document(program, name):
    first = program.publish(name, "one")
    for data in ["two", "three", "four"]:
        last = program.publish(name, data)
    document = poll(program, f"/sub/{name}?since={first}")
    assert datas(document["messages"]) == ["two", "three", "four"]
    assert document["messages"][-1]["cursor"] == last
    assert place(document["cursor"]) >= place(last)


def test_polls_under_publishing_miss_nothing(serve, name):
    program = serve("--history-messages", "100000", "--history-bytes", "64MiB")
    count = 3000
    cursor, heard = program.publish(name, "0"), []

    def publish():
        with Wire(program.in_address) as wire:
            for n in range(1, count):
                assert wire.get(f"/pub/{name}", method="POST", body=b"%d" % n).response()[0] == 200

    publisher = threading.Thread(target=publish)
    publisher.start()
    with Wire(program.wait_address) as wire:
        while not heard or heard[-1] != count - 1:
            document = json.loads(wire.get(f"/sub/{name}?since={cursor}").response()[2])
            heard += datas(document["messages"])
            cursor = document["cursor"]
    publisher.join()
    assert heard == list(range(1, count))


def test_a_gap_is_told(serve, name):
    program = serve("--history-messages", "2")
    first = program.publish(name, "0")
    for n in range(1, 5):
        program.publish(name, str(n))
    document = poll(program, f"/sub/{name}?since={first}")
    assert document["gap"] is True
    assert datas(document["messages"]) == [3, 4]


def test_a_raw_poll_is_one_payload(program, name):
    first = program.publish(name, "<b>one</b>", "?event=tick", Content_Type="text/html")
    second = program.publish(name, b"\x00\xff", Content_Type="image/png")
    with Wire(program.wait_address) as wire:
        status, headers, body = wire.get(f"/sub/{name}?since=0&raw=1").response()
        assert (status, headers["content-type"], body) == (200, "text/html", b"<b>one</b>")
        assert headers["multiplexor-cursor"] == first
        assert headers["multiplexor-event"] == "tick"
        assert "Multiplexor-Cursor" in headers["access-control-expose-headers"]
        status, headers, body = wire.get(f"/sub/{name}?since={first}&raw=1").response()
        assert (status, headers["content-type"], body) == (200, "image/png", b"\x00\xff")
        assert headers["multiplexor-cursor"] == second


def test_a_raw_poll_that_hears_nothing_has_its_cursor_alone(serve, name):
    program = serve("--poll-timeout", "1s")
    cursor = program.publish(name, "x")
    with Wire(program.wait_address) as wire:
        status, headers, body = wire.get(f"/sub/{name}?since={cursor}&raw=1").response()
    assert (status, body) == (204, b"")
    assert place(headers["multiplexor-cursor"]) >= place(cursor)


def test_a_raw_poll_tells_a_gap_and_then_goes_on(serve, name):
    program = serve("--history-messages", "2")
    first = program.publish(name, "0")
    for n in range(1, 5):
        program.publish(name, str(n))
    with Wire(program.wait_address) as wire:
        status, headers, body = wire.get(f"/sub/{name}?since={first}&raw=1").response()
        assert (status, headers["multiplexor-gap"], body) == (200, "true", b"3")
        cursor = headers["multiplexor-cursor"]
        status, headers, body = wire.get(f"/sub/{name}?since={cursor}&raw=1").response()
        assert (status, body) == (200, b"4")
        assert "multiplexor-gap" not in headers


def test_many_polls_get_the_same_message(program, name):
    other = fresh_name()
    wires = [Wire(program.wait_address).get(f"/sub/{name},{other}") for _ in range(200)]
    program.until_waiting(name, 200)
    answer = program.post(name, "to all")
    assert answer["channels"][name] == {"waiting": 200, "online": True}
    for wire in wires:
        with wire:
            assert b'"to all"' in wire.response()[2]
    program.until_waiting(name, 0)


def test_a_backlog_of_more_than_a_page_loses_nothing(serve, name):
    program = serve("--history-messages", "1000")
    for n in range(300):
        program.publish(name, str(n))
    cursor, heard = "0", []
    while len(heard) < 300:
        document = poll(program, f"/sub/{name}?since={cursor}")
        assert document["messages"]
        heard += datas(document["messages"])
        cursor = document["cursor"]
    assert heard == list(range(300))
